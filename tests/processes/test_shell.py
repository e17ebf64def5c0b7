"""What a command line becomes, and what comes of that in a real shell."""

import os
import signal
import sys
from pathlib import Path

import pytest

from devproxy.processes.child import Command, spawn
from devproxy.processes.shell import program_of, words_of
from tests.support import until

# Needs a moment to end well: SIGHUP in the middle of it would be the end.
GRACEFUL = """
import signal, sys, time
def end(*_):
    time.sleep(0.2)
    open(sys.argv[1], "w").close()
    raise SystemExit
signal.signal(signal.SIGTERM, end)
open(f"{sys.argv[1]}-here", "w").close()
while True:
    signal.pause()
"""


@pytest.mark.parametrize(
    "line",
    [
        "npm run dev -- --port $PORT --strictPort",
        ".venv/bin/uvicorn app.main:app --host 127.0.0.1",
        '  python3 -m app "two words" {a,b} *.py',
        "/usr/bin/env FOO=1 make",
    ],
)
def test_a_shell_makes_way_for_a_simple_command(line: str) -> None:
    assert program_of(line) == line.split()[0]
    assert words_of(line) == ["/bin/sh", "-c", f"exec {line}"]


@pytest.mark.parametrize(
    "line",
    [
        "cd web && npm run dev",
        "migrate; serve",
        "serve | tee log",
        "serve > log",
        "serve &",
        "serve $(cat args)",
        "one\ntwo",
        "PORT=1 serve",
        '"my server" --now',
        "$SERVER --now",
        "serve # here",
        "exec serve",
        "echo 'a\\tb'",
        ". ./env.sh",
        "if",
        "",
    ],
)
def test_anything_else_is_left_to_a_shell_that_stays(line: str) -> None:
    assert program_of(line) is None
    [_, _, script] = words_of(line)
    assert script.startswith("trap ")
    assert script.endswith(f"; {line}")


@pytest.mark.parametrize(
    "line",
    [
        "{python} graceful.py one",
        "{python} graceful.py one; true",
        "true && {python} graceful.py one | cat",
        "{python} graceful.py one & {python} graceful.py two & wait",
    ],
)
def test_what_a_line_runs_may_end_in_its_own_way(tmp_path: Path, line: str) -> None:
    """The shell leads the session: if it ended first, the kernel would hang up on what it runs."""
    (tmp_path / "graceful.py").write_text(GRACEFUL)
    names = [name for name in ("one", "two") if f".py {name}" in line]
    child = spawn(Command(line.format(python=sys.executable), tmp_path, os.environ))
    try:
        until(lambda: all((tmp_path / f"{name}-here").exists() for name in names))
        child.signal_group(signal.SIGTERM)
        until(lambda: os.waitpid(child.pid, os.WNOHANG)[0])
        until(child.group_is_gone)
    finally:
        child.signal_group(signal.SIGKILL)
        child.close_output(next(iter(child.outputs)))
    assert [name for name in names if (tmp_path / name).exists()] == names


def test_a_line_ends_when_it_is_asked_between_two_commands(tmp_path: Path) -> None:
    """Not only the command that runs just now: what would follow it is not started."""
    line = f"{sys.executable} -c \"print('first', flush=True); import signal; signal.pause()\"; touch second"
    child = spawn(Command(line, tmp_path, os.environ))
    try:
        [output] = child.outputs
        until(lambda: b"first" in (child.read(output) or b""))
        child.signal_group(signal.SIGTERM)
        _, status = until(lambda: (found := os.waitpid(child.pid, os.WNOHANG))[0] and found)
    finally:
        child.signal_group(signal.SIGKILL)
        child.close_output(output)
    assert os.waitstatus_to_exitcode(status) == 143
    assert not (tmp_path / "second").exists()


def test_the_exit_code_of_a_line_is_that_of_its_last_command(tmp_path: Path) -> None:
    child = spawn(Command("true; exit 7", tmp_path, os.environ))
    _, status = until(lambda: (found := os.waitpid(child.pid, os.WNOHANG))[0] and found)
    child.close_output(next(iter(child.outputs)))
    assert os.waitstatus_to_exitcode(status) == 7
