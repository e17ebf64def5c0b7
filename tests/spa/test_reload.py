"""From changed files to what pages are told."""

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from devproxy.spa.reload import BUILD_QUIET_MS, Content, LiveReload, is_build_output, quiet_period_ms, sort_changes
from devproxy.watch import Watcher
from tests.support import run

PAGE, CSS = "page", "css"


@pytest.mark.parametrize(
    ("names", "kind", "sheets"),
    [
        (["a.css"], CSS, ["a.css"]),
        (["b/x.css", "a.css"], CSS, ["a.css", "b/x.css"]),
        (["a.css", "a.css.map", "a.css.br", "a.css.gz"], CSS, ["a.css"]),
        (["a.CSS"], CSS, ["a.CSS"]),
        (["a.css", "a.js"], PAGE, []),
        (["index.html"], PAGE, []),
        (["a.scss"], PAGE, []),
        (["a.js.map"], "nothing", []),
    ],
)
def test_what_a_burst_means(names: list[str], kind: str, sheets: list[str]) -> None:
    assert sort_changes(names) == (kind, sheets)


@pytest.mark.parametrize(
    ("path", "built"),
    [
        ("x/dist", True),
        ("x/build", True),
        ("x/out", True),
        ("dist/app/browser", True),
        ("x/site", False),
        ("x/browser", False),
    ],
)
def test_build_output_is_known_by_its_name(path: str, built: bool) -> None:
    assert is_build_output(Path(path)) is built


def test_build_output_is_waited_for_longer_than_a_save() -> None:
    assert quiet_period_ms(Path("x/dist"), 30) == BUILD_QUIET_MS
    assert quiet_period_ms(Path("x/dist"), 400) == 400
    assert quiet_period_ms(Path("x/site"), 30) == 30


class Told:
    def __init__(self) -> None:
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            event = dict(await self.events.get())
        event.pop("content")
        return event


@asynccontextmanager
async def reloading(
    root: Path, prefix: str = "/", content: Content | None = None, quiet_ms: int = 30
) -> AsyncIterator[tuple[Told, Watcher]]:
    told, watcher = Told(), Watcher(warn=pytest.fail)
    reload = LiveReload(root, prefix, quiet_ms, told.events.put_nowait, content)
    tasks = [asyncio.create_task(watcher.run()), asyncio.create_task(reload.run(watcher))]
    try:
        async with asyncio.timeout(10):
            await watcher.started.wait()
        yield told, watcher
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    (root / "assets").mkdir(parents=True)
    (root / "index.html").write_text("<p>")
    (root / "assets/a b.css").write_text("p{}")
    return root


def test_a_changed_page_reloads_once(site: Path) -> None:
    async def scenario() -> None:
        async with reloading(site) as (told, _):
            (site / "index.html").write_text("<b>")
            (site / "app.js").write_text("1")
            (site / "assets/a b.css").write_text("b{}")
            assert await told.next() == {"kind": "page"}
            assert told.events.empty()

    run(scenario())


def test_a_changed_style_sheet_is_named_by_its_url(site: Path) -> None:
    async def scenario() -> None:
        async with reloading(site, "/docs/") as (told, _):
            (site / "assets/a b.css").write_text("b{}")
            assert await told.next() == {"kind": "css", "paths": ["/docs/assets/a%20b.css"]}

    run(scenario())


def test_a_deleted_style_sheet_reloads_the_page(site: Path) -> None:
    async def scenario() -> None:
        async with reloading(site) as (told, _):
            (site / "assets/a b.css").unlink()
            assert await told.next() == {"kind": "page"}

    run(scenario())


def test_nothing_is_told_while_index_html_is_missing(site: Path) -> None:
    async def scenario() -> None:
        async with reloading(site) as (told, watcher):
            shutil.rmtree(site)
            site.mkdir()
            (site / "app.js").write_text("1")
            seen: asyncio.Queue[frozenset[Path]] = asyncio.Queue()
            watcher.add(site, ["app.js", "marker"], 60, seen.put_nowait)
            await watcher.started.wait()
            (site / "marker").write_text("1")
            await seen.get()  # by now the burst of app.js has been handed over too
            assert told.events.empty()
            (site / "index.html").write_text("<b>")
            assert await told.next() == {"kind": "page"}
            assert told.events.empty()

    run(scenario())


