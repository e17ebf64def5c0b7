"""Races and repetitions: what must hold however often and however closely it is asked for.

A start during a slow stop, concurrent restarts, a stop that cancels a restart, 20 restarts without a leak, stop and
start with the port in TIME_WAIT, a wall clock that is set.
"""

import asyncio
import os
import time
from pathlib import Path

import pytest

from devproxy.config.model import Stop
from devproxy.ports.probe import is_free
from tests.processes.stage import LISTEN, STAY, Stage, play, python, spec
from tests.support import auntil, free_port
from tests.support.devproxy import is_alive

# Takes its time to end; a file says when two of it live at once.
SLOW = """
import os, signal, sys, time
def end(*_):
    time.sleep(0.3)
    os.unlink("lives")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
try:
    os.close(os.open("lives", os.O_CREAT | os.O_EXCL))
except FileExistsError:
    open("two", "w").close()
print("here", os.getpid(), flush=True)
while True:
    signal.pause()
"""


def test_a_start_during_a_slow_stop_waits_it_out(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        first = int((await stage.line("here")).split()[1])
        stage.supervisor.ask_stop("it")
        await auntil(lambda: stage.it.life.next == "stopped")
        stage.supervisor.ask_start("it")
        await auntil(lambda: stage.it.life.generation == 2 and len(stage.lines()) == 2)
        assert not is_alive(first)

    play(scene, spec(tmp_path, python(SLOW)))
    assert not (tmp_path / "two").exists()


def test_restarts_at_the_same_moment_are_one(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("here")
        for _ in range(10):
            stage.supervisor.ask_restart("it")
        await auntil(lambda: stage.it.life.generation == 2 and len(stage.lines()) == 2)
        await asyncio.sleep(0)
        assert stage.it.life.state in ("starting", "ready")

    stage = play(scene, spec(tmp_path, python(SLOW)))
    assert stage.it.restarts == 1
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("claiming", [True, False], ids=["while it claims its port", "while it ends"])
def test_a_stop_during_a_restart_cancels_the_restart(tmp_path: Path, claiming: bool) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("here")

        def stop() -> None:
            """At the very moment: it is over too soon to be looked for."""
            life = stage.it.life
            if life.state == "restarting" and life.alive != claiming:
                stage.supervisor.ask_stop("it")

        stage.watchers.append(stop)
        stage.supervisor.ask_restart("it")
        await stage.state("stopped")
        assert not (tmp_path / "lives").exists()

    stage = play(scene, spec(tmp_path, python(SLOW)))
    assert stage.it.restarts == 0


def test_a_start_while_it_claims_its_port_is_one_start(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("here")
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")
        for _ in range(5):
            stage.supervisor.ask_start("it")
        await auntil(lambda: len(stage.lines()) == 2)

    stage = play(scene, spec(tmp_path, python(SLOW)))
    assert stage.it.life.generation == 2


def test_twenty_restarts_leak_no_file_and_no_task_and_touch_no_other(tmp_path: Path) -> None:
    port = free_port()

    def resources() -> tuple[int, int]:
        return len(os.listdir("/dev/fd")), len(asyncio.all_tasks())

    async def restart(stage: Stage) -> None:
        generation = stage.it.life.generation
        stage.supervisor.ask_restart("it")
        await auntil(lambda: stage.it.life.generation == generation + 1 and stage.it.life.state == "ready")

    async def scene(stage: Stage) -> None:
        await stage.state("ready")
        other = (await stage.state("ready", "other")).child
        await restart(stage)  # what is made once, is made now
        first = resources()
        for _ in range(20):
            await restart(stage)
        await auntil(lambda: all(now <= then for now, then in zip(resources(), first, strict=True)))
        assert stage["other"].child is other
        assert stage["other"].restarts == 0

    play(scene, spec(tmp_path, python(LISTEN), port=port), spec(tmp_path, python(STAY), "other"), within=55)


def test_a_stop_and_a_start_at_once_find_the_port_in_time_wait_and_are_no_trouble(tmp_path: Path) -> None:
    port = free_port()
    server = """
import os, socket
one = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    connection, _ = one.accept()
    connection.recv(9)
    connection.close()
"""

    async def scene(stage: Stage) -> None:
        for generation in (1, 2, 3):
            await auntil(lambda g=generation: stage.it.life.generation == g and stage.it.life.state == "ready")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"x")
            assert await reader.read() == b""  # it has closed first: TIME_WAIT is on its side
            writer.close()
            stage.supervisor.ask_stop("it")
            await stage.state("stopped")
            assert is_free(port)
            stage.supervisor.ask_start("it")

    stage = play(scene, spec(tmp_path, python(server), port=port))
    assert "crashed" not in {state for _, state in stage.states}
    assert stage.it.life.reason == ""


@pytest.mark.parametrize("jump", [3600, -3600], ids=["an hour on", "an hour back"])
def test_a_clock_that_is_set_changes_no_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    real = time.time

    async def scene(stage: Stage) -> None:
        await asyncio.gather(stage.line("here", "deaf"), stage.state("crashed", "crasher"))
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        began = time.monotonic()
        stage.supervisor.ask_stop("deaf")
        await stage.state("stopped", "deaf")
        assert time.monotonic() - began >= 0.4
        await auntil(lambda: stage["crasher"].life.generation == 2)

    play(
        scene,
        spec(tmp_path, python(STAY, "SIGTERM"), "deaf", stop=Stop(grace_seconds=0.4)),
        spec(tmp_path, "exit 1", "crasher"),
    )
