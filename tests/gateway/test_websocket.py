"""WebSockets through a real gateway: the handshake with a raw upstream, the rest with a real server and client."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory

from devproxy.config.model import FieldEdits, Hold, Route
from devproxy.proxy import exchange
from devproxy.proxy.upstream import Upstream
from devproxy.proxy.websocket import close_frame
from tests.support import auntil, run
from tests.support.gateway import RunningGateway, ready, running_gateway, status_of
from tests.support.upstream import OK, Conversation, Handler, RawUpstream, answering

KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
FIELDS = b"Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" + KEY
UPGRADE = b"GET /ws HTTP/1.1\r\n" + FIELDS + b"\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + ACCEPT + b"\r\n"
GET = b"GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def with_upstream(handler: Handler, act: Callable[[RunningGateway, RawUpstream], Awaitable[None]]) -> None:
    """Run `act` with a gateway before an upstream that handles its connections so."""

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            await act(front, upstream)

    run(main())


async def asked(front: RunningGateway, request: bytes = UPGRADE) -> tuple[bytes, Streams]:
    """The head that answers a request, and the client's streams."""
    reader, writer = await front.open()
    writer.write(request)
    return await reader.readuntil(b"\r\n\r\n"), (reader, writer)


# -- the handshake: the upstream's own answer, and nothing before it

REFUSALS = [
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nno\r\n!",
    b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
    b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13, 8\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
]  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda answer: answer[9:12].decode())
def test_a_refusal_reaches_the_client_as_it_is_and_the_connection_goes_on(refusal: bytes) -> None:
    async def handler(conversation: Conversation) -> None:
        while True:
            head = await conversation.head()
            await conversation.send(OK if b"/next" in head else refusal)

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        writer.write(UPGRADE + GET)
        head, _, body = refusal.partition(b"\r\n\r\n")
        got = await reader.readuntil(b"\r\n\r\n")
        lines = [line for line in got.strip().split(b"\r\n") if not line.startswith(b"Date: ")]
        assert sorted(lines) == sorted(head.split(b"\r\n"))
        assert got.split(b"\r\n")[0] == head.split(b"\r\n")[0]
        assert await reader.readexactly(len(body)) == body
        assert status_of(await reader.readuntil(b"\r\n\r\n")) == 200
        writer.close()

    with_upstream(handler, main)


NOT_HTTP = [
    b"Unauthorized", b"\x88\x02\x03\xe8", b"<html>no</html>\r\n\r\n", b"HTTP/2 101 No\r\n\r\n", b"HTTP/1.1 101\nUpgrade: websocket\n\n\r\n\r\n",
    b"HTTP/1.1 101 X\r\nBad Field: x\r\n\r\n", b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: web", b"HTTP/1.1 10", b"",
]  # fmt: skip


@pytest.mark.parametrize("answer", NOT_HTTP, ids=range(len(NOT_HTTP)))
@pytest.mark.parametrize("cut", [False, True], ids=["close", "reset"])
def test_garbage_or_an_end_before_the_answer_is_a_502(answer: bytes, cut: bool) -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(answer)
        if cut:
            conversation.writer.transport.abort()

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        head, (_, writer) = await asked(front)
        assert status_of(head) == 502
        assert upstream.connections == 1  # a handshake is not sent twice
        writer.close()

    with_upstream(handler, main)


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 101 Switching", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
def test_silence_is_a_504(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "HANDSHAKE_SECONDS", 0.05)

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(begun)
        assert await conversation.reader.read() == b""

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        head, (reader, writer) = await asked(front)
        if status_of(head) == 103:
            head = await reader.readuntil(b"\r\n\r\n")
        assert status_of(head) == 504
        await auntil(lambda: upstream.ended == 1)
        writer.close()

    with_upstream(handler, main)


NOT_ACCEPTED = [
    b"", b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"Upgrade: websocket\r\n" + ACCEPT, b"Connection: Upgrade\r\n" + ACCEPT,
    b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + ACCEPT, b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: no\r\n",
    b"Content-Length: 0\r\n", b"Connection: close\r\nUpgrade: websocket\r\n" + ACCEPT,
]  # fmt: skip


