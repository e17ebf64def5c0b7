"""Where a service is reached: its state, its addresses, its idle connections, and who waits for it.

The session tells an upstream what becomes of its service; exchanges ask it for connections. All of it
happens in the loop's thread, and each state change wakes every request that is held.
"""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, cast

from devproxy.proxy.bulk import LONG, LongBody
from devproxy.proxy.framing import BadChunk, ChunkedBody
from devproxy.proxy.head import BadHead, ResponseHead, check_incomplete_response, parse_response, response_lines
from devproxy.proxy.headers import trailer_bytes

if TYPE_CHECKING:
    from devproxy.proxy.exchange import Exchange

Address = tuple[str, int]

IDLE_SECONDS = 4.0
"""Idle connections are closed before uvicorn's and Node's five seconds, so that they do not close under us."""

DIAL_SECONDS = 5.0
"""How long one address may take to accept: a stopped process's backlog can be full."""

ANSWER_SECONDS = 1.0
"""How long a service that is to end may take for the answers that cannot be asked for again."""

FRESH_ENOUGH_SECONDS = 1.0
"""A request that must not be sent twice takes no connection that has been idle for longer."""


class Hopeless(OSError):
    """A dial that fails however often it is repeated: why, and what to do."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Waiter(Protocol):
    """Who is told when an upstream changes: a held request, for one."""

    def wake(self) -> None: ...


class Stream(Protocol):
    """An event stream or a WebSocket."""

    def end_stream(self, state: str) -> None:
        """The service is no longer ready, but in `state`."""


class Upstream:
    """One service as the gateway sees it.

    Args: needed: called for each request that finds it not ready; doubted: called when it refuses a connection, or
    ends an idle one before we do, though it is ready; None: it is not ours, and nobody knows what becomes of it.
    Owns: its idle connections and the dials under way; `close` ends them.
    """

    def __init__(
        self,
        name: str,
        *,
        state: str = "waiting",
        addresses: tuple[Address, ...] = (),
        needed: Callable[[], None] = lambda: None,
        doubted: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.needed = needed
        self._doubted = doubted
        self.state = state
        self.addresses = addresses
        self.known_lines = response_lines()
        self.streams: set[Stream] = set()  # those that are open
        self.opened: set[UpstreamConnection] = set()  # idle, or with a request
        self._idle: list[UpstreamConnection] = []
        self._waiting: set[Waiter] = set()
        self._dials: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None

    # -- what the session says

    def become(self, state: str, addresses: tuple[Address, ...] | None = None) -> None:
        """The service is now in `state`, reached at `addresses`. Wakes all who wait.

        Leaving ready purges the idle connections and ends event streams and WebSockets: a server that is asked
        to stop would wait for them, and their clients come back and are held. Failing ends what waits for an
        answer as well: its process lives, so that nothing else would.
        """
        before, self.state = self.state, state
        left = before == "ready" != state
        if addresses is not None:
            self.addresses = addresses
        if left:
            self.purge()
            for stream in tuple(self.streams):
                stream.end_stream(state)
            for connection in self.unanswered:
                connection.forsake_stream()
        for waiter in tuple(self._waiting):
            waiter.wake()
        if state == "failing" != before:
            for connection in self.unanswered:
                connection.forsake()

    async def answered(self) -> None:
        """Wait until no request is under way that must not be sent twice, for ANSWER_SECONDS at most."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ANSWER_SECONDS
        # To be told of each answer would cost every request.
        while loop.time() < deadline and any(one.carries_unsafe for one in self.unanswered):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def purge(self) -> None:
        """Close every idle connection: their process is going or gone."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    async def close(self) -> None:
        """Close the idle connections, and end the dials under way."""
        self.purge()
        if self._sweep is not None:
            self._sweep.cancel()
        for dial in tuple(self._dials):
            dial.cancel()
        await asyncio.gather(*self._dials, return_exceptions=True)

    @property
    def unanswered(self) -> "list[UpstreamConnection]":
        """The connections that carry a request and had no answer yet."""
        return [connection for connection in self.opened if connection.is_unanswered]

    # -- what exchanges ask

    def wait(self, waiter: Waiter) -> None:
        """Wake `waiter` at each change of state, until it leaves."""
        self._waiting.add(waiter)

    def leave(self, waiter: Waiter) -> None:
        """`waiter` waits no more."""
        self._waiting.discard(waiter)

    def take(self, *, replayable: bool) -> "UpstreamConnection | None":
        """An idle connection that may carry a request, or None."""
        longest = IDLE_SECONDS if replayable else FRESH_ENOUGH_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing() and connection.now() - connection.idle_since < longest:
                return connection
            connection.close()
        return None

    def put(self, connection: "UpstreamConnection") -> None:
        """Keep a connection for the next request, for at most IDLE_SECONDS."""
        if self.state != "ready":
            connection.close()
            return
        connection.idle_since = connection.now()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close_old)

    def dial(self, exchange: "Exchange") -> None:
        """Open a connection for `exchange`; it gets `connected` or `refused`."""
        task = asyncio.get_running_loop().create_task(self._dial(exchange))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    def dropped(self, connection: "UpstreamConnection") -> None:
        """A connection that carries no request has ended; perhaps by itself: a server that is asked to end does so
        first with those that are idle."""
        if connection in self._idle:
            self._idle.remove(connection)
            self.doubt()

    def doubt(self) -> None:
        """Something speaks against it."""
        if self.state == "ready" and self._doubted is not None:
            self._doubted()

    @property
    def is_ours(self) -> bool:
        """Whether we are told when it restarts."""
        return self._doubted is not None

    async def _dial(self, exchange: "Exchange") -> None:
        failure: OSError = ConnectionRefusedError("it has no address yet")
        for host, port in self.addresses:
            try:
                async with asyncio.timeout(DIAL_SECONDS):
                    connection = await self.connect(host, port)
            except OSError as error:  # a TimeoutError is one
                failure = failure if isinstance(failure, Hopeless) else error
                self.doubt()
            else:
                exchange.connected(connection)
                return
        exchange.refused(failure)

    async def connect(self, host: str, port: int) -> "UpstreamConnection":
        """A new connection. Raises: OSError; Hopeless: another one would fail as well."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(partial(UpstreamConnection, self), host, port)
        return connection

    def _close_old(self) -> None:
        loop = asyncio.get_running_loop()
        limit = loop.time() - IDLE_SECONDS
        old = [connection for connection in self._idle if connection.idle_since <= limit]
        self._idle = [connection for connection in self._idle if connection.idle_since > limit]
        for connection in old:
            connection.close()
        self._sweep = loop.call_later(IDLE_SECONDS / 2, self._close_old) if self._idle else None


