"""The contract between us and uvicorn's protocol classes: a route of our own, answered by an ASGI application.

tests/gateway/test_oldest_uvicorn.py runs this file once more, on the oldest uvicorn that we support.
"""

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import connect

from devproxy.config.model import Route
from devproxy.gateway.asgi import Application, Receive, Scope, Send
from devproxy.gateway.mount import Mount
from tests.support import auntil, run, stands_still
from tests.support.gateway import RunningGateway, body_of, ready, running_gateway, status_of
from tests.support.upstream import OK, RawUpstream, answering

CLOSE = "Connection: close\r\n"


@asynccontextmanager
async def serving(application: Application) -> AsyncIterator[RunningGateway]:
    """/__devproxy is the application; everything else a raw upstream that says "ok"."""
    async with (
        RawUpstream(answering(OK)) as upstream,
        running_gateway({"api": ready("api", upstream.address)}, control=Mount(lambda: application)) as front,
    ):
        yield front


async def read_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        body += message["body"]
        if not message["more_body"]:
            return body


async def answer(send: Send, body: bytes, *, status: int = 200, length: bool = True) -> None:
    headers = [(b"content-length", b"%d" % len(body))] if length else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """ "METHOD path?query body"."""
    line = f"{scope['method']} {scope['path']}?{scope['query_string'].decode()} ".encode()
    await answer(send, line + await read_body(receive))


def request(method: str, target: str = "/__devproxy/x", fields: str = "", body: bytes = b"") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode() + body


