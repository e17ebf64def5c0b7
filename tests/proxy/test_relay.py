"""Bytes both ways after an upgrade, through a real gateway."""

import asyncio
import itertools
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from devproxy.gateway.leaving import has_left
from devproxy.proxy import relay
from devproxy.proxy.balance import Balanced, Member, Standing
from devproxy.proxy.hold import OVER
from devproxy.proxy.relay import Relay
from devproxy.proxy.upstream import Upstream
from devproxy.proxy.websocket import Frames, close_frame
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


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is cut because this machine is slow."""
    monkeypatch.setattr(relay, "GOODBYE_SECONDS", 60.0)


@asynccontextmanager
async def relayed(
    behind_request: bytes = b"", behind_answer: bytes = b"", *, service: Upstream | None = None
) -> AsyncIterator[tuple[Streams, Conversation, RunningGateway]]:
    """A relay that stands: the client's streams, and the upstream's end of it."""
    conversations: asyncio.Queue[Conversation] = asyncio.Queue()
    over = asyncio.Event()

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(SWITCHED + behind_answer)
        await conversations.put(conversation)
        await over.wait()

    service = service or ready("api")
    async with RawUpstream(handler) as upstream, running_gateway({"api": service}) as front:
        service.addresses = (upstream.address,)
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


def expire(front: RunningGateway) -> None:
    """The gateway's look at its connections, a day later."""
    (connection,) = front.gateway._connections
    connection.expire(asyncio.get_running_loop().time() + 86_400)


@on_both_loops
def test_a_client_that_sends_no_more_has_not_left(run: Runner) -> None:
    async def main() -> None:
        async with relayed() as ((reader, writer), upstream, front):
            writer.write_eof()
            assert await upstream.reader.read() == b""
            expire(front)
            await upstream.send(b"still here")
            assert await reader.readexactly(10) == b"still here"

    run(main())


async def until_paused(writer: asyncio.StreamWriter, front: RunningGateway) -> int:
    """Send until the gateway reads no more, because the upstream does not; returns the bytes sent."""
    (connection,) = front.gateway._connections
    sent = 0
    while connection.transport.is_reading():
        writer.write(bytes(65536))
        await writer.drain()
        await asyncio.sleep(0)
        sent += 65536
    return sent


def test_what_was_sent_before_the_end_arrives_however_slow_the_upstream() -> None:
    async def main() -> None:
        async with relayed() as ((_, writer), upstream, front):
            (connection,) = front.gateway._connections
            sent = await until_paused(writer, front)
            writer.write_eof()
            await auntil(lambda: has_left(connection.transport))
            expire(front)
            received = 0
            while data := await upstream.reader.read(MIB):
                received += len(data)
            assert received == sent

    run(main())


def test_a_client_that_resets_while_it_is_not_read_is_noticed() -> None:
    async def main() -> None:
        async with relayed() as ((_, writer), _, front):
            (connection,) = front.gateway._connections
            await until_paused(writer, front)
            reset(writer)
            await auntil(lambda: has_left(connection.transport, may_end=True))
            expire(front)
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
def test_a_slow_reader_slows_the_other_side_and_gets_every_byte_of_a_long_message(to_client: bool) -> None:
    async def main() -> None:
        async with relayed() as ((reader, writer), upstream, _):
            sink = reader if to_client else upstream.reader
            source = upstream.writer if to_client else writer
            sent = 0

            async def send() -> None:
                nonlocal sent
                source.write(b"\x82\x7f" + (100 * MIB).to_bytes(8, "big"))
                for number in range(100):
                    source.write(bytes([number]) * MIB)
                    await source.drain()
                    sent += 1
                source.write_eof()

            sending = asyncio.create_task(send())
            await stands_still(lambda: sent)
            assert sent < 50  # the rest is not in our memory: two kernels' buffers hold a few MiB each
            assert await sink.readexactly(10) == b"\x82\x7f" + (100 * MIB).to_bytes(8, "big")
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
            both = Relay(client, upstream, set(), lambda: None)
            both.begin(head=SWITCHED, to_client=b"x" * 32 * MIB, to_upstream=b"")
            assert not upstream.is_reading() and client.is_reading()
            client.abort()
            upstream.abort()

    run(main())


