"""Real files, real changes."""

import asyncio
import shutil
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from devproxy.watch import Watcher
from devproxy.watch.watcher import INODE_CLOCK, MAX_BURST_SECONDS
from tests.support import run, until

QUIET_MS = 30


class Seen:
    """The bursts a subscriber was told."""

    def __init__(self) -> None:
        self.bursts: asyncio.Queue[frozenset[Path]] = asyncio.Queue()

    async def next(self) -> frozenset[Path]:
        async with asyncio.timeout(30):
            return await self.bursts.get()

    def put(self, burst: frozenset[str]) -> None:
        self.bursts.put_nowait(frozenset(map(Path, burst)))

    def none_waits(self) -> bool:
        return self.bursts.empty()


@asynccontextmanager
async def watching(
    directory: Path, globs: Sequence[str] = ("**",), *, quiet_ms: int = QUIET_MS, poll: bool = False
) -> AsyncIterator[tuple[Seen, Watcher]]:
    seen = Seen()
    watcher = Watcher(warn=pytest.fail, poll=poll)
    watcher.add(directory, globs, quiet_ms, seen.put)
    task = asyncio.create_task(watcher.run())
    try:
        async with asyncio.timeout(10):
            await watcher.started.wait()
        yield seen, watcher
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_a_changed_file_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "a.txt").write_text("1")
        async with watching(tmp_path) as (seen, _):
            (tmp_path / "a.txt").write_text("2")
            assert await seen.next() == {tmp_path / "a.txt"}

    run(scenario())


def test_only_matching_files_are_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "app").mkdir()
        async with watching(tmp_path, ["app/**/*.py"]) as (seen, _):
            (tmp_path / "app/readme.txt").write_text("no")
            (tmp_path / "top.py").write_text("no")
            (tmp_path / "app/main.py").write_text("yes")
            assert await seen.next() == {tmp_path / "app/main.py"}

    run(scenario())


def test_noise_is_not_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        for name in ("node_modules/x", ".git", "src"):
            (tmp_path / name).mkdir(parents=True)
        async with watching(tmp_path) as (seen, _):
            for name in (
                "node_modules/x/a.js",
                ".git/index",
                "src/.a.swp",
                "src/4913",
                "src/b.py~",
                "src/ok.py",
            ):
                (tmp_path / name).write_text("x")
            assert await seen.next() == {tmp_path / "src/ok.py"}

    run(scenario())


def test_what_gitignore_names_is_not_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / ".gitignore").write_text("coverage/\n")
        (tmp_path / "coverage").mkdir()
        async with watching(tmp_path) as (seen, _):
            (tmp_path / "coverage/index.html").write_text("x")
            (tmp_path / "a.html").write_text("x")
            assert await seen.next() == {tmp_path / "a.html"}

    run(scenario())


def test_a_gitignored_file_is_told_to_who_names_it_or_asks_for_all(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / ".git").mkdir()
        (tmp_path / ".gitignore").write_text("*.env\n/out/*.js\n")
        (tmp_path / "out").mkdir()
        async with watching(tmp_path) as (seen, watcher):
            by_name, all_of_it = Seen(), Seen()
            watcher.add(tmp_path, ["local.env"], QUIET_MS, by_name.put)
            watcher.add(tmp_path / "out", ["**"], QUIET_MS, all_of_it.put, gitignored=True)
            await watcher.started.wait()
            for name in ("local.env", "out/a.js", "out/a.css"):
                (tmp_path / name).write_text("x")
            assert await seen.next() == {tmp_path / "out/a.css"}
            assert await by_name.next() == {tmp_path / "local.env"}
            assert await all_of_it.next() == {tmp_path / "out/a.js", tmp_path / "out/a.css"}

    run(scenario())


