"""The same bytes to a server and to the gateway in front of it: the same answers, and the same requests seen.

The server reads and writes by h11. What may differ is in docs/http.md, and in `comparable`.
"""

import asyncio
import json
import socket
from contextlib import suppress

import h11
import pytest

from tests.gateway.lenient import Answer, read_strictly
from tests.support import run
from tests.support.gateway import ready, running_gateway
from tests.support.upstream import Conversation, RawUpstream

HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "upgrade", "transfer-encoding", "content-length"}
ADDED = {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "forwarded", "via"}

BIG = b"0123456789abcdef" * 20_000

# path -> status, fields, body pieces (None: without framing of its own), trailers
ANSWERS: dict[str, tuple[int, list[tuple[str, str]], list[bytes], list[tuple[str, str]]]] = {
    "/length": (200, [("Content-Length", "5"), ("Content-Type", "text/plain")], [b"he", b"llo"], []),
    "/chunks": (200, [("Transfer-Encoding", "chunked")], [b"he", b"llo", BIG, b"!"], []),
    "/trailers": (200, [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum, X-B")], [b"hello"], [("X-Sum", "1"), ("X-B", "")]),
    "/empty": (200, [("Content-Length", "0")], [], []),
    "/big": (200, [("Content-Length", str(len(BIG)))], [BIG], []),
    "/204": (204, [("X-A", "b")], [], []),
    "/304": (304, [("ETag", '"x"'), ("Cache-Control", "no-cache")], [], []),
    "/404": (404, [("Content-Length", "2")], [b"no"], []),
    "/500": (500, [("Transfer-Encoding", "chunked")], [b"oh"], []),
    "/302": (302, [("Location", "http://localhost/x//..%2F"), ("Content-Length", "0")], [], []),
    "/401": (401, [("WWW-Authenticate", "Basic realm=x"), ("WWW-Authenticate", "Bearer"), ("Content-Length", "0")], [], []),
    "/cookies": (200, [("Set-Cookie", f"c{n}=v, w; Path=/") for n in range(100)] + [("Content-Length", "0")], [], []),
    "/fields": (200, [("x-lower", "1"), ("X-UPPER", "2"), ("X-Empty", ""), ("X-Latin", "\xe9"), ("x-lower", "3"), ("Vary", "a, b"), ("Content-Length", "0")], [], []),
    "/head-of-64k": (200, [(f"X-{n}", "y" * 1000) for n in range(60)] + [("Content-Length", "0")], [], []),
    "/103": (200, [("Content-Length", "2")], [b"ok"], []),
    "/events": (200, [("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")], [b"data: 1\n\n", b"data: 2\n\n"], []),
    "/gzip": (200, [("Content-Encoding", "gzip"), ("Content-Length", "4")], [b"\x1f\x8b\x08\x00"], []),
    "/range": (206, [("Content-Range", "bytes 0-1/5"), ("Content-Length", "2")], [b"he"], []),
    "/close": (200, [("Connection", "close"), ("Content-Length", "2")], [b"ok"], []),
    "/until-close": (200, [("Connection", "close")], [b"until", b" close"], []),
}  # fmt: skip


async def server(conversation: Conversation) -> None:
    with suppress(h11.RemoteProtocolError):  # it closes without a word
        await serve(conversation)


async def serve(conversation: Conversation) -> None:
    """Answers as ANSWERS says; any other path with the request as it was seen."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2**20)

    async def event() -> object:
        while (found := connection.next_event()) is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                await send(h11.InformationalResponse(status_code=100, headers=[]))
            connection.receive_data(await conversation.reader.read(65536))
        return found

    async def send(message: h11.Event) -> None:
        if data := connection.send(message):
            await conversation.send(data)

    while isinstance(request := await event(), h11.Request):
        body, trailers = b"", []
        while isinstance(part := await event(), h11.Data):
            body += bytes(part.data)
        if not isinstance(part, h11.EndOfMessage):
            return
        trailers = [
            [bytes(name).decode("latin-1"), bytes(value).decode("latin-1")] for name, value in part.headers.raw_items()
        ]
        path = request.target.decode("latin-1").partition("?")[0]
        status, fields, pieces, ends = ANSWERS.get(path, (200, [], None, []))
        if pieces is None:
            seen = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers.raw_items()]
            told = {
                "method": request.method.decode(),
                "target": request.target.decode("latin-1"),
                "fields": seen,
                "body": body.decode("latin-1"),
                "trailers": trailers,
            }
            pieces = [json.dumps(told).encode()]
            fields = [("Content-Length", str(len(pieces[0])))]
        if path == "/103":
            await send(h11.InformationalResponse(status_code=103, headers=[("Link", "</a.css>")]))
        await send(
            h11.Response(
                status_code=status,
                headers=[
                    (n.encode(), v.encode("latin-1")) for n, v in [*fields, ("Date", "Sun, 06 Nov 1994 08:49:37 GMT")]
                ],
            )
        )
        if request.method != b"HEAD":
            for piece in pieces:
                await send(h11.Data(data=piece))
        await send(
            h11.EndOfMessage(headers=ends if request.method != b"HEAD" and request.http_version != b"1.0" else [])
        )
        if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
            return
        connection.start_next_cycle()


HOST = b"Host: localhost\r\n"


def ask(line: str, fields: bytes = b"", body: bytes = b"") -> bytes:
    return line.encode("latin-1") + b"\r\n" + HOST + fields + b"\r\n" + body


TE = b"Transfer-Encoding: chunked\r\n"
STREAMS: dict[str, list[bytes]] = {
    **{f"GET {path}": [ask(f"GET {path} HTTP/1.1")] for path in ANSWERS},
    **{f"HEAD {path}": [ask(f"HEAD {path} HTTP/1.1")] for path in ANSWERS},
    **{f"HTTP/1.0 {path}": [ask(f"GET {path} HTTP/1.0")] for path in ANSWERS if path not in ("/103",)},
    **{f"POST {path}": [ask(f"POST {path} HTTP/1.1", b"Content-Length: 3\r\n", b"abc")] for path in ("/length", "/chunks", "/204", "/500", "/close", "/until-close")},
    "a body by length": [ask("POST /seen HTTP/1.1", b"Content-Length: 320000\r\n", BIG)],
    "a body of bytes": [ask("PUT /seen HTTP/1.1", b"Content-Length: 256\r\n", bytes(range(256)))],
    "a body in chunks": [ask("POST /seen HTTP/1.1", TE, b"3;x=y\r\nabc\r\n0005\r\ndefgh\r\n0\r\n\r\n")],
    "a body in chunks with trailers": [ask("POST /seen HTTP/1.1", TE + b"Trailer: X-Sum\r\n", b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nx-b: \r\n\r\n")],
    "an empty body": [ask("POST /seen HTTP/1.1", b"Content-Length: 0\r\n")],
    "an empty body in chunks": [ask("POST /seen HTTP/1.1", TE, b"0\r\n\r\n")],
    "a body of a DELETE": [ask("DELETE /seen HTTP/1.1", b"Content-Length: 3\r\n", b"abc")],
    "a body of a GET": [ask("GET /seen HTTP/1.1", b"Content-Length: 3\r\n", b"abc")],
    "a body that waits": [ask("POST /seen HTTP/1.1", b"Expect: 100-continue\r\nContent-Length: 3\r\n"), b"abc"],
    "fields": [ask("GET /seen HTTP/1.1", b"x-lower: 1\r\nX-UPPER:  2 \r\nX-Empty:\r\nX-Latin: \xe9\r\nx-lower: 3\r\nCookie: a=b; c=d\r\nAccept-Encoding: br\r\nUser-Agent: x (y)\r\nAuthorization: z\r\n")],
    "many fields": [ask("GET /seen HTTP/1.1", b"".join(b"X-%d: %b\r\n" % (n, b"y" * 300) for n in range(150)))],
    "Connection names": [ask("GET /seen HTTP/1.1", b"Connection: keep-alive\r\nKeep-Alive: 5\r\nTE: trailers\r\n")],
    **{f"target {target}": [ask(f"GET {target} HTTP/1.1")] for target in ("/a%2Fb//c/../d;x?q=%20&r={}|^", "/seen?", "/%00", "/..;/", "/\\", "//", "/?a=b?c&d", "/@fs/x", "/%c3%a9")},
    **{f"method {method}": [ask(f"{method} /seen HTTP/1.1")] for method in ("OPTIONS", "PATCH", "QUERY", "PROPFIND", "M-SEARCH", "TRACE", "get")},
    "OPTIONS *": [ask("OPTIONS * HTTP/1.1")],
    "three, pipelined": [ask("GET /length HTTP/1.1") + ask("POST /seen HTTP/1.1", b"Content-Length: 3\r\n", b"abc") + ask("GET /chunks HTTP/1.1")],
    "many, one after the other": [ask(f"GET {path} HTTP/1.1") for path in ("/length", "/chunks", "/204", "/304", "/trailers", "/103", "/cookies", "/seen", "/empty", "/404")],
    "many, pipelined": [b"".join(ask(f"GET {path} HTTP/1.1") for path in ("/length", "/chunks", "/204", "/304", "/trailers", "/cookies", "/seen", "/empty", "/big", "/404"))],
    "HEAD and GET in turn": [ask("HEAD /length HTTP/1.1"), ask("GET /length HTTP/1.1"), ask("HEAD /chunks HTTP/1.1"), ask("GET /chunks HTTP/1.1")],
    "the client's end": [ask("GET /length HTTP/1.1", b"Connection: close\r\n")],
    "no HTTP": [b"nonsense\r\n\r\n"],
    "no Host": [b"GET /seen HTTP/1.1\r\n\r\n"],
    "two lengths": [ask("POST /seen HTTP/1.1", b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abcd")],
    "a bad length": [ask("POST /seen HTTP/1.1", b"Content-Length: +3\r\n", b"abc")],
    "a bad chunk": [ask("POST /seen HTTP/1.1", TE, b"x\r\n")],
}  # fmt: skip


def methods_of(pieces: list[bytes]) -> list[bytes]:
    return [line.split(b" ")[0] for piece in pieces for line in piece.split(b"\r\n") if b" HTTP/1." in line] or [b"GET"]


async def conversation(port: int, pieces: list[bytes]) -> list[Answer]:
    """Every answer that a strict client gets, one piece sent when the last one's answer is there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    methods = methods_of(pieces)
    data, answers, ended = b"", [], False
    try:
        for number, piece in enumerate(pieces):
            writer.write(piece)
            expected = len(methods) if number == len(pieces) - 1 else number + 1
            while len(answers) < expected and not (ended and not data):
                if b"100-continue" in piece and data.startswith(b"HTTP/1.1 100 "):
                    break
                answer = None
                if data:
                    answer, rest = _whole(data, methods[len(answers)], ended)
                if answer is not None:
                    answers.append(answer)
                    data = rest
                    continue
                if ended:
                    break
                more = await reader.read(2**20)
                data, ended = data + more, not more
    finally:
        writer.close()
    assert not data
    return answers


def _whole(data: bytes, method: bytes, ended: bool) -> tuple[Answer | None, bytes]:
    try:
        answer, rest = read_strictly(data, method, ended=ended)
    except h11.RemoteProtocolError:
        return None, data
    return (answer, rest) if answer.complete else (None, data)


def comparable(answer: Answer) -> object:
    """An answer without what may differ (docs/http.md)."""
    fields = [
        (name.lower(), value) for name, value in answer.fields if name.decode().lower() not in HOP_BY_HOP | {"date"}
    ]
    body: object = answer.body
    if answer.body.startswith(b'{"method"'):
        told = json.loads(answer.body)
        told["fields"] = sorted(
            [name, value] for name, value in told["fields"] if name.lower() not in HOP_BY_HOP | ADDED
        )
        body = told
    framing = answer.framing
    if 400 <= answer.status < 600 and answer.status not in (401, 404, 500):
        return answer.status  # our own words differ from the server's
    return answer.status, fields, body, framing, answer.trailers, answer.interim


@pytest.mark.parametrize("name", STREAMS)
def test_through_the_gateway_as_without_it(name: str) -> None:
    async def main() -> None:
        async with RawUpstream(server) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            through = await conversation(front.port, STREAMS[name])
            directly = await conversation(upstream.port, STREAMS[name])
            assert directly or name in ("no HTTP", "no Host", "two lengths", "a bad length", "a bad chunk")
            if not directly:  # h11 raises, and our server then says nothing
                assert [answer.status for answer in through] == [400]
                return
            assert [comparable(answer) for answer in through] == [comparable(answer) for answer in directly]

    run(main())