STRANGE = [
    b"\x82\x05hello", b"\x82\x85\x01\x02\x03\x04hello",  # masked or not, whoever sends it
    b"\xc2\x05hello", b"\xa2\x00", b"\x92\x01x", b"\xf1\x02ab",  # RSV1 is permessage-deflate's, the others are free
    b"\x83\x01x", b"\x87\x00", b"\x8b\x02ab", b"\x8f\x00",  # reserved opcodes
    b"\x80\x03abc", b"\x01\x01a", b"\x01\x01a", b"\x00\x00", b"\x09\x01p",  # no start, no end, a control frame in two
    b"\x89\x7e\x00\x80" + b"p" * 128, b"\x8a\x04pong",  # a ping that is too long, a pong that nobody asked for
    b"\x82\x7e\x00\x01x", b"\x82\x7f" + bytes(7) + b"\x01x",  # a length written longer than it need be
    b"\x81\x02\xff\xfe", b"\x88\x01x", b"\x88\x02\x03\xed", b"\x88\x02\xff\xff",  # no UTF-8, closes with codes that are none
]  # fmt: skip


@pytest.mark.parametrize("to_client", [True, False])
def test_frames_of_every_kind_pass_as_they_are(to_client: bool) -> None:
    async def main() -> None:
        async with relayed() as ((reader, writer), upstream, _):
            sink = reader if to_client else upstream.reader
            source = upstream.writer if to_client else writer
            for frame in STRANGE:
                source.write(frame)
                assert await sink.readexactly(len(frame)) == frame
            together = b"".join(STRANGE)
            source.write(together)
            assert await sink.readexactly(len(together)) == together
            for number in range(len(together)):
                source.write(together[number : number + 1])
                await source.drain()
            assert await sink.readexactly(len(together)) == together

    run(main())


# -- a goodbye