@pytest.mark.parametrize("poll", [False, True], ids=["listening", "polling"])
def test_a_gitignore_of_a_folder_above_is_read_again_when_it_comes_and_when_it_changes(
    tmp_path: Path, poll: bool
) -> None:
    async def scenario() -> None:
        (tmp_path / ".git").mkdir()
        (tmp_path / "api").mkdir()
        async with watching(tmp_path / "api", poll=poll) as (seen, watcher):
            for ignored in ("a", "b"):
                watcher.started.clear()
                (tmp_path / ".gitignore").write_text(f"{ignored}.py\n# {ignored * 9}\n")
                async with asyncio.timeout(10):
                    await watcher.started.wait()
                for name in ("a", "b"):
                    (tmp_path / f"api/{name}.py").write_text(ignored)
                assert {path.name for path in await seen.next()} == {"a.py", "b.py"} - {f"{ignored}.py"}

    run(scenario())


def test_a_deleted_file_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "a.txt").write_text("1")
        async with watching(tmp_path) as (seen, _):
            (tmp_path / "a.txt").unlink()
            assert await seen.next() == {tmp_path / "a.txt"}

    run(scenario())


def test_a_change_made_while_the_listening_is_rearranged_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with watching(tmp_path) as (seen, watcher):
            for number in range(5):
                (tmp_path / f"{number}.txt").write_text("1")
                watcher.add(tmp_path, [f"never-{number}"], QUIET_MS, pytest.fail)
                assert await seen.next() == {tmp_path / f"{number}.txt"}

    run(scenario())


def test_an_editors_rename_over_the_file_is_one_burst(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "a.txt").write_text("1")
        async with watching(tmp_path) as (seen, _):
            (tmp_path / "a.txt~").write_text("2")
            (tmp_path / "a.txt~").rename(tmp_path / "a.txt")
            assert await seen.next() == {tmp_path / "a.txt"}
            assert seen.none_waits()

    run(scenario())


def test_a_single_file_is_watched_across_renames(tmp_path: Path) -> None:
    async def scenario() -> None:
        config = tmp_path / "app.toml"
        config.write_text("1")
        async with watching(tmp_path, ["app.toml"]) as (seen, _):
            for text in ("2", "3"):
                (tmp_path / "new").write_text(text)
                (tmp_path / "new").rename(config)
                assert await seen.next() == {config}

    run(scenario())


def test_files_in_a_new_directory_are_told_even_those_older_than_its_watch(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with watching(tmp_path) as (seen, _):
            (tmp_path / "a/b/c").mkdir(parents=True)
            (tmp_path / "a/b/c/x.txt").write_text("1")
            assert tmp_path / "a/b/c/x.txt" in await seen.next()

    run(scenario())


def test_a_new_directory_beside_node_modules_is_watched_and_told_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "node_modules").mkdir()
        async with watching(tmp_path) as (seen, watcher):
            (tmp_path / "src/deep").mkdir(parents=True)
            (tmp_path / "src/deep/a.js").write_text("1")
            assert await seen.next() == {tmp_path / "src/deep/a.js"}
            await watcher.started.wait()
            assert seen.none_waits()
            (tmp_path / "src/deep/b.js").write_text("1")
            assert await seen.next() == {tmp_path / "src/deep/b.js"}

    run(scenario())


def test_a_missing_root_is_waited_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with watching(tmp_path / "web/dist") as (seen, _):
            (tmp_path / "web/dist/assets").mkdir(parents=True)
            (tmp_path / "web/dist/index.html").write_text("1")
            (tmp_path / "web/dist/assets/a.js").write_text("1")
            told: set[Path] = set()
            while len(told) < 2:
                told |= await seen.next()
            assert told == {tmp_path / "web/dist/index.html", tmp_path / "web/dist/assets/a.js"}

    run(scenario())


def test_a_root_that_is_removed_and_made_anew_is_watched_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        dist = tmp_path / "dist"
        dist.mkdir()
        (dist / "old.txt").write_text("1")
        async with watching(dist) as (seen, watcher):
            shutil.rmtree(dist)
            assert dist / "old.txt" in await seen.next()
            await watcher.started.wait()
            dist.mkdir()
            (dist / "new.txt").write_text("1")
            assert await seen.next() == {dist / "new.txt"}
            await watcher.started.wait()
            (dist / "again.txt").write_text("1")
            assert await seen.next() == {dist / "again.txt"}

    run(scenario())


