"""What restarts a service: the files that it names, or, while it is braked, whatever a person saves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from devproxy.config.model import Config, Service
from devproxy.session.watching import WRITTEN_BY_PROGRAMS, Watching
from tests.support import auntil, run

Saves = list[tuple[str, set[str]]]


@asynccontextmanager
async def watching(root: Path, **services: tuple[str, ...]) -> AsyncIterator[tuple[Watching, Saves]]:
    declared = [Service(name, "worker", root, "true", watch=watch) for name, watch in services.items()]
    saves: Saves = []
    watching = Watching(
        Config("shop", root, services=tuple(declared)),
        saved=lambda name, paths: saves.append((name, {Path(path).name for path in paths})),
        reload=pytest.fail,
        edited=None,
        warn=pytest.fail,
    )
    task = asyncio.create_task(watching.run())
    await asyncio.sleep(0)
    try:
        yield watching, saves
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def listening(watching: Watching) -> None:
    assert watching.watcher is not None
    async with asyncio.timeout(10):
        await watching.watcher.started.wait()


def test_one_that_names_no_files_is_watched_only_while_it_waits_for_a_save(tmp_path: Path) -> None:
    async def scene() -> None:
        async with watching(tmp_path, api=()) as (watch, saves):
            assert watch.watcher is None
            watch.await_save("api", awaited=True)
            await listening(watch)
            (tmp_path / "main.py").write_text("fixed")
            await auntil(lambda: saves == [("api", {"main.py"})])

    run(scene())


def test_one_that_runs_again_is_not_watched_any_more(tmp_path: Path) -> None:
    async def scene() -> None:
        async with watching(tmp_path, api=(), web=()) as (watch, saves):
            for name in ("api", "web"):
                watch.await_save(name, awaited=True)
            await listening(watch)
            watch.await_save("api", awaited=False)
            (tmp_path / "main.py").write_text("x")
            await auntil(lambda: saves == [("web", {"main.py"})])

    run(scene())


def test_what_programs_write_is_no_save(tmp_path: Path) -> None:
    async def scene() -> None:
        async with watching(tmp_path, api=()) as (watch, saves):
            watch.await_save("api", awaited=True)
            await listening(watch)
            for name in ("app.log", "db.sqlite3", "db.sqlite3-journal", "server.pid", "main.py"):
                (tmp_path / name).write_text("x")
            await auntil(lambda: saves == [("api", {"main.py"})])

    run(scene())


def test_one_that_names_its_files_is_told_of_no_others(tmp_path: Path) -> None:
    async def scene() -> None:
        async with watching(tmp_path, api=("*.py",)) as (watch, saves):
            watch.await_save("api", awaited=True)
            await listening(watch)
            (tmp_path / "notes.txt").write_text("x")
            (tmp_path / "main.py").write_text("x")
            await auntil(lambda: saves == [("api", {"main.py"})])

    run(scene())


@pytest.mark.parametrize("name", ["app.py", "Makefile", ".env", "catalogue", "log.py", "settings.db.toml", "core.ts"])
def test_what_people_write_counts(name: str) -> None:
    assert WRITTEN_BY_PROGRAMS.fullmatch(name) is None