async def next_answer(reader: asyncio.StreamReader) -> bytes:
    """One answer with a length: its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    assert length is not None, head
    return await reader.readexactly(int(length[1]))


Step = Callable[[RunningGateway, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def conversing(application: Application, step: Step) -> None:
    """`step` talks to the application on one connection."""

    async def main() -> None:
        async with serving(application) as front:
            reader, writer = await front.open()
            await step(front, reader, writer)
            writer.close()

    run(main())


# -- requests and answers


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (request("GET", "/__devproxy/a%20b?c=d", CLOSE), b"GET /__devproxy/a b?c=d "),
        (request("POST", fields=CLOSE + "Content-Length: 5\r\n", body=b"hello"), b"POST /__devproxy/x? hello"),
        (request("PUT", fields=CLOSE + "Content-Length: 0\r\n"), b"PUT /__devproxy/x? "),
        (request("POST", fields=CLOSE + "Transfer-Encoding: chunked\r\n", body=b"3\r\nhel\r\n2;x\r\nlo\r\n0\r\nT: 1\r\n\r\n"), b"POST /__devproxy/x? hello"),
        (request("POST", fields=CLOSE + "Transfer-Encoding: chunked\r\n", body=b"0\r\n\r\n"), b"POST /__devproxy/x? "),
        (request("DELETE", "http://localhost/__devproxy/x", CLOSE), b"DELETE /__devproxy/x? "),
    ],
)  # fmt: skip
def test_an_application_gets_the_request_and_answers_it(sent: bytes, expected: bytes) -> None:
    async def main() -> None:
        async with serving(echo) as front:
            got = await front.talk(sent)
            assert status_of(got) == 200 and body_of(got) == expected
            assert b"server:" not in got.lower() and got.lower().count(b"\r\ndate: ") == 1

    run(main())


def test_the_scope_says_who_asked_and_where() -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await answer(send, b"")

    async def step(front: RunningGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(
            request("GET", fields="X-Mine: 1\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-mine: 2\r\n")
        )
        await next_answer(reader)
        (scope,) = scopes
        assert scope["client"] == writer.get_extra_info("sockname")[:2]
        assert scope["server"] == ("127.0.0.1", front.port)
        assert scope["scheme"] == "http" and scope["http_version"] == "1.1"
        assert [value for name, value in scope["headers"] if name == b"x-mine"] == [b"1", b"2"]
        assert (b"host", b"localhost") in scope["headers"]
        assert scope["state"] == {"devproxy_local": False}

    conversing(app, step)


def test_the_application_knows_who_came_by_the_unix_socket() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, repr((scope["state"]["devproxy_local"], scope["client"])).encode())

    async def main() -> None:
        with tempfile.TemporaryDirectory(dir=os.environ["XDG_RUNTIME_DIR"]) as folder:
            path = str(Path(folder) / "s")
            async with serving(app) as front:
                await front.gateway.listen_locally(path)
                reader, writer = await asyncio.open_unix_connection(path)
                writer.write(request("GET"))
                assert await next_answer(reader) == b"(True, None)"
                writer.write(request("GET", "/"))  # what is proxied is not served there
                assert b" 404 " in await reader.readline()
                writer.close()

    run(main())


def test_head_gets_the_fields_and_no_body() -> None:
    async def main() -> None:
        async with serving(echo) as front:
            got = await front.talk(request("HEAD", fields=CLOSE))
            assert b"content-length: 20\r\n" in got and body_of(got) == b""

    run(main())


def test_an_answer_of_unknown_length_is_chunked_for_http11_and_ends_the_connection_for_http10() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    async def main() -> None:
        async with serving(app) as front:
            got = await front.talk(request("GET", fields=CLOSE))
            assert b"transfer-encoding: chunked" in got and body_of(got) == b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"

    run(main())


def test_requests_for_the_application_and_for_an_upstream_mix_on_one_connection() -> None:
    async def step(front: RunningGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            writer.write(request("POST", fields="Content-Length: 2\r\n", body=b"hi"))
            assert await next_answer(reader) == b"POST /__devproxy/x? hi"
            writer.write(request("GET", "/"))
            assert await next_answer(reader) == b"ok"

    conversing(echo, step)


def test_pipelined_requests_are_answered_in_order_whoever_answers() -> None:
    async def step(front: RunningGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        one = request("POST", "/__devproxy/x?{}", "Content-Length: 1\r\n", b"b")
        two = request("POST", "/x", "Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n0\r\n\r\n").replace(
            b"/x", b"/__devproxy/y"
        )
        writer.write(b"".join(one.replace(b"{}", b"%d" % n) + request("GET", "/") + two for n in range(5)))
        for number in range(5):
            assert await next_answer(reader) == b"POST /__devproxy/x?%d b" % number
            assert await next_answer(reader) == b"ok"
            assert await next_answer(reader) == b"POST /__devproxy/y? x"

    conversing(echo, step)


def test_the_application_may_end_the_connection() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"connection", b"close"), (b"content-length", b"1")],
            }
        )
        await send({"type": "http.response.body", "body": b"x"})

    async def step(front: RunningGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request("GET") * 2)
        assert (await reader.read()).count(b"HTTP/1.1 200") == 1

    conversing(app, step)


def test_a_client_that_asked_for_the_end_gets_it() -> None:
    async def main() -> None:
        async with serving(echo) as front:
            assert b"connection: close\r\n" in await front.talk(request("GET", fields=CLOSE))
            old = await front.talk(b"GET /__devproxy/x HTTP/1.0\r\nHost: localhost\r\n\r\n")
            assert body_of(old) == b"GET /__devproxy/x? "

    run(main())


def test_an_upgrade_that_nobody_here_knows_is_an_ordinary_request() -> None:
    async def step(front: RunningGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\nContent-Length: 2\r\n"
        for target, expected in (("/__devproxy/x", b"POST /__devproxy/x? hi"), ("/", b"ok")):
            writer.write(request("POST", target, h2c, b"hi"))
            assert await next_answer(reader) == expected

    conversing(echo, step)


# -- bodies and their pace


def test_a_large_upload_reaches_an_application_that_reads_it_and_its_connection_lives_on() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"%d" % len(await read_body(receive)))

    async def step(front: RunningGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = 8 * 2**20
        for _ in range(2):
            writer.write(request("POST", fields=f"Content-Length: {size}\r\n"))
            writer.write(b"x" * size)
            assert await next_answer(reader) == b"%d" % size

    conversing(app, step)


def test_an_upload_that_the_application_does_not_read_waits() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async def step(front: RunningGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = 0

        async def upload() -> None:
            nonlocal sent
            for _ in range(100):
                writer.write(b"x" * 2**20)
                await writer.drain()
                sent += 1

        writer.write(request("POST", fields="Content-Length: 1000000000\r\n"))
        uploading = asyncio.create_task(upload())
        await stands_still(lambda: sent)
        assert 0 < sent < 50
        uploading.cancel()
        writer.transport.abort()

    conversing(app, step)


def test_an_early_answer_reaches_a_client_that_still_uploads() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"too large", status=413)

    async def main() -> None:
        async with serving(app) as front:
            sent = request("POST", fields="Content-Length: 50000000\r\n", body=b"x" * 100_000)
            got = await front.talk(sent)
            assert status_of(got) == 413 and body_of(got) == b"too large"

    run(main())


def test_a_small_body_that_was_not_read_costs_no_connection() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"ok")

    async def step(front: RunningGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(3):
            writer.write(request("POST", fields="Content-Length: 5\r\n", body=b"GET /"))
            assert await next_answer(reader) == b"ok"

    conversing(app, step)


def test_a_slow_reader_slows_the_application() -> None:
    sent = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal sent
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(200):
            await send({"type": "http.response.body", "body": b"x" * 2**20, "more_body": True})
            sent += 1
        await send({"type": "http.response.body", "body": b""})

    async def step(front: RunningGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request("GET", fields=CLOSE))
        await reader.readuntil(b"\r\n\r\n")
        await stands_still(lambda: sent)
        assert sent < 50
        total = 0
        while data := await reader.read(2**20):
            total += len(data)
        assert sent == 200 and total > 200 * 2**20

    conversing(app, step)


def test_an_application_asks_for_the_body_that_a_client_holds_back() -> None:
    async def step(front: RunningGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request("POST", fields="Expect: 100-continue\r\nContent-Length: 2\r\n"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hi")
        assert await next_answer(reader) == b"POST /__devproxy/x? hi"

    conversing(echo, step)


# -- ends


def test_an_application_hears_that_its_event_streams_client_left() -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        heard.append((await receive())["type"])

    async def main() -> None:
        async with serving(app) as front:
            for leave in (lambda w: w.close(), lambda w: w.transport.abort(), lambda w: w.write_eof()):
                reader, writer = await front.open()
                writer.write(request("GET"))
                await reader.readuntil(b"data: 1\n\n")
                leave(writer)
                await auntil(lambda: heard.pop() == "http.disconnect" if heard else False)
                writer.close()
            await auntil(lambda: not front.gateway._connections)

    run(main())


def test_an_application_that_raises_before_it_answers_is_a_500(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("broken")

    async def main() -> None:
        async with serving(app) as front:
            assert status_of(await front.talk(request("GET"))) == 500
            assert status_of(await front.talk(request("GET", "/", CLOSE))) == 200

    run(main())
    assert "broken" in caplog.text


@pytest.mark.parametrize("length", [True, False])
def test_an_application_that_raises_after_it_began_leaves_a_cut_answer(
    length: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"10")] if length else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("broken")

    async def main() -> None:
        async with serving(app) as front:
            got = body_of(await front.talk(request("GET") * 2))
            assert got == (b"half" if length else b"4\r\nhalf\r\n")

    run(main())
    assert "broken" in caplog.text


def test_an_application_that_goes_on_after_its_answer_delays_no_further_request() -> None:
    finished = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"ok")
        if scope["query_string"] == b"slow":
            await finished.wait()

    async def step(front: RunningGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request("GET", "/__devproxy/x?slow") + request("GET"))
        assert await next_answer(reader) == b"ok"
        assert await next_answer(reader) == b"ok"
        finished.set()

    conversing(app, step)


def test_a_malformed_body_is_a_400_and_ends_the_request() -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while not heard or heard[-1] == "http.request":
            heard.append((await receive())["type"])

    async def step(front: RunningGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request("POST", fields="Transfer-Encoding: chunked\r\n", body=b"1\r\nx\r\n"))
        await auntil(lambda: heard)
        writer.write(b"yes\r\n")
        assert status_of(await reader.read()) == 400
        await auntil(lambda: heard[-1] == "http.disconnect")

    conversing(app, step)


def test_a_malformed_body_after_the_answer_began_cuts_the_answer() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        while (await receive())["type"] == "http.request":
            pass

    async def step(front: RunningGateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request("POST", fields="Transfer-Encoding: chunked\r\n", body=b"1\r\nx\r\n"))
        await reader.readuntil(b"half\r\n")
        writer.write(b"yes\r\n")
        assert await reader.read() == b""

    conversing(app, step)


def test_closing_ends_what_still_runs() -> None:
    ended: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    async def main() -> None:
        before = asyncio.all_tasks()
        async with serving(app) as front:
            reader, writer = await front.open()
            writer.write(request("GET"))
            await reader.readuntil(b"\r\n\r\n")
        assert ended == ["ended"]
        await auntil(lambda: asyncio.all_tasks() <= before)
        writer.close()

    run(main())


# -- WebSockets


async def socket_echo(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4001, "reason": "asked"})
            return
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


def test_a_websocket_of_the_application_echoes() -> None:
    async def main() -> None:
        async with serving(socket_echo) as front:
            url = f"ws://localhost:{front.port}/__devproxy/ws"
            async with connect(url, origin=f"http://localhost:{front.port}", subprotocols=["v1"], proxy=None) as ws:
                assert ws.subprotocol == "v1"
                for message in ("text", b"bytes", "ä" * 100_000, b"\0" * 300_000):
                    await ws.send(message)
                    assert await ws.recv() == message
                await ws.send("close")
                with pytest.raises(websockets.ConnectionClosedError) as closed:
                    await ws.recv()
                assert closed.value.rcvd is not None
                assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "asked")
            await auntil(lambda: not front.gateway._connections)

    run(main())


def test_a_websocket_that_the_application_refuses_is_a_403() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close"})

    async def main() -> None:
        async with serving(app) as front:
            with pytest.raises(websockets.InvalidStatus) as refused:
                await connect(f"ws://localhost:{front.port}/__devproxy/ws", proxy=None)
            assert refused.value.response.status_code == 403
            await auntil(lambda: not front.gateway._connections)

    run(main())


def test_a_handshake_that_is_none_is_refused_and_leaves_nothing() -> None:
    async def main() -> None:
        async with serving(socket_echo) as front:
            got = await front.talk(request("GET", fields="Connection: Upgrade\r\nUpgrade: websocket\r\n"))
            assert 400 <= status_of(got) < 500
            assert front.gateway._control is not None and front.gateway._control._mounted is not None
            assert not front.gateway._control._mounted._state.connections

    run(main())


def test_an_application_hears_that_its_websockets_client_left() -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        heard.append((await receive())["type"])

    async def main() -> None:
        async with serving(app) as front:
            ws = await connect(f"ws://localhost:{front.port}/__devproxy/ws", proxy=None)
            ws.transport.abort()
            await auntil(lambda: heard == ["websocket.disconnect"])
            await auntil(lambda: not front.gateway._connections)

    run(main())


def test_routes_of_a_static_site_are_answered_the_same_way() -> None:
    async def main() -> None:
        mount = Mount(lambda: echo)
        async with running_gateway({"site": mount}, (Route(to=("site",), prefix="/"),)) as front:
            assert body_of(await front.talk(request("GET", "/a%2Fb", CLOSE))) == b"GET /a/b? "

    run(main())
