"""Whatever the pieces in which bytes arrive, on either side, it is the same conversation."""

import asyncio
from contextlib import suppress

import h11
from hypothesis import example, given
from hypothesis import strategies as st

from devproxy.gateway.protocol import GatewayProtocol
from devproxy.proxy.exchange import Exchange
from devproxy.proxy.framing import BadChunk, ChunkedBody
from devproxy.proxy.head import RequestHead, parse_request
from devproxy.proxy.upstream import UpstreamConnection
from tests.support import run
from tests.support.upstream import OK
from tests.support.wire import Instant, Wire, client_of, gateway_before, split_at

HOST = b"Host: localhost\r\n"
CUTS = st.lists(st.integers(0, 4000), max_size=12)

# -- answers

HEADS = st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 204 X\r\n", b"HTTP/1.1 304 X\r\n", b"HTTP/1.1 500 X\r\n", b"HTTP/1.3 200 X\r\n"])  # fmt: skip
BODIES = st.sampled_from([
    b"\r\n", b"Content-Length: 2\r\n\r\nok", b"Content-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n000\r\nX-Sum: 1\r\nHost: x\r\nY:\r\n\r\n", b"Content-Length: 9\r\n\r\ncut", b"Transfer-Encoding: chunked\r\n\r\n5\r\ncut", b"Connection: close\r\n\r\nuntil close",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\nNO\r\n0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\n0\r\n\r\n", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
])  # fmt: skip
INTERIM = st.sampled_from([b"", b"", b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 2])
GARBAGE = st.sampled_from([b"HTTP/1.1 101 X\r\n\r\n", b"SSH-2.0\r\n", b"HTTP/1.1 2000 X\r\n\r\n", b"HTTP/1.1 200 OK\n\n", b"HTTP/1.1 200 OK\r\nX: a\nb\r\n\r\n", b"HTTP/1.1 200 OK\r\n X: a\r\n\r\n",
                           b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"", b"HTT", b"HTTP/1.1 200 O", b"<html>", b"HTTP/2 200\r\n\r\n"])  # fmt: skip
