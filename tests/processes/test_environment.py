"""What a child finds in its environment, and who wins."""

import sys
from pathlib import Path
from typing import Any

import pytest

from devproxy.processes.environment import build, read_files
from tests.processes.stage import spec

ORIGIN = "http://localhost:4400"


def environment(
    shell: dict[str, str] | None = None,
    *,
    port: int | None = None,
    tty: bool = True,
    **fields: Any,
) -> dict[str, str]:
    service = spec(Path("/project"), "true", **fields)
    return build(service, shell or {}, origin=ORIGIN, session="abc", port=port, tty=tty)


def test_later_wins_from_the_env_file_to_what_devproxy_assigns(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=file\nB=file\nC=file\nPORT=1\n")
    values = environment(
        {"B": "shell", "C": "shell"}, env_files=(tmp_path / ".env",), env={"C": "service", "PORT": "2"}, port=3
    )
    assert [values[name] for name in ("A", "B", "C", "PORT")] == ["file", "shell", "service", "3"]


def test_a_later_env_file_wins_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nB='two words' # why\n")
    (tmp_path / ".env.local").write_text("A=2\n")
    names = (".env", ".env.local", ".env.missing")
    assert read_files(tuple(tmp_path / name for name in names)) == {"A": "2", "B": "two words"}


def test_the_shells_port_is_not_the_childs() -> None:
    assert "PORT" not in environment({"PORT": "3000"})
    assert environment({"PORT": "3000"}, port=5173)["PORT"] == "5173"


@pytest.mark.parametrize("name", ["PYTHONPATH", "PYTHONHOME"])
def test_what_leads_python_astray_is_not_inherited_but_may_be_declared(name: str) -> None:
    assert name not in environment({name: "/ours"})
    assert environment({name: "/ours"}, env={name: "/theirs"})[name] == "/theirs"


def test_our_own_virtual_environment_is_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/opt/devproxy")
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    values = environment({"VIRTUAL_ENV": "/opt/devproxy", "PATH": "/opt/devproxy/bin:/usr/bin"})
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
    assert environment({name: "corp,localhost"})[name] == "corp,localhost,127.0.0.1,::1"


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
