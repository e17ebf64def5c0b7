"""What a child finds in its environment, and who wins."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from devproxy.processes.environment import Environment, Value, build
from tests.processes.stage import Stage, play, python, spec

ORIGIN = "http://localhost:4400"


def built(
    shell: dict[str, str] | None = None,
    *,
    port: int | None = None,
    tty: bool = True,
    **fields: Any,
) -> Environment:
    service = spec(fields.pop("folder", Path("/project")), "true", **fields)
    return build(service, shell or {}, origin=ORIGIN, session="abc", port=port, tty=tty)


def environment(shell: dict[str, str] | None = None, **fields: Any) -> dict[str, str]:
    return built(shell, **fields).values


def test_later_wins_from_the_env_file_to_what_devproxy_assigns(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\nC=file\nPORT=1\n")
    values = environment(
        {"B": "shell", "C": "shell"}, env_files=(tmp_path / ".env",), env={"C": "service", "PORT": "2"}, port=3
    )
    assert [values[name] for name in ("A", "B", "C", "PORT")] == ["file", "shell", "service", "3"]


def test_each_value_knows_where_it_came_from_and_what_it_hides(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\n\nC=file\nPORT=1\n")
    (tmp_path / ".env.local").write_text("C=local\n")
    files = (tmp_path / ".env", tmp_path / ".env.local")
    found = built({"B": "shell", "C": "shell"}, folder=tmp_path, env_files=files, env={"C": "service"}, port=3)
    assert found.variables["A"] == (Value("file", "file", ".env:1"),)
    assert found.variables["B"] == (Value("shell", "shell"),)
    assert found.variables["C"] == (
        Value("service", "service"),
        Value("shell", "shell"),
        Value("local", "file", ".env.local:1"),
        Value("file", "file", ".env:3"),
    )
    assert [value.origin for value in found.variables["PORT"]] == ["devproxy", "file"]


def test_what_devproxy_would_say_itself_keeps_its_origin() -> None:
    assert [value.origin for value in built({"PYTHONUNBUFFERED": "1"}).variables["PYTHONUNBUFFERED"]] == ["shell"]


def test_what_is_not_inherited_is_named_with_the_reason() -> None:
    assert built({"PORT": "1", "A": "2"}).withheld == {"PORT": "each service has a port of its own"}


def test_the_shells_port_is_not_the_childs() -> None:
    assert "PORT" not in environment({"PORT": "3000"})
    assert environment({"PORT": "3000"}, port=5173)["PORT"] == "5173"


@pytest.mark.parametrize("name", ["COLUMNS", "LINES"])
def test_the_size_is_that_of_the_childs_own_terminal(name: str) -> None:
    assert name not in environment({name: "80"})


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONHOME"])
def test_what_leads_python_astray_is_not_inherited_but_may_be_declared(name: str) -> None:
    assert name not in environment({name: "/ours"})
    assert environment({name: "/ours"}, env={name: "/theirs"})[name] == "/theirs"


def test_our_own_virtual_environment_is_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/opt/devproxy")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    ours = {"VIRTUAL_ENV": "/opt/devproxy/", "VIRTUAL_ENV_PROMPT": "(devproxy)"}
    values = environment({**ours, "PATH": "/opt/devproxy/bin:/usr/bin:/opt/devproxy/bin/"})
    assert not ours.keys() & values.keys()
    assert values["PATH"] == "/usr/bin"


def test_nor_is_it_when_the_shell_came_to_it_by_a_link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    values = environment({"VIRTUAL_ENV": f"{tmp_path}/link/venv", "PATH": f"{tmp_path}/link/venv/bin:/usr/bin"})
    assert "VIRTUAL_ENV" not in values
    assert values["PATH"] == "/usr/bin"


def test_a_virtual_environment_that_the_user_activated_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/opt/devproxy")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    values = environment({"VIRTUAL_ENV": "/project/.venv", "PATH": "/project/.venv/bin:/usr/bin"})
    assert values["VIRTUAL_ENV"] == "/project/.venv"
    assert values["PATH"] == "/project/.venv/bin:/usr/bin"


def test_the_services_virtual_environment_comes_first() -> None:
    values = environment({"PATH": "/usr/bin"}, venv=Path("/project/.venv"))
    assert values["VIRTUAL_ENV"] == "/project/.venv"
    assert values["PATH"] == "/project/.venv/bin:/usr/bin"


def test_no_path_at_all_does_not_become_the_current_folder() -> None:
    """An empty entry would mean just that."""
    assert "" not in environment({}, venv=Path("/project/.venv"))["PATH"].split(":")


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_loopback_is_never_asked_of_a_proxy(name: str) -> None:
    assert environment()[name] == "localhost,127.0.0.1,::1"
    assert environment({name: "corp, localhost"})[name] == "corp,localhost,127.0.0.1,::1"
    assert environment(env={name: "corp"})[name] == "corp,localhost,127.0.0.1,::1"


def test_a_host_that_one_spelling_of_no_proxy_names_is_in_both() -> None:
    values = environment({"no_proxy": "corp", "NO_PROXY": "lan"})
    assert values["NO_PROXY"] == values["no_proxy"] == "lan,corp,localhost,127.0.0.1,::1"


def test_the_origin_is_put_where_the_service_asks_for_it() -> None:
    values = environment({"SHELL_URL": "{origin}"}, env={"VITE_API": "{origin}/api/v1"})
    assert values["VITE_API"] == f"{ORIGIN}/api/v1"
    assert values["SHELL_URL"] == "{origin}"


def test_it_is_marked_with_its_session_and_service_whatever_the_service_says() -> None:
    values = environment({"DEVPROXY_SESSION": "outer"}, name="api", env={"DEVPROXY_SERVICE": "another"})
    assert [values[name] for name in ("DEVPROXY_SESSION", "DEVPROXY_SERVICE", "DEVPROXY_URL")] == ["abc", "api", ORIGIN]


def test_output_comes_at_once_and_no_child_opens_the_raw_port() -> None:
    values = environment({"BROWSER": "firefox"})
    assert values["PYTHONUNBUFFERED"] == "1"
    assert values["BROWSER"] == "none"
    assert environment(env={"BROWSER": "firefox"})["BROWSER"] == "firefox"


def test_colour_is_forced_only_where_a_pipe_would_lose_it() -> None:
    assert "FORCE_COLOR" not in environment()
    assert environment(tty=False)["FORCE_COLOR"] == "1"
    assert environment({"NO_COLOR": ""}, tty=False)["FORCE_COLOR"] == "1"  # https://no-color.org: empty is not set
    assert environment({"FORCE_COLOR": "0"}, tty=False)["FORCE_COLOR"] == "0"


@pytest.mark.parametrize("where", ["shell", "file", "service"])
def test_colour_is_never_forced_on_who_wants_none(where: str, tmp_path: Path) -> None:
    none = {"NO_COLOR": "1"}
    (tmp_path / ".env").write_text("NO_COLOR=1\n" if where == "file" else "")
    values = environment(
        none if where == "shell" else {},
        env=none if where == "service" else {},
        env_files=(tmp_path / ".env",),
        tty=False,
    )
    assert "FORCE_COLOR" not in values


@pytest.mark.parametrize("ours", [{}, {"TERM": "dumb"}, {"TERM": ""}], ids=["no TERM", "dumb", "empty"])
def test_the_childs_terminal_is_a_good_one_even_if_ours_is_not(ours: dict[str, str]) -> None:
    assert environment(ours)["TERM"] == "xterm-256color"
    assert environment({"TERM": "screen"})["TERM"] == "screen"


PRINT = """
import json, os
print(json.dumps(dict(os.environ)))
"""
SHELLS = {"_", "PWD", "OLDPWD", "SHLVL"}
"""What the shell that starts a child keeps for itself."""


@pytest.mark.parametrize("stderr", ["merged", "separate"])
def test_a_real_child_gets_exactly_this(stderr: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text('GREETING="grüß\\tGott"\nHIDDEN=file\n')
    for name, value in {"HIDDEN": "shell", "PYTHONPATH": "/ours", "PORT": "1", "NO_COLOR": "", "no_proxy": "x"}.items():
        monkeypatch.setenv(name, value)
    it = spec(tmp_path, python(PRINT), env_files=(tmp_path / ".env",), env={"DECLARED": "{origin}/api"}, stderr=stderr)

    async def scene(stage: Stage) -> None:
        await stage.state("done")
        assert stage.it.environment is not None
        assert {name: value for name, value in said(stage).items() if name not in SHELLS} == {
            name: value for name, value in stage.it.environment.values.items() if name not in SHELLS
        }

    values = said(play(scene, it))
    assert values["GREETING"] == "grüß\tGott"
    assert values["HIDDEN"] == "shell"
    assert values["DECLARED"] == f"{ORIGIN}/api"
    assert values["PWD"] == str(tmp_path)
    assert values["NO_PROXY"] == "x,localhost,127.0.0.1,::1"
    assert ("FORCE_COLOR" in values) == (stderr == "separate")
    assert not {"PYTHONPATH", "PORT", "PYTHONHOME"} & values.keys()
    assert f"{sys.prefix}/bin" not in values["PATH"].split(":")


def said(stage: Stage) -> dict[str, str]:
    """The environment that the child has printed."""
    [line] = stage.lines()
    found: dict[str, str] = json.loads(line)
    return found


@pytest.mark.parametrize(
    ("text", "problem"),
    [("A=1\nno assignment\n", ".env:2: expected NAME=value"), ("A=1\n\nB='\0'", ".env:3: a NUL byte")],
)
def test_a_broken_file_keeps_the_service_from_starting_and_says_where(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(text)

    async def scene(stage: Stage) -> None:
        await stage.state("crashed")
        assert stage.it.life.reason.startswith(problem)
        (tmp_path / ".env").write_text("A=1\n")
        stage.supervisor.ask_start("it")
        await stage.state("done")

    play(scene, spec(tmp_path, "exit 0", env_files=(tmp_path / ".env",)))