@pytest.mark.parametrize("fields", NOT_ACCEPTED, ids=range(len(NOT_ACCEPTED)))
def test_a_101_that_accepts_no_websocket_opens_no_tunnel(fields: bytes) -> None:
    """An endpoint that answers with a status somebody asked it for would let the next request by unchecked."""
    seen: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 101 Switching Protocols\r\n" + fields + b"\r\n" + OK)
        seen.append(await conversation.reader.read())

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        writer.write(UPGRADE + b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert status_of(head) == 502
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length
        await reader.readexactly(int(length[1]))
        assert status_of(await reader.readuntil(b"\r\n\r\n")) == 403  # a request like any other
        await auntil(lambda: upstream.ended == 1)
        assert seen == [b""] or not seen  # b"" or a reset
        writer.close()

    with_upstream(handler, main)


def test_a_101_carries_its_fields_and_no_framing_of_a_body() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(
            b"HTTP/1.1 101 Sure\r\nconnection: upgrade, X-Hop\r\nX-Hop: 1\r\nupgrade: WebSocket\r\n" + ACCEPT
            + b"sec-websocket-protocol: b\r\nSec-WebSocket-Extensions:permessage-deflate; server_max_window_bits=10\r\n"
            b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 5\r\n\r\n\x81\x05hello"
        )  # fmt: skip
        await conversation.reader.read()

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        head, (reader, writer) = await asked(front)
        first, *fields = head.strip().split(b"\r\n")
        assert first == b"HTTP/1.1 101 Sure"
        assert fields == [
            ACCEPT.strip(), b"sec-websocket-protocol: b", b"Sec-WebSocket-Extensions:permessage-deflate; server_max_window_bits=10",
            b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"Connection: Upgrade", b"Upgrade: WebSocket",
        ]  # fmt: skip
        assert await reader.readexactly(7) == b"\x81\x05hello"
        writer.close()

    with_upstream(handler, main)


def test_a_connection_that_has_had_other_answers_may_become_a_websocket() -> None:
    async def handler(conversation: Conversation) -> None:
        while True:
            head = await conversation.head()
            await conversation.send(OK if b"/next" in head else SWITCHED)

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        writer.write(GET + UPGRADE)
        assert status_of(await reader.readuntil(b"\r\n\r\n")) == 200
        assert await reader.readexactly(2) == b"ok"
        assert status_of(await reader.readuntil(b"\r\n\r\n")) == 101
        assert upstream.connections == 2  # a relay has one of its own
        writer.close()

    with_upstream(handler, main)


def test_a_routes_edits_are_made_on_a_101_too() -> None:
    async def main() -> None:
        async with RawUpstream(answering(SWITCHED)) as upstream:
            route = Route(to=("api",), prefix="/", response_headers=FieldEdits(set={"X-Route": "1"}))
            async with running_gateway({"api": ready("api", upstream.address)}, (route,)) as front:
                head, (_, writer) = await asked(front)
                assert status_of(head) == 101 and b"\r\nX-Route: 1\r\n" in head
                writer.close()

    run(main())


def test_the_handshakes_fields_reach_the_upstream_as_they_came() -> None:
    seen: list[bytes] = []
    fields = [
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Version: 13, 25", b"SEC-WEBSOCKET-PROTOCOL: a,b ;c",
        b"Sec-WebSocket-Protocol: d", b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits;  server_max_window_bits=\"10\"",
        b"Sec-WebSocket-Extensions: x-other; p=1", b"Sec-WebSocket-Odd: \xff", b"Origin: http://localhost", b"Cookie: a=1; b",
    ]  # fmt: skip

    async def handler(conversation: Conversation) -> None:
        seen.append(await conversation.head())
        await conversation.send(SWITCHED)

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        lines = (
            b"GET /a%2Fb//c?d=%20&e HTTP/1.1",
            b"Host: localhost",
            b"connection: keep-alive, UPGRADE",
            b"upgrade: WebSocket",
            *fields,
        )
        head, (_, writer) = await asked(front, b"\r\n".join((*lines, b"", b"")))
        assert status_of(head) == 101
        first, *got = seen[0].split(b"\r\n")
        assert first == b"GET /a%2Fb//c?d=%20&e HTTP/1.1"
        assert [line for line in got if line in fields] == fields
        assert b"Connection: Upgrade" in got and b"Upgrade: WebSocket" in got
        writer.close()

    with_upstream(handler, main)


@pytest.mark.parametrize(
    "request_", [
        b"GET / HTTP/1.0\r\n" + FIELDS + b"\r\n",
        b"POST / HTTP/1.1\r\n" + FIELDS + b"\r\n",
        b"GET / HTTP/1.1\r\n" + FIELDS + b"Content-Length: 5\r\n\r\n\x81\x03abc",
        b"GET / HTTP/1.1\r\n" + FIELDS + b"Transfer-Encoding: chunked\r\n\r\n5\r\n\x81\x03abc\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + FIELDS.replace(b"Connection: Upgrade\r\n", b"") + b"\r\n",
        b"GET / HTTP/1.1\r\n" + FIELDS.replace(b"Upgrade: websocket\r\n", b"") + b"\r\n",
        b"GET / HTTP/1.1\r\n" + FIELDS.replace(b"Upgrade: websocket\r\n", b"Upgrade: websocket, h2c\r\n") + b"\r\n",
    ], ids=["1.0", "POST", "length", "chunked", "no connection", "no upgrade", "two protocols"],
)  # fmt: skip
@pytest.mark.parametrize("lenient", [False, True])
def test_what_is_no_websocket_handshake_is_an_ordinary_request(request_: bytes, lenient: bool) -> None:
    """RFC 9110 §7.8 lets an intermediary ignore Upgrade. An upstream that switches all the same is not followed."""
    seen: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        seen.append(await conversation.head())
        await conversation.send(SWITCHED if lenient else OK)
        await conversation.reader.read()

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        head, (_, writer) = await asked(front, request_)
        assert status_of(head) == (502 if lenient else 200)
        assert b"\r\nUpgrade:" not in seen[0] and b"\r\nConnection:" not in seen[0]
        writer.close()

    with_upstream(handler, main)


def test_what_comes_before_the_101_waits_for_it() -> None:
    answer = asyncio.Event
    conversations: list[Conversation] = []

    async def handler(conversation: Conversation) -> None:
        head = await conversation.head()
        if b"/next" in head:
            await conversation.send(OK)
            return
        conversations.append(conversation)
        await may_answer.wait()
        early = await read_now(conversation.reader)
        assert early == b""
        await conversation.send(SWITCHED)
        await conversation.send(await conversation.reader.readexactly(9))
        await conversation.reader.read()

    may_answer: asyncio.Event

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        nonlocal may_answer
        may_answer = answer()
        reader, writer = await front.open()
        writer.write(UPGRADE + b"\x81\x83")
        await auntil(lambda: conversations)
        writer.write(b"\x00\x00\x00\x00")
        await writer.drain()
        _, (_, other) = await asked(front, GET)  # a whole exchange later
        writer.write(b"abc")
        may_answer.set()
        assert status_of(await reader.readuntil(b"\r\n\r\n")) == 101
        assert await reader.readexactly(9) == b"\x81\x83\x00\x00\x00\x00abc"
        writer.close()
        other.close()

    with_upstream(handler, main)


async def read_now(reader: asyncio.StreamReader) -> bytes:
    """What has arrived already."""
    try:
        async with asyncio.timeout(0):
            return await reader.read(65536)
    except TimeoutError:
        return b""


@pytest.mark.parametrize("state", ["ready", "restarting", "crashed", "stopped"])
@pytest.mark.parametrize("target", [b"/api/ws", b"/elsewhere"])
def test_a_foreign_page_is_refused_before_anything_else_is_looked_at(state: str, target: bytes) -> None:
    async def main() -> None:
        async with RawUpstream(answering(SWITCHED)) as upstream:
            service = Upstream("api", state=state, addresses=(upstream.address,))
            async with running_gateway({"api": service}, (Route(to=("api",), prefix="/api"),)) as front:
                request = UPGRADE.replace(b"/ws", target).replace(b"Host", b"Origin: http://evil.example\r\nHost")
                head, (_, writer) = await asked(front, request)
                assert status_of(head) == 403
                assert upstream.connections == 0
                writer.close()

    run(main())


def test_a_handshake_is_held_while_its_service_restarts_and_then_not_for_ever() -> None:
    async def main() -> None:
        async with RawUpstream(answering(SWITCHED)) as upstream:
            service = Upstream("api", state="restarting")
            async with running_gateway({"api": service}, hold=Hold(websocket_seconds=0.2)) as front:
                head, (_, writer) = await asked(front)
                assert status_of(head) == 503
                writer.close()
            async with running_gateway({"api": service}) as front:
                reader, writer = await front.open()
                writer.write(UPGRADE)
                await auntil(lambda: service._waiting)
                service.become("ready", (upstream.address,))
                assert status_of(await reader.readuntil(b"\r\n\r\n")) == 101
                writer.close()

    run(main())


def test_a_handshake_without_an_answer_is_held_when_its_service_restarts() -> None:
    may_answer = False

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        if may_answer:
            await conversation.send(SWITCHED)
        await conversation.reader.read()

    async def main() -> None:
        nonlocal may_answer
        async with RawUpstream(handler) as upstream:
            service = ready("api", upstream.address)
            async with running_gateway({"api": service}) as front:
                reader, writer = await front.open()
                writer.write(UPGRADE)
                await auntil(lambda: service.unanswered)
                service.become("restarting")
                await auntil(lambda: upstream.ended == 1)
                may_answer = True
                service.become("ready")
                assert status_of(await reader.readuntil(b"\r\n\r\n")) == 101
                assert upstream.connections == 2
                writer.close()

    run(main())


@pytest.mark.parametrize(("state", "status"), [("crashed", 502), ("failing", 502), ("stopped", 503)])
def test_a_handshake_without_an_answer_fails_with_its_service(state: str, status: int) -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.reader.read()

    async def main() -> None:
        async with RawUpstream(handler) as upstream:
            service = ready("api", upstream.address)
            async with running_gateway({"api": service}) as front:
                reader, writer = await front.open()
                writer.write(UPGRADE)
                await auntil(lambda: service.unanswered)
                service.become(state)
                assert status_of(await reader.readuntil(b"\r\n\r\n")) == status
                await auntil(lambda: upstream.ended == 1)
                writer.close()

    run(main())


def test_a_101_that_comes_when_its_service_restarts_already_ends_at_once() -> None:
    async def main() -> None:
        may_answer = asyncio.Event()

        async def handler(conversation: Conversation) -> None:
            await conversation.head()
            await may_answer.wait()
            await conversation.send(SWITCHED)
            await conversation.reader.read()

        async with RawUpstream(handler) as upstream:
            service = ready("api", upstream.address)
            async with running_gateway({"api": service}) as front:
                reader, writer = await front.open()
                writer.write(UPGRADE)
                await auntil(lambda: service.unanswered)
                service.state = "restarting"  # as if it had been dialled just then
                may_answer.set()
                assert status_of(await reader.readuntil(b"\r\n\r\n")) == 101
                assert await reader.read() == close_frame(1012, "the service restarts")
                writer.close()

    run(main())


# -- the end


@pytest.mark.parametrize("cut", [False, True], ids=["close", "reset"])
@pytest.mark.parametrize(
    "part", [b"\x81\x05he", b"\x82\x7e\x01", b"\x82\x7f" + bytes(7) + b"\xff" + bytes(100)], ids=len
)
def test_an_upstream_that_dies_in_a_frame_cuts_the_client(part: bytes, cut: bool) -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(SWITCHED + b"\x81\x02ok" + part)
        await conversation.reader.readexactly(1)
        if cut:
            from tests.proxy.test_relay import reset

            reset(conversation.writer)

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        head, (reader, writer) = await asked(front)
        assert status_of(head) == 101
        assert await reader.readexactly(4 + len(part)) == b"\x81\x02ok" + part
        writer.write(b"!")
        if cut:
            with pytest.raises(ConnectionResetError):
                await reader.read()
        else:
            assert (
                await reader.read() == b""
            )  # and nothing that would look like an end of the frame's, or of the WebSocket's
        writer.close()
        await auntil(lambda: not front.gateway._connections)

    with_upstream(handler, main)


def test_a_shutdown_tells_websockets_that_it_goes_away_and_ends_when_they_have() -> None:
    long = b"\x82\x7e\x01\x00" + bytes(256)
    conversations: asyncio.Queue[Conversation]

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversations.put(conversation)
        await conversation.send(SWITCHED)
        await conversation.reader.read()

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        nonlocal conversations
        conversations = asyncio.Queue()
        quiet, busy = await asked(front), await asked(front)
        _ = await conversations.get()
        talk = await conversations.get()
        await talk.send(long[:50])
        assert await busy[1][0].readexactly(50) == long[:50]
        closing = asyncio.create_task(front.gateway.close(grace=40))
        goodbye = close_frame(1001, "devproxy stops")
        assert await quiet[1][0].read() == goodbye
        quiet[1][1].close()
        await talk.send(long[50:])
        assert await busy[1][0].read() == long[50:] + goodbye
        assert not closing.done()
        busy[1][1].close()
        await closing
        assert not front.gateway._connections

    with_upstream(handler, main)


def test_a_websocket_that_does_not_close_is_cut_after_the_grace() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(SWITCHED + b"\x82\x7e\x01")  # and no more of it
        await conversation.reader.read()

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        _, (reader, writer) = await asked(front)
        await front.gateway.close(grace=0.05)
        await reader.read()
        await auntil(lambda: upstream.ended == 1)
        writer.close()

    with_upstream(handler, main)


# -- a real server and a real client: through the gateway it is as without it


@asynccontextmanager
async def both_ways(
    handler: Callable[[ServerConnection], Awaitable[None]], **options: object
) -> AsyncIterator[tuple[str, str]]:
    """The URLs of a server: its own, and the gateway's before it."""
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        address: tuple[str, int] = next(iter(server.sockets)).getsockname()
        async with running_gateway({"api": ready("api", address)}) as front:
            yield f"ws://127.0.0.1:{address[1]}/", f"ws://127.0.0.1:{front.port}/"


CODES = [
    (1000, ""),
    (1000, "done"),
    (1001, "x" * 123),
    (1008, "no"),
    (1011, "é" * 60),
    (1012, ""),
    (3000, "a"),
    (4999, "z"),
]


@pytest.mark.parametrize("closer", ["server", "client"])
def test_close_codes_and_reasons_arrive(closer: str) -> None:
    async def main() -> None:
        codes: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
        seen: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()

        async def handler(websocket: ServerConnection) -> None:
            if closer == "server":
                await websocket.close(*(await codes.get()))
            await websocket.wait_closed()
            await seen.put((websocket.close_code, websocket.close_reason))

        async with both_ways(handler) as urls:
            for code in CODES:
                results = []
                for url in urls:
                    await codes.put(code)
                    async with connect(url) as websocket:
                        if closer == "client":
                            await websocket.close(*(await codes.get()))
                        await websocket.wait_closed()
                        results.append((websocket.close_code, websocket.close_reason, *(await seen.get())))
                assert results[0] == results[1] == (*code, *code)

    run(main())


def test_subprotocols_and_compression_are_negotiated_by_the_two_ends() -> None:
    deflate = ServerPerMessageDeflateFactory(server_max_window_bits=10, client_max_window_bits=11)
    offer = ClientPerMessageDeflateFactory(server_no_context_takeover=True, client_max_window_bits=True)

    async def handler(websocket: ServerConnection) -> None:
        async for message in websocket:
            await websocket.send(message)

    async def said(websocket: ClientConnection) -> tuple[object, ...]:
        assert websocket.response
        fields = websocket.response.headers
        messages = ["é" * 1000, b"", b"\x00" * 300_000, "", bytes(range(256)) * 1000]
        answers = []
        for message in messages:
            await websocket.send(message)
            answers.append(await websocket.recv())
        assert answers == messages
        await websocket.send(["in ", "three ", "fragments"])
        pong = await websocket.ping(b"p" * 125)
        return (
            websocket.subprotocol, fields["Sec-WebSocket-Extensions"], fields["Sec-WebSocket-Protocol"],
            await websocket.recv(), await pong >= 0,
        )  # fmt: skip

    async def main() -> None:
        async with both_ways(handler, subprotocols=["b", "a"], extensions=[deflate], compression=None) as urls:
            results = []
            for url in urls:
                async with connect(
                    url, subprotocols=["x", "a", "b"], extensions=[offer], compression=None
                ) as websocket:
                    results.append(await said(websocket))
            assert results[0] == results[1]
            assert "server_max_window_bits=10" in str(results[1][1]) and results[1][0] == "b"

    run(main())


def test_a_refusal_of_a_real_servers_is_what_a_real_client_sees() -> None:
    async def handler(websocket: ServerConnection) -> None:
        raise AssertionError

    def refuse(websocket: ServerConnection, _: websockets.Request) -> websockets.Response:
        return websocket.respond(401, "who are you?\n")

    async def main() -> None:
        async with both_ways(handler, process_request=refuse) as urls:
            for url in urls:
                with pytest.raises(websockets.InvalidStatus) as refused:
                    await connect(url)
                assert refused.value.response.status_code == 401
                assert refused.value.response.body == b"who are you?\n"

    run(main())


def test_a_real_client_learns_of_a_restart_and_comes_back() -> None:
    async def handler(websocket: ServerConnection) -> None:
        async for message in websocket:
            await websocket.send(message)

    async def main() -> None:
        async with serve(handler, "127.0.0.1", 0) as server:
            address: tuple[str, int] = next(iter(server.sockets)).getsockname()
            service = ready("api", address)
            async with running_gateway({"api": service}) as front:
                websocket = await connect(f"ws://127.0.0.1:{front.port}/")
                service.become("restarting")
                with pytest.raises(websockets.ConnectionClosedError) as closed:
                    await websocket.recv()
                assert closed.value.rcvd and closed.value.rcvd.code == 1012
                again = asyncio.create_task(connect(f"ws://127.0.0.1:{front.port}/").__aenter__())
                await auntil(lambda: service._waiting)
                service.become("ready")
                websocket = await again
                await websocket.send("hello again")
                assert await websocket.recv() == "hello again"
                await websocket.close()

    run(main())
