"""A checkout: 20,000 files change below a watched folder, and the service restarts once."""

import asyncio
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from devproxy.config.model import Config
from devproxy.session.watching import Watching
from tests.processes.stage import STAY, Stage, play, python, spec
from tests.support import auntil

FILES = 20_000

WRITE = f"""
import sys
from pathlib import Path
for number in range({FILES}):
    Path(sys.argv[1], str(number % 100), f"{{number}}.py").write_text("x")
Path(sys.argv[1], "last.py").write_text("x")
"""


class Heartbeat:
    """Beats once a millisecond, as often as the loop lets it."""

    def __init__(self) -> None:
        self.beats = 0

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0.001)
            self.beats += 1


def test_a_checkout_of_20000_files_restarts_a_service_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A pause of the writer's own, on a busy machine, would part the burst: here it may be seconds long.
    monkeypatch.setattr("devproxy.watch.watcher.MANY_FILES", 0)
    monkeypatch.setattr("devproxy.watch.watcher.MANY_QUIET_SECONDS", (2.0, 2.0))
    monkeypatch.setattr("devproxy.watch.watcher.MAX_BURST_SECONDS", 60.0)
    for number in range(100):
        (tmp_path / "app" / str(number)).mkdir(parents=True)
    declared = spec(tmp_path, python(STAY), watch=("app/**/*.py",))
    bursts: list[int] = []

    async def scene(stage: Stage) -> None:
        def saved(name: str, paths: frozenset[str]) -> None:
            bursts.append(len(paths))
            stage.supervisor.saved(name)

        config = Config("shop", tmp_path, services=(declared,))
        watching = Watching(config, saved=saved, reload=pytest.fail, edited=None, warn=pytest.fail)
        heart = Heartbeat()
        tasks = [asyncio.create_task(watching.run())]
        try:
            await stage.state("ready")
            await auntil(lambda: watching.watcher is not None and watching.watcher.started.is_set())
            tasks.append(asyncio.create_task(heart.run()))
            # Not asyncio's: the session's reaper takes every child that exits.
            writer = subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path / "app")])
            writer.returncode = 0
            await auntil(lambda: (tmp_path / "app/last.py").exists(), within=40)
            await auntil(lambda: bursts, within=20)
            await auntil(lambda: stage.it.life.generation == 2 and stage.it.life.state == "ready")
            # What comes after the storm is a burst of its own: none of the storm's is left by then.
            (tmp_path / "app/after.py").write_text("x")
            await auntil(lambda: len(bursts) == 2)
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        assert heart.beats > 100  # however slow the machine, it was not one block
        assert bursts[0] > FILES / 2  # the kernel's queue is bounded (16,384 events)
        assert bursts[1] == 1

        assert stage.it.life.generation <= 3

    play(scene, declared, within=50)
