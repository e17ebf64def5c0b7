"""Backends whose files are saved, broken and mended under load, each restarted by another reloader.

Our own watch, `uvicorn --reload` (whose parent keeps the listening socket), `node --watch` and Django's `runserver` (which
close it). scripts/saves does the same at length, one reloader after the other.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devproxy.session.session import Session
from tests.support import auntil
from tests.support.in_process import play_session
from tests.support.saves import RELOADERS, Storm, upgrade, write_project

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]

SAVES = 3


HOLD = "[hold]\nrequest_seconds = 600\n"  # however long a start takes on a busy machine


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the next worker takes to come, it is not taken to be missing."""
    monkeypatch.setattr("devproxy.processes.liveness.ABANDONED_SECONDS", 60.0)
    monkeypatch.setattr("devproxy.processes.liveness.CLOSED_SECONDS", 60.0)


async def all_ready(session: Session) -> None:
    await auntil(lambda: session.supervisor.is_ready, within=60)


@asynccontextmanager
async def storms(session: Session, folder: Path, rate: float) -> AsyncIterator[list[Storm]]:
    """Requests to every backend; leaving waits until each has been answered."""
    made = [Storm(session.port, reloader, folder, rate) for reloader in RELOADERS.values()]
    async with asyncio.TaskGroup() as tasks:
        for storm in made:
            tasks.create_task(storm.run())
        yield made
        for storm in made:
            storm.stop()


@pytest.mark.usefixtures("patient")
def test_no_get_fails_and_no_post_runs_twice_while_their_files_are_saved(tmp_path: Path) -> None:
    write_project(tmp_path, [*RELOADERS.values()], HOLD)

    async def save_again_and_again(storm: Storm) -> None:
        for number in range(SAVES):
            await storm.save(f"v{number}")

    async def scene(session: Session) -> None:
        await all_ready(session)
        async with storms(session, tmp_path, 20) as made:
            await asyncio.gather(*map(save_again_and_again, made))
        for storm in made:
            assert storm.failed == [], storm.reloader.name
            assert (storm.twice, storm.lost) == ([], []), storm.reloader.name
            assert {answer.status for answer in storm.posts.values()} <= {200, 502}, storm.reloader.name

    play_session(tmp_path, scene, within=240)


def test_a_syntax_error_is_a_502_with_its_traceback_for_everybody_and_goes_with_the_fix(tmp_path: Path) -> None:
    write_project(tmp_path, [*RELOADERS.values()], HOLD)

    async def breaks(storm: Storm) -> None:
        await auntil(lambda: storm.serves("0"))
        await storm.break_it()

    async def mends(storm: Storm) -> None:
        await storm.save("mended")
        assert storm.twice == [], storm.reloader.name

    async def scene(session: Session) -> None:
        await all_ready(session)
        async with storms(session, tmp_path, 10) as made:
            await asyncio.gather(*map(breaks, made))
        # Here everybody has been answered, although nothing is mended yet.
        for storm in made:
            assert {answer.status for answer in storm.failed} == {502}, storm.reloader.name
        async with storms(session, tmp_path, 10) as made:
            await asyncio.gather(*map(mends, made))

    play_session(tmp_path, scene, within=240)


@pytest.mark.usefixtures("patient")
def test_open_streams_and_sockets_do_not_keep_a_backend_from_reloading(tmp_path: Path) -> None:
    write_project(tmp_path, [*RELOADERS.values()], HOLD)

    async def open_one(port: int, asked: bytes, begins: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked)
        await reader.readuntil(begins)
        return reader, writer

    async def scene(session: Session) -> None:
        await all_ready(session)
        opened = []
        for name in RELOADERS:
            events = f"GET /{name}/events HTTP/1.1\r\nHost: localhost:{session.port}\r\n\r\n".encode()
            opened.append(await open_one(session.port, events, b": here"))
            if name != "django":  # its runserver knows no WebSockets
                opened.append(await open_one(session.port, upgrade(session.port, f"/{name}/ws"), b"101 "))
        async with storms(session, tmp_path, 2) as made:
            await asyncio.gather(*(storm.save("next") for storm in made))
        for reader, writer in opened:
            await reader.read()
            writer.close()
        assert all(storm.failed == [] for storm in made)

    play_session(tmp_path, scene, within=240)
