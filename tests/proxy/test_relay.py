"""Bytes both ways after an upgrade, through a real gateway."""

import asyncio
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from devproxy.proxy.relay import join
from tests.support import auntil, run, stands_still
from tests.support.gateway import RunningGateway, ready, running_gateway, status_of
from tests.support.upstream import Conversation, RawUpstream

MIB = 2**20
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Runner = Callable[[Coroutine[Any, Any, None]], None]

on_both_loops = pytest.mark.parametrize("run", [run, asyncio.run], ids=["uvloop", "asyncio"])
"""They differ in when a connection is closed whose two sides have ended."""


@asynccontextmanager
async def relayed(
    behind_request: bytes = b"", behind_answer: bytes = b""
) -> AsyncIterator[tuple[Streams, Conversation, RunningGateway]]:
    """A relay that stands: the client's streams, and the upstream's end of it."""
    conversations: asyncio.Queue[Conversation] = asyncio.Queue()
    over = asyncio.Event()

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(SWITCHED + behind_answer)
        await conversations.put(conversation)
        await over.wait()

    async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
        reader, writer = await front.open()
        writer.write(UPGRADE + behind_request)
        assert status_of(await reader.readuntil(b"\r\n\r\n")) == 101
        try:
            yield (reader, writer), await conversations.get(), front
        finally:
            over.set()
            writer.close()


def reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def test_what_comes_right_behind_the_101_or_the_request_is_relayed() -> None:
    async def main() -> None:
        async with relayed(b"early to upstream", b"early to client") as ((reader, writer), upstream, _):
            assert await reader.readexactly(15) == b"early to client"
            assert await upstream.reader.readexactly(17) == b"early to upstream"
            writer.write(b"later")
            assert await upstream.reader.readexactly(5) == b"later"

    run(main())


@on_both_loops
def test_a_client_that_sends_no_more_still_receives(run: Runner) -> None:
    async def main() -> None:
        async with relayed() as ((reader, writer), upstream, front):
            writer.write(b"last")
            writer.write_eof()
            assert await upstream.reader.read() == b"last"
            await upstream.send(b"and still ")
            await upstream.send(b"here")
            upstream.writer.write_eof()
            assert await reader.read() == b"and still here"
            await auntil(lambda: not front.gateway._connections)

    run(main())


@on_both_loops
def test_an_upstream_that_sends_no_more_still_receives(run: Runner) -> None:
    async def main() -> None:
        async with relayed() as ((reader, writer), upstream, front):
            upstream.writer.write_eof()
            assert await reader.read() == b""
            writer.write(b"still here")
            assert await upstream.reader.readexactly(10) == b"still here"
            writer.write_eof()
            assert await upstream.reader.read() == b""
            await auntil(lambda: not front.gateway._connections)

    run(main())


def test_a_client_that_resets_resets_the_upstream() -> None:
    async def main() -> None:
        async with relayed() as ((_, writer), upstream, front):
            reset(writer)
            with pytest.raises(ConnectionResetError):
                await upstream.reader.read()
            await auntil(lambda: not front.gateway._connections)

    run(main())


def test_an_upstream_that_resets_resets_the_client() -> None:
    async def main() -> None:
        async with relayed() as ((reader, _), upstream, front):
            reset(upstream.writer)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            await auntil(lambda: not front.gateway._connections)

    run(main())


@pytest.mark.parametrize("to_client", [True, False])
def test_a_slow_reader_slows_the_other_side_and_gets_every_byte(to_client: bool) -> None:
    async def main() -> None:
        async with relayed() as ((reader, writer), upstream, _):
            sink = reader if to_client else upstream.reader
            source = upstream.writer if to_client else writer
            sent = 0

            async def send() -> None:
                nonlocal sent
                for number in range(100):
                    source.write(bytes([number]) * MIB)
                    await source.drain()
                    sent += 1
                source.write_eof()

            sending = asyncio.create_task(send())
            await stands_still(lambda: sent)
            assert sent < 50  # the rest is not in our memory: two kernels' buffers hold a few MiB each
            received, checksum = 0, 0
            while data := await sink.read(MIB):
                received += len(data)
                checksum = zlib.crc32(data, checksum)
            await sending
            assert received == 100 * MIB
            expected = 0
            for number in range(100):
                expected = zlib.crc32(bytes([number]) * MIB, expected)
            assert checksum == expected

    run(main())


def test_a_side_that_is_full_from_the_start_pauses_the_other() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with RawUpstream(lambda conversation: asyncio.Event().wait()) as peer:
            client, _ = await loop.create_connection(asyncio.Protocol, *peer.address)
            upstream, _ = await loop.create_connection(asyncio.Protocol, *peer.address)
            join(client, upstream, to_client=b"x" * 32 * MIB, to_upstream=b"", done=lambda: None)
            assert not upstream.is_reading() and client.is_reading()
            client.abort()
            upstream.abort()

    run(main())
