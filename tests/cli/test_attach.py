"""devproxy attach, against a small session. On a real terminal: tests/e2e/test_terminal.py."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from devproxy.cli import console
from devproxy.cli.attachment import View
from tests.cli.conftest import Running
from tests.processes.stage import python
from tests.support import until


def typed(root: Path, service: str, text: str) -> subprocess.CompletedProcess[str]:
    """What is piped into `devproxy attach`."""
    command = [sys.executable, "-m", "devproxy", "attach", service, "-C", str(root)]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=30)


def test_without_a_session_the_exit_status_is_5(project: Path) -> None:
    assert console.run(["attach", "api", "-C", str(project)]) == 5


def test_an_unknown_service_is_misuse(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert console.run(["attach", "apo", "-C", str(running.root)]) == 2
    assert "did you mean 'api'?" in capsys.readouterr().err


def test_what_has_no_process_is_misuse(running: Running) -> None:
    running.session.services["files"] = replace(running.session.services["web"], name="files")
    done = typed(running.root, "files", "y\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "files has no process of its own" in done.stderr


def test_typing_to_a_service_that_does_not_run_is_4(running: Running) -> None:
    running.session.services["api"] = replace(running.session.services["api"], state="stopped", pid=None)
    done = typed(running.root, "api", "y\n")
    assert done.returncode == 4
    assert "api does not run: it is stopped" in done.stderr
    assert "devproxy start api" in done.stderr


def test_what_is_piped_in_is_typed_and_nothing_is_shown(running: Running, tmp_path: Path) -> None:
    """All of it, also what the child has not read yet when we are done."""
    from devproxy.processes.child import Command, spawn

    source = "import os, sys, tty\ntty.setraw(0)\nprint('here', flush=True)\n"
    source += "got = b''\nwhile len(got) < 300_000: got += os.read(0, 65536)\nprint(len(got), got[-4:], flush=True)"
    child = spawn(Command(python(source), tmp_path, {"PATH": "/usr/bin:/bin"}))
    try:
        os.set_blocking(child.master, True)
        assert b"here" in os.read(child.master, 100)
        os.set_blocking(child.master, False)
        running.session.terminals["api"].connect(child)
        done = typed(running.root, "api", "x" * 299_997 + "end")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert until(lambda: child.read(child.master)) == b"300000 b'xend'\n"
    finally:
        running.session.terminals["api"].disconnect()
        child.close_output(child.master)
        child.signal_group(9)
        os.waitpid(child.pid, 0)


def test_a_session_that_ends_before_all_is_typed_is_5(running: Running) -> None:
    """Its end is no end of typing."""
    command = [sys.executable, "-m", "devproxy", "attach", "api", "-C", str(running.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as typing:
        until(lambda: running.session.terminals["api"].is_attached)
        running.session.terminals["api"].close()
        _, said = typing.communicate(b"y\n", timeout=20)
    assert typing.returncode == 5
    assert b"ended before all was typed" in said


def test_our_own_talk_begins_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    view = View()
    view.say("attached")
    view.write(b"Continue? ")
    view.say("api\x1b[2J restarts")
    view.write(b"done\n")
    view.say("detached")
    assert capfd.readouterr() == (
        "Continue? done\n",
        "devproxy | attached\n\ndevproxy | api\\x1b[2J restarts\ndevproxy | detached\n",
    )