SHORT: Final = 16 * 1024
"""Up to how many bytes that came with an answer's head go to the client in one piece with it: a copy is cheaper than
a second write. Beyond, it is not."""

_HEAD, _LENGTH, _CHUNKED, _UNTIL_CLOSE = range(4)


class UpstreamConnection(asyncio.Protocol):
    """One connection to an upstream; it carries one exchange at a time.

    A response head is read once; the body passes to the exchange as the bytes it came in. A byte that
    nobody asked for ends the connection: it could be taken for the next request's answer.
    """

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.idle_since = 0.0
        self.used = False  # has already carried a request: may be stale
        self.now = asyncio.get_running_loop().time  # to ask for the loop costs a system call (Python 3.11)
        self.transport: asyncio.Transport
        self._exchange: Exchange | None = None
        self._known = upstream.known_lines
        self._buffer = b""
        self._state = _HEAD
        self._left = 0
        self._chunks: ChunkedBody
        self._reusable = False
        self._started: Callable[[ResponseHead], None]

    @property
    def is_unanswered(self) -> bool:
        return self._exchange is not None and self._state == _HEAD

    @property
    def closing(self) -> bool:
        return self.transport.is_closing()

    def close(self) -> None:
        self.transport.close()

    @property
    def carries_unsafe(self) -> bool:
        """Whether its request must not be sent twice."""
        return self._exchange is not None and not self._exchange.is_replayable

    def abort(self) -> None:
        """End it at once; its exchange hears no more of it."""
        self._exchange = None
        self.transport.abort()

    def carry(self, exchange: "Exchange", head: bytes) -> None:
        """Send a request's head (and what came with it); its answer goes to `exchange`."""
        self._exchange = exchange
        self._state = _HEAD
        early, self._buffer = self._buffer, b""
        self.transport.write(head)
        if early:
            asyncio.get_running_loop().call_soon(self._answer_early, early)

    def _unasked(self, data: bytes) -> None:
        """Bytes for which there is no request. On a new connection they are the answer to the one that dials: a
        server that says at once that it is full, or that it is no HTTP server. Elsewhere they are nobody's."""
        if self.used or self._buffer:
            self.transport.close()
        else:
            self._buffer = data
            self.transport.pause_reading()

    def _answer_early(self, data: bytes) -> None:
        if self._exchange is not None:
            self.transport.resume_reading()
            self.data_received(data)

    def forsake(self) -> None:
        """No answer will come: end it, and tell its exchange."""
        exchange, self._exchange = self._exchange, None
        self.transport.abort()
        if exchange is not None:
            exchange.forsaken()

    def forsake_stream(self) -> None:
        """The same if it is an event stream or a WebSocket that has not begun: it is held like one that comes now."""
        if self._exchange is not None and self._exchange.is_stream:
            self.forsake()

    def release(self) -> asyncio.Transport:
        """Give the transport away, for a relay."""
        self.upstream.opened.discard(self)
        self._exchange = None
        return self.transport

    # -- the transport's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one, though not by inheritance
        self.upstream.opened.add(self)

    def data_received(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self._unasked(data)
            return
        state = self._state
        if state == _LENGTH:
            self._length(exchange, data)
        elif state == _CHUNKED:
            self._chunk(exchange, data)
        elif state == _UNTIL_CLOSE:
            exchange.client_write(data)
        else:
            self._head(exchange, self._buffer + data if self._buffer else data)

    def eof_received(self) -> None:
        return None  # close; connection_lost tells the exchange

    def connection_lost(self, exc: Exception | None) -> None:
        self.upstream.opened.discard(self)
        if exc is not None and self._exchange is not None:
            self._read_what_is_left()
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            self.upstream.dropped(self)
            return
        if self._state == _UNTIL_CLOSE and exc is None:
            exchange.response_done(reusable=False)
        else:
            exchange.upstream_lost(got_bytes=bool(self._buffer), error=exc)

    def _read_what_is_left(self) -> None:
        """An upstream that answers early and closes resets the upload; a write that meets the reset ends the
        transport, and the answer may lie unread in the socket, which is closed only after this."""
        fd = self.transport.get_extra_info("socket").fileno()
        try:
            while self._exchange is not None and (data := os.read(fd, 64 * 1024)):
                self.data_received(data)
        except OSError:  # no more, or the reset itself
            pass

    def pause_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.pause_client()

    def resume_writing(self) -> None:
        if self._exchange is not None:
            self._exchange.resume_client()

    # -- reading an answer

    def _head(self, exchange: "Exchange", data: bytes) -> None:
        self._buffer = b""
        while data:
            end = data.find(b"\r\n\r\n") + 4
            try:
                if end < 4:
                    self._buffer = data
                    check_incomplete_response(data)
                    return
                response = parse_response(data[:end], self._known)
            except BadHead as error:
                self._malformed(exchange, error.reason)
                return
            data = data[end:]
            if response.status >= 200:
                self._final(exchange, response, data)
                return
            if response.status == 101:
                if refusal := exchange.switch(self, response, data):
                    self._malformed(exchange, refusal)
                return
            exchange.interim(response)

    def _final(self, exchange: "Exchange", response: ResponseHead, rest: bytes) -> None:
        self._reusable = response.keep_alive
        if exchange.is_bodiless(response.status) or response.length == 0:
            exchange.response_head(response)
            self._finish(exchange, surplus=bool(rest))
        elif response.chunked:
            self._state = _CHUNKED
            self._chunks = exchange.response_head(response) or ChunkedBody()
            self._chunk(exchange, rest)
        elif response.length is not None:
            self._state = _LENGTH
            self._left = response.length - len(rest)
            if self._left < 0:
                exchange.response_head(response, rest[: response.length])
                self._finish(exchange, surplus=True)
                return
            if len(rest) <= SHORT:
                exchange.response_head(response, rest)
            else:
                exchange.response_head(response)
                exchange.client_write(rest)
            if not self._left:
                self._finish(exchange, surplus=False)
            elif self._left >= LONG and not self.closing:
                LongBody(self, self.transport, exchange.client_transport, self._left)
        else:
            self._state = _UNTIL_CLOSE
            exchange.response_head(response)
            if rest:
                exchange.client_write(rest)

    def _length(self, exchange: "Exchange", data: bytes) -> None:
        surplus = len(data) - self._left
        if surplus > 0:
            data = data[: self._left]
        self._left -= len(data)
        exchange.client_write(data)
        if not self._left:
            self._finish(exchange, surplus=surplus > 0)

    def _chunk(self, exchange: "Exchange", data: bytes) -> None:
        chunks = self._chunks
        begun = chunks.trailer_from >= 0
        try:
            used = chunks.feed(data)
        except BadChunk as error:
            self._malformed(exchange, str(error))
            return
        if chunks.trailer_from < 0:
            if used:
                exchange.client_write_chunks(data)
            return
        if chunks.done and not begun and not chunks.trailers:
            exchange.client_write_chunks(data if used == len(data) else data[:used])
        else:  # trailers are looked at before they pass
            if not begun:
                exchange.client_write_chunks(data[: chunks.trailer_from])
            if chunks.done:
                exchange.client_write_chunks(trailer_bytes(chunks.trailers))
        if chunks.done:
            self._finish(exchange, surplus=used < len(data))

    def _finish(self, exchange: "Exchange", *, surplus: bool) -> None:
        self._exchange = None
        exchange.response_done(reusable=self._reusable and not surplus)

    def _malformed(self, exchange: "Exchange", reason: str) -> None:
        self._exchange = None
        self.transport.abort()
        exchange.upstream_malformed(reason)
