"""A service's terminal over a WebSocket, at the session's Unix socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from devproxy.control.app import create_app
from devproxy.control.terminals import lines_of, obey
from devproxy.errors import UsageError
from devproxy.processes.child import Child, Command, spawn
from devproxy.processes.terminal import Terminal
from tests.control.small import SmallSession, server
from tests.processes.stage import python
from tests.support import auntil, run

ECHO = "import sys\nfor line in sys.stdin: print('got', line.strip(), flush=True)"
"""Says what it reads. (So does its terminal: it echoes.)"""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[SmallSession]:
    session = SmallSession(tmp_path / "logs")
    yield session
    session.close()


@asynccontextmanager
async def served(session: SmallSession, path: Path) -> AsyncIterator[Path]:
    """The session's API on a Unix socket."""
    where = path / "s"
    running = server(create_app(session), uds=str(where))
    task = asyncio.create_task(running.serve())
    await auntil(lambda: running.started)
    try:
        yield where
    finally:
        running.should_exit = True
        await task


def attach(where: Path, query: str = "", name: str = "api") -> unix_connect:
    return unix_connect(str(where), f"ws://localhost/__devproxy/api/services/{name}/terminal{query}")


@asynccontextmanager
async def child_of(terminal: Terminal, folder: Path, source: str = ECHO) -> AsyncIterator[Child]:
    """A child on a terminal, read as its service does."""
    child = spawn(Command(python(source), folder, {"PATH": "/usr/bin:/bin"}))
    loop = asyncio.get_running_loop()
    terminal.connect(child)
    loop.add_reader(child.master, lambda: terminal.wrote(child.read(child.master) or b""))
    try:
        yield child
    finally:
        terminal.disconnect()
        loop.remove_reader(child.master)
        child.close_output(child.master)
        child.signal_group(9)
        import os

        os.waitpid(child.pid, 0)


async def shows(ws: ClientConnection, text: bytes) -> None:
    """Wait until it shows this."""
    seen = b""
    while text not in seen:
        message = await ws.recv()
        seen += message if isinstance(message, bytes) else b""


def test_bytes_go_both_ways_until_the_end(session: SmallSession, tmp_path: Path) -> None:
    async def scene() -> None:
        async with served(session, tmp_path) as where, child_of(session.terminals["api"], tmp_path):
            async with attach(where) as ws:
                await ws.send(b"hello\r")
                await shows(ws, b"got hello\n")
                await ws.send('{"end": true}')
                await ws.wait_closed()
                assert ws.close_code == 1000
            await auntil(lambda: not session.terminals["api"].is_attached)

    run(scene())


def test_it_begins_with_the_last_lines_and_the_one_that_has_begun(session: SmallSession, tmp_path: Path) -> None:
    source = session.log.source("api")
    source.feed(b"one\ntwo\nthree\nContinue? ")

    async def scene() -> None:
        async with served(session, tmp_path) as where, attach(where, "?lines=2") as ws:
            assert await ws.recv() == b"two\x1b[0m\nthree\x1b[0m\nContinue? "

    run(scene())


def test_its_size_and_what_is_said_of_the_service_are_text(session: SmallSession, tmp_path: Path) -> None:
    source = "import os, signal, time\nsignal.signal(signal.SIGWINCH, lambda *_: os.write(1, b'%d %d\\n' % os.get_terminal_size(0)))\n"
    source += "print('here', flush=True)\nwhile True: time.sleep(0.02)"

    async def scene() -> None:
        terminal = session.terminals["api"]
        async with served(session, tmp_path) as where, attach(where) as ws:
            await auntil(lambda: terminal.is_attached)
            async with child_of(terminal, tmp_path, source):
                await shows(ws, b"here\n")
                await ws.send(json.dumps({"columns": 101, "rows": 37}))
                await shows(ws, b"101 37\n")
            terminal.say("api exited with code 1")
            assert await ws.recv() == "api exited with code 1"

    run(scene())


def test_the_end_of_the_session_is_1001(session: SmallSession, tmp_path: Path) -> None:
    async def scene() -> None:
        async with served(session, tmp_path) as where, attach(where) as ws:
            await auntil(lambda: session.terminals["api"].is_attached)
            session.terminals["api"].close()
            with pytest.raises(ConnectionClosed):
                await ws.recv()
            assert ws.close_code == 1001

    run(scene())


@pytest.mark.parametrize(
    ("name", "query", "status", "words"),
    [
        ("apo", "", 404, "there is no service 'apo'"),
        ("static", "", 400, "static has no process of its own"),
        ("api", "?lines=-1", 400, "lines=-1 is no number of lines"),
    ],
)
def test_what_cannot_be_attached_to_is_a_problem(
    session: SmallSession, tmp_path: Path, name: str, query: str, status: int, words: str
) -> None:
    from dataclasses import replace

    session.services["static"] = replace(session.services["web"], name="static")

    async def scene() -> None:
        async with served(session, tmp_path) as where:
            with pytest.raises(InvalidStatus) as refused:
                await attach(where, query, name)
            problem = json.loads(refused.value.response.body or b"{}")
            assert (refused.value.response.status_code, problem["detail"]) == (status, words)
            assert problem["exit_code"] == 2
            assert refused.value.response.headers["X-Frame-Options"] == "DENY"

    run(scene())


def test_a_client_that_vanishes_is_attached_no_more(session: SmallSession, tmp_path: Path) -> None:
    async def scene() -> None:
        async with served(session, tmp_path) as where:
            ws = await attach(where)
            await auntil(lambda: session.terminals["api"].is_attached)
            ws.transport.abort()
            await auntil(lambda: not session.terminals["api"].is_attached)

    run(scene())


@pytest.mark.parametrize("value", ["", "-1", "1e3", "1001", "٣", "99999999999"])
def test_a_number_of_lines_is_a_small_number(value: str) -> None:
    with pytest.raises(UsageError):
        lines_of(value)


@pytest.mark.parametrize(
    ("text", "goes_on"),
    [('{"columns": 80, "rows": 24}', True), ('{"columns": -1, "rows": "x"}', True), ('{"end": true}', False), ("[1]", False), ("{", False)],
)  # fmt: skip
def test_a_text_message_is_a_size_or_the_end(text: str, goes_on: bool) -> None:
    with Terminal(lambda: (80, 24)).attach() as attached:
        assert obey(text, attached) is goes_on
