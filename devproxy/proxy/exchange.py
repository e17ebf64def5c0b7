"""One request and its answer.

    held ──► dialling ──► sent ──► answering ──► done
      ▲          │          │
      └──────────┴──────────┘   refused, or lost without a byte of answer and safe to send again

The client's connection (gateway.protocol) frames the request and hands over head and body; the answer
goes to the client's transport as the bytes it came in. There is no task and no queue per request:
`pause_reading` and `resume_reading`, both ways, are the backpressure.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from devproxy.config.model import Hold
from devproxy.proxy.framing import ChunkedBody
from devproxy.proxy.head import RequestHead, ResponseHead
from devproxy.proxy.headers import response_bytes, trailer_bytes
from devproxy.proxy.hold import Action, Kind, decide, kind_of
from devproxy.proxy.relay import Relay, reset
from devproxy.proxy.upstream import Hopeless, Upstream, UpstreamConnection
from devproxy.proxy.websocket import refusal_of

REDIAL_SECONDS = 0.05
"""How often a ready service that refuses is dialled again."""

DEATH_SECONDS = 2.0
"""How long after a request was lost twice its service may turn out to restart."""

HANDSHAKE_SECONDS = 10.0
"""How long an upstream may take to answer an upgrade; then 504. Vite leaves an upgrade it does not know unanswered."""

CONTINUE_SECONDS = 1.0
"""How long an upstream may leave an expectation (RFC 9110 §10.1.1) unanswered; then we ask for the body ourselves:
one that ignores it waits for the body, as the client does for a word."""

_SAFE = (b"GET", b"HEAD", b"OPTIONS")


class Client(Protocol):
    """The client's connection, as an exchange needs it."""

    transport: asyncio.Transport

    def pause_body(self) -> None:
        """Read no more of the request's body for now."""

    def resume_body(self) -> None: ...

    def exchange_done(self, *, keep_alive: bool) -> None:
        """The answer is complete; without keep_alive the connection ends after it."""

    def exchange_broken(self, *, unseen: bool) -> None:
        """The answer cannot be completed: end the connection so that the client sees that it was cut.
        `unseen`: a clean end of the connection would look like the answer's."""

    def upgraded(self, relay: Relay) -> bytes:
        """The connection is the relay's from now on. Returns what the client has sent behind its request."""

    def relay_over(self) -> None:
        """The relay has ended, and the connection with it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request could not be answered by its upstream: the status to give and a sentence; what to do about it."""

    status: int
    reason: str
    hint: str = ""


