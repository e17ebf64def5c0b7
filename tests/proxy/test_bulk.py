"""Long bodies pass whole, and are never in our memory."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from devproxy.gateway.protocol import GatewayProtocol
from devproxy.proxy.bulk import LONG, READ, LongBody
from devproxy.proxy.exchange import Exchange
from tests.proxy.test_relay import Runner, on_both_loops
from tests.support import auntil, run
from tests.support.gateway import RunningGateway, ready, running_gateway, status_of
from tests.support.upstream import Conversation, RawUpstream

MIB = 2**20
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
BLOCKS = [bytes([number]) * MIB for number in range(48)]
SIZE = len(BLOCKS) * MIB


class Sent:
    """How far an upstream has come with its answer, or a client with its request."""

    blocks = 0


async def send_blocks(writer: asyncio.StreamWriter, sent: Sent) -> None:
    for block in BLOCKS:
        writer.write(block)
        await writer.drain()
        sent.blocks += 1


@asynccontextmanager
async def downloading() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, RunningGateway, Sent]]:
    """A client that has the head of a long answer, and has not read on."""
    sent = Sent()

    async def handler(conversation: Conversation) -> None:
        while True:
            await conversation.head()
            await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
            await send_blocks(conversation.writer, sent)

    async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port, limit=2**16)
        writer.write(GET)
        assert status_of(await reader.readuntil(b"\r\n\r\n")) == 200
        try:
            yield reader, writer, front, sent
        finally:
            writer.close()


async def only(front: RunningGateway) -> tuple[GatewayProtocol, Exchange]:
    """The connection of the one client, and its exchange, once that has a connection to the upstream."""

    def attached() -> tuple[GatewayProtocol, Exchange] | None:
        for connection in front.gateway._connections:
            if isinstance(connection._sink, Exchange) and connection._sink._connection is not None:
                return connection, connection._sink
        return None

    found = await auntil(attached)
    assert found is not None
    return found


def transport_of(exchange: Exchange) -> asyncio.Transport:
    assert exchange._connection is not None
    return exchange._connection.transport


async def read_blocks(reader: asyncio.StreamReader) -> None:
    left, checksum, expected = SIZE, 0, 0
    while left:
        data = await reader.read(min(left, MIB))
        assert data, f"cut, {left} bytes before its end"
        left -= len(data)
        checksum = zlib.crc32(data, checksum)
    for block in BLOCKS:
        expected = zlib.crc32(block, expected)
    assert checksum == expected


@on_both_loops
def test_a_long_answer_waits_for_its_reader_outside_of_our_memory_and_then_passes_whole(run: Runner) -> None:
    async def main() -> None:
        async with downloading() as (reader, writer, front, sent):
            connection, exchange = await only(front)
            upstream = transport_of(exchange)
            assert isinstance(upstream.get_protocol(), LongBody)
            await auntil(lambda: not upstream.is_reading())
            assert 0 < connection.transport.get_write_buffer_size() <= READ
            await read_blocks(reader)
            # Both connections are as before, and used again; the next answer passes as whole as the first.
            await auntil(lambda: connection._sink is None)
            assert connection.transport.get_write_buffer_limits()[1] > 0
            writer.write(GET)
            assert status_of(await reader.readuntil(b"\r\n\r\n")) == 200
            await read_blocks(reader)
            assert sent.blocks == 2 * len(BLOCKS)

    run(main())


def test_a_long_answer_that_is_cut_is_seen_to_be_cut() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + bytes(SIZE - 1))

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            reader, writer = await front.open()
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n")
            assert len(await reader.read()) == SIZE - 1
            writer.close()
            assert upstream.connections == 1

    run(main())


@pytest.mark.parametrize("surplus", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"])
def test_what_comes_behind_a_long_answer_is_no_answer(surplus: bytes) -> None:
    async def handler(conversation: Conversation) -> None:
        while True:
            await conversation.head()
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LONG + 1)
            await conversation.send(head + bytes(LONG + 1) + surplus)

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            reader, writer = await front.open()
            for _ in range(3):
                writer.write(GET)
                assert b"Content-Length: %d\r\n" % (LONG + 1) in await reader.readuntil(b"\r\n\r\n")
                assert await reader.readexactly(LONG + 1) == bytes(LONG + 1)
            writer.close()
            assert (upstream.connections == 1) is (surplus == b"")

    run(main())


def test_a_client_that_leaves_a_long_answer_ends_it() -> None:
    async def main() -> None:
        async with downloading() as (_, writer, front, _sent):
            upstream = transport_of((await only(front))[1])
            writer.close()
            await auntil(lambda: upstream.is_closing() and not front.gateway._connections)

    run(main())


@pytest.mark.parametrize("early", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE])
def test_a_long_request_waits_for_an_upstream_that_does_not_read(early: bytes) -> None:
    async def handler(conversation: Conversation) -> None:
        conversation.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await conversation.send(early)
        await asyncio.Event().wait()

    async def main() -> None:
        sent = Sent()
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            reader, writer = await front.open()
            writer.write(b"PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % SIZE)
            if early:
                await reader.readuntil(b"\r\n\r\n")
            sending = asyncio.create_task(send_blocks(writer, sent))
            connection, exchange = await only(front)
            await auntil(lambda: not connection.transport.is_reading())
            assert isinstance(transport_of(exchange).get_protocol(), LongBody) is bool(early)
            assert 0 < transport_of(exchange).get_write_buffer_size() <= MIB
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            writer.close()

    run(main())