def test_a_build_that_empties_its_folder_reloads_once_when_it_is_done(tmp_path: Path) -> None:
    dist = tmp_path / "dist"

    async def build() -> None:
        shutil.rmtree(dist, ignore_errors=True)
        (dist / "assets").mkdir(parents=True)
        (dist / "index.html").write_text("<p>")
        for number in range(8):
            await asyncio.sleep(0.01)
            (dist / f"assets/{number}.js").write_text("1")

    async def scenario() -> None:
        await build()
        # Far longer than any pause of this build, however slow the machine: what is told earlier is a fault.
        async with reloading(dist, quiet_ms=1500) as (told, _):
            await build()
            assert await told.next() == {"kind": "page"}
            (dist / "late.css").write_text("p{}")
            assert await told.next() == {"kind": "css", "paths": ["/late.css"]}

    run(scenario())


def test_a_folder_that_is_built_for_the_first_time_reloads_the_waiting_page(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with reloading(tmp_path / "dist") as (told, _):
            (tmp_path / "dist").mkdir()
            (tmp_path / "dist/index.html").write_text("<p>")
            assert await told.next() == {"kind": "page"}

    run(scenario())


def test_a_folder_of_pages_without_an_index_reloads_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with reloading(tmp_path) as (told, _):
            (tmp_path / "about.html").write_text("<p>")
            assert await told.next() == {"kind": "page"}

    run(scenario())


def test_it_brings_a_watcher_of_its_own_when_given_none(site: Path) -> None:
    async def scenario() -> None:
        told = Told()
        task = asyncio.create_task(LiveReload(site, "/", 30, told.events.put_nowait).run())
        while told.events.empty():
            (site / "index.html").write_text(os.urandom(8).hex())
            await asyncio.sleep(0.1)
        assert await told.next() == {"kind": "page"}
        task.cancel()
        await asyncio.wait([task])

    run(scenario())


# --- the version of the content ---


def paths(root: Path) -> list[str]:
    return [str(path) for path in root.rglob("*") if path.is_file()]


def test_the_same_files_have_the_same_version_in_another_session(site: Path) -> None:
    one, two = Content(), Content()
    one.look_at(paths(site))
    two.look_at(reversed(paths(site)))
    assert one() == two() != ""


def test_the_version_changes_with_any_file_and_back_again(site: Path) -> None:
    content = Content()
    content.look_at(paths(site))
    before = content()
    stat = (site / "index.html").stat()
    (site / "index.html").write_text("<i>longer")
    content.look_at([str(site / "index.html")])
    assert content() != before
    (site / "index.html").write_text("<p>")
    os.utime(site / "index.html", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    content.look_at([str(site / "index.html")])
    assert content() == before


def test_a_deleted_file_changes_the_version(site: Path) -> None:
    content = Content()
    content.look_at(paths(site))
    before = content()
    (site / "assets/a b.css").unlink()
    content.look_at([str(site / "assets/a b.css")])
    assert content() != before


def test_an_unknown_version_says_so() -> None:
    assert Content()() == ""


def test_pages_are_told_the_version_that_they_are_then_up_to_date_with(site: Path) -> None:
    async def scenario() -> None:
        content = Content()
        async with reloading(site, content=content) as (told, _):
            before = content()
            (site / "assets/a b.css").write_text("i{}")
            event = await told.events.get()
            assert before != event["content"] == content()

    run(scenario())


def test_a_burst_is_looked_at_beside_the_loop(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """20,000 files take a second to sort on a busy machine."""
    beaten = threading.Event()

    def slow(names: Iterable[str]) -> tuple[str, list[str]]:
        assert beaten.wait(10)
        return sort_changes(names)

    monkeypatch.setattr("devproxy.spa.reload.sort_changes", slow)

    async def scenario() -> None:
        async with reloading(site) as (told, _):
            (site / "index.html").write_text("<b>")
            asyncio.get_running_loop().call_later(0.1, beaten.set)
            assert await told.next() == {"kind": "page"}

    run(scenario())
