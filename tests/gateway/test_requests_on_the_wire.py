"""Requests as bytes, on an upstream that would be fooled: what is refused, what passes, and as what.

For each that is refused, nothing of it reaches the upstream as a request, and who comes next gets their own answer.
Sources: RFC 9110, RFC 9112; the HTTP Garden's and PortSwigger's families of smuggling.
"""

import re

import pytest

from tests.gateway.lenient import Lenient, read_strictly
from tests.support import auntil, run
from tests.support.gateway import RunningGateway, ready, running_gateway
from tests.support.upstream import Conversation, RawUpstream

HOST = b"Host: localhost\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
N = b"%d" % len(SMUGGLED)


def post(fields: bytes, body: bytes = b"", line: bytes = b"POST /first HTTP/1.1") -> bytes:
    return line + b"\r\n" + HOST + fields + b"\r\n" + body


def get(fields: bytes = b"", target: bytes = b"/first") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + fields + b"\r\n"


def chunked(body: bytes, fields: bytes = b"Transfer-Encoding: chunked\r\n") -> bytes:
    return post(fields, body)


ENDS = b"0\r\n\r\n"

LENGTHS = [
    b"+5", b"-5", b"-0", b"0x5", b"5_0", b"5.0", b"5e0", b"5 5", b"5,5", b"5, 5", b"5;", b'"5"', b"", b" ", b",", b"\x0b5", b"5\x0c", b"\xa05", b"5\x85", b"\xb2",
    b"\xd9\xa5", b"5\x00", b"\x005", b"0b101", b"0o5", b"five", b"99999999999999999999", b"18446744073709551621", b"9" * 400, b"5\r\n 0", b"5\r\n\t", b"+0", b"00x5",
    b"0,", b"1e1", b"\xef\xbc\x95", b"5\t5", b"NaN", b"Infinity", b"{5}", b"$5", b"5#", b"- 5",
]  # fmt: skip
CODINGS = [
    b"xchunked", b"chunkedx", b"chunked x", b"chunk", b"x, chunked", b"chunked, x", b"identity", b"gzip, chunked", b"chunked, chunked", b"chunked;q=1", b"chunked;",
    b"\x0bchunked", b"chunked\x0b", b"\x0cchunked", b"\xa0chunked", b"chunked\x85", b'"chunked"', b"'chunked'", b",chunked", b"chunked,", b"", b"\x00chunked",
    b"chunked\x00", b"chun\x00ked", b"\r\n chunked", b"chunked\r\n ", b"[chunked]", b"chunked\x01", b"\x7fchunked", b"chunked\xff", b"\xe3\x83\x81chunked", b"deflate",
    b"trailers, chunked", b"chunked\rX: y", b"cow", b"chunked/1",
]  # fmt: skip
FIELD_LINES = [
    b"X : y", b"X\t: y", b" X: y", b"\tX: y", b"X", b"X y", b": y", b"X\x00: y", b"\x00X: y", b"X\xe9: y", b"X(: y", b"X Y: z", b"X\x0b: y", b"X: y\r\n folded", b"X: y\r\n\tfolded",
    b"X: a\x00b", b"X: a\rb", b"X: a\nb", b"X: a\nTransfer-Encoding: chunked", b"X: a\rTransfer-Encoding: chunked", b"X: a\r\r\nY: b", b"X: \x01", b"X: a\x7f", b"X: a\x1b[2J",
    b"X\r: y", b"X\n: y", b"@: y", b"X/Y: z", b"X\\: y", b"{X}: y", b"X;: y", b"X=: y", b'"X": y', b"X,Y: z", b"X?: y", b"[X]: y",
    b"\rTransfer-Encoding: chunked", b"X: y\r\n\r Transfer-Encoding: chunked",
]  # fmt: skip
LINES = [
    b"GET /first", b"GET  /first HTTP/1.1", b"GET /first  HTTP/1.1", b"GET\t/first HTTP/1.1", b"GET /first\tHTTP/1.1", b"GET /first HTTP/1.1 ", b"GET /first HTTP/1.1\t", b" GET /first HTTP/1.1",
    b"GET /fi rst HTTP/1.1", b"GET /first\x00 HTTP/1.1", b"GET /fir\x7fst HTTP/1.1", b"GET /first\x0bHTTP/1.1", b"GET /first\xa0HTTP/1.1", b"G\x00T /first HTTP/1.1", b"G@T /first HTTP/1.1",
    b"G(T) /first HTTP/1.1", b"\xc7ET /first HTTP/1.1", b"GET: /first HTTP/1.1", b"GET /first http/1.1", b"GET /first HTTP/1,1", b"GET /first HTTP/1", b"GET /first HTTP/.1", b"GET /first HTTP/1.",
    b"GET /first HTTP/11", b"GET /first HTTP/1.10", b"GET /first HTTP/01.1", b"GET /first HTTP/1.1.1", b"GET /first HTTP/+1.1", b"GET /first HTTP/\xb2.1", b"GET /first HTTPS/1.1", b"GET /first HTP/1.1",
    b"GET /first HTTP/0.9", b"GET /first HTTP/2.0", b"GET /first HTTP/2", b"GET /first HTTP/3.0", b"GET /first HTTP/9.9", b"GET /first HTTP/1.1 HTTP/1.1", b"/first HTTP/1.1", b"HTTP/1.1 200 OK",
    b"GET first HTTP/1.1", b"GET ?x HTTP/1.1", b"GET * HTTP/1.1", b"POST * HTTP/1.1", b"GET #x HTTP/1.1", b"GET /first#x HTTP/1.1", b"GET /# HTTP/1.1", b"GET ../first HTTP/1.1", b"GET . HTTP/1.1",
    b"GET localhost HTTP/1.1", b"GET localhost:80 HTTP/1.1", b"GET //: HTTP/1.1\x00", b"GET ftp://localhost/ HTTP/1.1", b"GET file:///etc/passwd HTTP/1.1", b"GET javascript:x HTTP/1.1",
    b"GET http:/first HTTP/1.1", b"GET http:first HTTP/1.1", b"GET http:///first HTTP/1.1", b"GET http:// HTTP/1.1", b"GET http://u@localhost/ HTTP/1.1", b"GET http://u:p@localhost/ HTTP/1.1",
    b"GET http://localhost:0/ HTTP/1.1", b"GET http://localhost:99999/ HTTP/1.1", b"GET http://localhost:x/ HTTP/1.1", b"GET http://localhost:80:80/ HTTP/1.1", b"GET http://[::1/ HTTP/1.1",
    b"GET http://::1/ HTTP/1.1", b"GET http://[::g]/ HTTP/1.1", b"GET http://local\\host/ HTTP/1.1", b"GET http://localhost\\@x/ HTTP/1.1", b"GET http://evil.example/ HTTP/1.1",
    b"GET http://localhost.evil.example/ HTTP/1.1", b"GET http://127.0.0.1.nip.io/ HTTP/1.1", b"CONNECT localhost:80 HTTP/1.1", b"CONNECT / HTTP/1.1", b"CONNECT http://localhost/ HTTP/1.1",
    b"CONNECT localhost:80 HTTP/1.0", b"PRI * HTTP/2.0", b"",
]  # fmt: skip
HOSTS = [
    b"", b"Host:\r\n", b"Host: \r\n", b"Host: a b\r\n", b"Host: u@localhost\r\n", b"Host: localhost/x\r\n", b"Host: localhost?x\r\n", b"Host: localhost#x\r\n", b"Host: http://localhost\r\n",
    b"Host: localhost:x\r\n", b"Host: localhost:-1\r\n", b"Host: localhost:99999\r\n", b"Host: localhost:80:80\r\n", b"Host: localhost, localhost\r\n", b"Host: localhost,evil.example\r\n",
    b"Host: local%68ost\r\n", b"Host: local\x00host\r\n", b"Host: localhost\x0b\r\n", b"Host: localhost\\\r\n", b"Host: [::1\r\n", b"Host: ::1\r\n", b"Host: [::1]x\r\n", b"Host: [::g]\r\n",
    b"Host: [fe80::1%25eth0]\r\n", b"Host: localhost\r\nHost: localhost\r\n", b"Host: localhost\r\nHost: evil.example\r\n", b"Host: evil.example\r\nhost: localhost\r\n", b"Host : localhost\r\n",
    b" Host: localhost\r\n", b"Host\x00: localhost\r\n", b"X: y\r\n Host: localhost\r\n", b"Host: localh\xf6st\r\n", b"Host: \xe2\x84\xaa.localhost\r\n", b"Host: -.localhost\r\n", b"Host: .localhost\r\n",
    b"Host: localhost..\r\n", b"Host: a..localhost\r\n", b"Host: *\r\n", b"Host: " + b"a" * 300 + b".localhost\r\n", b"Host: localhost.\r\n", b"Host: evil.example\r\n", b"Host: evil.example:80\r\n",
    b"Host: localhost.evil.example\r\n", b"Host: evil.example#localhost\r\n", b"Host: 127.0.0.1.nip.io\r\n", b"Host: 127.1\r\n", b"Host: 0x7f.1\r\n", b"Host: 2130706433\r\n", b"Host: 0.0.0.0\r\n",
    b"Host: localhost@evil.example\r\n", b"Host: [::ffff:10.0.0.1]\r\n", b"Host: null\r\n",
]  # fmt: skip
CHUNKS = [
    b"+5\r\nabcde\r\n", b"-5\r\nabcde\r\n", b"0x5\r\nabcde\r\n", b"5_\r\nabcde\r\n", b"5_0\r\n", b" 5\r\nabcde\r\n", b"\t5\r\nabcde\r\n", b"5\x0b\r\nabcde\r\n", b"5\xa0\r\nabcde\r\n", b"5\x00\r\nabcde\r\n",
    b"5,5\r\nabcde\r\n", b"5 5\r\nabcde\r\n", b"g\r\nabcde\r\n", b"\r\nabcde\r\n", b";x\r\nabcde\r\n", b"\xd9\xa5\r\nabcde\r\n", b"5h\r\nabcde\r\n", b"5\nabcde\r\n", b"5\rabcde\r\n", b"5\r\r\nabcde\r\n",
    b"5\n\r\nabcde\r\n", b"5;x\nabcde\r\n", b"5;x\rabcde\r\n", b"5;x\ry\r\nabcde\r\n", b"5;x\x00\r\nabcde\r\n", b"5;\x01\r\nabcde\r\n", b"5\r\nabcdef\r\n", b"5\r\nabcde", b"5\r\nabcdeXX", b"5\r\nabcde\n",
    b"5\r\nabcde\r", b"5\r\nabcde\n\n", b"5\r\nabcde\r\r\n", b"5\r\nabcd\r\n", b"5\r\nabcde\r\n\r\n", b"10000000000000005\r\nabcde\r\n", b"ffffffffffffffff\r\nabcde\r\n", b"fffffffffffffffffffff\r\n",
    b"0000000000000000000000005\r\nabcde\r\n", b"5;" + b"x" * 5000 + b"\r\nabcde\r\n", b"5" + b" " * 5000 + b"\r\nabcde\r\n",
]  # fmt: skip
LAST_CHUNKS = [
    b"0\n\n", b"0\r\n\n", b"0\n\r\n", b"0\r\rX", b"0\r\n\rX", b"0\r\nX : y\r\n\r\n", b"0\r\n X: y\r\n\r\n", b"0\r\nX\r\n\r\n", b"0\r\nX: y\n\r\n", b"0\r\nX: a\rb\r\n\r\n", b"0\r\nX: \x00\r\n\r\n",
    b"0\r\n: y\r\n\r\n", b"0\r\nX: y\r\n folded\r\n\r\n", b"0;x\n\r\n", b"-0\r\n\r\n", b"+0\r\n\r\n", b"0x0\r\n\r\n", b"0_0\r\n\r\n", b"0\r\n" + b"X: " + b"y" * 5000 + b"\r\n\r\n",
    b"0\r\n" + b"X: y\r\n" * 5000 + b"\r\n", b"0\r\nGET /smuggled HTTP/1.1\r\n\r\n",
]  # fmt: skip

