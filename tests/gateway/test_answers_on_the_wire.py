"""Answers as bytes: what an upstream sends, and what a strict client makes of what it gets.

For each, whoever asks next gets their own answer, whatever was left of the last one.
Sources: RFC 9110 §6.4, §6.6.1, §15; RFC 9112 §4, §6, §7, §8.
"""

import asyncio
import re
import select
import socket
from dataclasses import dataclass

import h11
import pytest

from devproxy.gateway import protocol as protocol_module
from devproxy.proxy import exchange as exchange_module
from tests.gateway.lenient import Answer, read_strictly
from tests.support import auntil, run
from tests.support.gateway import body_of, ready, running_gateway, status_of
from tests.support.upstream import OK, Conversation, RawUpstream

HOST = b"Host: localhost\r\n"


def ask(line: bytes = b"GET / HTTP/1.1", fields: bytes = b"Connection: close\r\n") -> bytes:
    return line + b"\r\n" + HOST + fields + b"\r\n"


GET, HEAD, OLD = ask(), ask(b"HEAD / HTTP/1.1"), ask(b"GET / HTTP/1.0", b"")
UPGRADE = ask(fields=b"Connection: Upgrade\r\nUpgrade: websocket\r\n")


@dataclass(frozen=True)
class Case:
    """sent: the upstream's bytes, after which it ends the connection if `ends`; has and lacks: fields of the answer;
    cut: the client sees that the answer is not whole; again: the upstream's connection carries the next request too."""

    sent: bytes
    status: int = 200
    body: bytes | None = b"ok"
    ends: bool = False
    request: bytes = GET
    has: tuple[bytes, ...] = ()
    lacks: tuple[bytes, ...] = ()
    framing: str = ""
    interim: tuple[int, ...] = ()
    trailers: tuple[tuple[bytes, bytes], ...] = ()
    cut: bool = False
    again: bool | None = None


