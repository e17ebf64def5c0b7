"""One client's connection: framing, order, waits and ends."""

import asyncio
import itertools
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devproxy.config.model import Hold, Route
from devproxy.gateway import protocol as protocol_module
from devproxy.gateway.gateway import Gateway
from devproxy.gateway.mount import Mount
from devproxy.gateway.protocol import HEAD_SECONDS, IDLE_SECONDS, GatewayProtocol
from devproxy.hosts import AllowedHosts
from devproxy.proxy.failures import Outage
from devproxy.proxy.head import RequestHead
from devproxy.proxy.routes import RouteTable
from devproxy.proxy.upstream import Upstream
from devproxy.proxy.websocket import close_frame
from tests.support import auntil, run, stands_still
from tests.support.gateway import RunningGateway, body_of, ready, running_gateway, status_of
from tests.support.upstream import OK, Conversation, Handler, RawUpstream, answering

HOST = b"Host: localhost\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
LAST = b"GET /last HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
UPGRADE = b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

Talk = Callable[[RunningGateway, RawUpstream], object]


def with_upstream(handler: Handler, main: Talk) -> None:
    async def bounded() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            await main(front, upstream)

    run(bounded())


async def silent(conversation: Conversation) -> None:
    """Takes a request, and never answers."""
    await conversation.head()
    await conversation.reader.read()


def only(front: RunningGateway) -> GatewayProtocol:
    (connection,) = front.gateway._connections
    return connection


# -- framing: any split of the bytes is the same conversation


class Recorder(Mount):
    """An application that notes each request and answers it at its end."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []

    def serve(self, client: GatewayProtocol, request: RequestHead) -> None:
        client.handle(Recording(self, client, request))
        if not request.has_body:
            assert isinstance(client._sink, Recording)
            client._sink.body_end([])


class Recording:
    answering = False

    def __init__(self, recorder: Recorder, client: GatewayProtocol, request: RequestHead) -> None:
        self._recorder, self._client, self._request, self._body = recorder, client, request, b""

    def body(self, data: bytes) -> None:
        self._body += data

    def body_end(self, trailers: list[tuple[bytes, bytes]]) -> None:
        request = self._request
        self._recorder.seen.append((request.method, request.target, tuple(request.fields), self._body, tuple(trailers)))
        self._client.transport.write(b"answer %d\n" % len(self._recorder.seen))
        self._client.exchange_done(keep_alive=request.keep_alive)

    def client_lost(self) -> None:
        self._recorder.seen.append(("lost", self._request.target))

    def pause_upstream(self) -> None: ...
    def resume_upstream(self) -> None: ...


class Wire(asyncio.Transport):
    """Stands for the network: keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = b""
        self.ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended, "a write after the end"
        self.written += data

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.ended

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


async def conversation_of(pieces: list[bytes]) -> tuple[list[tuple[object, ...]], bytes, bool]:
    """What was requested, what was answered, and whether the connection ended."""
    recorder = Recorder()
    gateway = Gateway(
        name="test", routes=RouteTable((Route(to=("app",), prefix="/"),)), backends={"app": recorder}, control=None,
        describe=lambda name, failure: Outage(failure.status, name), hold=Hold(), allowed_hosts=AllowedHosts(),
    )  # fmt: skip
    connection, wire = GatewayProtocol(gateway), Wire()
    connection.connection_made(wire)
    for piece in pieces:
        connection.data_received(piece)
    if connection._linger is not None:
        connection._linger.cancel()
    answers = [line for line in wire.written.split(b"\n") if line.startswith((b"answer", b"HTTP/1.1 "))]
    return recorder.seen, b"\n".join(answers), wire.ended