TE = b"Transfer-Encoding: chunked\r\n"
BOTH = [
    b"Content-Length: " + N + b"\r\n" + TE, TE + b"Content-Length: " + N + b"\r\n", b"Content-Length: 0\r\n" + TE, b"Content-Length: 5\r\n" + TE.lower(), b"content-length: 5\r\nTRANSFER-ENCODING: CHUNKED\r\n",
    b"Content-Length: 5\r\nTransfer-Encoding: identity\r\n", b"Content-Length: 5\r\nTransfer-Encoding: x\r\n", b"Content-Length: 5\r\nTransfer-Encoding:\r\n", b"Content-Length: 5\r\nTransfer-Encoding : chunked\r\n",
    b"Content-Length: 5\r\n Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\nX: y\nTransfer-Encoding: chunked\r\n", b"Content-Length: 5\r\nX: y\rTransfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\nConnection: Transfer-Encoding\r\n" + TE, b"Content-Length: 5\r\nConnection: Content-Length\r\n" + TE, TE + TE, TE + b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding: identity\r\n" + TE,
    b"Content-Length: 5\r\nContent-Length: 5\r\n", b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: 0\r\nContent-Length: " + N + b"\r\n", b"Content-Length: " + N + b"\r\nContent-Length: 0\r\n",
    b"Content-Length: 5\r\nContent-Length : 6\r\n", b"Content-Length: 5\r\nX: y\nContent-Length: 0\r\n", b"Content-Length: 5\r\ncontent-length: 5\r\n",
]  # fmt: skip