def head(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join((line, *fields, b"", b""))


L2, CHUNKED = b"Content-Length: 2", b"Transfer-Encoding: chunked"
OKAY = b"2\r\nok\r\n0\r\n\r\n"


def broken(sent: bytes, *, ends: bool = False, request: bytes = GET) -> Case:
    """No answer can be made of it: 502, and at once if the upstream stays connected."""
    return Case(sent, status=502, body=None, ends=ends, request=request, again=False)


CASES: dict[str, Case] = {
    # framing
    "a length": Case(head(L2) + b"ok", framing="length", again=True),
    "a length of zeros": Case(head(b"Content-Length: 0002") + b"ok", has=(b"Content-Length: 2",), again=True),
    "a length of 0": Case(head(b"Content-Length: 0"), body=b"", framing="length", again=True),
    "chunks": Case(head(CHUNKED) + OKAY, framing="chunked", again=True),
    "chunks in capitals": Case(head(b"TRANSFER-ENCODING: Chunked ") + OKAY, framing="chunked", again=True),
    "chunks with extensions": Case(head(CHUNKED) + b'2;a="b;c"\r\nok\r\n0;d\r\n\r\n', again=True),
    "many chunks": Case(head(CHUNKED) + b"1\r\no\r\n1\r\nk\r\n" * 1000 + b"0\r\n\r\n", body=b"ok" * 1000),
    "no chunk": Case(head(CHUNKED) + b"0\r\n\r\n", body=b"", again=True),
    "until close": Case(head() + b"ok", ends=True, framing="close", has=(b"Connection: close",)),
    "until close, empty": Case(head(), body=b"", ends=True, framing="close"),
    "until close of HTTP/1.0": Case(head(line=b"HTTP/1.0 200 OK") + b"ok", ends=True, framing="close"),
    "until close, keep-alive said": Case(head(b"Connection: keep-alive") + b"ok", ends=True, framing="close"),
    "length and coding": Case(head(b"Content-Length: 5", CHUNKED) + OKAY, framing="chunked", lacks=(b"Content-Length",), again=False),
    "coding and length": Case(head(CHUNKED, b"Content-Length: 1") + OKAY, framing="chunked", lacks=(b"Content-Length",), again=False),
    "Connection names the length": Case(head(b"Connection: Content-Length", L2) + b"ok", framing="length"),
    "Connection names the coding": Case(head(b"Connection: Transfer-Encoding", CHUNKED) + OKAY, framing="chunked"),
    "HTTP/1.0 with a length": Case(head(L2, line=b"HTTP/1.0 200 OK") + b"ok", framing="length", again=False),
    "HTTP/1.0 that stays": Case(head(L2, b"Connection: keep-alive", line=b"HTTP/1.0 200 OK") + b"ok", again=True),
    "a higher minor version": Case(head(L2, line=b"HTTP/1.7 200 OK") + b"ok", again=True),
    "close is said": Case(head(L2, b"Connection: close") + b"ok", again=False),
    "close among others": Case(head(L2, b"Connection: X-A, CLOSE") + b"ok", again=False),
    "trailers": Case(head(CHUNKED, b"Trailer: X-Sum") + b"2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n", trailers=((b"X-Sum", b"1"),), has=(b"Trailer: X-Sum",), again=True),
    "trailers that frame": Case(
        head(CHUNKED) + b"2\r\nok\r\n0\r\nContent-Length: 9\r\nX-Sum: 1\r\nConnection: close\r\nTransfer-Encoding: x\r\n\r\n", trailers=((b"X-Sum", b"1"),), again=True),
    # no body
    "HEAD": Case(head(b"Content-Length: 200"), body=b"", request=HEAD, has=(b"Content-Length: 200",)),
    "HEAD of chunks": Case(head(CHUNKED), body=b"", request=HEAD),
    "HEAD without framing": Case(head(), body=b"", request=HEAD, lacks=(b"Content-Length", b"Transfer-Encoding")),
    "HEAD with a body": Case(head(L2) + b"ok", body=b"", request=HEAD, again=False),
    "HEAD with chunks": Case(head(CHUNKED) + OKAY, body=b"", request=HEAD, again=False),
    "204": Case(head(line=b"HTTP/1.1 204 No Content"), 204, b"", again=True),
    "204 with a length": Case(head(b"Content-Length: 0", line=b"HTTP/1.1 204 X"), 204, b"", lacks=(b"Content-Length",), again=True),
    "204 with a body": Case(head(L2, line=b"HTTP/1.1 204 X") + b"ok", 204, b"", lacks=(b"Content-Length",), again=False),
    "204 with a coding": Case(head(CHUNKED, line=b"HTTP/1.1 204 X"), 204, b"", lacks=(b"Transfer-Encoding",)),
    "204 with chunks": Case(head(CHUNKED, line=b"HTTP/1.1 204 X") + b"0\r\n\r\n", 204, b"", lacks=(b"Transfer-Encoding",), again=False),
    "304": Case(head(b'ETag: "x"', line=b"HTTP/1.1 304 Not Modified"), 304, b"", has=(b'ETag: "x"',), again=True),
    "304 with a length": Case(head(b"Content-Length: 900", line=b"HTTP/1.1 304 X"), 304, b"", again=True),
    "304 with a coding": Case(head(CHUNKED, line=b"HTTP/1.1 304 X"), 304, b"", again=True),
    "304 with a body": Case(head(L2, line=b"HTTP/1.1 304 X") + b"ok", 304, b"", again=False),
    "205": Case(head(b"Content-Length: 0", line=b"HTTP/1.1 205 Reset Content"), 205, b"", again=True),
    # statuses and lines
    "no reason": Case(head(L2, line=b"HTTP/1.1 200 ") + b"ok"),
    "no reason and no blank": Case(head(L2, line=b"HTTP/1.1 200") + b"ok"),
    "a reason of words": Case(head(L2, line=b"HTTP/1.1 200 It is (all) right: yes\t!") + b"ok"),
    "a reason above ASCII": Case(head(L2, line=b"HTTP/1.1 200 Tr\xe8s bien") + b"ok"),
    **{f"status {status}": Case(head(L2, line=b"HTTP/1.1 %d X" % status) + b"ok", status) for status in (201, 206, 226, 299, 300, 301, 302, 307, 308, 400, 401, 402, 403, 404, 405, 409, 410, 413, 418, 421, 422, 425, 429, 431, 451, 499, 500, 501, 502, 503, 504, 511, 599)},
    "status 999": Case(head(L2, line=b"HTTP/1.1 999 X") + b"ok", 999),
    # fields
    "nothing is invented": Case(head(L2, b"Date: x") + b"ok", lacks=(b"Server", b"Via", b"Access-Control-Allow-Origin", b"Vary", b"Cache-Control", b"Content-Type", b"X-Powered-By")),
    "Date is kept": Case(head(L2, b"Date: Sun, 06 Nov 1994 08:49:37 GMT") + b"ok", has=(b"Date: Sun, 06 Nov 1994 08:49:37 GMT",)),
    "Server is kept": Case(head(L2, b"Server: gws") + b"ok", has=(b"Server: gws",)),
    "cookies stay many": Case(head(L2, b"Set-Cookie: a=1; Path=/", b"X: y", b"Set-Cookie: b=2, c", b"set-cookie: d") + b"ok", has=(b"Set-Cookie: a=1; Path=/", b"Set-Cookie: b=2, c", b"set-cookie: d")),
    "hundreds of cookies": Case(head(L2, *(b"Set-Cookie: c%d=%d" % (n, n) for n in range(500))) + b"ok", has=tuple(b"Set-Cookie: c%d=%d" % (n, n) for n in range(500))),
    "a head of 100 KB": Case(head(L2, *(b"X-%d: %b" % (n, b"y" * 1000) for n in range(100))) + b"ok", has=(b"X-99: " + b"y" * 1000,)),
    "a field of 100 KB": Case(head(L2, b"X-A: " + b"y" * 100_000) + b"ok", has=(b"X-A: " + b"y" * 100_000,)),
    "hop by hop": Case(head(L2, b"Keep-Alive: timeout=5", b"Proxy-Connection: x", b"Connection: X-A, keep-alive", b"X-A: 1", b"Upgrade: h2c", b"TE: x", b"Proxy-Authenticate: x") + b"ok",
                       lacks=(b"Keep-Alive", b"Proxy-Connection", b"X-A", b"Upgrade", b"TE", b"Proxy-Authenticate")),
    "Location is untouched": Case(head(L2, b"Location: http://127.0.0.1:8000//a/../b?c=%2F") + b"ok", has=(b"Location: http://127.0.0.1:8000//a/../b?c=%2F",)),
    "codings of content are untouched": Case(head(L2, b"Content-Encoding: gzip", b"Vary: Accept-Encoding", b"ETag: W/\"x\"") + b"ok", has=(b"Content-Encoding: gzip", b"Vary: Accept-Encoding", b'ETag: W/"x"')),
    "values above ASCII": Case(head(L2, b"X-A: \xe9\xff", b"X-B: a\tb", b"X-C:") + b"ok", has=(b"X-A: \xe9\xff", b"X-B: a\tb", b"X-C: ")),
    "426 says to what": Case(head(L2, b"Upgrade: websocket", b"Connection: Upgrade", line=b"HTTP/1.1 426 Upgrade Required") + b"ok", 426, has=(b"Upgrade: websocket",)),
    # interim answers
    "100": Case(head(line=b"HTTP/1.1 100 Continue") + head(L2) + b"ok", interim=(100,), again=True),
    "102, 103 and 103": Case(head(line=b"HTTP/1.1 102 P") + head(b"Link: </a>", line=b"HTTP/1.1 103 Early Hints") * 2 + head(L2) + b"ok", interim=(102, 103, 103), again=True),
    "an interim answer with a length": Case(head(b"Content-Length: 5", line=b"HTTP/1.1 103 X") + head(L2) + b"ok", interim=(103,), again=True),
    "an unknown interim answer": Case(head(line=b"HTTP/1.1 199 X") + head(L2) + b"ok", interim=(199,), again=True),
    "interim answers are nothing for HTTP/1.0": Case(head(line=b"HTTP/1.1 103 X") + head(L2) + b"ok", request=OLD),
    # HTTP/1.0 clients
    "HTTP/1.0 gets no chunks": Case(head(CHUNKED) + b"1\r\no\r\n1\r\nk\r\n0\r\nX: y\r\n\r\n", request=OLD, lacks=(b"Transfer-Encoding",), has=(b"Connection: close",), framing="close"),
    "HTTP/1.0 gets a length": Case(head(L2) + b"ok", request=OLD, framing="length", has=(b"Connection: close",)),
    "HTTP/1.0 that asks to stay": Case(head(L2) + b"ok", request=ask(b"GET / HTTP/1.0", b"Connection: keep-alive\r\n"), has=(b"Connection: keep-alive",), again=True),
    "HTTP/1.0 that wants to stay gets chunks": Case(head(CHUNKED) + OKAY, request=ask(b"GET / HTTP/1.0", b"Connection: keep-alive\r\n"), has=(b"Connection: close",), lacks=(b"Transfer-Encoding",)),
    # surplus
    "a byte too many": Case(head(L2) + b"ok!", again=False),
    "a line too many": Case(head(L2) + b"ok\r\n", again=False),
    "an answer too many": Case(head(L2) + b"ok" + head(b"Content-Length: 6") + b"poison", again=False),
    "an answer behind chunks": Case(head(CHUNKED) + OKAY + head(b"Content-Length: 6") + b"poison", again=False),
    "an answer behind 204": Case(head(line=b"HTTP/1.1 204 X") + head(b"Content-Length: 6") + b"poison", 204, b"", again=False),
    "an answer behind 304": Case(head(line=b"HTTP/1.1 304 X") + head(b"Content-Length: 6") + b"poison", 304, b"", again=False),
    "an answer behind HEAD's": Case(head(L2) + head(b"Content-Length: 6") + b"poison", body=b"", request=HEAD, again=False),
    # cut
    "cut in a length": Case(head(b"Content-Length: 10") + b"ok", ends=True, cut=True),
    "cut before the first byte": Case(head(b"Content-Length: 10"), body=b"", ends=True, cut=True),
    "cut in a chunk": Case(head(CHUNKED) + b"5\r\nok", ends=True, cut=True),
    "cut behind a chunk": Case(head(CHUNKED) + b"2\r\nok\r\n", ends=True, cut=True),
    "cut in a chunk's size": Case(head(CHUNKED) + b"2\r\nok\r\n1", ends=True, cut=True),
    "cut in the last chunk": Case(head(CHUNKED) + b"2\r\nok\r\n0\r\n", ends=True, cut=True),
    "cut in a trailer": Case(head(CHUNKED) + b"2\r\nok\r\n0\r\nX: y\r\n", ends=True, cut=True),
    "a chunk that lies": Case(head(CHUNKED) + b"2\r\nok\r\nnonsense\r\n", body=None, cut=True),
    "a chunk that is too long": Case(head(CHUNKED) + b"2\r\nok\r\n1\r\nxyz\r\n0\r\n\r\n", body=None, cut=True),
    "a chunk that ends in LF": Case(head(CHUNKED) + b"2\r\nok\n0\r\n\r\n", body=None, cut=True),
    "a size that ends in LF": Case(head(CHUNKED) + b"2\nok\r\n0\r\n\r\n", body=b"", cut=True),
    "a size with a sign": Case(head(CHUNKED) + b"+2\r\nok\r\n0\r\n\r\n", body=b"", cut=True),
    "a size in Python's spelling": Case(head(CHUNKED) + b"0x2\r\nok\r\n0\r\n\r\n", body=b"", cut=True),
    "a size beyond all bounds": Case(head(CHUNKED) + b"ffffffffffffffffff\r\nok\r\n0\r\n\r\n", body=b"", cut=True),
    "an extension that hides a line": Case(head(CHUNKED) + b"2;a\nb\r\nok\r\n0\r\n\r\n", body=b"", cut=True),
    "a trailer that is none": Case(head(CHUNKED) + b"2\r\nok\r\n0\r\nX y\r\n\r\n", body=None, cut=True),
    # no answer at all
    "nothing": broken(b"", ends=True),
    "half a line": broken(b"HTTP/1.1 20", ends=True),
    "half a head": broken(b"HTTP/1.1 200 OK\r\nContent-Le", ends=True),
    "a head without its end": broken(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", ends=True),
    "an interim answer only": Case(head(line=b"HTTP/1.1 103 X"), 502, None, ends=True, interim=(103,), again=False),
    **{f"line {line!r}": broken(line + b"\r\nContent-Length: 2\r\n\r\nok") for line in (
        b"HTTP/1.1 099 X", b"HTTP/1.1 000 X", b"HTTP/1.1 1000 X", b"HTTP/1.1 20 X", b"HTTP/1.1 2000", b"HTTP/1.1 +200 X", b"HTTP/1.1 2e2 X", b"HTTP/1.1 \xb200 X", b"HTTP/1.1 abc X", b"HTTP/1.1  200 X",
        b"HTTP/1.1\t200 X", b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1 200 X\x00Y", b"HTTP/1.1 200 X\x1b[2J", b"HTTP/1.1 200 X\rY", b"HTTP/2 200 OK", b"HTTP/2.0 200 OK", b"HTTP/0.9 200 OK", b"HTTP/1 200 OK",
        b"HTTP/1.10 200 OK", b"http/1.1 200 OK", b"HTTPS/1.1 200 OK", b"ICY 200 OK", b"200 OK", b" HTTP/1.1 200 OK", b"GET / HTTP/1.1", b"Unauthorized", b"<!doctype html>", b"")},
    **{f"field {field!r:.60}": broken(head(field, L2) + b"ok") for field in (
        b"X : y", b" X: y", b"X", b": y", b"X\x00: y", b"X: a\x00b", b"X: a\rb", b"X: a\nb", b"X: a\r\n folded", b"X: a\r\n\tfolded", b"X Y: z", b"X\xe9: y", b"X: \x1b[2J", b"X: \x7f", b"X\t: y", b"X: \x01")},
    **{f"length {value!r:.40}": broken(head(b"Content-Length: " + value) + b"ok") for value in (
        b"", b"+2", b"-2", b"0x2", b"2_", b"2.0", b"2,3", b"2 2", b"2;", b"two", b"\xb2", b"\xd9\xa2", b"\x0b2", b"2\xa0", b"99999999999999999999", b"9" * 300)},
    **{f"coding {value!r}": broken(head(b"Transfer-Encoding: " + value) + OKAY) for value in (
        b"gzip", b"identity", b"chunked, chunked", b"gzip, chunked", b"chunked, gzip", b"xchunked", b"chunked;q=1", b"\x0bchunked", b"chunked\xa0", b'"chunked"', b"")},
    "two lengths": broken(head(b"Content-Length: 2", b"Content-Length: 3") + b"ok!"),
    "a coding in HTTP/1.0": broken(head(CHUNKED, line=b"HTTP/1.0 200 OK") + OKAY),
    "LF only": broken(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    "LF in the head": broken(b"HTTP/1.1 200 OK\r\nX: y\nContent-Length: 2\r\n\r\nok"),
    "LF LF at the end": broken(b"HTTP/1.1 200 OK\r\nContent-Length: 2\n\nok"),
    "CR only": broken(b"HTTP/1.1 200 OK\rContent-Length: 2\r\rok"),
    "a head without end": broken(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 3_000_000),
    "fields without end": broken(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000),
    "SSH": broken(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "TLS": broken(b"\x15\x03\x01\x00\x02\x02\x46"),
    "a database": broken(b"J\x00\x00\x00\n8.0.36\x00"),
    "Redis": broken(b"-ERR unknown command\r\n"),
    "zeros": broken(b"\x00" * 100),
    "HTTP/2": broken(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"),
    # 101
    "101 unasked": broken(head(b"Upgrade: websocket", b"Connection: Upgrade", line=b"HTTP/1.1 101 Switching Protocols") + b"\x81\x02hi"),
    "101 unasked to POST": broken(head(line=b"HTTP/1.1 101 X"), request=ask(b"POST / HTTP/1.1")),
    "101 to another protocol": broken(head(b"Upgrade: h2c", b"Connection: Upgrade", line=b"HTTP/1.1 101 X") + b"\x00", request=UPGRADE),
    "101 to nothing": broken(head(line=b"HTTP/1.1 101 X"), request=UPGRADE),
    "half a 101": broken(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso", request=UPGRADE, ends=True),
    "an upgrade that is refused": Case(head(L2, line=b"HTTP/1.1 403 Forbidden") + b"ok", 403, request=UPGRADE),
    "an upgrade that is ignored": Case(head(L2) + b"ok", request=UPGRADE),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_a_strict_client_makes_of_an_answer(name: str) -> None:
    case = CASES[name]
    method = case.request.partition(b" ")[0]

    async def handler(conversation: Conversation) -> None:
        while b"/next" not in (await conversation.head()).partition(b"\r\n")[0]:
            await conversation.send(case.sent)
            if case.ends:
                return
        await conversation.send(OK.replace(b"ok", b"%02d" % conversation.number))

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            reader, writer = await front.open()
            writer.write(case.request)
            data = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", data)
            stays = length and b"Connection: close" not in data
            data += await (reader.readexactly(int(length[1])) if length and stays else reader.read())
            answer, rest = read_strictly(data, method)
            assert_answer(case, answer)
            assert case.cut or not rest
            dialled = upstream.connections
            following, rest = read_strictly(await front.talk(front.request("/next")))
            assert (following.status, len(following.body), rest) == (200, 2, b"")
            if case.again is not None:
                assert (upstream.connections == dialled) is case.again
            writer.close()

    run(main())


def assert_answer(case: Case, answer: Answer) -> None:
    assert answer.status == case.status
    assert answer.interim == case.interim
    if case.body is not None:
        assert answer.body == case.body
    assert answer.complete is not case.cut
    lines = [b"%b: %b" % field for field in answer.fields]
    for line in case.has:
        assert lines.count(line) == 1, lines
    for field in case.lacks:
        assert not answer.values(field)
    assert answer.framing == (case.framing or answer.framing)
    assert answer.trailers == case.trailers
    assert len(answer.values(b"Date")) == 1
    if case.status == 502 and case.sent and case.body is None:
        assert b"api" in answer.body  # who it was; and why:
        assert re.search(rb'"detail": "[^"]{10}', answer.body)


def test_an_answer_without_a_date_gets_one() -> None:
    """RFC 9110 §6.6.1: who forwards it must."""

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(OK)

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            answer = await front.talk(front.request())
            day = rb"\r\nDate: (Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d GMT\r\n"
            assert re.search(day, answer)
            assert re.search(day, await front.talk(b"nonsense\r\n\r\n"))

    run(main())


@pytest.mark.parametrize(
    ("said", "status"), [(b"SSH-2.0-OpenSSH_9.6\r\n", 502), (head(L2, b"Connection: close", line=b"HTTP/1.1 503 Full") + b"no", 503)]
)  # fmt: skip
def test_an_upstream_that_speaks_first_is_heard(said: bytes, status: int) -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.send(said)
        await conversation.reader.read()

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            for _ in range(20):  # its bytes come before the request, or after
                answer = await front.talk(front.request())
                assert status_of(answer) == status and (status == 503 or b"HTTP/1.1 status line" in body_of(answer))

    run(main())


def test_the_bytes_of_an_answer_reach_the_client_as_they_come() -> None:
    """Nothing is buffered: each piece is read by the client before the next is sent."""
    went_on = asyncio.Event()

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        for piece in (head(CHUNKED), b"1\r\na\r\n", b"1\r\n", b"b", b"\r\n", b"0\r\n\r\n"):
            await conversation.send(piece)
            await went_on.wait()
            went_on.clear()

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            reader, writer = await front.open()
            writer.write(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
            assert b"chunked" in await reader.readuntil(b"\r\n\r\n")
            went_on.set()
            for piece in (b"1\r\na\r\n", b"1\r\n", b"b", b"\r\n"):
                assert await reader.readexactly(len(piece)) == piece
                went_on.set()
            assert await reader.readexactly(5) == b"0\r\n\r\n"
            went_on.set()
            writer.close()

    run(main())


# -- expectations and early answers


def test_a_client_that_waits_for_a_100_gets_it_also_from_an_upstream_that_ignores_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange_module, "CONTINUE_SECONDS", 0.05)

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        body = await conversation.reader.readexactly(2)
        await conversation.send(head(L2) + body)

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            reader, writer = await front.open()
            writer.write(b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"hi")
            assert status_of(await reader.readuntil(b"\r\n\r\n")) == 200 and await reader.readexactly(2) == b"hi"
            writer.close()

    run(main())


def test_an_upstreams_own_word_on_an_expectation_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "CONTINUE_SECONDS", 1000)

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(head(line=b"HTTP/1.1 100 Continue"))
        await conversation.send(head(L2) + await conversation.reader.readexactly(2))

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            reader, writer = await front.open()
            writer.write(
                b"POST / HTTP/1.1\r\n"
                + HOST
                + b"Connection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
            )
            await auntil(lambda: upstream.connections)
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            (client,) = front.gateway._connections
            assert client._sink._timer is None  # nobody will say it again
            writer.write(b"hi")
            assert body_of(await reader.read()) == b"hi"
            writer.close()

    run(main())


@pytest.mark.parametrize("reads", [0, 1000, 1_000_000])
@pytest.mark.parametrize("framing", [b"Content-Length: 100000000\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_an_early_answer_is_never_lost_though_its_upstream_closes_at_once(
    reads: int, framing: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose unread bytes make it reset the connection: what it has said must be read all the same."""
    monkeypatch.setattr(protocol_module, "LINGER_SECONDS", 1000)

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        if reads:
            await conversation.reader.readexactly(reads)
        await conversation.send(head(b"Content-Length: 3", line=b"HTTP/1.1 413 Too Large") + b"big")

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            for _ in range(10):
                reader, writer = await front.open()
                writer.write(b"POST / HTTP/1.1\r\n" + HOST + framing + b"\r\n")
                piece = b"x" * 16384 if b"Length" in framing else b"4000\r\n" + b"x" * 16384 + b"\r\n"

                async def upload(writer: asyncio.StreamWriter, piece: bytes) -> None:
                    while not writer.is_closing():
                        writer.write(piece)
                        await writer.drain()
                        await asyncio.sleep(0)

                uploading = asyncio.create_task(upload(writer, piece))
                data = await reader.readuntil(b"big")
                uploading.cancel()
                await asyncio.gather(uploading, return_exceptions=True)
                writer.transport.abort()
                assert status_of(data) == 413
            await auntil(lambda: upstream.ended == upstream.connections == 10)

    run(main())


def test_an_early_answer_from_an_upstream_that_does_not_read_leaves_no_connection() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            async with running_gateway({"api": ready("api", listening.getsockname())}) as front:
                reader, writer = await front.open()
                writer.write(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100000000\r\n\r\n" + b"x" * 20_000_000)
                upstream, _ = await loop.sock_accept(listening)
                with upstream:
                    await loop.sock_recv(upstream, 10)
                    (client,) = front.gateway._connections
                    await auntil(lambda: client._sink._paused)  # the upstream's buffers are full
                    await loop.sock_sendall(
                        upstream, head(b"Content-Length: 3", line=b"HTTP/1.1 413 Too Large") + b"big"
                    )
                    await reader.readuntil(b"big")
                    ended = select.poll()
                    ended.register(upstream, select.POLLHUP | select.POLLERR)
                    await auntil(lambda: ended.poll(0))
                writer.transport.abort()

    run(main())


def test_a_connection_on_which_a_get_had_a_body_is_not_used_again() -> None:
    """RFC 9110 §9.3.1: a server may not expect it, and read it as the next request."""

    async def handler(conversation: Conversation) -> None:
        while b"/a " in await conversation.head():
            await conversation.reader.readexactly(2)
            await conversation.send(OK)
        await conversation.send(OK)

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            for target in ("/a", "/b"):
                await front.talk(
                    front.request(
                        target,
                        fields="Content-Length: 2\r\n" if target == "/a" else "",
                        body=b"hi" if target == "/a" else b"",
                    )
                )
            assert upstream.connections == 2

    run(main())


def test_an_answer_is_read_though_a_write_has_met_the_reset_behind_it() -> None:
    """On asyncio's loop, which writes at once; uvloop's reads first, nearly always."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            async with running_gateway({"api": ready("api", listening.getsockname())}) as front:
                reader, writer = await front.open()
                writer.write(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000\r\n\r\nx")
                upstream, _ = await loop.sock_accept(listening)
                await loop.sock_recv(upstream, 10)
                (client,) = front.gateway._connections
                upstream.send(head(b"Content-Length: 3", line=b"HTTP/1.1 413 Too Large") + b"big")
                upstream.close()  # with bytes that it has not read: a reset
                client._sink.body(b"y")
                assert status_of(await reader.readuntil(b"big")) == 413
                writer.close()

    asyncio.run(main())


def test_strictly_means_strictly() -> None:
    with pytest.raises(h11.RemoteProtocolError):
        read_strictly(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")
    assert not read_strictly(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab")[0].complete
