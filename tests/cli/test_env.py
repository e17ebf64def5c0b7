"""devproxy env."""

import json
from pathlib import Path
from typing import Any

import pytest

from devproxy.cli import console
from devproxy.cli.env import table
from tests.cli.conftest import Running
from tests.support.services import write_config

CONFIG = """
name = "shop"
[services.api]
command = "true"
port = 8123
env_files = [".env"]
env = { DEBUG = "1", URL = "{origin}/api" }
[services.site]
static = "dist"
"""


@pytest.fixture
def shop(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which nothing runs."""
    write_config(project, CONFIG)
    (project / ".env").write_text("DEBUG=0\nDATABASE_URL=postgres://me:hunter2@db/shop\nFROM=file\n")
    monkeypatch.setenv("FROM", "shell")
    monkeypatch.setenv("PYTHONPATH", "/ours")
    monkeypatch.setenv("MY_TOKEN", "hunter3")
    return project


def asked(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    assert console.run(["env", "api", "-C", str(root), *words]) == 0
    out, err = capsys.readouterr()
    return out, err


def said(root: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    out, _ = asked(root, capsys, "--json", *words)
    found: dict[str, Any] = json.loads(out)
    return found


def test_of_a_running_service_it_shows_what_the_process_was_given(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = asked(running.root, capsys)
    assert [line.split() for line in out.splitlines()] == [
        ["DEBUG", "1", "[services.api]", "env"],
        ["0", "overridden:", ".env:1"],
    ]
    assert err.splitlines()[0] == "api (pid 11) was given:"
    assert "  1 more as in the shell: --all" in err.splitlines()
    assert "  not passed on: PORT (each service has a port of its own)" in err.splitlines()


def test_secrets_are_masked_unless_they_are_asked_for(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = asked(running.root, capsys, "--all")
    assert out.splitlines()[0].split() == ["API_KEY", "********", "shell"]
    assert "  1 masked: --show-secrets" in err.splitlines()
    out, err = asked(running.root, capsys, "--all", "--show-secrets")
    assert out.splitlines()[0].split() == ["API_KEY", "api", "shell"]
    assert "masked" not in err


def test_json_is_the_apis_object(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(running.root, capsys) == running.session.env("api", show_secrets=False).to_json()


def test_without_a_session_it_is_what_the_service_would_get(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = said(shop, capsys)
    of = {one["name"]: one for one in found["variables"]}
    assert found["pid"] is None
    assert (found["env"]["DEBUG"], of["DEBUG"]["where"]) == ("1", "[services.api] env")
    assert of["DEBUG"]["overridden"] == [{"value": "0", "origin": "file", "where": ".env:1"}]
    assert (found["env"]["FROM"], of["FROM"]["origin"]) == ("shell", "shell")
    assert (found["env"]["PORT"], found["env"]["URL"]) == ("8123", "http://localhost:4400/api")
    assert found["env"]["DATABASE_URL"] == "postgres://me:********@db/shop"
    assert found["env"]["MY_TOKEN"] == "********"
    assert "PYTHONPATH" in found["withheld"]
    assert said(shop, capsys, "--show-secrets")["env"]["MY_TOKEN"] == "hunter3"


def test_no_secret_is_anywhere_in_what_is_shown(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--all"], ["--json"]):
        assert "hunter" not in "".join(asked(shop, capsys, *words))


@pytest.mark.parametrize(
    ("name", "message"),
    [("apy", "did you mean 'api'?"), ("site", "site has no process of its own")],
)
def test_a_service_that_has_none_is_an_error(
    name: str, message: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert console.run(["env", name, "-C", str(shop)]) == 2
    assert message in capsys.readouterr().err


def test_a_broken_file_is_named_with_its_line(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / ".env").write_text("A=1\nnot an assignment\n")
    assert console.run(["env", "api", "-C", str(shop)]) == 2
    assert ".env:2: expected NAME=value" in capsys.readouterr().err


def test_bytes_that_are_no_text_and_what_moves_the_cursor_are_spelled_out(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODD", "a\udcffb\n\x1b[2J")
    out, _ = asked(shop, capsys, "--all")
    assert r"a\xffb\n\x1b[2J" in out
    assert said(shop, capsys)["env"]["ODD"] == "a\\xffb\n\x1b[2J"


VARIABLES = [
    {"name": "SHORT", "value": "v" * 60, "origin": "file", "where": ".env:1", "overridden": []},
    {
        "name": "OTHER",
        "value": "1",
        "origin": "shell",
        "where": "",
        "overridden": [{"value": "2", "origin": "file", "where": ".env:2"}],
    },
]


@pytest.mark.parametrize("columns", [24, 40, 60, 80])
def test_on_a_terminal_no_line_is_wider_than_it(columns: int) -> None:
    lines = list(table(VARIABLES, columns=columns, colored=False))
    assert max(map(len, lines)) <= columns
    assert sum("…" in line for line in lines) == 1


def test_without_a_terminal_nothing_is_cut() -> None:
    lines = list(table(VARIABLES, columns=None, colored=False))
    assert [line.split()[0] for line in lines] == ["SHORT", "OTHER", "2"]
    assert "v" * 60 in lines[0]