def frame(payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(Opcode.BINARY, payload, fin).serialize(mask=False)


RESTARTS = close_frame(1012, "the service restarts")
GONE = close_frame(1001, "the service goes away")


@on_both_loops
@pytest.mark.parametrize(
    ("state", "goodbye"), [("restarting", RESTARTS), ("stopped", GONE), (OVER, GONE)], ids=["restart", "stop", "over"]
)
@pytest.mark.parametrize("sent", [b"", frame(b"whole"), frame(b"a fragment", fin=False), frame(bytes(70000))], ids=len)
def test_a_service_that_restarts_closes_its_websockets_and_waits_for_none(
    run: Runner, sent: bytes, state: str, goodbye: bytes
) -> None:
    async def main() -> None:
        service = ready("api")
        async with relayed(service=service) as ((reader, writer), upstream, front):
            await upstream.send(sent)
            assert await reader.readexactly(len(sent)) == sent
            service.become(state)
            assert await upstream.reader.read() == b""  # before the client has closed
            assert await reader.read() == goodbye
            assert front.gateway._connections
            writer.close()
            await auntil(lambda: not front.gateway._connections and not service.streams)

    run(main())


LONG, LONGER, SHORT = frame(bytes(300)), frame(bytes(70000)), frame(b"abc")


@pytest.mark.parametrize(
    ("under_way", "cut"),
    [(SHORT, 1), (SHORT, 2), (SHORT, 4), (LONG, 1), (LONG, 3), (LONG, 4), (LONG, 303), (LONGER, 9), (LONGER, 60000)],
    ids=lambda value: str(value if isinstance(value, int) else len(value)),
)
def test_a_frame_under_way_is_passed_whole_before_the_goodbye(under_way: bytes, cut: int) -> None:
    async def main() -> None:
        service = ready("api")
        async with relayed(service=service) as ((reader, writer), upstream, front):
            begun = SHORT + under_way[:cut]
            await upstream.send(begun)
            assert await reader.readexactly(len(begun)) == begun
            service.become("restarting")
            if len(under_way) - cut > 1:
                await upstream.send(under_way[cut : cut + 1])
                assert await reader.readexactly(1) == under_way[cut : cut + 1]
                cut_again = cut + 1
            else:
                cut_again = cut
            await upstream.send(under_way[cut_again:] + SHORT)
            assert await reader.read() == under_way[cut_again:] + RESTARTS
            writer.close()
            await auntil(lambda: not front.gateway._connections)

    run(main())


def test_a_slow_client_gets_whole_frames_and_then_the_goodbye() -> None:
    async def main() -> None:
        service = ready("api")
        async with relayed(service=service) as ((reader, writer), upstream, _):
            sent = 0

            async def send() -> None:
                nonlocal sent
                while True:
                    await upstream.send(LONGER)
                    sent += 1

            sending = asyncio.create_task(send())
            await stands_still(lambda: sent)
            service.become("restarting")
            received = await reader.read()
            whole, rest = divmod(len(received) - len(RESTARTS), len(LONGER))
            assert rest == 0 and received == LONGER * whole + RESTARTS
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            writer.close()

    run(main())


def test_nothing_follows_a_close_frame_of_the_services_own() -> None:
    async def main() -> None:
        service = ready("api")
        async with relayed(service=service) as ((reader, writer), upstream, front):
            own = close_frame(4001, "its own")
            await upstream.send(own)
            assert await reader.readexactly(len(own)) == own
            service.become("restarting")
            assert await reader.read() == b""
            writer.close()
            await auntil(lambda: not front.gateway._connections)

    run(main())


@on_both_loops
@pytest.mark.parametrize("ended", ["client", "upstream"])
def test_a_goodbye_where_one_side_has_ended_already(run: Runner, ended: str) -> None:
    async def main() -> None:
        service = ready("api")
        async with relayed(service=service) as ((reader, writer), upstream, front):
            if ended == "client":
                writer.write_eof()
                assert await upstream.reader.read() == b""
            else:
                upstream.writer.write_eof()
                assert await reader.read() == b""
            service.become("restarting")
            assert await reader.read() == (RESTARTS if ended == "client" else b"")
            assert await upstream.reader.read() == b""
            if ended == "upstream":
                writer.close()
            await auntil(lambda: not front.gateway._connections)

    run(main())


def test_a_client_that_does_not_close_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        service = ready("api")
        async with relayed(service=service) as ((reader, _), _, front):
            service.become("restarting")
            assert await reader.read() == RESTARTS
            await auntil(lambda: not front.gateway._connections)

    monkeypatch.setattr(relay, "GOODBYE_SECONDS", 0.05)
    run(main())


def test_what_a_client_sends_after_the_goodbye_is_read_and_dropped() -> None:
    """Left unread, it would reset the connection, and take the goodbye with it."""

    async def main() -> None:
        service = ready("api")
        async with relayed(service=service) as ((reader, writer), upstream, front):
            service.become("restarting")
            for _ in range(16):
                writer.write(bytes(MIB))
                await writer.drain()
            writer.write_eof()
            assert await reader.read() == RESTARTS
            assert await upstream.reader.read() == b""
            await auntil(lambda: not front.gateway._connections)

    run(main())


@pytest.mark.parametrize("state", ["crashed", "failing", "done"])
def test_a_service_that_went_by_itself_has_the_last_word(state: str) -> None:
    async def main() -> None:
        service = ready("api")
        async with relayed(service=service) as ((reader, _), upstream, front):
            service.become(state)
            await upstream.send(SHORT)
            assert await reader.readexactly(len(SHORT)) == SHORT
            reset(upstream.writer)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            await auntil(lambda: not front.gateway._connections and not service.streams)

    run(main())


def test_one_instance_that_restarts_closes_its_own_websockets_only() -> None:
    async def main() -> None:
        conversations: asyncio.Queue[Conversation] = asyncio.Queue()

        async def handler(conversation: Conversation) -> None:
            await conversation.head()
            await conversation.send(SWITCHED)
            await conversations.put(conversation)
            await asyncio.Event().wait()

        async with RawUpstream(handler) as first, RawUpstream(handler) as second:
            members = ready("api#1", first.address), ready("api#2", second.address)
            whole = Balanced("api", [Member(Standing(member)) for member in members])
            async with running_gateway({"api": whole, "1": members[0], "2": members[1]}) as front:
                clients = [await front.open() for _ in members]
                talks = []
                for reader, writer in clients:
                    writer.write(UPGRADE)
                    assert status_of(await reader.readuntil(b"\r\n\r\n")) == 101
                    talks.append(await conversations.get())
                members[0].become("restarting")
                assert await clients[0][0].read() == RESTARTS
                await talks[1].send(SHORT)
                assert await clients[1][0].readexactly(len(SHORT)) == SHORT
                for _, writer in clients:
                    writer.close()

    run(main())


class Recorder(asyncio.Transport):
    """A client's transport as far as the way to it needs one: it takes what is written."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...


wire = st.lists(
    st.builds(
        lambda length, mask: Frame(Opcode.BINARY, bytes(length)).serialize(mask=mask),
        st.one_of(st.integers(0, 130), st.sampled_from([65535, 65536])), st.booleans(),
    ), min_size=1, max_size=8,
)  # fmt: skip


@given(wire, st.lists(st.integers(0, 10**6), max_size=12))
def test_the_short_cut_for_what_comes_alone_agrees_with_the_long_way(sent: list[bytes], cuts: list[int]) -> None:
    data = b"".join(sent)
    ends = {sum(map(len, sent[:number])) for number in range(len(sent))}
    places = sorted({cut % len(data) for cut in cuts[::2]} | set(list(ends)[: len(cuts)]) | {0, len(data)})
    side, reference = relay._FromUpstream(Recorder()), Frames()
    for begin, end in itertools.pairwise(places):
        side.data_received(data[begin:end])
        reference.feed(data[begin:end])
        assert side.frames.left == reference.left
