"""What a killed session has started is ended by its guard."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from devproxy.ports import identity
from devproxy.processes import guarding
from devproxy.processes.guarding import GuardLink
from tests.processes.stage import STAY, python
from tests.support import until
from tests.support.devproxy import is_alive

# A session in small: starts children, tells the guard, says all pids, and waits for its end.
SESSION = f"""
import os, subprocess, sys
from devproxy.ports import identity
from devproxy.processes import guarding
from devproxy.processes.guarding import GuardLink
STAY = {STAY!r}
link = GuardLink("DEVPROXY_SESSION=" + sys.argv[1])
def start(*ignored, mark="", **fields):
    env = dict(os.environ, **({{"DEVPROXY_SESSION": mark}} if mark else {{}}))
    words = [sys.executable, "-c", STAY, *ignored]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, env=env, start_new_session=True, **fields)
    child.stdout.readline()
    return child
"""


class Small:
    """A small session that runs these lines, which end by printing pids."""

    def __init__(self, lines: str, mark: str = "") -> None:
        source = SESSION + textwrap.dedent(lines) + "\nsys.stdin.read()\n"
        self.mark = mark or os.urandom(4).hex()
        self.process = subprocess.Popen(
            [sys.executable, "-c", source, self.mark], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        self.pids = [int(word) for word in self.process.stdout.readline().split()]
        assert self.pids, "it failed to start"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream
            stream.close()
        for pid in self.pids:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


Start = Callable[..., Small]


@pytest.fixture
def session() -> Iterator[Start]:
    started: list[Small] = []

    def start(lines: str, mark: str = "") -> Small:
        started.append(Small(lines, mark))
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_children_are_gone_after_a_sigkill_also_those_that_do_not_listen(session: Start) -> None:
    small = session("""
        polite, stubborn = start(), start("SIGTERM", "SIGINT", "SIGHUP")
        link.add(polite.pid)
        link.add(stubborn.pid)
        print(polite.pid, stubborn.pid, flush=True)
    """)
    assert all(map(is_alive, small.pids))
    small.kill()
    until(lambda: not any(map(is_alive, small.pids)))


def test_grandchildren_go_with_the_group(session: Start) -> None:
    small = session("""
        parent = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!; wait"], stdout=subprocess.PIPE, text=True, start_new_session=True)
        link.add(parent.pid)
        print(parent.pid, parent.stdout.readline(), flush=True)
    """)
    small.kill()
    until(lambda: not any(map(is_alive, small.pids)))


def test_they_are_asked_before_they_are_killed(session: Start, tmp_path: Path) -> None:
    said = tmp_path / "said"
    small = session(f"""
        child = subprocess.Popen(["sh", "-c", "trap 'echo goodbye > {said}; exit' TERM; echo; sleep 600 & wait"],
                                 stdout=subprocess.PIPE, start_new_session=True)
        child.stdout.readline()
        link.add(child.pid)
        print(child.pid, flush=True)
    """)
    small.kill()
    until(said.exists)


def test_who_carries_the_sessions_mark_is_ended_wherever_it_has_gone(session: Start) -> None:
    """A daemon is in no group that we know."""
    small = session("""
        marked, stubborn = start(mark=sys.argv[1]), start("SIGTERM", mark=sys.argv[1])
        print(marked.pid, stubborn.pid, flush=True)
    """)
    small.kill()
    until(lambda: not any(map(is_alive, small.pids)))


def test_who_has_cleaned_its_environment_goes_with_its_parent(session: Start) -> None:
    small = session("""
        source = "import subprocess; one = subprocess.Popen(['env', '-i', 'sleep', '600'], start_new_session=True); print(one.pid, flush=True); one.wait()"
        parent = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True, start_new_session=True)
        link.add(parent.pid)
        print(parent.pid, parent.stdout.readline(), flush=True)
    """)
    small.kill()
    until(lambda: not any(map(is_alive, small.pids)))


def test_a_process_that_was_named_is_ended_and_whoever_has_its_pid_today_is_not(session: Start) -> None:
    small = session("""
        from devproxy.ports import identity
        from devproxy.ports.identity import Identity
        orphan, bystander = start(), start()
        link.add_process(identity.of(orphan.pid))
        link.add_process(Identity(bystander.pid, identity.of(bystander.pid).create_time - 1))
        print(link.pid, orphan.pid, bystander.pid, flush=True)
    """)
    guard, orphan, bystander = small.pids
    small.kill()
    until(lambda: not is_alive(guard))
    assert not is_alive(orphan)
    assert is_alive(bystander)


def test_who_is_stopped_is_continued_to_hear_of_its_end(session: Start, tmp_path: Path) -> None:
    said = tmp_path / "said"
    small = session(f"""
        child = subprocess.Popen(["sh", "-c", "trap 'echo goodbye > {said}; exit' TERM; echo; sleep 600 & wait"],
                                 stdout=subprocess.PIPE, start_new_session=True)
        child.stdout.readline()
        os.kill(child.pid, 19)
        link.add(child.pid)
        print(child.pid, flush=True)
    """)
    small.kill()
    until(said.exists)


def test_one_that_forks_and_leaves_all_the_time_does_not_get_away(session: Start) -> None:
    """Each of its children is in a session of its own, and younger than any look at them."""
    small = session("""
        source = "import subprocess, time\\nwhile True: subprocess.Popen(['sleep', '600'], start_new_session=True); time.sleep(0.005)"
        env = dict(os.environ, DEVPROXY_SESSION=sys.argv[1])
        one = subprocess.Popen([sys.executable, "-c", source], env=env, start_new_session=True)
        print(link.pid, one.pid, flush=True)
    """)
    mark = f"DEVPROXY_SESSION={small.mark}".encode()
    until(lambda: len(carrying(mark)) > 5)
    small.kill()
    until(lambda: not is_alive(small.pids[0]))
    assert carrying(mark) == []


def carrying(mark: bytes) -> list[int]:
    """The living processes with this assignment in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes().split(b"\0") and is_alive(int(path.parts[2])):
                found.append(int(path.parts[2]))
    return found


