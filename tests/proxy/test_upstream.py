"""Pooled connections to an upstream: which are used again, when they end, and what an answer's end is."""

import asyncio
import socket
import struct

import pytest

from devproxy.proxy import upstream as upstream_module
from devproxy.proxy.exchange import Exchange
from devproxy.proxy.upstream import Upstream, UpstreamConnection
from tests.support import auntil, run
from tests.support.gateway import RunningGateway, body_of, ready, running_gateway, status_of
from tests.support.upstream import OK, Conversation, Handler, RawUpstream, answering


async def statuses(front: RunningGateway, *methods: str) -> list[int]:
    return [
        status_of(
            await front.talk(front.request(method=method, fields="" if method != "POST" else "Content-Length: 0\r\n"))
        )
        for method in methods
    ]


async def answers(handler: Handler, *requests: bytes) -> tuple[list[bytes], int]:
    """What the requests get, one after the other on one client connection, and how often was dialled."""
    async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
        read = [await front.talk(request) for request in requests]
        return read, upstream.connections


def test_requests_one_after_another_share_a_connection_whatever_their_method() -> None:
    async def main() -> None:
        async with (
            RawUpstream(answering(OK)) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            assert await statuses(front, "GET", "POST", "GET", "DELETE") == [200] * 4
            assert upstream.connections == 1

    run(main())


def test_an_idle_connection_expires_before_its_server_would_close_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_module, "IDLE_SECONDS", 0.05)

    async def main() -> None:
        async with (
            RawUpstream(answering(OK)) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            await statuses(front, "GET")
            await auntil(lambda: upstream.ended == 1)
            assert await statuses(front, "GET") == [200]
            assert upstream.connections == 2

    run(main())


def test_what_may_not_be_sent_twice_takes_no_connection_that_may_be_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_module, "FRESH_ENOUGH_SECONDS", 0.0)

    async def main() -> None:
        async with (
            RawUpstream(answering(OK)) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            await statuses(front, "GET", "GET")
            assert upstream.connections == 1
            await statuses(front, "POST")
            assert upstream.connections == 2

    run(main())


def test_leaving_ready_purges_the_pool() -> None:
    async def main() -> None:
        service = Upstream("api", state="ready")
        async with RawUpstream(answering(OK)) as upstream, running_gateway({"api": service}) as front:
            service.addresses = (upstream.address,)
            await statuses(front, "GET")
            (pooled,) = service._idle
            service.become("restarting")
            assert pooled.closing and not service._idle

    run(main())


def test_an_answer_that_ends_while_its_service_goes_is_not_pooled() -> None:
    gone = asyncio.Event()

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
        await gone.wait()
        await conversation.send(b"k")
        await conversation.reader.read()

    async def main() -> None:
        async with RawUpstream(handler) as upstream:
            service = ready("api", upstream.address)
            async with running_gateway({"api": service}) as front:
                reader, writer = await front.open()
                writer.write(front.request())
                await reader.readuntil(b"o")
                service.become("restarting")
                gone.set()
                assert (await reader.read()).endswith(b"k")
                assert not service._idle
                writer.close()

    run(main())


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
     b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n", b"HTTP/1.1 204 No Content\r\n\r\nok", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nx"],
)  # fmt: skip
def test_a_connection_that_says_close_or_has_a_byte_left_is_used_once(answer: bytes) -> None:
    async def main() -> None:
        async with (
            RawUpstream(answering(answer)) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            assert len(set(await statuses(front, "GET", "GET", "GET"))) == 1
            assert upstream.connections == 3

    run(main())


def test_an_answer_of_http10_that_says_keep_alive_is_pooled() -> None:
    answer = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"
    read, dialled = run(
        answers(answering(answer), *[b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"] * 2)
    )
    assert [body_of(each) for each in read] == [b"ok", b"ok"] and dialled == 1


def test_a_body_sent_in_answer_to_head_is_nobodys_next_answer() -> None:
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"

    async def handler(conversation: Conversation) -> None:
        while True:
            if (await conversation.head()).startswith(b"HEAD"):
                await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(poison))
                await conversation.reader.read(1)  # its body comes late
                await conversation.send(poison)
            else:
                await conversation.send(OK)

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            answer = await front.talk(front.request(method="HEAD"))
            assert b"Content-Length: 44\r\n" in answer and body_of(answer) == b""
            assert body_of(await front.talk(front.request())) == b"ok"
            assert upstream.connections == 2

    run(main())


def test_a_connection_whose_upstream_has_not_taken_the_whole_request_is_not_pooled() -> None:
    sent = asyncio.Event()

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        conversation.reader._transport.pause_reading()
        if conversation.number == 1:
            await sent.wait()
        await conversation.send(OK)
        await asyncio.Event().wait()

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            reader, writer = await front.open()
            writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            await auntil(lambda: upstream.connections == 1)
            (client,) = front.gateway._connections
            assert isinstance(client._sink, Exchange) and client._sink._connection is not None
            connection = client._sink._connection
            piece = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
            while not connection.transport.get_write_buffer_size():  # until the kernels' buffers are full
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            writer.write(b"0\r\n\r\n")
            await auntil(lambda: client._chunks is None)
            assert connection.transport.get_write_buffer_size()
            sent.set()
            assert status_of(await reader.readuntil(b"\r\n\r\n")) == 200
            writer.close()
            assert connection.closing

    run(main())


def test_an_answer_that_ends_with_its_connection_ends_with_the_clients() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 200 OK\r\n\r\nuntil ")
        await conversation.send(b"close")

    read, _ = run(answers(handler, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    assert body_of(read[0]) == b"until close"
    assert b"Connection: close\r\n" in read[0]


@pytest.mark.parametrize(
    ("request_line", "head"),
    [("GET / HTTP/1.1", b"HTTP/1.1 200 OK\r\n\r\n"), ("GET / HTTP/1.0", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n")],
)  # fmt: skip
def test_a_cut_answer_whose_end_would_be_the_connections_is_a_reset(request_line: str, head: bytes) -> None:
    seen = asyncio.Event()

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(head + b"half")
        await seen.wait()
        sock: socket.socket = conversation.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        conversation.writer.transport.abort()

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            reader, writer = await front.open()
            writer.write(f"{request_line}\r\nHost: localhost\r\n\r\n".encode())
            await reader.readuntil(b"half")
            seen.set()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    run(main())


def test_an_answer_without_content_has_no_framing() -> None:
    handler = answering(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
    chunked = answering(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n")
    for each in (handler, chunked):
        read, _ = run(answers(each, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
        assert b"Content-Length" not in read[0] and b"Transfer-Encoding" not in read[0]


def test_a_not_modified_keeps_the_length_it_speaks_of_and_has_no_body() -> None:
    handler = answering(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n")
    get = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    read, dialled = run(answers(handler, get, get))
    assert all(each.endswith(b"\r\n\r\n") and b"Content-Length: 5\r\n" in each for each in read)
    assert dialled == 1


def test_any_number_of_interim_answers_passes() -> None:
    many = 20_000

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 102 Processing\r\n\r\n" * many + OK)

    read, _ = run(answers(handler, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    assert read[0].count(b"HTTP/1.1 102 Processing\r\n\r\n") == many and read[0].endswith(b"ok")


def test_an_answer_is_the_same_however_its_bytes_arrive() -> None:
    answer = b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nX: 1\r\n\r\n"

    async def handler(conversation: Conversation) -> None:
        while True:
            await conversation.head()
            for place in range(len(answer)):
                await conversation.send(answer[place : place + 1])
                await asyncio.sleep(0)

    get = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    read, _ = run(answers(handler, get))
    whole, _ = run(answers(answering(answer), get))
    assert read == whole


def test_a_get_that_got_an_interim_answer_is_not_asked_again() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 103 Early\r\n\r\n")

    read, dialled = run(answers(handler, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    assert dialled == 1 and b"HTTP/1.1 502 " in read[0]


def test_a_server_that_accepts_and_closes_at_once_is_a_502() -> None:
    async def handler(conversation: Conversation) -> None:
        sock: socket.socket = conversation.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        conversation.writer.transport.abort()

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            assert await statuses(front, "GET", "POST", "GET", "POST") == [502] * 4

    run(main())


def test_a_connection_that_is_lost_before_it_is_used_is_dialled_again_for_any_method() -> None:
    async def main() -> None:
        async with RawUpstream(answering(OK)) as upstream:
            service = Upstream("api", state="starting", addresses=(upstream.address,))
            async with running_gateway({"api": service}) as front:
                asked = asyncio.create_task(front.talk(front.request(method="POST", fields="Content-Length: 0\r\n")))
                await auntil(lambda: service._waiting)
                (exchange,) = service._waiting
                assert isinstance(exchange, Exchange)
                loop = asyncio.get_running_loop()
                _, lost = await loop.create_connection(lambda: UpstreamConnection(service), *upstream.address)
                lost.transport.abort()
                await auntil(lambda: upstream.ended == 1)
                service.state = "ready"
                exchange._end_wait()
                exchange.connected(lost)
                assert status_of(await asked) == 200

    run(main())


def test_an_address_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_module, "DIAL_SECONDS", 0.1)

    async def main() -> None:
        with socket.socket() as full:  # nobody accepts, and its backlog is full: further connections hang
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            queued = [socket.socket() for _ in range(3)]
            for each in queued:
                each.setblocking(False)
                each.connect_ex(full.getsockname())
            async with RawUpstream(answering(OK)) as upstream:
                service = ready("api", full.getsockname(), upstream.address)
                async with running_gateway({"api": service}) as front:
                    assert await statuses(front, "GET") == [200]
            for each in queued:
                each.close()

    run(main())


def test_closing_ends_the_dials_under_way() -> None:
    async def main() -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            queued = [socket.socket() for _ in range(3)]
            for each in queued:
                each.setblocking(False)
                each.connect_ex(full.getsockname())
            service = ready("api", full.getsockname())
            async with running_gateway({"api": service}) as front:
                _, writer = await front.open()
                writer.write(front.request())
                await auntil(lambda: service._dials)
                async with asyncio.timeout(1):
                    await service.close()
                assert not service._dials
                writer.close()
            for each in queued:
                each.close()

    run(main())
