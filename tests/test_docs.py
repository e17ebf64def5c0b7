"""What the documentation says is so: commands, options, links, paths, examples, numbers."""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from devproxy import __version__, errors
from devproxy.cli import app
from devproxy.config.load import load
from devproxy.config.model import Hold
from devproxy.control.endpoints import ENDPOINTS
from devproxy.control.resources import not_yet
from devproxy.proxy.hold import Action, Kind, decide

ROOT = Path(__file__).parents[1]
FENCED = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
TOP = tuple(f"{name}/" for name in (".ci", "bench", "completions", "devproxy", "docs", "examples", "scripts", "tests"))


@cache
def tracked() -> tuple[Path, ...]:
    """The project's files, as git sees them: those that are to be added count too."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout
    return tuple(path for name in sorted(set(listed.split("\0")) - {""}) if (path := ROOT / name).is_file())


PAGES = [path for path in tracked() if path.suffix == ".md"]
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(path: Path) -> str:
    """The page without its blocks of code."""
    return FENCED.sub("", text_of(path))


def blocks(path: Path, *languages: str) -> list[str]:
    return [body for _, language, body in FENCED.findall(text_of(path)) if language in languages]


def table(path: Path, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without the table's own head."""
    section = re.split(rf"^#+ {re.escape(heading)}\n", text_of(path), maxsplit=1, flags=re.MULTILINE)[1]
    lines = re.search(r"^\|.*?(?=^[^|]|\Z)", section, re.MULTILINE | re.DOTALL)
    assert lines, heading
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[0].strip().splitlines()[2:]]


# -- commands


def documented_commands(path: Path) -> Iterator[list[str]]:
    """The words of every devproxy command line that a page shows."""
    for _, language, body in FENCED.findall(text_of(path)):
        for line in body.splitlines():
            if line.strip().startswith("$ "):
                yield from commands_in(re.split(r" {2,}", line.strip()[2:])[0])  # help explains behind two spaces
            elif language in ("sh", "bash"):
                yield from commands_in(line)
    for span in SPAN.findall(prose(path)):
        if span.startswith("devproxy ") and "…" not in span:
            yield from commands_in(span)


def commands_in(line: str) -> Iterator[list[str]]:
    """Each simple command of a shell's line that runs devproxy, without the word devproxy."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split = True
    words: list[str] = []
    for token in [*lexer, ";"]:
        if set(token) <= set(";&|()"):
            if words and words[0] == "devproxy":
                yield words[1:]
            words = []
        else:
            words.append(token)


def parse(words: list[str]) -> None:
    """Parse a command line as devproxy would, and run nothing. Raises: what the parser has against it."""
    if not words or words[0].startswith("-"):
        assert set(words) <= {"--version", "--help", "-h"}
        return
    command = app.build().get_command(SimpleNamespace(resilient_parsing=False), words[0])
    if len(words) > 1:  # one word only names the command
        with suppress(typer.Exit):  # --help
            command.make_context(words[0], words[1:])


@EACH_PAGE
def test_every_command_that_is_shown_can_be_typed(page: Path) -> None:
    for words in documented_commands(page):
        try:
            parse(words)
        except Exception as error:  # noqa: BLE001 - the parser's classes are not public
            pytest.fail(f"devproxy {' '.join(words)}: {error}")


@pytest.mark.parametrize(
    "wrong",
    ["devproxy upp", "devproxy up --wiat", "true && devproxy logs --tail 5", "devproxy up --port web", "devproxy -x"],
)
def test_a_command_that_cannot_be_typed_is_noticed(wrong: str) -> None:
    (words,) = commands_in(wrong)
    with pytest.raises(Exception):  # noqa: B017 - the parser's classes are not public
        parse(words)


def test_the_readme_shows_commands() -> None:
    shown = {words[0] for words in documented_commands(ROOT / "README.md") if words}
    assert {"up", "down", "logs", "plan", "init", "restart", "kill-port", "proxy"} <= shown


def test_the_readme_opens_with_the_two_commands_that_set_everything_up() -> None:
    first = blocks(ROOT / "README.md", "sh")[0].splitlines()
    assert [line.split()[0] for line in first] == ["scripts/demo", "scripts/test"]
    assert text_of(ROOT / "README.md").index("```") < len("# devproxy") + 5


def test_the_command_line_page_has_every_command_in_helps_order() -> None:
    headings = re.findall(r"^### devproxy ([\w-]+)$", text_of(ROOT / "docs/cli.md"), re.MULTILINE)
    assert headings == [entry.name for entry in app.SHOWN]


@pytest.mark.parametrize("entry", app.SHOWN, ids=lambda entry: entry.name)
def test_the_command_line_page_has_every_option_with_its_help(entry: app.Entry) -> None:
    section = text_of(ROOT / "docs/cli.md").split(f"### devproxy {entry.name}\n", 1)[1].split("\n### ", 1)[0]
    said = " ".join(section.split())
    for param in app.load(entry).params:
        for form in param.opts if param.param_type_name == "option" else ():
            assert form in said
        assert " ".join((param.help or "").split()) in said


def test_the_exit_codes_are_those_of_the_errors() -> None:
    codes = {int(row[0]) for row in table(ROOT / "docs/cli.md", "Exit codes")}
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.DevproxyError)]
    assert codes == {one.exit_code for one in classes} | {0, 130}


def test_every_endpoint_is_on_the_command_line_page() -> None:
    api = text_of(ROOT / "docs/cli.md").split("## The control API\n", 1)[1]
    served = [one.path for one in ENDPOINTS if one.answer is not not_yet and one.path.startswith("/api")]
    ends = {path: path.replace("{name}", "NAME").rsplit("/", 1)[1] for path in served}
    assert [path for path, end in ends.items() if not re.search(rf"[`/]{re.escape(end)}[`?]", api)] == []


# -- links, paths, names


@EACH_PAGE
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings, and those it sets itself."""
    text = prose(path)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))


