"""One client's connection: requests framed one after another, each checked and handed on.

    idle ──► head ──► body ──► answered ──► idle      (keep-alive)
                 └──────────────► relay                (an upgrade)

Requests on one connection are answered one at a time: what a client pipelines waits in the buffer.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

from devproxy.gateway.checks import Refusal, check_origin
from devproxy.gateway.leaving import has_left
from devproxy.proxy.exchange import Exchange
from devproxy.proxy.failures import Outage
from devproxy.proxy.framing import BadChunk, ChunkedBody
from devproxy.proxy.head import BadHead, RequestHead, head_end, parse_request
from devproxy.proxy.headers import Hop
from devproxy.proxy.relay import Relay, reset
from devproxy.proxy.routes import under
from devproxy.proxy.websocket import GOING_AWAY

if TYPE_CHECKING:
    from devproxy.gateway.gateway import Gateway

HEAD_SECONDS = 30.0
"""How long a client may take to send a head."""

IDLE_SECONDS = 75.0
"""How long a connection may wait for its next request."""

LINGER_SECONDS = 2.0
"""How long to read what a client still sends after an early answer, so that no reset destroys the answer."""

OURS = b"/__devproxy"


class Sink(Protocol):
    """Who takes the current request: an exchange, or an ASGI application's connection."""

    @property
    def answering(self) -> bool:
        """Part of its answer is with the client."""

    def body(self, data: bytes) -> None: ...
    def body_end(self, trailers: list[tuple[bytes, bytes]]) -> None: ...
    def client_lost(self) -> None: ...
    def pause_upstream(self) -> None: ...
    def resume_upstream(self) -> None: ...