def test_nobody_else_is_touched(session: Start) -> None:
    """Not a group that was taken back, not another session's child, not one that we were never told of."""
    small = session("""
        named, back, other, unknown = start(), start(), start(mark="another"), start()
        link.add(named.pid)
        link.add(back.pid)
        link.remove(back.pid)
        print(named.pid, back.pid, other.pid, unknown.pid, flush=True)
    """)
    [guard] = [one for one in psutil.Process(small.process.pid).children() if "guard.py" in " ".join(one.cmdline())]
    small.kill()
    until(lambda: not is_alive(guard.pid))
    named, *others = small.pids
    assert not is_alive(named)
    assert all(map(is_alive, others))


def test_who_is_older_than_the_session_is_not_touched_whatever_its_environment_says(session: Start) -> None:
    mark = os.urandom(4).hex()
    with subprocess.Popen(
        python(STAY), stdout=subprocess.PIPE, env={**os.environ, "DEVPROXY_SESSION": mark}, start_new_session=True
    ) as older:
        assert older.stdout
        older.stdout.readline()
        small = session("one = start(mark=sys.argv[1]); print(link.pid, one.pid, flush=True)", mark=mark)
        guard, one = small.pids
        small.kill()
        until(lambda: not is_alive(guard))
        assert not is_alive(one)
        assert older.poll() is None
        older.kill()


def test_a_session_that_is_gone_before_its_guard_runs_is_no_older_for_that() -> None:
    """The guard's parent is somebody else by then: here it is the test."""
    mark = f"DEVPROXY_SESSION={os.urandom(4).hex()}"
    environment = {**os.environ, "DEVPROXY_SESSION": mark.partition("=")[2]}
    started = []
    for _ in range(2):
        started.append(subprocess.Popen(python(STAY), stdout=subprocess.PIPE, env=environment, start_new_session=True))
        output = started[-1].stdout
        assert output
        output.readline()  # it has run for longer than the kernel's clock tick
    older, younger = started
    with older, younger:
        session = identity.of(younger.pid)
        assert session is not None
        script = Path(guarding.__file__).with_name("guard.py")
        words = [sys.executable, "-I", "-S", str(script), mark, repr(session.create_time)]
        subprocess.run(words, stdin=subprocess.DEVNULL, check=True, timeout=20)
        assert not is_alive(younger.pid)
        assert older.poll() is None
        older.kill()


def test_the_guard_outlives_what_a_terminal_sends(session: Start) -> None:
    """Ctrl-C, a closed window and Ctrl-Z are the session's business."""
    small = session("child = start(); link.add(child.pid); print(link.pid, child.pid, flush=True)")
    guard, child = small.pids
    until(lambda: psutil.Process(guard).status() == psutil.STATUS_SLEEPING)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGTSTP):
        os.kill(guard, number)
    small.kill()
    until(lambda: not is_alive(child))


def test_a_guard_that_was_killed_harms_nobody() -> None:
    link = GuardLink("DEVPROXY_SESSION=none")
    os.kill(link.pid, signal.SIGKILL)
    until(lambda: not is_alive(link.pid))
    link.add(12345)
    link.remove(12345)
    link.close()


def test_a_guard_that_stands_still_does_not_hold_us_up_and_is_given_up() -> None:
    link = GuardLink("DEVPROXY_SESSION=none")
    os.kill(link.pid, signal.SIGSTOP)
    for number in range(100_000, 120_000):
        link.add(number)
    until(lambda: not is_alive(link.pid))
    link.close()


def test_a_guard_knows_from_its_first_moment_what_it_is_told_as_it_starts(session: Start) -> None:
    """A new one, after another was killed: we may be killed before we can say a word."""
    small = session("""
        from devproxy.ports import identity
        link.close()
        child, orphan = start(), start()
        link = GuardLink("DEVPROXY_SESSION=" + sys.argv[1], [child.pid], [identity.of(orphan.pid)])
        print(child.pid, orphan.pid, flush=True)
    """)
    small.kill()
    until(lambda: not any(map(is_alive, small.pids)))


def test_letting_the_guard_go_ends_what_is_still_named_and_waits_for_it() -> None:
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    link = GuardLink("DEVPROXY_SESSION=none")
    link.add(child.pid)
    link.close()
    assert not is_alive(link.pid)
    assert child.wait(20) == -signal.SIGTERM
