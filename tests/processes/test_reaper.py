"""Who has exited, and how: no exit is lost, no zombie left, also of orphans that we adopt."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.processes.lifecycle import Exit
from devproxy.processes.reaper import Reaper, exit_of
from tests.processes.stage import python
from tests.support import auntil, run

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="macOS has no subreapers, and no /proc")


def start(*words: str) -> int:
    """Start a process that nobody but the reaper waits for."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    process.returncode = 0  # Popen must not wait for it
    return process.pid


@contextmanager
def reaping() -> Iterator[Reaper]:
    reaper = Reaper()
    reaper.start(asyncio.get_running_loop())
    try:
        yield reaper
    finally:
        reaper.stop()


def test_a_watcher_hears_how_its_process_ended_and_hears_it_once() -> None:
    async def scene() -> None:
        with reaping() as reaper:
            exits: list[tuple[str, Exit]] = []
            reaper.watch(start("sh", "-c", "exit 3"), lambda exit_: exits.append(("first", exit_)))
            reaper.watch(start("sh", "-c", "kill -KILL $$"), lambda exit_: exits.append(("second", exit_)))
            await auntil(lambda: len(exits) == 2)
            reaper.reap()
            assert sorted(exits, key=str) == [("first", Exit(code=3)), ("second", Exit(signal=signal.SIGKILL))]

    run(scene())


def test_an_exit_before_the_loop_ran_is_not_lost() -> None:
    async def scene(pid: int) -> None:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # it has exited; nobody has taken its status
        exits: list[Exit] = []
        with reaping() as reaper:
            reaper.watch(pid, exits.append)
            await auntil(lambda: exits == [Exit(code=4)])

    run(scene(start("sh", "-c", "exit 4")))


def test_many_that_end_at_once_are_all_heard_of() -> None:
    """Signals are not counted: one SIGCHLD may stand for all of them (signal(7))."""

    async def scene() -> None:
        gate_read, gate_write = os.pipe()
        exits: list[Exit] = []
        with reaping() as reaper:
            for _ in range(20):
                process = subprocess.Popen(["cat"], stdin=gate_read, stdout=subprocess.DEVNULL)
                process.returncode = 0
                reaper.watch(process.pid, exits.append)
            os.close(gate_read)
            os.close(gate_write)
            await auntil(lambda: exits == [Exit(code=0)] * 20)

    run(scene())


@linux_only
def test_a_thousand_children_leave_no_zombie() -> None:
    """Half of them are watched, half are somebody's orphans."""

    async def scene() -> None:
        exits: list[Exit] = []
        with reaping() as reaper:
            for _ in range(20):
                for _ in range(25):
                    reaper.watch(os.posix_spawn("/bin/true", ["true"], os.environ), exits.append)
                    os.posix_spawn("/bin/true", ["true"], os.environ)
                await auntil(lambda: not zombies())
            await auntil(lambda: exits == [Exit(code=0)] * 500)
            assert not zombies()

    run(scene())


def zombies() -> list[int]:
    """Our children, of whatever kind: those that live would not be zombies yet."""
    found = []
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        with suppress(FileNotFoundError):
            found += [int(pid)] if b") Z " in Path(f"/proc/{pid}/stat").read_bytes() else []
    return found


@linux_only
def test_a_process_that_nobody_watches_is_reaped_all_the_same() -> None:
    async def scene() -> None:
        with reaping():
            pid = start("true")
            await auntil(lambda: not os.path.exists(f"/proc/{pid}"))

    run(scene())


@linux_only
def test_the_orphans_of_a_session_become_its_children_and_are_reaped() -> None:
    """Else the group of a dead service would never be gone where pid 1 reaps nobody."""
    source = """
import asyncio, os, subprocess, sys
from devproxy.processes.reaper import Reaper, adopt_orphans
async def main():
    adopt_orphans()
    launcher = subprocess.Popen(["sh", "-c", "sleep 600 & echo $!"], stdout=subprocess.PIPE, text=True)
    orphan = int(launcher.stdout.readline())
    launcher.wait()
    with open(f"/proc/{orphan}/stat") as file:
        print(int(file.read().rsplit(")")[1].split()[1]) == os.getpid())
    Reaper().start(asyncio.get_running_loop())
    os.kill(orphan, 9)
    while os.path.exists(f"/proc/{orphan}"):
        await asyncio.sleep(0.01)
    print("reaped")
asyncio.run(main())
"""
    done = subprocess.run(python(source), capture_output=True, text=True, timeout=20)
    assert done.stdout.split() == ["True", "reaped"], done.stderr


@given(st.integers(0, 255))
def test_a_wait_status_tells_the_exit_code(code: int) -> None:
    assert exit_of(code << 8) == Exit(code=code)


@given(st.integers(1, 64), st.booleans())
def test_a_wait_status_tells_the_signal_with_or_without_a_core(number: int, core: bool) -> None:
    assert exit_of(number | (0x80 if core else 0)) == Exit(signal=number)