REFUSED: dict[str, bytes] = {
    **{f"length {each!r:.40}": post(b"Content-Length: " + each + b"\r\n", SMUGGLED) for each in LENGTHS},
    **{f"coding {each!r:.40}": post(b"Transfer-Encoding: " + each + b"\r\n", ENDS + SMUGGLED) for each in CODINGS},
    **{f"field {each!r:.60}": get(each + b"\r\n") + SMUGGLED for each in FIELD_LINES},
    **{f"line {each!r:.60}": each + b"\r\n" + HOST + (b"Connection: close\r\n" if b"evil" in each or b"nip" in each else b"") + b"\r\n" + SMUGGLED for each in LINES if each},
    **{f"host {each!r:.60}": b"GET /first HTTP/1.1\r\n" + each + b"Connection: close\r\n\r\n" for each in HOSTS},
    **{f"framing {each!r:.90}": post(each, ENDS + SMUGGLED) for each in BOTH},
    "no head, LF only": b"GET /first HTTP/1.1\nHost: localhost\n\n" + SMUGGLED,
    "LF after the request line": b"GET /first HTTP/1.1\n" + HOST + b"\r\n" + SMUGGLED,
    "LF LF in front of the end": b"GET /first HTTP/1.1\r\nHost: localhost\n\n" + SMUGGLED,
    "LF CR LF": b"GET /first HTTP/1.1\r\nHost: localhost\n\r\n" + SMUGGLED,
    "CR CR LF": b"GET /first HTTP/1.1\r\nHost: localhost\r\r\n\r\n" + SMUGGLED,
    "CR only": b"GET /first HTTP/1.1\rHost: localhost\r\r" + SMUGGLED,
    "CR in front": b"\rGET /first HTTP/1.1\r\n" + HOST + b"\r\n",
    "LF in front": b"\nGET /first HTTP/1.1\r\n" + HOST + b"\r\n",
    "space in front": b" \r\n" + get(),
    "a coding in HTTP/1.0": b"POST /first HTTP/1.0\r\n" + HOST + TE + b"\r\n" + ENDS + SMUGGLED,
    "a coding in HTTP/1.0 that stays": b"POST /first HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n" + TE + b"\r\n" + ENDS + SMUGGLED,
    "HTTP/0.9": b"GET /first\r\n",
    "HTTP/0.9 with LF": b"GET /first\n",
    "no version, and fields": b"GET /first\r\n" + HOST + b"\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
    "TLS, a few bytes": b"\x16\x03\x01",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "SOCKS": b"\x05\x01\x00",
    "PROXY protocol": b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + get(),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "zeros": b"\x00" * 100,
    "a BOM": b"\xef\xbb\xbf" + get(),
    "JSON": b'{"a": 1}\r\n',
    "too long a field": get(b"X: " + b"a" * 70_000 + b"\r\n"),
    "too long a field, no end": get(b"X: " + b"a" * 70_000)[:-2],
    "too long a target": get(target=b"/" + b"a" * 70_000),
    "too long a target, no end": b"GET /" + b"a" * 70_000,
    "too long a method": b"A" * 70_000,
    "too many fields": get(b"X: y\r\n" * 1000),
    "many small fields, too long": get(b"".join(b"X-%d: %b\r\n" % (n, b"y" * 1000) for n in range(100))),
}  # fmt: skip

