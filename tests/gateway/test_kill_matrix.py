"""An upstream that dies at each moment, by an end and by a reset, and what each kind of request gets.

Rows are moments, columns kinds of request; OUTCOMES is the promise, cell by cell.
"""

import asyncio
import socket
import struct

import pytest

from devproxy.config.model import Hold
from tests.gateway.lenient import read_strictly
from tests.support import auntil, run
from tests.support.gateway import ready, running_gateway, status_of
from tests.support.upstream import OK, Conversation, RawUpstream

HOST = b"Host: localhost\r\n"
KINDS = {
    "document": b"GET / HTTP/1.1\r\n" + HOST + b"Accept: text/html\r\nSec-Fetch-Dest: document\r\n\r\n",
    "fetch": b"GET /api HTTP/1.1\r\n" + HOST + b"Accept: application/json\r\n\r\n",
    "post": b"POST /api HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\nhi",
    "events": b"GET /events HTTP/1.1\r\n" + HOST + b"Accept: text/event-stream\r\n\r\n",
    "websocket": b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
}  # fmt: skip
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
EVENTS = b"Content-Type: text/event-stream\r\n"
MOMENTS = {
    "before it accepts": b"",
    "after the request": b"",
    "in the status line": b"HTTP/1.1 2",
    "in the head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "after an interim answer": b"HTTP/1.1 103 Early Hints\r\n\r\n",
    "after the head": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    "in the body": b"HTTP/1.1 200 OK\r\n" + EVENTS + b"Content-Length: 10\r\n\r\nhalf",
    "in a chunk": b"HTTP/1.1 200 OK\r\n" + EVENTS + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf",
    "between chunks": b"HTTP/1.1 200 OK\r\n" + EVENTS + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "in the last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
    "in a body until close": b"HTTP/1.1 200 OK\r\n" + EVENTS + b"\r\nhalf",
    "in the 101": SWITCHED[:40],
    "after the 101": SWITCHED,
    "in a frame": SWITCHED + b"\x81\x05hel",
}  # fmt: skip
UPGRADED = ("after the 101", "in a frame")


def outcome(moment: str, kind: str, how: str) -> str:
    """The promise.

    502: an answer of ours; again: asked once more, and answered; closed: no answer at all, so that an EventSource comes
    back (it never does after a status); cut: what came, and the client sees that it is not whole; reset: the same,
    where only a reset can show it; end: all that came, and an end that is one as far as anybody can know; relayed:
    the bytes that came, and then the same end that the upstream made.
    """
    if moment in UPGRADED:
        return "relayed" if kind == "websocket" else "502"  # a 101 that nobody asked for
    if moment in ("before it accepts", "after the request"):
        if kind == "events":
            return "closed" if moment == "before it accepts" else "again"
        return "again" if moment == "after the request" and kind in ("document", "fetch") else "502"
    if moment in ("in the status line", "in the head", "after an interim answer", "in the 101"):
        return "closed" if kind == "events" else "502"
    if moment == "in a body until close":
        return "end" if how == "end" else "reset"
    return "cut"


def end(conversation: Conversation, how: str) -> None:
    if how == "reset":
        sock: socket.socket = conversation.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        conversation.writer.transport.abort()
    else:
        conversation.writer.close()


@pytest.mark.parametrize("how", ["end", "reset"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_an_upstream_that_dies(moment: str, kind: str, how: str) -> None:
    may_end = asyncio.Event()
    asked: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        if moment == "before it accepts":
            end(conversation, how)
            return
        head = await conversation.head()
        asked.append(head.partition(b"\r\n")[0])
        if b"POST" in head:
            await conversation.reader.readexactly(2)
        if asked.count(asked[-1]) > 1 or b"/fresh" in head:
            await conversation.send(OK.replace(b"OK", b"OK\r\nConnection: close", 1))
            return
        await conversation.send(MOMENTS[moment])
        if MOMENTS[moment]:
            await may_end.wait()  # what was sent is with the client: a reset must not overtake it
        end(conversation, how)

    async def main() -> None:
        promised = outcome(moment, kind, how)
        hold = Hold(document_seconds=0.1, request_seconds=0.1, websocket_seconds=0.1, refused_seconds=0.1)
        service = ready("api")
        async with RawUpstream(handler) as upstream, running_gateway({"api": service}, hold=hold) as front:
            service.addresses = (upstream.address,)
            reader, writer = await front.open()
            writer.write(KINDS[kind])
            data, ended = b"", ""
            seen = MOMENTS[moment]
            if promised in ("cut", "reset", "end", "relayed"):
                data = await reader.readuntil(b"\r\n\r\n")
                body = seen.partition(b"\r\n\r\n")[2]
                data += await reader.readexactly(len(body))
                assert data.endswith(body)
            may_end.set()
            if promised in ("502", "again"):
                data = await reader.readuntil(b"\r\n\r\n")
                if b" 103 " in data:
                    data = await reader.readuntil(b"\r\n\r\n")
                length = int(data.split(b"Content-Length: ")[1].split(b"\r\n")[0])
                data += await reader.readexactly(length)
            else:
                try:
                    data += await reader.read()
                    ended = "end"
                except ConnectionResetError:
                    ended = "reset"
            writer.close()
            check(promised, data, ended, how, kind)
            if kind == "post":
                assert asked.count(b"POST /api HTTP/1.1") <= 1
            if moment != "before it accepts":
                may_end.set()
                answer, _ = read_strictly(await front.talk(front.request("/fresh")))
                assert (answer.status, answer.body) == (200, b"ok")
            await auntil(lambda: not front.gateway._connections)
            assert not (service._waiting or service.streams or service.unanswered)

    run(main())


def check(promised: str, data: bytes, ended: str, how: str, kind: str) -> None:
    if promised == "502":
        assert status_of(data) == 502 and (b"text/html" in data) is (kind == "document")
    elif promised == "again":
        assert status_of(data) == 200 and data.endswith(b"ok")
    elif promised == "closed":
        assert data in (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n") and ended == "end"
    elif promised == "cut":
        assert not read_strictly(data)[0].complete
    elif promised == "reset":
        assert ended == "reset"
    elif promised == "end":
        assert read_strictly(data)[0].complete and ended == "end"
    else:
        assert (promised, ended) == ("relayed", how)