@EACH_PAGE
def test_every_file_that_is_named_exists(page: Path) -> None:
    spans = [span for span in SPAN.findall(prose(page)) if re.fullmatch(r"[\w./-]+", span)]
    ours = [span for span in spans if span.startswith(TOP) and span not in generated(page)]
    assert [span for span in ours if not (ROOT / span).exists()] == []


def generated(page: Path) -> set[str]:
    """Names on a page that are examples: "proxy/headers.py → tests/proxy/test_headers.py"."""
    return {name for pair in re.findall(r"`([^`\n]+)` → `([^`\n]+)`", prose(page)) for name in pair}


def test_the_map_has_every_part_and_nothing_else() -> None:
    drawn = blocks(ROOT / "docs/ARCHITECTURE.md", "text")[0]
    folders = set(re.findall(r"^  (\w+)/ ", drawn, re.MULTILINE))
    assert folders == {path.parent.name for path in (ROOT / "devproxy").glob("*/__init__.py")}
    modules = {path.name for path in (ROOT / "devproxy").glob("*.py")} - {"__init__.py", "__main__.py"}
    assert set(re.findall(r"\w+\.py", drawn.splitlines()[-1])) == modules


def test_every_file_of_the_architecture_exists() -> None:
    page = ROOT / "docs/ARCHITECTURE.md"
    spans = {span for span in SPAN.findall(prose(page)) if re.fullmatch(r"\w+/\w+\.py", span)}
    assert len(spans) > 8
    assert [span for span in spans if not ((ROOT / "devproxy" / span).exists() or (ROOT / span).exists())] == []
    for folder, names in re.findall(r"^  (\w+)/(.*?)(?=^  \w)", blocks(page, "text")[0], re.MULTILINE | re.DOTALL):
        for name in re.findall(r"\b\w+\.py\b", names):
            assert (ROOT / "devproxy" / folder / name).exists(), f"{folder}/{name}"


def test_every_library_we_stand_on_has_its_reason() -> None:
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    names = [re.split(r"[^\w-]", line, maxsplit=1)[0] for line in project["project"]["dependencies"]]
    rows = table(ROOT / "docs/ARCHITECTURE.md", "What we stand on")
    assert sorted(row[0] for row in rows) == sorted(names)
    assert [row[0] for row in rows if len(row[1]) < 30] == []
    tools = [re.split(r"[^\w-]", line, maxsplit=1)[0] for line in project["dependency-groups"]["dev"]]
    said = text_of(ROOT / "docs/ARCHITECTURE.md").split("Only for development:", 1)[1]
    assert [tool for tool in tools if tool not in said] == []