STATUSES = {
    "line b'GET /first HTTP/2.0'": 505, "line b'GET /first HTTP/3.0'": 505, "line b'CONNECT localhost:80 HTTP/1.1'": 405, "HTTP/2 preface": 505, "too long a field": 431, "too many fields": 431,
    "too long a field, no end": 431, "too long a target": 414, "too long a target, no end": 414, "host b'Host: evil.example\\r\\n'": 403, "line b'GET http://evil.example/ HTTP/1.1'": 403,
    "TLS": 400, "HTTP/0.9": 400, "host b''": 400,
}  # fmt: skip


async def own_answer(front: RunningGateway) -> None:
    """A client that comes after all that gets what it asked for."""
    answer, rest = read_strictly(await front.talk(front.request("/fresh")))
    assert (answer.status, answer.body, rest) == (200, b"GET /fresh HTTP/1.1", b"")


@pytest.mark.parametrize("name", REFUSED)
def test_what_two_parsers_could_read_differently_is_refused_and_never_forwarded(name: str) -> None:
    async def main() -> None:
        lenient = Lenient()
        async with RawUpstream(lenient) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            data = await front.talk(REFUSED[name])
            answer, rest = read_strictly(data)
            assert answer.status == STATUSES.get(name, answer.status)
            assert answer.status in (400, 403, 405, 414, 431, 501, 505)
            assert answer.complete and not rest
            assert answer.status == 403 or answer.values(b"Connection") == [b"close"]
            assert not lenient.requests and not upstream.connections
            await own_answer(front)

    run(main())


