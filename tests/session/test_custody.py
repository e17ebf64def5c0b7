"""Who ends our children if we cannot: the guard that is told of them, and the record."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil
import pytest

from devproxy.ports import records
from devproxy.processes.reaper import Reaper
from devproxy.session.custody import Custody
from tests.processes.stage import adopting
from tests.session.conftest import Start
from tests.support import auntil, run

MARK = os.urandom(4).hex()
"""This session's: its guard ends whoever carries it."""


def test_a_child_is_on_record_while_it_lives(tmp_path: Path, start: Start) -> None:
    custody = Custody(tmp_path, tmp_path, MARK, print)
    child = start()
    custody.add(child.pid, "api", 8000)
    [record] = records.load(tmp_path)
    assert (record.service, record.pid, record.pgid, record.ports) == ("api", child.pid, child.pid, (8000,))
    assert record.child.is_alive()
    assert record.session.pid == os.getpid()
    custody.remove(child.pid)
    assert records.load(tmp_path) == []
    custody.close()
    assert child.poll() is None


def test_letting_go_ends_what_was_not_taken_back(tmp_path: Path, start: Start) -> None:
    custody = Custody(tmp_path, tmp_path, MARK, print)
    child = start()
    custody.add(child.pid, "api", None)
    custody.close()
    assert child.wait(20) == -signal.SIGTERM


def test_a_child_that_has_ended_already_is_not_recorded(tmp_path: Path) -> None:
    custody = Custody(tmp_path, tmp_path, MARK, print)
    with subprocess.Popen(["true"], start_new_session=True) as child:
        if sys.platform == "linux":
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        else:
            child.wait()
        custody.add(child.pid, "api", None)
    assert records.load(tmp_path) == []
    custody.close()


def watching(custody: Custody, scene: Callable[[Reaper], Coroutine[Any, Any, None]]) -> None:
    """Play a scene while the custody watches, in a loop that reaps."""

    async def played() -> None:
        reaper = Reaper()
        task = asyncio.create_task(custody.watch(reaper))
        await asyncio.sleep(0)
        reaper.start(asyncio.get_running_loop())
        try:
            await scene(reaper)
        finally:
            task.cancel()
            reaper.stop()
            custody.close()

    run(played())


def guards() -> list[psutil.Process]:
    found = []
    for one in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            found += [one] if "guard.py" in " ".join(one.cmdline()) else []
    return found


def test_a_guard_that_is_killed_is_told_of_once_and_replaced_by_one_that_knows_all(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devproxy.session.custody.GUARD_LIFE_SECONDS", 0.1)
    said: list[str] = []
    custody = Custody(tmp_path, tmp_path, MARK, said.append)
    child = start()
    custody.add(child.pid, "api", None)

    async def scene(_: Reaper) -> None:
        for _ in range(2):
            [guard] = guards()
            guard.kill()
            await auntil(lambda guard=guard: [one for one in guards() if one.pid != guard.pid])

    watching(custody, scene)
    assert child.wait(20) == -signal.SIGTERM  # the third one was told of it
    assert len(said) == 1
    assert "was killed itself" in said[0]


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no subreapers")
def test_who_has_no_name_is_on_record_while_it_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devproxy.session.custody.YOUNG_LOOK_SECONDS", 0.02)
    custody = Custody(tmp_path, tmp_path, MARK, print)

    async def scene(reaper: Reaper) -> None:
        parent = subprocess.Popen(["sh", "-c", "setsid env -i sleep 600 & echo $!"], stdout=subprocess.PIPE, text=True)
        with parent:
            assert parent.stdout is not None
            orphan = int(parent.stdout.readline())
        await auntil(lambda: orphan in {one.pid for one in records.load(tmp_path)})
        [record] = [one for one in records.load(tmp_path) if one.pid == orphan]
        assert (record.pgid, record.mark) == (0, MARK)
        os.kill(orphan, signal.SIGKILL)
        await auntil(lambda: orphan not in {one.pid for one in records.load(tmp_path)})

    with adopting():
        watching(custody, scene)


def test_a_folder_that_cannot_be_written_is_told_of_once_and_stops_nothing(tmp_path: Path, start: Start) -> None:
    said: list[str] = []
    custody = Custody(tmp_path / "gone", tmp_path, MARK, said.append)
    child = start()
    custody.add(child.pid, "api", 8000)
    custody.remove(child.pid)
    custody.close()
    assert len(said) == 1
    assert "cannot be written" in said[0]