BODIES = st.lists(st.binary(min_size=1, max_size=30), max_size=4)
REQUESTS = st.one_of(
    st.just(GET),
    st.builds(lambda body: b"POST /p HTTP/1.1\r\n%bX-A:  b \r\nContent-Length: %d\r\n\r\n%b" % (HOST, len(body), body), st.binary(max_size=40)),
    st.builds(
        lambda chunks, end: b"PUT /c HTTP/1.1\r\n%bTransfer-Encoding: chunked\r\n\r\n%b%b"
        % (HOST, b"".join(b"%x;x=y\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks), end),
        BODIES,
        st.sampled_from([b"0\r\n\r\n", b"000;\r\nX-Sum: 1\r\nY:2\r\n\r\n"]),
    ),
    st.sampled_from([b"\r\n", LAST, b"GET / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 3\r\n\r\nabc", b"GET / HTTP/1.0\r\n" + HOST + b"\r\n"]),
    st.sampled_from([b"G\x00T / HTTP/1.1\r\n\r\n", b"PUT / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", b"GET / HT", b"\r"]),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(REQUESTS, max_size=5), st.lists(st.integers(0, 2000), max_size=12))
def test_any_split_of_the_bytes_is_the_same_conversation(requests: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(requests)
    places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    pieces = [wire[start:end] for start, end in itertools.pairwise(places)]
    bytewise = [wire[place : place + 1] for place in range(len(wire))]

    async def main() -> None:
        whole = await conversation_of([wire])
        assert await conversation_of(pieces) == whole
        assert await conversation_of(bytewise) == whole

    run(main())


# -- what is no request


FOREIGN = b"Origin: https://evil.example\r\n"


@pytest.mark.parametrize(
    ("target", "fields"),
    [(b"/", FOREIGN), (b"/", b"Sec-Fetch-Site: cross-site\r\n"), (b"/__devproxy/x", b""), (b"/crashed", b""), (b"/nowhere", b""), (b"/early", b"")],
)  # fmt: skip
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("together", [True, False])
def test_the_body_of_a_request_that_is_answered_early_is_no_request(
    target: bytes, fields: bytes, chunked: bool, together: bool
) -> None:
    """A page may choose its body: if that were read as a request, it could write any, without an Origin."""
    seen: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        seen.append((await conversation.head()).split(b" ")[1])
        await conversation.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await conversation.reader.read()

    async def main() -> None:
        smuggled = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
        length = 2 * len(smuggled) + 1  # one byte more than will come: the answer is an early one in any case
        framing = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % length
        body = (b"%x\r\n" % length if chunked else b"") + smuggled * 2
        head = b"POST %b HTTP/1.1\r\n%b%b%b\r\n" % (target, HOST, fields, framing)
        routes = tuple(
            Route(to=(to,), prefix=prefix)
            for to, prefix in (("api", "/early"), ("api", "/smuggled"), ("crashed", "/crashed"))
        )
        async with RawUpstream(handler) as upstream:
            backends = {"api": ready("api", upstream.address), "crashed": Upstream("crashed", state="crashed")}
            async with running_gateway(backends, routes) as front:
                reader, writer = await front.open()
                writer.write(head + body if together else head)
                answer = await reader.readuntil(b"\r\n\r\n")
                writer.write(b"" if together else body)
                answer += await reader.read()
                writer.close()
                assert 400 <= status_of(answer) < 600 and answer.count(b"HTTP/1.1 ") == 1
                assert b"/smuggled" not in seen

    run(main())


@pytest.mark.parametrize(
    "body",
    [b"+1\r\nx\r\n0\r\n\r\n", b"-1\r\n", b"0x1\r\nx\r\n0\r\n\r\n", b"1_0\r\n", b"\xd9\xa1\r\nx\r\n0\r\n\r\n", b" 1\r\nx\r\n0\r\n\r\n", b"1\nx\r\n0\r\n\r\n",
     b"1;a\nx\r\n0\r\n\r\n", b"1;a\rb\r\nx\r\n0\r\n\r\n", b"1\r\nxx0\r\n\r\n", b"1\r\nx\n0\r\n\r\n", b"1\r\nxYZ0\r\n\r\n", b"\r\n", b"x", b"FFFFFFFFFFFFFFFF1\r\n",
     b"1\x0b\r\nx\r\n0\r\n\r\n", b"1\r\r\nx\r\n0\r\n\r\n", b"0\r\nX : 1\r\n\r\n", b"0\r\n folded\r\n\r\n", b"0\r\nX: a\nY: b\r\n\r\n", b"0\n\n", b"1,1\r\n"],
)  # fmt: skip
def test_a_malformed_chunk_is_a_400_and_its_request_never_complete(body: bytes) -> None:
    got: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        got.append(await conversation.reader.read())

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        answer = await front.talk(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + body + GET)
        assert status_of(answer) == 400
        assert any(word in answer for word in (b"chunk", b"line", b"trailer"))
        assert answer.count(b"HTTP/1.1 ") == 1 and b"Connection: close" in answer
        # What was forwarded of it has no end.
        api, *_ = front.gateway._backends["api"]
        assert isinstance(api, Upstream)
        await auntil(lambda: api.purge() or upstream.ended == upstream.connections)
        assert not any(b"0\r\n\r\n" in each or b"GET" in each for each in got)

    with_upstream(handler, main)


def test_a_malformed_chunk_after_the_answer_began_cuts_the_answer() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await conversation.reader.read()

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        writer.write(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        await reader.readuntil(b"half")
        writer.write(b"yes\r\n")
        assert await reader.read() == b""
        await auntil(lambda: upstream.ended == 1)
        writer.close()

    with_upstream(handler, main)


def test_a_malformed_head_behind_a_good_request_is_answered_in_its_turn() -> None:
    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        answer = await front.talk(GET + b"NO\r\n\r\n" + GET)
        assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"400"]

    with_upstream(answering(OK), main)


def test_a_head_that_is_far_too_long_gets_its_answer_though_more_is_coming() -> None:
    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        writer.write(b"GET /" + b"a" * 5_000_000)
        assert status_of(await reader.read()) == 414
        writer.close()

    with_upstream(answering(OK), main)


# -- order


def test_refused_and_admitted_requests_are_answered_in_their_order() -> None:
    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        foreign = GET.replace(b"localhost", b"evil.example")
        answer = await front.talk((GET + foreign) * 3 + LAST)
        assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"403"] * 3 + [b"200"]

    with_upstream(answering(OK), main)


def test_a_client_that_pipelines_and_does_not_read_is_served_no_further() -> None:
    served = 0

    async def handler(conversation: Conversation) -> None:
        nonlocal served
        while True:
            await conversation.head()
            served += 1
            await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000)

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        writer.write(GET * 2500 + LAST)
        await stands_still(lambda: served)
        assert served < 1500  # two kernels' buffers hold some MiB of answers
        total = 0
        while data := await reader.read(2**20):
            total += len(data)
        assert served == 2501 and total > 2501 * 20_000
        writer.close()

    with_upstream(handler, main)


def test_a_client_that_asks_again_without_having_read_waits() -> None:
    served = 0

    async def handler(conversation: Conversation) -> None:
        nonlocal served
        while True:
            await conversation.head()
            served += 1
            await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + b"x" * 20_000)

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        await auntil(lambda: front.gateway._connections)
        connection = only(front)
        while not connection._full:
            asked = served
            writer.write(GET)
            while not (served > asked and connection._sink is None):
                await asyncio.sleep(0)  # a turn of the loop: there are hundreds of answers to wait for
        asked = served
        writer.write(LAST)
        await auntil(lambda: connection._buffer)
        assert served == asked
        total = 0
        while data := await reader.read(2**20):
            total += len(data)
        assert served == asked + 1 and total > served * 20_000
        writer.close()

    with_upstream(handler, main)