class GatewayProtocol(asyncio.Protocol):
    """See the module. `local`: the connection came by the control socket, from this user's own shell."""

    def __init__(self, gateway: "Gateway", *, local: bool = False) -> None:
        self.gateway = gateway
        self.local = local
        self.hop = Hop(peer=b"", scheme=b"http", port=b"", pseudonym=gateway.pseudonym)
        self.transport: asyncio.Transport
        self.idle_since = 0.0
        self._known = gateway.known_lines
        self._buffer = b""
        self._sink: Sink | None = None  # who answers now; None: idle
        self._left = 0  # bytes of the body still to come
        self._chunks: ChunkedBody | None = None
        self._feeding = False
        self._head_since = 0.0  # when the head in the buffer began; 0: none did
        self._full = False  # the client does not read: no further request until it does
        self._relay: Relay | None = None
        self._raw: Callable[[bytes], None] | None = None  # after an upgrade to an application of ours
        self._linger: asyncio.TimerHandle | None = None

    # -- the transport's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one, though not by inheritance
        self._now = asyncio.get_running_loop().time  # to ask for the loop costs a system call (Python 3.11)
        self.idle_since = self._now()
        self.hop = self.gateway.hop(self.transport)
        self.gateway.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._raw is not None:
            self._raw(data)
        elif self._linger is None:
            self._feed(self._buffer + data if self._buffer else data)

    def eof_received(self) -> bool:
        self._tell_sink()  # a client that ends its side has left (as nginx and Caddy have it)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.gateway.closed(self)
        if self._linger is not None:
            self._linger.cancel()
        self._tell_sink()

    def _tell_sink(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.client_lost()

    def pause_writing(self) -> None:
        self._full = True
        if self._sink is not None:
            self._sink.pause_upstream()

    def resume_writing(self) -> None:
        self._full = False
        if self._sink is not None:
            self._sink.resume_upstream()
        else:
            self._next()

    # -- framing

    def _feed(self, data: bytes) -> None:
        self._buffer = b""
        self._feeding = True
        try:
            while data and self._linger is None and not self.transport.is_closing():
                if self._left or self._chunks is not None:
                    data = self._take_body(data)
                elif self._sink is not None or self._full:
                    self._buffer = data  # pipelined: its turn comes
                    self.transport.pause_reading()
                    return
                else:
                    data = self._take_head(data)
                if self._raw is not None:
                    if data:
                        self._raw(data)
                    return
        except (BadHead, BadChunk) as error:
            self._bad(error)
        finally:
            self._feeding = False

    def _take_head(self, data: bytes) -> bytes:
        if data[:2] == b"\r\n":
            return data[2:]  # RFC 9112 §2.2: an empty line before the request line
        end = head_end(data)
        if not end:
            self._buffer = data
            self._head_since = self._head_since or self._now()
            return b""
        self._head_since = 0.0
        request = parse_request(data[:end], self._known)
        if request.chunked:
            self._chunks = ChunkedBody(self._body)
        else:
            self._left = request.length or 0
        self._begin(request)
        return data[end:]

    def _take_body(self, data: bytes) -> bytes:
        if self._chunks is None:
            part, rest = data[: self._left], data[self._left :]
            self._left -= len(part)
            self._body(part)
            if not self._left:
                self._body_end([])
            return rest
        chunks = self._chunks
        used = chunks.feed(data)
        if chunks.done:
            self._chunks = None
            self._body_end(chunks.trailers)
        return data[used:]

    def _body(self, data: bytes) -> None:
        if self._sink is not None:
            self._sink.body(data)

    def _body_end(self, trailers: list[tuple[bytes, bytes]]) -> None:
        if self._sink is not None:
            self._sink.body_end(trailers)

    def _bad(self, error: BadHead | BadChunk) -> None:
        """The bytes are not HTTP: answer if nothing was answered yet, and end the connection."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.client_lost()
            if sink.answering:
                self.transport.close()
                return
        status = error.status if isinstance(error, BadHead) else 400
        self.gateway.answer(self.transport, None, Outage(status, f"The request is malformed: {error}"))
        self._end_after_answer()

    # -- one request

    def _begin(self, request: RequestHead) -> None:
        """The request's way in, in order."""
        ours = is_ours(request.target)
        if self.local:
            refusal = None if ours else Refusal(404, "The control socket serves /__devproxy only")
        else:
            refusal = self.gateway.check_host(request.host) or check_origin(
                request, ours=ours, scheme=self.hop.scheme, allowed=self.gateway.allowed_hosts
            )
        if refusal is not None:
            if refusal.status == 400:  # malformed as much as what no parser reads: what follows is not trusted
                request.keep_alive = False
            self.refuse(request, Outage(refusal.status, refusal.title, hint=refusal.hint))
            return
        self.gateway.route(self, request, ours=ours)

    def handle(self, sink: Sink) -> None:
        """`sink` answers the current request: it gets the body and, in the end, calls `exchange_done`."""
        self._sink = sink

    def refuse(self, request: RequestHead, outage: Outage) -> None:
        """Answer the current request ourselves."""
        self.gateway.answer(self.transport, request, outage)
        self.exchange_done(keep_alive=request.keep_alive and not request.has_body)

    # -- what an exchange asks of its client

    def pause_body(self) -> None:
        self.transport.pause_reading()

    def resume_body(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def exchange_done(self, *, keep_alive: bool) -> None:
        """The answer is complete: the next request, or the end."""
        self._sink = None
        if self._left or self._chunks is not None or (self._buffer and not keep_alive):
            self._end_after_answer()
        elif not keep_alive or (self.gateway.draining and not self.local):
            self.transport.close()
        else:
            self.idle_since = self._now()
            self._next()

    def _next(self) -> None:
        """Idle again: read on, beginning with what was pipelined."""
        if not self._feeding and not self._full and self._raw is None and not self.transport.is_closing():
            self.transport.resume_reading()
            if self._buffer:
                self._feed(self._buffer)

    def exchange_broken(self, *, unseen: bool) -> None:
        """The answer was cut: so is the connection, without the answer's proper end.

        Args: unseen: the end of the connection would be a proper end; only a reset shows the cut.
        """
        self._sink = None
        if unseen:
            reset(self.transport)
        else:
            self.transport.close()

    def upgraded(self, relay: Relay) -> bytes:
        """A relay takes the transport over, and the bytes that have already come."""
        self._sink = None
        self._relay = relay
        early, self._buffer = self._buffer, b""
        return early

    def relay_over(self) -> None:
        self.gateway.closed(self)

    def take_over(self, receive: Callable[[bytes], None]) -> None:
        """An application of ours gets an upgrade: from now on it receives the bytes."""
        self._raw = receive
        early, self._buffer = self._buffer, b""
        if early:
            receive(early)

    def _end_after_answer(self) -> None:
        """Close; but since the client may still send, read on for a while, lest a reset destroys the answer.

        What it sends is thrown away. It is no request: it may be the body of one that was refused, and
        whoever wrote that body could write a request into it. Source: RFC 9112 §9.6.
        """
        self._left, self._chunks, self._buffer = 0, None, b""
        if self.transport.is_closing():
            return
        self.transport.write_eof()
        self.transport.resume_reading()
        self._linger = asyncio.get_running_loop().call_later(LINGER_SECONDS, self.transport.abort)

    # -- what the gateway asks of its connections

    @property
    def is_idle(self) -> bool:
        return self._sink is None and self._raw is None and self._relay is None

    @property
    def is_exchanging(self) -> bool:
        """Whether an upstream's answer is under way."""
        return isinstance(self._sink, Exchange)

    def expire(self, now: float) -> None:
        """Close if the client took too long over a head, sent no further request, or left while it was not read."""
        if self._linger is not None or self.transport.is_closing():
            return
        if not self.transport.is_reading() and has_left(self.transport, may_end=self._relay is not None):
            self.transport.abort()
        elif not self.is_idle:
            return
        elif self._head_since:
            if now - self._head_since > HEAD_SECONDS:
                self.gateway.answer(self.transport, None, Outage(408, "The request took too long to arrive"))
                self._end_after_answer()
        elif now - self.idle_since > IDLE_SECONDS:
            self.transport.close()

    def drain(self) -> None:
        """Close now if nothing is under way, else after the answer; a relay as soon as its client has been told."""
        if self._relay is not None:
            self._relay.close(GOING_AWAY, "devproxy stops")
        elif self.is_idle:
            self.transport.close()


def is_ours(target: bytes) -> bool:
    """Whether the request is for the control API."""
    return target.startswith(OURS) and under(target.partition(b"?")[0], OURS)
