"""What .gitignore says, by git's own word."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devproxy.watch.gitignore import gitignore_of

NAMES = ("a", "ab", "a.log", "b.log", "x.d", "#c", "!e", "s p", "t ", "1", "a]", "a\\b")
FOLDERS = ("", "foo/", "foo/a/", "foo/bar/", "foo/bar/foo/", "bar/")
FILES = tuple(folder + name for folder in FOLDERS for name in NAMES if folder + name != "foo/a")


def git(repository: Path, *arguments: str, text: str = "") -> str:
    command = ["git", "-c", "core.excludesFile=/dev/null", "-C", str(repository), *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).stdout


def ours_and_gits(repository: Path, written: dict[str, str]) -> tuple[set[str], set[str]]:
    """Which paths of a repository with these .gitignore files are ignored: as we say, as git says."""
    for folder, text in written.items():
        (repository / folder / ".gitignore").write_text(text)
    folders = [folder.rstrip("/") for folder in FOLDERS if folder]
    top = str(repository)
    gitignore = gitignore_of(top, top)
    ours = {path for path in FILES if gitignore.ignores(f"{top}/{path}")}
    ours |= {path for path in folders if gitignore.ignores(f"{top}/{path}", True)}
    theirs = git(repository, "check-ignore", "-z", "--no-index", "--stdin", text="\0".join((*FILES, *folders)))
    return ours, set(theirs.split("\0")) - {""}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("repository")
    git(made, "init", "--quiet")
    for path in FILES:
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).touch()
    return made


@pytest.mark.parametrize(
    "text",
    [
        *("a", "a/", "/a", "foo", "foo/", "/foo/", "bar/", "/bar", "foo/bar", "foo/a", "oo/bar"),
        *("*.log", "*.log\n!a.log", "!a.log\n*.log", "foo/*\n!foo/bar", "foo/*\n!foo/bar/", "foo\n!foo/a"),
        *("**/foo", "**/foo/", "foo/**", "foo/**/a", "foo/**/foo", "**", "*", "/*", "/*\n!/foo", "/**", "a**", "***"),
        *("foo/*/a", "*/a", "foo/*", "f*o/bar", "?", "?.log", "f?o", "foo?bar", "fo**/bar", "foo**bar", "**bar/a"),
        *("[ab]", "[!a]", "[^a]", "[a-b].log", "[b-a]", "[]a]*", "a[]]", "[a-]b", "[[:digit:]]", "[![:alpha:]]*"),
        *(
            "[[:nonsense:]]",
            "[[::]]",
            "[[:digit:]",
            "[[:]*",
            "[]",
            "[!]",
            "[a",
            "a[",
            "foo[/]bar",
            "foo[!a]bar",
            "[\\]a]*",
            "a\\",
            "\\a",
            "a\\\\b",
            "\\*",
        ),
        *("#c", "\\#c", "!e", "\\!e", "# a\n\nab", "!", "/", "//", "s p", "s\\ p", "a ", "t\\ ", "t ", "t\\  ", " a"),
        *("a\r\nb.log\r\n", "\ufeffa", "a\nb.log", "(a)", "a.b", "a.l.g", "a|ab", "foo/bar/\n!foo/bar/a"),
    ],
)
def test_a_file_says_what_it_says_to_git(repository: Path, text: str) -> None:
    ours, gits = ours_and_gits(repository, {"": text, "foo": ""})
    assert ours == gits


def test_the_nearest_file_has_the_last_word_but_no_folder_comes_back(repository: Path) -> None:
    ours, gits = ours_and_gits(repository, {"": "*.log\nbar/\n", "foo": "!a.log\n/x.d\nbar/a\n", "bar": "!a\n"})
    (repository / "bar/.gitignore").unlink()
    assert ours == gits
    assert "foo/b.log" in ours
    assert "foo/a.log" not in ours
    assert "bar/a" in ours


TOKENS = st.sampled_from(
    ["a", "b", "/", "*", "**", "?", "!", "[", "]", "\\", "-", " ", "foo", "bar", ".log", "[ab]", "**/"]
)
LINES = st.lists(st.lists(TOKENS, max_size=6).map("".join), max_size=4).map("\n".join)


@settings(max_examples=60, deadline=None)
@given(top=LINES, nested=LINES)
def test_any_file_says_what_it_says_to_git(repository: Path, top: str, nested: str) -> None:
    ours, gits = ours_and_gits(repository, {"": top, "foo": nested})
    assert ours == gits


def test_a_root_that_is_ignored_itself_was_named_all_the_same(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("dist/\n*.log\n")
    dist, top = str(tmp_path / "dist"), str(tmp_path)
    assert not gitignore_of(dist, top).ignores(f"{dist}/a.js")
    assert gitignore_of(top, top).ignores(f"{dist}/a.js")


def test_without_a_repository_the_folders_above_have_no_say(tmp_path: Path) -> None:
    (tmp_path / "app/sub").mkdir(parents=True)
    (tmp_path / ".gitignore").write_text("a\n")
    (tmp_path / "app/.gitignore").write_text("b\n")
    app = str(tmp_path / "app")
    for root in (app, f"{app}/sub"):
        gitignore = gitignore_of(root, app)
        assert (gitignore.ignores(f"{root}/a"), gitignore.ignores(f"{root}/b")) == (False, True)
