"""An exchange on a route with rules of its own."""

import asyncio
from collections.abc import Callable

from devproxy.config.model import Hold
from devproxy.proxy.balance import BalancedExchange
from devproxy.proxy.exchange import Client, Exchange, Failure
from devproxy.proxy.framing import ChunkedBody
from devproxy.proxy.head import RequestHead, ResponseHead
from devproxy.proxy.headers import Hop
from devproxy.proxy.origin import own_origin
from devproxy.proxy.rules import Rules
from devproxy.proxy.upstream import Upstream, UpstreamConnection


class RuledExchange(Exchange):
    """An exchange whose request and answer are changed, and whose answer may have a time limit.

    The limit is for the upstream: it runs while all that the client has sent is with it, or it takes no more.
    From the answer's first byte on there is none: event streams are silent for long.

    Args: target: what to send upstream, before the rules.
    """

    def __init__(
        self,
        client: Client,
        upstream: Upstream,
        request: RequestHead,
        rules: Rules,
        *,
        hop: Hop,
        target: bytes,
        hold: Hold,
        fail: Callable[[RequestHead, Upstream, Failure], bytes],
    ) -> None:
        changed = rules.request_head(request)
        head = rules.request_bytes(changed, hop, target)
        super().__init__(client, upstream, changed, head, hold=hold, fail=fail)
        self._loop = asyncio.get_running_loop()
        self._rules = rules
        self._own = own_origin(request, hop)
        self._limit: asyncio.TimerHandle | None = None
        self._active = 0.0  # when the upstream last got or gave something
        if rules.replaces_body(changed):  # it goes out with the head; the client's own is read and forgotten
            self._body_done = not request.has_body

    def body(self, data: bytes) -> None:
        self._active = self._loop.time()
        if not self._rules.replaces_body(self.request):
            super().body(data)

    def _attach(self, connection: UpstreamConnection) -> None:
        super()._attach(connection)
        self._watch()

    def interim(self, response: ResponseHead) -> None:
        self._active = self._loop.time()
        super().interim(response)

    def response_head(self, response: ResponseHead, body: bytes = b"") -> ChunkedBody | None:
        self._unwatch()
        self._rules.change_response(response, self._own)
        return super().response_head(response, body)

    def switch(self, connection: UpstreamConnection, response: ResponseHead, rest: bytes) -> str:
        self._rules.change_response(response, self._own)
        return super().switch(connection, response, rest)

    def _finish(self) -> None:
        self._unwatch()
        super()._finish()

    # -- the time limit

    def _watch(self) -> None:
        if self._rules.timeout_seconds:
            self._unwatch()
            self._active = self._loop.time()
            self._limit = self._loop.call_later(self._rules.timeout_seconds, self._look)

    def _unwatch(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _look(self) -> None:
        """Time is up, unless it is the client who keeps us waiting, or something has come meanwhile."""
        seconds = self._rules.timeout_seconds
        if not self._body_done and not self._paused:
            self._active = self._loop.time()
        left = self._active + seconds - self._loop.time()
        if left > 0:
            self._limit = self._loop.call_later(left, self._look)
            return
        self._limit = None
        if self._connection is not None:
            reason = f"{self._upstream.name} sent nothing for {seconds:g} s, the route's `timeout_seconds`."
            self.fail(504, reason, "If it needs more time, raise that, or leave it out.")


class BalancedRuledExchange(RuledExchange, BalancedExchange):
    """The same to one of several upstreams."""