AFTER = st.sampled_from([b"", b"", b"!", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"])
ANSWERS = st.builds(
    b"".join, st.tuples(INTERIM, st.one_of(st.builds(b"".join, st.tuples(HEADS, BODIES)), GARBAGE), AFTER)
)
ASKED = st.sampled_from([b"GET / HTTP/1.1\r\n", b"HEAD / HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n", b"OPTIONS / HTTP/1.1\r\n"])  # fmt: skip


def answered(asked: bytes, pieces: list[bytes]) -> tuple[bytes, str, bool]:
    """What the client got, how its connection ended, and whether the upstream's may be used again."""
    upstream = Instant()
    client, wire = client_of(gateway_before(upstream))
    client.data_received(asked + HOST + b"\r\n")
    connection = upstream.connections[0]
    for piece in pieces:
        if piece and not connection.closing:
            connection.data_received(piece)
    again = not connection.closing and connection in upstream._idle
    if not again:
        connection.connection_lost(None)
    written = (
        wire.written if b" 502 " not in wire.written else wire.written.partition(b" 502 ")[0]
    )  # its reason may differ
    if client._linger is not None:
        client._linger.cancel()
    return written, wire.ended, again


@given(ASKED, ANSWERS, CUTS)
@example(b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", [40])
def test_any_split_of_an_answer_is_the_same_answer(asked: bytes, answer: bytes, cuts: list[int]) -> None:
    async def main() -> None:
        whole = answered(asked, [answer])
        for pieces in (split_at(answer, cuts), [answer[place : place + 1] for place in range(len(answer))]):
            if (other := answered(asked, pieces)) != whole:
                # An answer that is cut, or breaks, reaches as far as it came: in one piece or in several, not further.
                assert whole[1:] == other[1:] == ("closed", False) or whole[1:] == other[1:] == ("aborted", False)
                assert other[0].startswith(whole[0]) and not complete(other[0]) and not complete(whole[0])

    run(main())


def complete(answer: bytes) -> bool:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(answer)
    with suppress(h11.RemoteProtocolError):
        while (event := client.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.EndOfMessage):
                return True
    return False


# -- requests

REQUESTS = st.one_of(
    st.just(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"),
    st.builds(lambda body: b"POST /p HTTP/1.1\r\n%bX-A:  b \r\nContent-Length: %d\r\n\r\n%b" % (HOST, len(body), body), st.binary(max_size=40)),
    st.builds(
        lambda chunks, end: b"PUT /c?%%2F HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n%b%b"
        % (HOST, b"".join(b"%x;x=y\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks), end),
        st.lists(st.binary(min_size=1, max_size=30), max_size=4),
        st.sampled_from([b"0\r\n\r\n", b"000;\r\nX-Sum: 1\r\nHost: evil\r\nY:2\r\n\r\n"]),
    ),
    st.sampled_from([b"\r\n", b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", b"GET http://a.localhost?x HTTP/1.1\r\n" + HOST + b"\r\n", b"GET / HTTP/1.0\r\n" + HOST + b"Connection: keep-alive\r\n\r\n"]),
    st.sampled_from([b"GET / HTTP/1.0\r\n" + HOST + b"\r\n", b"GET / HTTP/1.1\r\n\r\n", b"PUT / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n", b"NO\r\n", b"\x16\x03\x01", b"GET /#"]),
)  # fmt: skip


class Server:
    """Reads what was forwarded, by our own strict parsers, and answers each request when it is whole."""

    def __init__(self, upstream: Instant) -> None:
        self.upstream = upstream
        self.seen: list[tuple[object, ...]] = []
        self._read = 0

    def serve(self) -> bool:
        """Answer what is complete; whether anything was."""
        before = len(self.seen)
        for connection in self.upstream.connections:
            wire = connection.transport
            assert isinstance(wire, Wire)
            while not wire.ended and (request := whole_request(wire.written)) is not None:
                head, body, trailers = request
                wire.written = b""
                self.seen.append((head.method, head.target, head.host, tuple(head.fields), body, tuple(trailers)))
                connection.data_received(OK)
        return len(self.seen) > before


def whole_request(data: bytes) -> tuple[RequestHead, bytes, list[tuple[bytes, bytes]]] | None:
    end = data.find(b"\r\n\r\n") + 4
    if end < 4:
        return None
    head, rest = parse_request(data[:end]), data[end:]
    if not head.chunked:
        return (head, rest, []) if len(rest) == (head.length or 0) else None
    body: list[bytes] = []
    chunks = ChunkedBody(body.append)
    try:
        used = chunks.feed(rest)
    except BadChunk as error:
        raise AssertionError(rest) from error
    assert used == len(rest)
    return (head, b"".join(body), chunks.trailers) if chunks.done else None


def forwarded(pieces: list[bytes]) -> tuple[list[tuple[object, ...]], bytes, str]:
    """What reached the upstream as whole requests, what the client got, and how its connection ended."""
    upstream = Instant()
    client, wire = client_of(gateway_before(upstream))
    server = Server(upstream)
    for piece in pieces:
        if client._linger is None and not wire.ended:
            client.data_received(piece)
        while server.serve():
            pass
    if client._linger is not None:
        client._linger.cancel()
    lines = [
        line
        for line in wire.written.split(b"\r\n")
        if line.startswith((b"HTTP/1.1 ", b"Connection: ", b"okHTTP/1.1 ", b"ok"))
    ]
    return server.seen, b"\n".join(lines), wire.ended


@given(st.lists(REQUESTS, max_size=4), CUTS)
def test_any_split_of_requests_is_the_same_requests(requests: list[bytes], cuts: list[int]) -> None:
    data = b"".join(requests)

    async def main() -> None:
        whole = forwarded([data])
        assert forwarded(split_at(data, cuts)) == whole
        assert forwarded([data[place : place + 1] for place in range(len(data))]) == whole

    run(main())


def test_a_client_that_leaves_has_released_its_upstream_when_the_loop_goes_on() -> None:
    async def main() -> None:
        for lose in (GatewayProtocol.eof_received, lambda client: client.connection_lost(None)):
            for answer in (
                b"",
                b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
                b"HTTP/1.1 103 X\r\n\r\n",
                b"HTTP/1.1 200",
            ):
                upstream = Instant()
                gateway = gateway_before(upstream)
                client, _ = client_of(gateway)
                client.data_received(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nx")
                (connection,) = upstream.connections
                if answer:
                    connection.data_received(answer)
                lose(client)
                wire = connection.transport
                assert isinstance(wire, Wire)
                assert wire.ended == "aborted"
                connection.connection_lost(None)
                assert not (upstream._idle or upstream._waiting or upstream.streams or upstream.unanswered)

    run(main())


class SpeaksFirst(Instant):
    """Says what it has to say before it is asked."""

    def dial(self, exchange: Exchange) -> None:
        connection = UpstreamConnection(self)
        connection.connection_made(Wire())
        connection.data_received(b"HTTP/1.1 503 Full\r\nContent-Length: 2\r\n\r\nno")
        exchange.connected(connection)


def test_what_an_upstream_says_before_it_is_asked_is_its_answer() -> None:
    async def main() -> None:
        client, wire = client_of(gateway_before(SpeaksFirst()))
        client.data_received(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        await asyncio.sleep(0)
        assert wire.written.startswith(b"HTTP/1.1 503 Full\r\n") and wire.written.endswith(b"no")

    run(main())