def test_a_root_that_is_swapped_by_renames_is_watched_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        dist, fresh = tmp_path / "dist", tmp_path / "fresh"
        for folder in (dist, fresh):
            folder.mkdir()
            (folder / "index.html").write_text(folder.name)
        async with watching(dist) as (seen, watcher):
            dist.rename(tmp_path / "old")
            fresh.rename(dist)
            assert await seen.next() == {dist / "index.html"}
            await watcher.started.wait()
            (dist / "index.html").write_text("again")
            assert await seen.next() == {dist / "index.html"}

    run(scenario())


def test_a_link_is_told_by_the_name_the_subscriber_uses(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        async with watching(tmp_path / "link") as (seen, _):
            (tmp_path / "real/a.txt").write_text("1")
            assert await seen.next() == {tmp_path / "link/a.txt"}

    run(scenario())


STORM = """
import sys
from pathlib import Path
for number in range(20_000):
    Path(sys.argv[1], str(number % 100), f"{number}.txt").touch()
"""


def test_a_storm_of_20000_changes_is_one_burst(tmp_path: Path) -> None:
    """However slowly it is written: only a pause of the quiet period, or the longest burst, would part it."""

    async def scenario() -> None:
        for number in range(100):
            (tmp_path / str(number)).mkdir()
        async with watching(tmp_path, quiet_ms=3000) as (seen, _):
            began = time.monotonic()
            writer = await asyncio.create_subprocess_exec(sys.executable, "-c", STORM, str(tmp_path))
            assert await writer.wait() == 0
            storm: set[Path] = set()
            bursts = 0
            # The kernel's queue is bounded too (16,384 events), so a few may be missing.
            while len(storm) <= 10_000:
                storm |= await seen.next()
                bursts += 1
            assert bursts <= 1 + (time.monotonic() - began) // MAX_BURST_SECONDS

    run(scenario())


@pytest.mark.parametrize("kind", ["changed", "new", "gone", "folder"])
def test_what_changed_before_a_subscription_is_not_told_to_it(tmp_path: Path, kind: str) -> None:
    """Somebody else listens there already, and has not been told of it yet."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/a.py").write_text("1")

    def change() -> None:
        match kind:
            case "changed":
                (tmp_path / "app/a.py").write_text("2")
            case "gone":
                (tmp_path / "app/a.py").unlink()
            case "new":
                (tmp_path / "app/b.py").write_text("1")
            case "folder":
                (tmp_path / "app/new").mkdir()
                (tmp_path / "app/new/c.py").write_text("1")

    async def scenario() -> None:
        async with watching(tmp_path) as (seen, watcher):
            change()
            now = time.clock_gettime_ns(INODE_CLOCK)
            until(lambda: time.clock_gettime_ns(INODE_CLOCK) > now)  # a tick of the kernel's; the loop stands still
            late = Seen()
            watcher.add(tmp_path, ["app/**/*.py"], QUIET_MS, late.put)
            await seen.next()
            await watcher.started.wait()
            (tmp_path / "app/last.py").write_text("1")
            assert await late.next() == {tmp_path / "app/last.py"}

    run(scenario())


def test_what_changes_after_a_subscription_is_told_though_only_others_listen_yet(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "old").mkdir()
        (tmp_path / "old/b.py").write_text("1")
        (tmp_path / "a.py").write_text("1")
        async with watching(tmp_path) as (_, watcher):
            late = Seen()
            watcher.add(tmp_path, ["**/*.py"], QUIET_MS, late.put)
            (tmp_path / "a.py").write_text("2")
            (tmp_path / "old").rename(tmp_path / "new")  # what is in it is as old as before
            told = set(await late.next())
            while not told >= {tmp_path / "a.py", tmp_path / "new/b.py"}:
                told |= await late.next()

    run(scenario())