def test_the_changelog_begins_with_this_version() -> None:
    found = re.search(r"^## \[(.+?)\]", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert found is not None
    assert found[1] == __version__


# Whoever reads these files knows neither where they were written nor where their dependencies were got.
FORBIDDEN = re.compile(
    "|".join(
        [
            r"(?<![\w.~}-])/work/\w",
            *(
                re.escape(".".join(parts))
                for parts in (
                    ("pypi", "org"),
                    ("files", "pythonhosted"),
                    ("registry", "npmjs"),
                    ("registry", "yarnpkg"),
                    ("static", "crates"),
                    ("proxy", "golang"),
                )
            ),
        ]
    )
)


def test_no_file_names_a_package_registry_or_the_folder_it_was_written_in() -> None:
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" in data:
            continue
        lines = data.decode("utf-8", "replace").splitlines()
        found += [
            f"{path.relative_to(ROOT)}:{n}: {line[:100]}" for n, line in enumerate(lines, 1) if FORBIDDEN.search(line)
        ]
    assert found == []


# -- examples and numbers

EXAMPLES = blocks(ROOT / "README.md", "toml")


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_readmes_configs_load(tmp_path: Path, example: str) -> None:
    for folder in ("frontend", "backend"):
        (tmp_path / folder).mkdir()
    (tmp_path / "devproxy.toml").write_text(example, encoding="utf-8")
    config = load(tmp_path)
    assert config is not None
    assert {"/", "/api"} <= {route.prefix for route in config.routes}


def test_the_readme_has_configs() -> None:
    assert len(EXAMPLES) >= 2


@cache
def sources() -> str:
    """The words of the program, as one text."""
    return " ".join(re.sub(r"\{[^{}]*\}", " … ", text_of(path)) for path in (ROOT / "devproxy").rglob("*.py"))


@pytest.mark.parametrize("row", table(ROOT / "README.md", "Troubleshooting"), ids=lambda row: row[0][:40])
def test_the_messages_in_troubleshooting_are_ours(row: list[str]) -> None:
    for message in SPAN.findall(row[0]):
        words = re.sub(r"[^\w:;]+", " ", message).split()
        if len(words) < 3 or message.startswith("localhost"):
            continue
        size = min(3, len(words) - 1)  # one of them is a service's name
        runs = [" ".join(words[at : at + size]) for at in range(len(words) - size + 1)]
        spoken = " ".join(re.sub(r"[^\w:;]+", " ", sources()).split())
        assert any(run in spoken for run in runs), message


KINDS = (Kind.DOCUMENT, Kind.FETCH, Kind.UNSAFE, Kind.EVENTS, Kind.WEBSOCKET)
ROWS: tuple[tuple[str, ...], ...] = (
    ("starting", "restarting"),
    ("crashed", "failing"),
    ("ready",),
    ("stopped", "done"),
    ("blocked",),
)


def test_what_waits_is_what_the_table_says() -> None:
    rows = table(ROOT / "docs/ARCHITECTURE.md", "What waits")
    assert len(rows) == len(ROWS)
    first = rows[0]
    for states, row in zip(ROWS, rows, strict=True):
        for at, kind in enumerate(KINDS, 1):
            cell = {"the same": row[1], "waits, as above": first[at]}.get(row[at], row[at])
            for state in states:
                check(cell, kind, state)


def check(cell: str, kind: Kind, state: str) -> None:
    hold = Hold()
    refused: dict[str, Any] = {"refused": 0.0} if state == "ready" else {}
    decision = decide(kind, state, 0.0, hold, **refused)
    if decision.action is Action.WAIT:
        assert f"{decision.seconds:g} s" in cell, (state, kind)
        late = {"refused": 1e6} if refused else {}
        decision = decide(kind, state, 1e6, hold, **late)
    expected = "closed" if decision.action is Action.DROP else str(decision.status)
    assert expected in cell, (state, kind)


def test_the_pages_that_the_program_names_exist() -> None:
    named = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in (ROOT / "devproxy").rglob("*.py")
        for name in re.findall(r"\bdocs/[\w-]+\.md\b", text_of(path))
    }
    assert len(named) > 3
    assert [pair for pair in named if not (ROOT / pair[1]).exists()] == []