class Exchange:
    """One request on its way to `upstream`, and the answer on its way back.

    Args: head: the bytes to send upstream; fail: renders a Failure as a complete response for this
    request (it says Connection: close if it must).
    """

    __slots__ = (
        "_body_done", "_chunk_request", "_client", "_connection", "_dechunk", "_ends_by_close", "_fail",
        "_head", "_hold", "_interim", "_keep_alive", "_over", "_paused", "_pending", "_refused_since",
        "_retried", "_since", "_streams_with", "_timer", "_upstream", "answering", "request",
    )  # fmt: skip

    def __init__(
        self,
        client: Client,
        upstream: Upstream,
        request: RequestHead,
        head: bytes,
        *,
        hold: Hold,
        fail: Callable[[RequestHead, Upstream, Failure], bytes],
    ) -> None:
        self._client = client
        self._upstream = upstream
        self.request = request
        self._head = head
        self._hold = hold
        self._fail = fail
        self._connection: UpstreamConnection | None = None
        self._pending: list[bytes] = []  # body that came before there was a connection
        self._body_done = not request.has_body
        self._chunk_request = request.chunked
        self._keep_alive = request.keep_alive
        self.answering = False  # the answer's head went to the client
        self._ends_by_close = False  # the client learns of the answer's end by the connection's
        self._dechunk = False
        self._over = False
        self._paused = False
        self._retried = False
        self._interim = False  # bytes of an answer came: it is not asked for again
        self._since = 0.0
        self._refused_since = 0.0
        self._streams_with: Upstream | None = None  # of several behind one name, the one that answers
        self._timer: asyncio.TimerHandle | None = None

    # -- towards the upstream

    def start(self) -> None:
        """Forward now, or hold until the service is ready."""
        if self._upstream.state == "ready":
            self._acquire()
        else:
            self._since = _now()
            self._upstream.needed()
            self._decide()

    def wake(self) -> None:
        """The service changed its state, or a wait is over."""
        self._end_wait()
        self._refused_since = 0.0
        self._decide()

    def _decide(self) -> None:
        now = _now()
        refused = now - self._refused_since if self._refused_since else None
        decision = decide(kind_of(self.request), self._upstream.state, now - self._since, self._hold, refused=refused)
        if decision.action is Action.FORWARD:
            self._acquire()
        elif decision.action is Action.WAIT:
            if refused is not None and self._timer is None and self._upstream.state == "ready":
                self._wait(min(decision.seconds, REDIAL_SECONDS), self._redial)
            else:
                self._wait(decision.seconds, self.wake)
        elif decision.action is Action.DROP:
            self._drop()
        else:
            self.fail(decision.status, "")

    def _drop(self) -> None:
        """Close without an answer: an EventSource comes back then, and never after a status."""
        self._finish()
        self._client.exchange_broken(unseen=False)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        if not self._body_done:
            self._pause_client()
        self._upstream.wait(self)
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def _redial(self) -> None:
        self._end_wait()
        if self._upstream.state == "ready":
            self._upstream.dial(self)
        else:
            self._decide()

    def _end_wait(self) -> None:
        if self._timer is not None:  # whoever waits has one
            self._upstream.leave(self)
            self._timer.cancel()
            self._timer = None

    def _acquire(self) -> None:
        connection = None
        if not self.request.upgrade:
            connection = self._upstream.take(replayable=self.is_replayable)
        if connection is None:
            self._upstream.dial(self)
        else:
            self._attach(connection)

    @property
    def is_replayable(self) -> bool:
        """Whether it changes nothing, and can be sent again as it is."""
        return self.request.method in _SAFE and not self.request.has_body

    def connected(self, connection: UpstreamConnection) -> None:
        """A dial succeeded."""
        if self._over:
            connection.used = True  # it is no longer this request's
            self._upstream.put(connection)
        elif connection.closing:
            self.refused(ConnectionResetError("accepted and closed at once"))
        else:
            self._attach(connection)

    def refused(self, error: OSError) -> None:
        """A dial failed: nothing was sent, so any method may try again."""
        if self._over:
            return
        if isinstance(error, Hopeless):
            self.fail(502, error.reason, error.hint)
            return
        now = _now()
        if not self._since:
            self._since = now
        if not self._refused_since:
            self._refused_since = now
        self._decide()

    def _attach(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        self._refused_since = 0.0
        if self._pending:
            pending, self._pending = self._pending, []
            connection.carry(self, b"".join((self._head, *pending)))
        else:
            connection.carry(self, self._head)
        if self.request.upgrade:
            self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_SECONDS, self._handshake_timed_out)
        elif not self._body_done and b"expect" in self.request.noted:
            self._timer = asyncio.get_running_loop().call_later(CONTINUE_SECONDS, self._continue)
        if self._paused:
            self.resume_client()

    def _handshake_timed_out(self) -> None:
        self._timer = None
        self._drop_connection()
        self.fail(504, f"{self._upstream.name} did not answer the upgrade within {HANDSHAKE_SECONDS:.0f} s")

    def _continue(self) -> None:
        self._timer = None
        if not self._body_done and not self.request.http10:
            self._client.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def body(self, data: bytes) -> None:
        """The next bytes of the request's body, its own framing removed."""
        if self._over:
            return
        if self._chunk_request:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if self._connection is not None:
            self._connection.transport.write(data)
        else:
            self._pending.append(data)
            self._pause_client()

    def body_end(self, trailers: list[tuple[bytes, bytes]]) -> None:
        """The request's body is complete."""
        if self._chunk_request:
            self._chunk_request = False
            self.body(b"0\r\n" + trailer_bytes(trailers))
        self._body_done = True

    def _pause_client(self) -> None:
        if not self._paused:
            self._paused = True
            self._client.pause_body()

    def pause_client(self) -> None:
        """The upstream's connection takes no more for now."""
        self._pause_client()

    def resume_client(self) -> None:
        """It takes more again."""
        self._paused = False
        if not self._over:
            self._client.resume_body()

    # -- towards the client

    @property
    def is_stream(self) -> bool:
        """Whether it asks for an event stream or a WebSocket: a server that is to end would wait for it."""
        return kind_of(self.request) in (Kind.EVENTS, Kind.WEBSOCKET)

    def is_bodiless(self, status: int) -> bool:
        """RFC 9112 §6.3: no body follows, whatever the fields say."""
        return self.request.method == b"HEAD" or status in (204, 304)

    def interim(self, response: ResponseHead) -> None:
        """A 1xx: passed on, except to a client that could not know it (RFC 9110 §15.2)."""
        self._interim = True
        if response.status == 100 and not self.request.upgrade:
            self._end_wait()  # it meets the expectation itself
        if not self.request.http10:
            self._client.transport.write(response_bytes(response, keep_alive=True, http10=False, framing=b""))

    def response_head(self, response: ResponseHead, body: bytes = b"") -> ChunkedBody | None:
        """The final head, and bytes of its body: send them on. Returns a reader for the chunks if they must be taken
        out for an HTTP/1.0 client, who does not know them."""
        request = self.request
        if self._timer is not None:
            self._end_wait()
        framing, reader = b"", None
        if response.status == 204:
            pass  # RFC 9110 §8.6, RFC 9112 §6.1: neither length nor coding
        elif response.chunked:
            if request.http10:
                self._keep_alive, self._dechunk, self._ends_by_close = False, True, True
                reader = ChunkedBody(self._client.transport.write)
            else:
                framing = b"Transfer-Encoding: chunked\r\n"
        elif response.length is not None:
            framing = b"Content-Length: %d\r\n" % response.length  # of a HEAD or 304: what a GET would get
        elif not self.is_bodiless(response.status):
            self._keep_alive, self._ends_by_close = False, True
        if not self._body_done:
            self._keep_alive = False  # an early answer: the rest of the body is not wanted
        self.answering = True
        head = response_bytes(response, keep_alive=self._keep_alive, http10=request.http10, framing=framing)
        self._client.transport.write(head + body if body else head)
        if response.noted.get(b"content-type", b"").startswith(b"text/event-stream"):
            self._streams_with = self._connection.upstream if self._connection is not None else self._upstream
            self._streams_with.streams.add(self)
        return reader

    @property
    def client_transport(self) -> asyncio.Transport:
        """Where `client_write` writes to."""
        return self._client.transport

    def client_write(self, data: bytes) -> None:
        """The next bytes of the answer's body."""
        self._client.transport.write(data)

    def client_write_chunks(self, data: bytes) -> None:
        """The next bytes of a chunked body, framing included (the reader has written them if it was taken out)."""
        if not self._dechunk:
            self._client.transport.write(data)

    def response_done(self, *, reusable: bool) -> None:
        """The answer is complete."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if reusable and self._may_pool(connection):
                connection.used = True
                self._upstream.put(connection)
                connection.transport.resume_reading()
            elif self._body_done or not connection.transport.get_write_buffer_size():
                connection.close()
            else:
                reset(connection.transport)  # an early answer ends the upload, also for who does not read it
        self._finish()
        self._client.exchange_done(keep_alive=self._keep_alive)

    def _may_pool(self, connection: UpstreamConnection) -> bool:
        """Whether the next request on the connection would get its own answer.

        Not after a HEAD: a server that sends the body nevertheless may still be sending it. Not after the body of
        a GET: one that does not expect it reads it as the next request (RFC 9110 §9.3.1). Not while the upstream
        has yet to take the end of this request, either.
        """
        method = self.request.method
        if not self._body_done or method == b"HEAD" or connection.transport.is_closing():
            return False
        if not self.request.has_body:
            return True
        return method not in _SAFE and connection.transport.get_write_buffer_size() == 0

    def switch(self, connection: UpstreamConnection, response: ResponseHead, rest: bytes) -> str:
        """The upstream's 101: relay from now on. Returns why not, if it is no answer to this request."""
        if not self.request.upgrade:
            return "it switched protocols though nobody asked"
        if refusal := refusal_of(self.request, response):
            return refusal
        framing = b"Connection: Upgrade\r\nUpgrade: %b\r\n" % response.noted[b"upgrade"]
        head = response_bytes(response, keep_alive=True, http10=False, framing=framing)
        self._finish()
        self._connection = None
        client, upstream = self._client, connection.upstream
        relay = Relay(client.transport, connection.release(), upstream.streams, client.relay_over)
        relay.begin(head=head, to_client=rest, to_upstream=client.upgraded(relay))
        relay.end_stream(upstream.state)  # it may have left ready since it was dialled
        return ""

    def upstream_lost(self, *, got_bytes: bool, error: Exception | None) -> None:
        """The connection ended before the answer did."""
        connection, self._connection = self._connection, None
        if self.answering:
            self._finish()
            self._client.exchange_broken(unseen=self._ends_by_close)
        elif self._interim or self.request.upgrade or not self.is_replayable:
            self._lost_for_good()
        else:  # nothing was passed on, and nothing can have been changed
            self._since = self._since or _now()
            self._again(once=not got_bytes and not self._retried, stale=connection is not None and connection.used)

    def _again(self, *, once: bool, stale: bool) -> None:
        """Once more, if nothing came back; else only if its service has begun to restart: that has cut it, and not
        the request.

        A server that exits may accept for a while what it will not answer, and cut what it was answering: we wait
        to see that.
        """
        if self._upstream.state != "ready":
            self._decide()
        elif once:
            self._retried = not stale
            self._decide()
        elif self._upstream.is_ours:
            self._upstream.doubt()
            self._wait(DEATH_SECONDS, self._lost_for_good)
        else:
            self._lost_for_good()

    def _lost_for_good(self) -> None:
        if kind_of(self.request) is Kind.EVENTS:
            self._drop()
        else:
            self.fail(502, f"{self._upstream.name} closed the connection before it answered")

    def forsaken(self) -> None:
        """The service fails while we wait for its answer."""
        self._connection = None
        self._end_wait()
        self._since = self._since or _now()
        if self.is_replayable:
            self._decide()
        else:
            self.fail(502, "")

    def upstream_malformed(self, reason: str) -> None:
        """The answer is not HTTP."""
        self._connection = None
        if self.answering:
            self._finish()
            self._client.exchange_broken(unseen=self._ends_by_close)
        else:
            self.fail(502, f"{self._upstream.name} answered with something that is not HTTP: {reason}")

    def fail(self, status: int, reason: str, hint: str = "") -> None:
        """Answer in the upstream's place."""
        self._drop_connection()
        self._finish()
        self._client.transport.write(self._fail(self.request, self._upstream, Failure(status, reason, hint)))
        self._client.exchange_done(keep_alive=self._keep_alive and not self.request.has_body)

    # -- the end

    def end_stream(self, state: str) -> None:
        """The service leaves ready: end an event stream now. Its client comes back by itself and is held."""
        self._drop_connection()
        self._finish()
        self._client.exchange_broken(unseen=False)

    def client_lost(self) -> None:
        """The client left: so does its request."""
        self._drop_connection()
        self._finish()

    def pause_upstream(self) -> None:
        """The client takes no more for now."""
        if self._connection is not None:
            self._connection.transport.pause_reading()

    def resume_upstream(self) -> None:
        """It takes more again."""
        if self._connection is not None and not self._connection.closing:
            self._connection.transport.resume_reading()

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def _finish(self) -> None:
        self._over = True
        if self._timer is not None:
            self._end_wait()
        if self._streams_with is not None:
            self._streams_with.streams.discard(self)


def _now() -> float:
    return asyncio.get_running_loop().time()
