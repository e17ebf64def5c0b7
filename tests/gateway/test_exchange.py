"""Requests through a real gateway to raw upstreams."""

import asyncio
import re

import pytest

from devproxy.config.model import Hold, Route
from devproxy.proxy.upstream import Upstream
from tests.support import auntil, free_port, run, stands_still
from tests.support.gateway import body_of, ready, running_gateway, status_of
from tests.support.upstream import OK, Conversation, RawUpstream, answering


def test_a_request_is_answered_by_its_upstream() -> None:
    async def main() -> None:
        async with (
            RawUpstream(answering(OK)) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            answer = await front.talk(front.request("/x?y=1"))
            assert status_of(answer) == 200
            assert body_of(answer) == b"ok"

    run(main())


def test_names_values_order_and_target_bytes_reach_the_upstream_untouched() -> None:
    seen: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        seen.append(await conversation.head())
        await conversation.send(OK)

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            target = "/a%2Fb//c/../d;x?q=%20&r=\xe9{}"
            await front.talk(
                front.request(target, fields="x-LOWER: 1\r\nX-Upper:  two \r\nx-lower: 3\r\nCookie: a=b\r\n")
            )
            head = seen[0].decode("latin-1")
            assert head.startswith(f"GET {target} HTTP/1.1\r\nHost: localhost:{front.port}\r\n")
            assert re.findall(r"(?m)^(x-LOWER|X-Upper|x-lower|Cookie):", head) == [
                "x-LOWER",
                "X-Upper",
                "x-lower",
                "Cookie",
            ]
            assert "User-Agent" not in head and "Accept-Encoding" not in head

    run(main())


def test_forwarding_fields_say_who_asked_and_ignore_what_a_client_claims() -> None:
    seen: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        seen.append(await conversation.head())
        await conversation.send(OK)

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            await front.talk(
                front.request(
                    fields="X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Forwarded-Proto: https\r\n"
                )
            )
            head = seen[0].decode()
            assert "6.6.6.6" not in head and "https" not in head
            assert "X-Forwarded-For: 127.0.0.1\r\n" in head
            assert f"X-Forwarded-Host: localhost:{front.port}\r\n" in head
            assert "X-Forwarded-Proto: http\r\n" in head
            assert f"X-Forwarded-Port: {front.port}\r\n" in head
            assert "Via: 1.1 devproxy-test\r\n" in head

    run(main())


def test_hop_by_hop_fields_end_here() -> None:
    seen: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        seen.append(await conversation.head())
        await conversation.send(
            b"HTTP/1.1 200 OK\r\nConnection: X-Secret\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nContent-Length: 0\r\n\r\n"
        )

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            reader, writer = await front.open()
            writer.write(
                b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip\r\n\r\n"
            )
            answer = await reader.readuntil(b"\r\n\r\n")
            writer.close()
            for name in (b"X-Mine", b"Keep-Alive", b"Proxy-Connection", b"TE:"):
                assert name not in seen[0]
            assert b"X-Secret" not in answer and b"Keep-Alive" not in answer

    run(main())


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1_0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: \xd9\xa5\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX : 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: 1\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
        (b"GET /#x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: u@localhost\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
        (b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 403),
        (b"GET / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    ],
)
def test_what_a_second_parser_could_read_otherwise_is_refused_and_never_forwarded(head: bytes, status: int) -> None:
    async def main() -> None:
        async with (
            RawUpstream(answering(OK)) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            reader, writer = await front.open()
            writer.write(head)
            answer = await reader.readuntil(b"\r\n\r\n")
            writer.close()
            assert status_of(answer) == status
            assert upstream.connections == 0

    run(main())


def test_a_chunked_body_is_framed_anew_and_its_extensions_go_no_further() -> None:
    got: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        got.append(await conversation.reader.readuntil(b"0\r\nX-Sum: 1\r\n\r\n"))
        await conversation.send(OK)

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            body = b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\n\r\n"
            answer = await front.talk(front.request(method="POST", fields="Transfer-Encoding: chunked\r\n", body=body))
            assert status_of(answer) == 200
            assert b"ext" not in got[0]
            assert got[0].replace(b"\r\n", b"|") == b"3|abc|2|de|0|X-Sum: 1||"

    run(main())


def test_requests_on_one_connection_are_answered_in_order_also_when_pipelined() -> None:
    async def handler(conversation: Conversation) -> None:
        while True:
            target = (await conversation.head()).split(b" ")[1]
            await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            one = b"GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n"
            last = b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            answer = await front.talk(b"".join(one % n for n in range(20)) + last)
            assert re.findall(rb"\r\n\r\n(/\d+|/last)", answer) == [b"/%d" % n for n in range(20)] + [b"/last"]
            assert upstream.connections == 1

    run(main())


def test_a_truncated_answer_is_never_a_clean_end() -> None:
    async def main(response: bytes) -> bytes:
        async def handler(conversation: Conversation) -> None:
            await conversation.head()
            await conversation.send(response)

        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            return await front.talk(front.request())

    chunked = run(main(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"))
    assert not chunked.endswith(b"0\r\n\r\n")
    short = run(main(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"))
    assert len(body_of(short)) < 10
    headless = run(main(b"HTTP/1.1 200 OK\r\nContent-"))
    assert status_of(headless) == 502


@pytest.mark.parametrize(
    "response",
    [b"Unauthorized", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
     b"HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc", b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", b"HTTP/1.1 101 X\r\n\r\n", b""],
)  # fmt: skip
def test_an_answer_that_is_not_http_is_a_502_with_the_reason(response: bytes) -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(response)

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            answer = await front.talk(front.request(method="POST"))
            assert status_of(answer) == 502
            assert b"api" in body_of(answer)

    run(main())


def test_surplus_bytes_are_never_the_next_requests_answer() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
        await conversation.reader.read()

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            for _ in range(3):
                assert body_of(await front.talk(front.request())) == b"ok"
            assert upstream.connections == 3

    run(main())


def test_a_stale_connection_costs_a_get_nothing() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(OK)
        if conversation.number == 1:
            await conversation.head()  # takes the second request, and dies without a byte

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            assert status_of(await front.talk(front.request())) == 200
            assert status_of(await front.talk(front.request())) == 200
            assert upstream.connections == 2

    run(main())


def test_a_post_that_died_after_it_was_sent_is_never_sent_twice() -> None:
    posts: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        posts.append(await conversation.head())

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            answer = await front.talk(front.request(method="POST", fields="Content-Length: 1\r\n", body=b"x"))
            assert status_of(answer) == 502
            assert len(posts) == 1

    run(main())


def test_a_request_is_held_until_its_service_is_ready() -> None:
    async def main() -> None:
        async with RawUpstream(answering(OK)) as upstream:
            service = Upstream("api", state="starting")
            async with running_gateway({"api": service}) as front:
                asked = asyncio.create_task(
                    front.talk(front.request(method="POST", fields="Content-Length: 2\r\n", body=b"hi"))
                )
                await auntil(lambda: service._waiting)
                assert not asked.done()
                service.become("ready", (upstream.address,))
                assert status_of(await asked) == 200

    run(main())


def test_without_patience_a_request_fails_at_once() -> None:
    async def main() -> None:
        service = Upstream("api", state="starting")
        async with running_gateway({"api": service}, hold=Hold(request_seconds=0)) as front:
            answer = await front.talk(front.request())
            assert status_of(answer) == 503
            assert b"Retry-After: " in answer

    run(main())


def test_a_crash_answers_who_was_held() -> None:
    async def main() -> None:
        service = Upstream("api", state="restarting")
        async with running_gateway({"api": service}) as front:
            asked = asyncio.create_task(front.talk(front.request()))
            await auntil(lambda: service._waiting)
            service.become("crashed")
            assert status_of(await asked) == 502

    run(main())


def test_a_held_event_stream_is_closed_without_an_answer() -> None:
    async def main() -> None:
        service = Upstream("api", state="crashed")
        async with running_gateway({"api": service}, hold=Hold(request_seconds=0.05)) as front:
            assert await front.talk(front.request(fields="Accept: text/event-stream\r\n")) == b""

    run(main())


def test_a_ready_service_that_refuses_is_dialled_again() -> None:
    async def main() -> None:
        port = free_port()
        service = ready("api", ("127.0.0.1", port))
        async with running_gateway({"api": service}) as front:
            asked = asyncio.create_task(front.talk(front.request()))
            await auntil(lambda: service._waiting)
            server = await asyncio.start_server(_answer_once, "127.0.0.1", port)
            assert status_of(await asked) == 200
            server.close()

    run(main())


async def _answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)
    await writer.drain()
    writer.close()


def test_the_other_loopback_family_is_tried() -> None:
    async def main() -> None:
        async with RawUpstream(answering(OK), host="::1") as upstream:
            service = ready("api", ("127.0.0.1", upstream.port), ("::1", upstream.port))
            async with running_gateway({"api": service}) as front:
                assert status_of(await front.talk(front.request())) == 200

    run(main())


def test_a_client_that_leaves_cancels_its_request() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.reader.read()

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            _, writer = await front.open()
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await auntil(lambda: upstream.connections == 1)
            writer.close()
            await auntil(lambda: upstream.ended == 1)

    run(main())


def test_an_early_answer_reaches_a_client_that_still_uploads() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            reader, writer = await front.open()
            writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 100_000)
            answer = await reader.read(-1)
            writer.close()
            assert status_of(answer) == 413 and body_of(answer) == b"big"
            assert b"Connection: close" in answer

    run(main())


def test_interim_answers_and_trailers_pass() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        await conversation.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\nok\r\n0\r\nX: 1\r\n\r\n"
        )

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            answer = await front.talk(front.request())
            assert answer.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n")
            assert answer.endswith(b"2\r\nok\r\n0\r\nX: 1\r\n\r\n")

    run(main())


def test_an_http10_client_gets_no_chunks() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
        )

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            answer = await front.talk(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            assert b"chunked" not in answer and body_of(answer) == b"abcde"

    run(main())


def test_many_set_cookie_fields_stay_many() -> None:
    response = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX: y\r\nSet-Cookie: b=2, c\r\nContent-Length: 0\r\n\r\n"

    async def main() -> None:
        async with (
            RawUpstream(answering(response)) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            answer = await front.talk(front.request())
            assert re.findall(rb"Set-Cookie: (.*)\r\n", answer) == [b"a=1", b"b=2, c"]

    run(main())


def test_a_loop_is_found() -> None:
    async def main() -> None:
        port = free_port()
        service = ready("api", ("127.0.0.1", port))
        async with running_gateway({"api": service}) as front:
            service.addresses = (("127.0.0.1", front.port),)
            assert status_of(await front.talk(front.request())) == 508

    run(main())


def test_a_route_takes_its_prefix_and_strips_it_if_told() -> None:
    seen: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        seen.append((await conversation.head()).split(b" ")[1])
        await conversation.send(OK)

    async def main() -> None:
        routes = (Route(to=("web",), prefix="/"), Route(to=("api",), prefix="/api", strip_prefix=True))
        async with RawUpstream(handler) as api, RawUpstream(answering(OK)) as web:
            backends = {"web": ready("web", web.address), "api": ready("api", api.address)}
            async with running_gateway(backends, routes) as front:
                for target in ("/api", "/api/x?y", "/api?z", "/apix"):
                    await front.talk(front.request(target))
        assert seen == [b"/", b"/x?y", b"/?z"]

    run(main())


def test_an_upgrade_is_relayed_as_bytes_after_the_upstreams_own_answer() -> None:
    seen: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        seen.append(await conversation.head())
        await conversation.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: cai0HFWL7DEHZkyHxdyv1Pn3R6M=\r\n\r\n\x82\x00"
        )
        while data := await conversation.reader.read(65536):
            await conversation.send(data[::-1])
        await conversation.send(b"bye")

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            reader, writer = await front.open()
            writer.write(_upgrade(front.port))
            head = await reader.readuntil(b"\r\n\r\n")
            assert status_of(head) == 101 and b"Sec-WebSocket-Accept: cai0" in head
            assert await reader.readexactly(2) == b"\x82\x00"
            writer.write(b"\x00\xff12")
            assert await reader.readexactly(4) == b"21\xff\x00"
            writer.write_eof()
            assert await reader.read() == b"bye"
            writer.close()
            assert b"Sec-WebSocket-Key: k\r\nSec-WebSocket-Protocol: vite-hmr\r\n" in seen[0]

    run(main())


def _upgrade(port: int, origin: str = "") -> bytes:
    origin = origin or f"http://localhost:{port}"
    return (
        f"GET /ws HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: k\r\nSec-WebSocket-Protocol: vite-hmr\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def test_a_refused_upgrade_reaches_the_client_as_it_is() -> None:
    async def main() -> None:
        refusal = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
        async with (
            RawUpstream(answering(refusal)) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            reader, writer = await front.open()
            writer.write(_upgrade(front.port))
            assert status_of(await reader.readuntil(b"\r\n\r\n")) == 401
            writer.close()

    run(main())


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "http://localhost.evil.example"]
)
def test_a_foreign_pages_upgrade_is_refused_here(origin: str) -> None:
    async def main() -> None:
        async with (
            RawUpstream(answering(OK)) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            reader, writer = await front.open()
            writer.write(_upgrade(front.port, origin))
            assert status_of(await reader.readuntil(b"\r\n\r\n")) == 403
            writer.close()
            assert upstream.connections == 0

    run(main())


def test_an_upgrade_to_a_crashed_service_is_never_a_101() -> None:
    async def main() -> None:
        async with running_gateway({"api": Upstream("api", state="crashed")}) as front:
            reader, writer = await front.open()
            writer.write(_upgrade(front.port))
            assert status_of(await reader.readuntil(b"\r\n\r\n")) == 502
            writer.close()

    run(main())


def test_a_restart_ends_event_streams_so_that_they_come_back() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await conversation.reader.read()

    async def main() -> None:
        service: Upstream
        async with RawUpstream(handler) as upstream:
            service = ready("api", upstream.address)
            async with running_gateway({"api": service}) as front:
                reader, writer = await front.open()
                writer.write(front.request(fields="Accept: text/event-stream\r\n"))
                await reader.readuntil(b"data: 1\n\n")
                service.become("restarting")
                assert await reader.read() == b""
                writer.close()
                await auntil(lambda: upstream.ended == 1)

    run(main())


def test_a_slow_reader_slows_the_upstream_and_not_our_memory() -> None:
    sent = 0

    async def handler(conversation: Conversation) -> None:
        nonlocal sent
        await conversation.head()
        await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        block = b"x" * 1_000_000
        for _ in range(1000):
            await conversation.send(block)
            sent += 1

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            reader, writer = await front.open()
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            await stands_still(lambda: sent)
            assert sent < 100
            writer.close()

    run(main())