MALFORMED = [*(each + ENDS for each in CHUNKS), *(b"5\r\nabcde\r\n" + each for each in LAST_CHUNKS)]


@pytest.mark.parametrize("body", MALFORMED, ids=[f"{each!r:.50}" for each in MALFORMED])
def test_a_chunked_body_that_is_malformed_is_never_complete(body: bytes) -> None:
    async def main() -> None:
        lenient = Lenient()
        service = ready("api")
        async with RawUpstream(lenient) as upstream, running_gateway({"api": service}) as front:
            service.addresses = (upstream.address,)
            data = await front.talk(chunked(body + SMUGGLED))
            answer, rest = read_strictly(data)
            assert answer.status == 400 and not rest and answer.values(b"Connection") == [b"close"]
            await auntil(
                lambda: service.purge() or upstream.ended == upstream.connections
            )  # nothing idle is waited for
            assert not lenient.requests
            await own_answer(front)

    run(main())


# -- what passes, and as what: (bytes, the request lines that the upstream sees, what it sees of the first one)

Passed = tuple[bytes, list[bytes], bytes | None]
BODY = b"5\r\nabcde\r\n"

PASSED: dict[str, Passed] = {
    "a smuggled request in a body is a body": (post(b"Content-Length: " + N + b"\r\n", SMUGGLED), [b"POST /first HTTP/1.1"], SMUGGLED),
    "and in chunks": (chunked(b"%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n" + ENDS), [b"POST /first HTTP/1.1"], SMUGGLED),
    "and behind a GET": (get(b"Content-Length: " + N + b"\r\n") + SMUGGLED, [b"GET /first HTTP/1.1"], SMUGGLED),
    "a length of zeros": (post(b"Content-Length: 0005\r\n", b"abcde"), [b"POST /first HTTP/1.1"], b"abcde"),
    "a length and blanks": (post(b"Content-Length: \t 5 \t\r\n", b"abcde"), [b"POST /first HTTP/1.1"], b"abcde"),
    "a length and no blank": (post(b"content-LENGTH:5\r\n", b"abcde"), [b"POST /first HTTP/1.1"], b"abcde"),
    "a length of 0": (post(b"Content-Length: 0\r\n"), [b"POST /first HTTP/1.1"], b""),
    "no length": (post(b""), [b"POST /first HTTP/1.1"], b""),
    "a coding in capitals": (chunked(BODY + ENDS, b"TRANSFER-encoding: ChUnKeD \r\n"), [b"POST /first HTTP/1.1"], b"abcde"),
    "a coding and no blank": (chunked(BODY + ENDS, b"transfer-encoding:chunked\r\n"), [b"POST /first HTTP/1.1"], b"abcde"),
    "Connection names the coding": (chunked(BODY + ENDS, TE + b"Connection: Transfer-Encoding\r\n"), [b"POST /first HTTP/1.1"], b"abcde"),
    "Connection names the length": (post(b"Connection: Content-Length\r\nContent-Length: 5\r\n", b"abcde"), [b"POST /first HTTP/1.1"], b"abcde"),
    "Connection names Host": (post(b"Connection: Host\r\nContent-Length: 5\r\n", b"abcde"), [b"POST /first HTTP/1.1"], b"abcde"),
    "extensions": (chunked(b'5;a;b=c; d="e;f"\r\nabcde\r\n0;x=y\r\n\r\n'), [b"POST /first HTTP/1.1"], b"abcde"),
    "zeros in sizes": (chunked(b"000005\r\nabcde\r\n000\r\n\r\n"), [b"POST /first HTTP/1.1"], b"abcde"),
    "sizes in both cases": (chunked(b"a\r\n0123456789\r\nA\r\n0123456789\r\n" + ENDS), [b"POST /first HTTP/1.1"], b"0123456789" * 2),
    "one byte a chunk": (chunked(b"".join(b"1\r\n%c\r\n" % byte for byte in SMUGGLED) + ENDS), [b"POST /first HTTP/1.1"], SMUGGLED),
    "no chunk": (chunked(ENDS), [b"POST /first HTTP/1.1"], b""),
    "trailers": (chunked(BODY + b"0\r\nX: y\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nHost: evil\r\n\r\n"), [b"POST /first HTTP/1.1"], b"abcde"),
    "empty lines in front": (b"\r\n\r\n" + get(), [b"GET /first HTTP/1.1"], b""),
    "empty lines between": (get() + b"\r\n" + get(target=b"/second"), [b"GET /first HTTP/1.1", b"GET /second HTTP/1.1"], b""),
    "pipelined": (get() + post(b"Content-Length: 3\r\n", b"abc") + chunked(ENDS), [b"GET /first HTTP/1.1", b"POST /first HTTP/1.1", b"POST /first HTTP/1.1"], b""),
    "a higher minor version": (b"GET /first HTTP/1.9\r\n" + HOST + b"\r\n", [b"GET /first HTTP/1.1"], b""),
    "TE is no coding": (get(b"TE: chunked\r\n"), [b"GET /first HTTP/1.1"], b""),
    "names that look like framing": (get(b"Content-Length-X: 5\r\nX-Transfer-Encoding: chunked\r\nTransfer_Encoding: chunked\r\nContent_Length: 5\r\n"), [b"GET /first HTTP/1.1"], b""),
    "an h2c upgrade is none": (get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), [b"GET /first HTTP/1.1"], b""),
    "an upgrade with a body is none": (
        post(b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: " + N + b"\r\n", SMUGGLED), [b"POST /first HTTP/1.1"], SMUGGLED),
    "an upgrade with POST is none": (post(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), [b"POST /first HTTP/1.1"], b""),
    "an upgrade of a GET with a body is none": (
        get(b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: " + N + b"\r\n") + SMUGGLED, [b"GET /first HTTP/1.1"], SMUGGLED),
    "an upgrade in HTTP/1.0 is none": (
        b"GET /first HTTP/1.0\r\n" + HOST + b"Connection: Upgrade, keep-alive\r\nUpgrade: websocket\r\n\r\n", [b"GET /first HTTP/1.1"], b""),
    "behind an upgrade that is refused": (
        get(b"Connection: Upgrade\r\nUpgrade: websocket\r\n") + get(target=b"/second"), [b"GET /first HTTP/1.1", b"GET /second HTTP/1.1"], b""),
    **{f"method {method.decode()}": (post(b"", line=method + b" /first HTTP/1.1"), [method + b" /first HTTP/1.1"], b"")
       for method in (b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"QUERY", b"PROPFIND", b"M-SEARCH", b"LINK", b"get", b"X", b"!#$%&'*+-.^_`|~", b"A" * 200)},
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", [b"OPTIONS * HTTP/1.1"], b""),
    "OPTIONS of a server by its URL": (b"OPTIONS http://localhost HTTP/1.1\r\n" + HOST + b"\r\n", [b"OPTIONS * HTTP/1.1"], b""),
    "OPTIONS of its root by its URL": (b"OPTIONS http://localhost/ HTTP/1.1\r\n" + HOST + b"\r\n", [b"OPTIONS / HTTP/1.1"], b""),
    **{f"target {target!r}": (get(target=target), [b"GET " + target + b" HTTP/1.1"], b"")
       for target in (b"/%2F", b"//", b"//a//b", b"///", b"/a/../b", b"/..", b"/../../etc", b"/..;/x", b"/a;b=c", b"/.", b"/a/./b", b"/%2e%2e/", b"/%00", b"/%", b"/%zz", b"/%41", b"/%c3%a9",
                      b"/\xc3\xa9", b"/\xff\x80", b"/\\", b"/a\\..\\b", b"/{}|^`", b"/[]", b"/<>\"", b"/'()*!", b"/?", b"/??", b"/?a?b", b"/?a=b&&c", b"/?%2F=%23", b"/?a=\xe9", b"/?{}|^[]", b"/@fs/x",
                      b"/@id/__x00__x", b"/:80", b"/a:b", b"/http://x/", b"/$&+,;=", b"/~x", b"/a%20b+c", b"/?next=http://evil.example/", b"/" + b"a" * 8000, b"/?" + b"q" * 8000)},
    **{f"URL {url!r}": (get(target=url), [b"GET " + path + b" HTTP/1.1"], b"")
       for url, path in ((b"http://localhost/a?b", b"/a?b"), (b"http://localhost", b"/"), (b"http://localhost?x", b"/?x"), (b"HTTP://LOCALHOST/A", b"/A"), (b"https://localhost/a", b"/a"),
                         (b"http://localhost:4400//a/../b", b"//a/../b"), (b"http://127.0.0.1/%2F", b"/%2F"), (b"http://[::1]:80/x", b"/x"), (b"http://a.b.localhost/x", b"/x"))},
}  # fmt: skip


@pytest.mark.parametrize("name", PASSED)
def test_what_passes_is_one_request_that_all_read_alike(name: str) -> None:
    async def main() -> None:
        sent, lines, body = PASSED[name]
        lenient = Lenient()
        async with RawUpstream(lenient) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            data = await front.talk(sent + LAST)
            assert [seen.line for seen in lenient.requests] == [*lines, b"GET /last HTTP/1.1"]
            assert lenient.requests[0].body == body
            for line in (*lines, b"GET /last HTTP/1.1"):
                answer, data = read_strictly(data, line.split(b" ")[0], ended=False)
                assert (answer.status, answer.body) == (200, line)
            assert not data
            await own_answer(front)

    run(main())


# -- fields on their way to the upstream: (fields that are sent, those that arrive, names that do not)

FIELDS: dict[str, tuple[bytes, list[bytes], list[bytes]]] = {
    "hop by hop": (
        b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic x\r\nProxy-Authenticate: x\r\nUpgrade: foo\r\nTE: gzip\r\nHTTP2-Settings: x\r\n",
        [], [b"Connection", b"Keep-Alive", b"Proxy-Connection", b"Proxy-Authorization", b"Proxy-Authenticate", b"Upgrade", b"TE", b"HTTP2-Settings"]),
    "what Connection names": (b"Connection: X-A , x-b\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\n", [b"X-C: 3"], [b"X-A", b"X-B", b"Connection"]),
    "two Connection fields": (b"Connection: X-A\r\nX-A: 1\r\nConnection: X-B\r\nX-B: 2\r\n", [], [b"X-A", b"X-B", b"Connection"]),
    "an empty Connection": (b"Connection:\r\nX-A: 1\r\n", [b"X-A: 1"], [b"Connection"]),
    "commas in Connection": (b"Connection: ,, , X-A,\r\nX-A: 1\r\n", [], [b"X-A", b"Connection"]),
    "our own fields are ours": (b"Connection: X-Forwarded-For, Via, Host, Forwarded\r\n", [b"X-Forwarded-For: 127.0.0.1", b"Via: 1.1 devproxy-test"], [b"Connection"]),
    "a client's claims": (
        b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6\r\n",
        [b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: http", b"X-Forwarded-Host: localhost"], []),
    "a claim in two fields": (b"X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7\r\n", [b"X-Forwarded-For: 127.0.0.1"], []),
    "TE: trailers": (b"TE: trailers\r\n", [b"TE: trailers", b"Connection: TE"], []),
    "TE: trailers among others": (b"Connection: TE\r\nTE: gzip;q=0.5, trailers\r\n", [b"TE: trailers", b"Connection: TE"], []),
    "Via of others": (b"Via: 1.0 fred, 1.1 p.example\r\n", [b"Via: 1.0 fred, 1.1 p.example, 1.1 devproxy-test"], []),
    "Via in two fields": (b"Via: 1.0 fred\r\nVia: 1.1 p.example\r\n", [b"Via: 1.0 fred, 1.1 p.example, 1.1 devproxy-test"], []),
    "Expect": (b"Expect: 100-continue\r\n", [b"Expect: 100-continue"], []),
    "an unknown Expect": (b"Expect: a-pony\r\n", [b"Expect: a-pony"], []),
    "Max-Forwards means OPTIONS and TRACE": (b"Max-Forwards: 0\r\n", [b"Max-Forwards: 0"], []),
    "Origin and Referer": (b"Origin: http://localhost:5173\r\nReferer: http://localhost/x\r\n", [b"Origin: http://localhost:5173", b"Referer: http://localhost/x"], []),
    "Accept-Encoding": (b"Accept-Encoding: br, zstd\r\n", [b"Accept-Encoding: br, zstd"], []),
    "nothing is invented": (b"", [], [b"User-Agent", b"Accept", b"Accept-Encoding", b"Connection", b"Content-Length", b"Transfer-Encoding", b"Content-Type", b"Cookie"]),
    "Cookie fields": (b"Cookie: a=1\r\nCookie: b=2\r\n", [b"Cookie: a=1", b"Cookie: b=2"], []),
    "an empty value": (b"X-A:\r\n", [b"X-A: "], []),
    "a byte above ASCII": (b"X-A: \xe9\xff\r\n", [b"X-A: \xe9\xff"], []),
    "a tab inside": (b"X-A: a\tb\r\n", [b"X-A: a\tb"], []),
    "a name of odd characters": (b"!#$%&'*+-.^_`|~: y\r\n", [b"!#$%&'*+-.^_`|~: y"], []),
    "a comma list": (b"X-A: a, b\r\nX-A: c\r\n", [b"X-A: a, b", b"X-A: c"], []),
    "Cache-Control and conditions": (b"Cache-Control: no-cache\r\nIf-None-Match: \"x\"\r\nRange: bytes=0-\r\n", [b"Cache-Control: no-cache", b'If-None-Match: "x"', b"Range: bytes=0-"], []),
    "Trailer": (b"Trailer: X-Sum\r\n", [b"Trailer: X-Sum"], []),
    "Authorization": (b"Authorization: Bearer x\r\n", [b"Authorization: Bearer x"], []),
    "a field of 50 KB": (b"X-A: " + b"a" * 50_000 + b"\r\n", [b"X-A: " + b"a" * 50_000], []),
    "150 fields": (b"".join(b"X-%d: y\r\n" % n for n in range(150)), [b"X-%d: y" % n for n in range(150)], []),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_fields_on_their_way_to_the_upstream(name: str) -> None:
    async def main() -> None:
        sent, arrive, gone = FIELDS[name]
        lenient = Lenient()
        async with RawUpstream(lenient) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            await front.talk(get(sent) + LAST)
            seen = lenient.requests[0]
            lines = [b"%b: %b" % field for field in seen.fields]
            assert [line for line in lines if line in arrive] == arrive or sorted(arrive) == sorted(
                set(lines) & set(arrive)
            )
            for each in gone:
                assert not seen.values(each)
            for ours in (
                b"Host",
                b"X-Forwarded-For",
                b"X-Forwarded-Proto",
                b"X-Forwarded-Host",
                b"X-Forwarded-Port",
                b"Forwarded",
                b"Via",
            ):
                assert len(seen.values(ours)) == 1
            assert not any(claim in b"".join(lines) for claim in (b"6.6.6.6", b"7.7.7.7", b"evil.example"))

    run(main())


def test_the_authority_of_a_url_replaces_host() -> None:
    async def main() -> None:
        lenient = Lenient()
        async with RawUpstream(lenient) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            await front.talk(b"GET http://a.localhost:81/x HTTP/1.1\r\nHost: evil.example\r\n\r\n" + LAST)
            (host,) = lenient.requests[0].values(b"Host")
            assert host == b"a.localhost:81"

    run(main())


def test_trailers_that_frame_or_route_do_not_reach_the_upstream() -> None:
    async def main() -> None:
        got: list[bytes] = []

        async def handler(conversation: Conversation) -> None:
            got.append(await conversation.reader.readuntil(b"0\r\nX: y\r\n\r\n"))
            await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            trailers = b"0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\nHost: evil\r\nX-Forwarded-For: 6.6.6.6\r\nX: y\r\n\r\n"
            await front.talk(chunked(BODY + trailers, TE + b"Connection: close\r\n"))
            assert re.search(rb"\r\n\r\n5\r\nabcde\r\n0\r\nX: y\r\n\r\n\Z", got[0])

    run(main())


# -- Max-Forwards (RFC 9110 §7.6.2)


@pytest.mark.parametrize(("method", "forwards", "arrives"), [
    ("OPTIONS", "0", None), ("TRACE", "0", None), ("OPTIONS", "1", b"0"), ("TRACE", "10", b"9"), ("GET", "0", b"0"), ("OPTIONS", "x", b"x"), ("OPTIONS", "007", b"6"),
])  # fmt: skip
def test_max_forwards_counts_for_options_and_trace(method: str, forwards: str, arrives: bytes | None) -> None:
    async def main() -> None:
        lenient = Lenient()
        async with RawUpstream(lenient) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            data = await front.talk(front.request("/x", method=method, fields=f"Max-Forwards: {forwards}\r\n"))
            answer, _ = read_strictly(data, method.encode())
            if arrives is None:
                assert not lenient.requests
                assert (answer.status, bool(answer.values(b"Allow"))) == ((204 if method == "OPTIONS" else 405), True)
            else:
                assert lenient.requests[0].values(b"Max-Forwards") == [arrives]
                assert answer.status == 200

    run(main())
