"""devproxy ls, devproxy down --all."""

import json
import os
import pty
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devproxy.cli import console, down, sessions
from devproxy.cli.sessions import short, state_of
from devproxy.paths import make_state_dir, socket_path
from devproxy.session.place import SESSION_FILE
from tests.cli.conftest import Running
from tests.support import until

Listed = list[dict[str, Any]]


def announce(root: Path, **facts: object) -> None:
    """Write what a session writes down of itself."""
    said = {"root": str(root), "socket": str(socket_path(root)), "pid": os.getpid(), "name": root.name}
    said |= {"url": "http://localhost:4400", "started": 1_700_000_000.0, **facts}
    (make_state_dir(root) / SESSION_FILE).write_text(json.dumps(said))


@pytest.fixture
def listed(capsys: pytest.CaptureFixture[str]) -> Callable[[], Listed]:
    """What `devproxy ls --json` says."""

    def listed() -> Listed:
        capsys.readouterr()
        assert console.run(["ls", "--json"]) == 0
        answer = json.loads(capsys.readouterr().out)
        assert answer["schema"] == 1
        found: Listed = answer["sessions"]
        return found

    return listed


def test_a_session_that_answers_is_shown_and_one_that_a_crash_left_is_not(
    running: Running, listed: Callable[[], Listed], tmp_path: Path
) -> None:
    announce(running.root)
    announce(tmp_path / "crashed")
    socket_path(tmp_path / "crashed").touch()
    [one] = listed()
    assert set(one) == {"name", "root", "url", "pid", "since", "state", "services"}
    assert (one["name"], one["state"], one["services"]) == ("shop", "ready", {"ready": 2, "total": 2})
    assert (one["pid"], one["since"]) == (os.getpid(), "2023-11-14T22:13:20.000000Z")


def test_it_counts_who_is_ready_and_says_what_is_gravest(running: Running, listed: Callable[[], Listed]) -> None:
    announce(running.root)
    running.session.become("api", "crashed")
    [one] = listed()
    assert (one["state"], one["services"]) == ("crashed", {"ready": 1, "total": 2})


def test_what_is_left_out_is_not_counted_and_makes_nothing_graver(
    running: Running, listed: Callable[[], Listed]
) -> None:
    announce(running.root)
    running.session.services["api"] = replace(running.session.services["api"], state="stopped", required=False)
    [one] = listed()
    assert one["services"] == {"ready": 1, "total": 1}
    running.session.become("api", "ready")
    assert listed()[0]["services"] == {"ready": 2, "total": 2}
    left_out, starting = {"state": "stopped", "required": False}, {"state": "starting", "required": True}
    assert state_of({"ready": False, "services": [left_out, starting]}) == "starting"


def test_a_torn_file_hides_no_other_session(running: Running, listed: Callable[[], Listed], tmp_path: Path) -> None:
    announce(running.root)
    (make_state_dir(tmp_path / "torn") / SESSION_FILE).write_text('{"root": "/x", "so')
    announce(tmp_path / "older", started=None)
    assert [one["name"] for one in listed()] == ["shop"]


def test_a_session_that_says_nothing_is_shown_as_silent_and_delays_no_other(
    running: Running, listed: Callable[[], Listed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "ANSWER_SECONDS", 2.0)
    announce(running.root)
    hung = tmp_path / "hung"
    announce(hung)
    with socket.socket(socket.AF_UNIX) as suspended:
        suspended.bind(str(socket_path(hung)))
        suspended.listen()
        assert {one["name"]: one["state"] for one in listed()} == {"shop": "ready", "hung": "silent"}


def test_nothing_runs_is_no_error(listed: Callable[[], Listed], capsys: pytest.CaptureFixture[str]) -> None:
    assert listed() == []
    assert console.run(["ls"]) == 0
    assert capsys.readouterr() == ("", "no session runs\n")
    assert console.run(["down", "--all"]) == 0


def test_a_person_gets_a_row_a_session(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    announce(running.root)
    assert console.run(["ls"]) == 0
    [row] = capsys.readouterr().out.splitlines()
    assert row.split()[1:4] == ["shop", "ready", "http://localhost:4400"]
    assert "2/2 ready" in row


@pytest.mark.parametrize(
    ("ready", "states", "word"),
    [
        (True, ["ready", "waiting"], "ready"),
        (False, ["ready", "starting"], "starting"),
        (False, ["starting", "crashed", "failing"], "crashed"),
        (False, ["stopped", "restarting"], "stopped"),
        (False, ["ready", "ready"], "stopping"),
    ],
)
def test_a_session_in_one_word(ready: bool, states: list[str], word: str) -> None:
    services = [*({"state": state} for state in states), {"state": "crashed", "optional": True}]
    assert state_of({"ready": ready, "services": services}) == word


def test_a_home_folder_is_shown_as_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert [short(path) for path in ("/home/me/shop", "/home/me", "/home/meg")] == ["~/shop", "~", "/home/meg"]


# ---- down --all


@pytest.mark.parametrize("words", [["--all", "-C", "."], ["--yes"]], ids=" ".join)
def test_options_that_contradict_one_another_are_misuse(words: list[str]) -> None:
    assert console.run(["down", *words]) == 2


def test_without_a_terminal_it_asks_nothing(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(down, "DOWN_SECONDS", 0.05)  # the session is this process: it lives on
    announce(running.root)
    assert console.run(["down", "--all"]) == 4
    assert running.session.was_told_to_stop


def test_one_that_does_not_answer_keeps_no_other_from_being_stopped(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(down, "DOWN_SECONDS", 0.05)
    monkeypatch.setattr(sessions, "ANSWER_SECONDS", 2.0)
    announce(running.root)
    hung = tmp_path / "a-hung-one"
    announce(hung, pid=1)
    with socket.socket(socket.AF_UNIX) as suspended:
        suspended.bind(str(socket_path(hung)))
        suspended.listen()
        assert console.run(["down", "--all"]) == 4
    assert "a-hung-one (pid 1) does not answer" in capsys.readouterr().err
    until(lambda: running.session.was_told_to_stop)


@pytest.mark.parametrize(("answer", "code", "stopped"), [("n\n", 3, False), ("y\n", 4, True)])
def test_on_a_terminal_it_shows_them_and_asks(
    answer: str, code: int, stopped: bool, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(down, "DOWN_SECONDS", 0.05)
    announce(running.root)
    master, slave = pty.openpty()
    with os.fdopen(slave) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        os.write(master, answer.encode())
        assert console.run(["down", "--all"]) == code
    os.close(master)
    assert running.session.was_told_to_stop is stopped


def test_down_reaches_the_proxy_that_was_started_in_a_folder(
    running: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its place is below the folder; `api/status` has the folder itself."""
    monkeypatch.setattr(down, "DOWN_SECONDS", 0.05)
    place = running.root / "proxy 1"
    announce(place, socket=str(socket_path(running.root)))
    folder = Path(running.session.status().root)
    assert [one.root for one in sessions.live_sessions()] == [folder]
    monkeypatch.setattr("devproxy.cli.plan.project_root", lambda _: folder)
    assert console.run(["down"]) == 4
    assert running.session.was_told_to_stop