def test_an_http10_client_that_asks_for_it_keeps_its_connection() -> None:
    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        old = b"GET / HTTP/1.0\r\n" + HOST
        for _ in range(2):
            writer.write(old + b"Connection: keep-alive\r\n\r\n")
            assert b"Connection: keep-alive\r\n" in await reader.readuntil(b"\r\n\r\n")
            assert await reader.readexactly(2) == b"ok"
        writer.write(old + b"\r\n")
        assert body_of(await reader.read()) == b"ok"
        writer.close()

    with_upstream(answering(OK), main)


def test_an_expectation_is_the_upstreams_to_meet() -> None:
    async def handler(conversation: Conversation) -> None:
        assert b"Expect: 100-continue\r\n" in await conversation.head()
        await conversation.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await conversation.reader.readexactly(2)
        await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + body)

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        writer.write(b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hi")
        assert status_of(await reader.readuntil(b"\r\n\r\n")) == 200
        assert await reader.readexactly(2) == b"hi"
        writer.close()

    with_upstream(handler, main)


def test_an_expectation_that_is_not_met_ends_the_connection() -> None:
    refusal = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        answer = await front.talk(b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert status_of(answer) == 417 and b"Connection: close\r\n" in answer

    with_upstream(answering(refusal), main)


def test_a_failure_says_truly_whether_the_connection_ends() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        posted = await front.talk(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\nx")
        assert status_of(posted) == 502 and b"Connection: close" in posted
        both = await front.talk(GET + LAST)
        assert both.count(b"HTTP/1.1 502 ") == 2 and both.count(b"Connection: close") == 1

    with_upstream(handler, main)


# -- waits


def test_an_idle_connection_expires_and_not_before() -> None:
    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        writer.write(GET)
        await reader.readuntil(b"ok")
        connection, now = only(front), asyncio.get_running_loop().time()
        connection.expire(now + IDLE_SECONDS - 1)
        connection.idle_since = now - 1000  # it begins anew with each answer
        writer.write(GET)
        await reader.readuntil(b"ok")
        connection.expire(now + IDLE_SECONDS - 1)
        writer.write(GET)
        await reader.readuntil(b"ok")
        connection.expire(now + IDLE_SECONDS + 1)
        assert await reader.read() == b""
        writer.close()

    with_upstream(answering(OK), main)


def test_a_head_that_does_not_end_is_a_408() -> None:
    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        writer.write(GET[:-2])
        await auntil(lambda: front.gateway._connections and only(front)._head_since)
        connection, now = only(front), asyncio.get_running_loop().time()
        connection.expire(now + HEAD_SECONDS - 1)
        writer.write(b"X: y\r\n")  # a byte now and then does not help
        await auntil(lambda: connection._buffer.endswith(b"y\r\n"))
        connection.expire(now + HEAD_SECONDS + 1)
        assert status_of(await reader.read()) == 408
        writer.close()

    with_upstream(answering(OK), main)


def test_a_head_has_its_time_however_long_its_connection_was_idle() -> None:
    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        writer.write(GET)
        await reader.readuntil(b"ok")
        connection, now = only(front), asyncio.get_running_loop().time()
        connection.idle_since = now - IDLE_SECONDS + 1
        writer.write(GET[:-2])
        await auntil(lambda: connection._buffer)
        connection.expire(now + 2)
        writer.write(b"\r\n")
        assert status_of(await reader.readuntil(b"ok")) == 200
        connection.expire(now + HEAD_SECONDS + 1)  # that head's time is no longer counted
        writer.write(LAST)
        assert status_of(await reader.read()) == 200
        writer.close()

    with_upstream(answering(OK), main)


@pytest.mark.parametrize("sent", [GET, b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\nx", UPGRADE])
def test_what_is_under_way_does_not_expire(sent: bytes) -> None:
    async def handler(conversation: Conversation) -> None:
        if b"websocket" in await conversation.head():
            await conversation.send(SWITCHED)
        await conversation.reader.read()

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        writer.write(sent)
        await auntil(lambda: upstream.connections)
        if sent == UPGRADE:
            await reader.readuntil(b"\r\n\r\n")
        only(front).expire(asyncio.get_running_loop().time() + 100_000)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(), 0.05)
        assert front.gateway._connections and not upstream.ended
        writer.close()

    with_upstream(handler, main)


def test_the_gateway_looks_after_its_connections_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devproxy.gateway.gateway.SWEEP_SECONDS", 0.02)
    monkeypatch.setattr(protocol_module, "IDLE_SECONDS", 0.05)

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        assert await front.talk(b"") == b""

    with_upstream(answering(OK), main)


def test_who_goes_on_sending_after_an_early_answer_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol_module, "LINGER_SECONDS", 0.1)

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        writer.write(b"POST / HTTP/1.1\r\n" + HOST + FOREIGN + b"Content-Length: 1000000000\r\n\r\n")
        assert status_of(await reader.read()) == 403
        assert front.gateway._connections  # it is still read
        with pytest.raises(ConnectionError):
            for _ in range(100_000):
                writer.write(b"x" * 10_000)
                await writer.drain()
        await auntil(lambda: not front.gateway._connections)
        writer.close()

    with_upstream(answering(OK), main)


# -- ends


def test_a_client_that_ends_its_side_has_left() -> None:
    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        _, writer = await front.open()
        writer.write(GET)
        await auntil(lambda: upstream.connections == 1)
        writer.write_eof()
        await auntil(lambda: upstream.ended == 1 and not front.gateway._connections)
        writer.close()

    with_upstream(silent, main)


def test_a_client_that_ends_its_side_and_reads_nothing_cancels_its_request_too() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            await conversation.send(b"x" * 1_000_000)

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        await auntil(lambda: only(front)._full)
        writer.write_eof()
        await auntil(lambda: upstream.ended == 1)
        writer.close()

    with_upstream(handler, main)


@pytest.mark.parametrize("reset", [True, False])
def test_a_client_that_leaves_while_it_is_not_read_is_missed_at_the_next_sweep(reset: bool) -> None:
    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        _, writer = await front.open()
        writer.write(GET + GET)  # the second waits for the first: the gateway reads no further
        await auntil(lambda: upstream.connections == 1)
        connection = only(front)
        await auntil(lambda: not connection.transport.is_reading())
        now = asyncio.get_running_loop().time()
        connection.expire(now)
        assert not connection.transport.is_closing()
        if reset:
            writer.transport.abort()
        else:
            writer.write_eof()
        await auntil(lambda: connection.expire(now) or connection.transport.is_closing())
        await auntil(lambda: upstream.ended == 1)
        writer.close()

    with_upstream(silent, main)


def test_draining_closes_what_is_idle_or_a_relay_and_lets_answers_finish() -> None:
    may_answer = asyncio.Event()

    async def handler(conversation: Conversation) -> None:
        head = await conversation.head()
        if b"websocket" in head:
            await conversation.send(SWITCHED)
            await conversation.reader.read()
            return
        await may_answer.wait()
        await conversation.send(OK)
        await conversation.reader.read()

    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        idle, _ = await front.open()
        relay, relay_writer = await front.open()
        relay_writer.write(UPGRADE)
        await relay.readuntil(b"\r\n\r\n")
        busy, busy_writer = await front.open()
        busy_writer.write(GET)
        await auntil(lambda: upstream.connections == 2)
        closing = asyncio.create_task(front.gateway.close(grace=5))
        assert await idle.read() == b"" and await relay.read() == close_frame(1001, "devproxy stops")
        relay_writer.close()
        with pytest.raises(ConnectionRefusedError):
            await front.open()
        assert not closing.done()
        may_answer.set()
        assert body_of(await busy.read()) == b"ok"
        await closing
        assert not front.gateway._connections
        for writer in (busy_writer, _):
            writer.close()

    with_upstream(handler, main)


def test_what_does_not_finish_within_the_grace_is_cut() -> None:
    async def main(front: RunningGateway, upstream: RawUpstream) -> None:
        reader, writer = await front.open()
        writer.write(GET)
        await auntil(lambda: upstream.connections == 1)
        await front.gateway.close(grace=0.05)
        assert await reader.read() == b""
        await auntil(lambda: upstream.ended == 1)
        writer.close()

    with_upstream(silent, main)
