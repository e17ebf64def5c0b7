"""devproxy start, stop, restart, down, open."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from devproxy.cli import console, down
from devproxy.cli.browser import browser_command
from devproxy.cli.control import has_failed, is_settled
from tests.cli.conftest import Running


def run(running: Running, command: str, *args: str) -> int:
    return console.run([command, *args, "-C", str(running.root)])


def test_stop_and_start_bring_a_service_down_and_up(running: Running) -> None:
    assert run(running, "stop", "api") == 0
    assert running.session.services["api"].state == "stopped"
    assert running.session.services["web"].state == "ready"
    assert run(running, "start", "api") == 0
    assert running.session.services["api"].state == "ready"


def test_restart_takes_several_and_prints_them_as_json(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(running, "restart", "api", "web", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["state"]) for one in printed["services"]] == [("api", "ready"), ("web", "ready")]


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_a_service_that_fails_to_come_up_is_4(verb: str, running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    running.session.become("api", "stopped")
    running.session.fails_to_start = True
    assert run(running, verb, "api") == 4
    assert "api is crashed: exit 1" in capsys.readouterr().err


def test_a_service_that_takes_too_long_is_4(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    async def slowly(service: str) -> None:
        running.session.become(service, "starting")

    running.session.start = slowly
    running.session.become("api", "stopped")
    assert run(running, "start", "api", "--timeout", "0.1") == 4
    assert "api is starting" in capsys.readouterr().err
    assert run(running, "start", "api", "--no-wait") == 0


def test_reload_says_what_it_does_and_returns_when_that_is_ready(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(running, "reload") == 0
    assert capsys.readouterr().err.splitlines() == [
        "restarted: api",
        "changed: routes",
        "port: takes effect at the next `devproxy up`",
    ]
    assert running.session.services["api"].since != running.session.services["web"].since


def test_reload_as_json(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(running, "reload", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "schema": 1,
        "restarted": ["api"],
        "started": [],
        "stopped": [],
        "changed": ["routes"],
        "later": ["port"],
    }


def test_reload_of_a_wrong_config_is_2_with_the_words_that_up_has(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    running.session.config_error = "devproxy.toml:3: services.api.port: expected a port"
    assert run(running, "reload") == 2
    assert running.session.config_error in capsys.readouterr().err


def test_a_service_that_does_not_come_up_after_a_reload_is_4(running: Running) -> None:
    running.session.fails_to_start = True
    assert run(running, "reload") == 4
    assert run(running, "reload", "--no-wait") == 0


def test_an_unknown_service_is_misuse_and_nothing_happens_to_the_others(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(running, "stop", "api", "wbe") == 2
    assert "did you mean 'web'?" in capsys.readouterr().err
    assert running.session.services["api"].state == "ready"


@pytest.mark.parametrize(
    "command", [["start", "api"], ["stop", "api"], ["restart", "api"], ["reload"], ["down"], ["open"]]
)
def test_without_a_session_the_exit_status_is_5(command: list[str], project: Path) -> None:
    assert console.run([*command, "-C", str(project)]) == 5


def state(name: str, since: int) -> dict[str, object]:
    return {"state": name, "since": since}


def test_a_restart_is_done_when_the_service_has_left_its_old_state_and_is_back() -> None:
    assert not is_settled("restart", state("ready", 1), state("ready", 1))
    assert not is_settled("restart", state("ready", 1), state("restarting", 2))
    assert is_settled("restart", state("ready", 1), state("ready", 3))


def test_the_state_from_before_is_no_failure_of_a_start() -> None:
    assert not has_failed("start", state("crashed", 1), state("crashed", 1))
    assert has_failed("start", state("crashed", 1), state("crashed", 2))
    assert not has_failed("stop", state("ready", 1), state("stopped", 2))


def test_down_waits_until_the_sessions_process_is_gone(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lingers = "import sys, time; sys.stdin.read(); time.sleep(0.3)"
    process = subprocess.Popen([sys.executable, "-c", lingers], stdin=subprocess.PIPE)
    assert process.stdin
    running.session.pid = process.pid
    monkeypatch.setattr(running.session, "stop_session", process.stdin.close)
    assert run(running, "down") == 0
    assert process.poll() == 0
    assert "shop is down" in capsys.readouterr().err


def test_down_gives_up_on_a_session_that_never_ends(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(down, "DOWN_SECONDS", 0.05)  # the session is this process: it lives on
    assert run(running, "down") == 4
    assert f"pid {os.getpid()}" in capsys.readouterr().err


def test_open_prints_the_address_over_ssh(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22")
    assert run(running, "open") == 0
    assert capsys.readouterr().out == f"{running.session.status().url}\n"


def test_open_print_gives_a_dashboard_link_that_signs_in(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(running, "open", "--dashboard", "--print") == 0
    ticket = capsys.readouterr().out.strip().partition("login?ticket=")[2]
    assert running.session.keys.redeem(ticket)


def test_the_ticket_reaches_the_browser_through_a_private_file_and_no_argument(
    running: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    note = tmp_path / "argv"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {note}\n')
    browser.chmod(0o755)
    for name in ("SSH_CONNECTION", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BROWSER", str(browser))
    assert run(running, "open", "--dashboard") == 0
    address = note.read_text().strip()
    page = Path(address.removeprefix("file://"))
    assert "ticket" not in address
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    ticket = page.read_text().partition("login?ticket=")[2].partition('"')[0]
    assert running.session.keys.redeem(ticket)


@pytest.mark.parametrize(
    ("environ", "platform", "command"),
    [
        ({"SSH_TTY": "/dev/pts/1", "DISPLAY": ":0"}, "linux", None),
        ({}, "linux", None),
        ({}, "darwin", ["open"]),
        ({"BROWSER": "firefox"}, "linux", ["firefox"]),
        ({"BROWSER": "none", "DISPLAY": ":0"}, "linux", None),
    ],
)
def test_the_browser_is_the_users_where_there_is_one_to_be_seen(
    environ: dict[str, str], platform: str, command: list[str] | None
) -> None:
    assert browser_command(environ, platform) == command
