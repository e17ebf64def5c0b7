"""A route of our own: one request, answered by an ASGI application through uvicorn's protocol.

The only file that names uvicorn's protocol classes. Our protocol has framed and checked the request;
uvicorn's gets its bytes through a transport facade, answers into the client's transport, and is let go.
When the answer is complete is learned at the ASGI interface, not from uvicorn's internals:
tests/gateway/test_asgi.py is the contract, run on the oldest and the newest uvicorn we support.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from devproxy.proxy.date import date_line
from devproxy.proxy.head import RequestHead

if TYPE_CHECKING:
    from devproxy.gateway.protocol import GatewayProtocol

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

NEVER: Final = 10**6
"""Seconds; uvicorn's own keep-alive clock must not run: the connection is ours."""


class Mounted:
    """An ASGI application behind the gateway.

    Owns: the tasks that uvicorn starts for its requests; `close` cancels those still running.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._state = ServerState()
        self._config = Config(
            self._run,
            http=HttpToolsProtocol,
            ws="websockets-sansio",  # the other one stands on websockets.legacy
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=NEVER,
        )
        self._config.load()
        self._answering: dict[int, AsgiExchange] = {}

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, with an eye on the end of its answer."""
        exchange: AsgiExchange = scope["state"].pop("devproxy_exchange")

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"date", date_line()[6:-2])]
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                exchange.answered()
            elif message["type"] == "websocket.accept":
                exchange.accepted()

        await self._application(scope, receive, watched)

    def serve(self, client: "GatewayProtocol", request: RequestHead) -> "AsgiExchange":
        """Answer `request`, which came on `client`."""
        return AsgiExchange(self._config, self._state, client, request)

    async def close(self) -> None:
        """End the requests that still run (event streams)."""
        tasks = tuple(self._state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class AsgiExchange:
    """One request and its answer; takes an exchange's place at the client's connection."""

    def __init__(self, config: Config, state: ServerState, client: "GatewayProtocol", request: RequestHead) -> None:
        self._client = client
        self._request = request
        self.answering = False
        self._over = False
        self._early = b""
        self._facade = Facade(self, client)
        app_state: dict[str, Any] = {"devproxy_local": client.local, "devproxy_exchange": self}
        inner: Any = HttpToolsProtocol(config, state, app_state)
        self._inner: Any = inner
        inner.connection_made(self._facade)
        client.handle(self)
        inner.data_received(_head(request))

    # -- the client's side

    def body(self, data: bytes) -> None:
        if not self._over:
            if self._request.chunked:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            self._inner.data_received(data)

    def body_end(self, trailers: list[tuple[bytes, bytes]]) -> None:
        if self._request.chunked and not self._over:
            self._inner.data_received(b"0\r\n\r\n")

    def client_lost(self) -> None:
        if not self._over:
            self._over = True
            self._inner.connection_lost(None)

    def pause_upstream(self) -> None:
        self._inner.pause_writing()

    def resume_upstream(self) -> None:
        self._inner.resume_writing()

    # -- uvicorn's side

    def answered(self) -> None:
        """The application has sent the end of its answer."""
        self._end(keep_alive=self._request.keep_alive)

    def closed(self) -> None:
        """uvicorn closed its transport: the answer is complete, or never will be."""
        self._end(keep_alive=False)

    def switch(self, protocol: asyncio.BaseProtocol) -> None:
        """uvicorn hands the connection to its WebSocket protocol."""
        self._inner = protocol
        if self._over:  # which has already refused the handshake
            self._inner.connection_lost(None)
        else:
            self._client.take_over(self._hold_back)

    def _hold_back(self, data: bytes) -> None:
        """Frames before the handshake is answered: a client must not send them (RFC 6455 §4.1), and uvicorn's
        protocol asserts that none is malformed."""
        self._early += data
        self._client.pause_body()

    def accepted(self) -> None:
        """The application has accepted the upgrade."""
        if self._over:
            return
        self._client.take_over(self._inner.data_received)
        if self._early:
            early, self._early = self._early, b""
            self._client.resume_body()
            self._inner.data_received(early)

    def _end(self, *, keep_alive: bool) -> None:
        if self._over:
            return
        self._over = True
        self._inner.connection_lost(None)
        self._client.exchange_done(keep_alive=keep_alive)


class Facade(asyncio.Transport):
    """The client's transport, as uvicorn may see it: closing it ends one answer, not the connection."""

    def __init__(self, exchange: AsgiExchange, client: "GatewayProtocol") -> None:
        super().__init__()
        self._exchange = exchange
        self._client = client
        self._closing = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if self._client.local and name == "peername":
            return None
        return self._client.transport.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self._exchange.answering = True
            self._client.transport.write(data)

    def is_closing(self) -> bool:
        return self._closing or self._client.transport.is_closing()

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._exchange.closed()

    def abort(self) -> None:
        self.close()

    def pause_reading(self) -> None:
        self._client.pause_body()

    def resume_reading(self) -> None:
        self._client.resume_body()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._exchange.switch(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._client

    def get_write_buffer_size(self) -> int:
        return self._client.transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The client's transport keeps its own limits."""

    def can_write_eof(self) -> bool:
        return False


def _head(request: RequestHead) -> bytes:
    """The head again, in origin form, with the fields that concern this connection."""
    noted = request.noted
    parts = [b"%b %b HTTP/1.%d\r\nHost: %b\r\n" % (request.method, request.target, not request.http10, request.host)]
    parts += [b"%b: %b\r\n" % field for field in request.fields]
    if request.chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    elif request.length is not None:
        parts.append(b"Content-Length: %d\r\n" % request.length)
    if request.upgrade:
        parts.append(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % noted[b"upgrade"])
    elif not request.keep_alive:
        parts.append(b"Connection: close\r\n")
    elif request.http10:
        parts.append(b"Connection: keep-alive\r\n")
    parts.append(b"\r\n")
    return b"".join(parts)
