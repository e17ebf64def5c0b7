"""What all connections share: where requests go, who may come in, and the sockets they come by.

The session builds one, tells it which names lead where, and closes it last.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from ipaddress import ip_address, ip_network
from typing import Final

from devproxy.config.model import Hold
from devproxy.gateway.checks import Refusal, check_host
from devproxy.gateway.mount import Mount
from devproxy.gateway.protocol import GatewayProtocol
from devproxy.hosts import AllowedHosts
from devproxy.proxy.balance import Balanced, BalancedExchange
from devproxy.proxy.exchange import Exchange, Failure
from devproxy.proxy.failures import Outage, options, response
from devproxy.proxy.head import RequestHead, request_lines
from devproxy.proxy.headers import MAX_OWN_HOPS, Hop, count_forward, own_hops, request_bytes
from devproxy.proxy.routes import RouteTable
from devproxy.proxy.ruled import BalancedRuledExchange, RuledExchange
from devproxy.proxy.upstream import Upstream
from devproxy.proxy.websocket import is_handshake

SWEEP_SECONDS: Final = 5.0
MAX_KNOWN_HOSTS: Final = 64
BACKLOG: Final = 1024

PLAIN: Final = (Exchange, RuledExchange)
BALANCED: Final = (BalancedExchange, BalancedRuledExchange)
"""What carries a request to one upstream, and to several: on a route that changes nothing, and on one with rules."""

Backend = Upstream | Mount
Describe = Callable[[str, Failure], Outage]


class Gateway:
    """The front door of one session.

    Args: name: the session's, our pseudonym in Via; routes and backends: which request goes where, the
    backends by the names that routes lead to; control: the application under /__devproxy; describe: turns
    an upstream's failure into what a person is told.
    Owns: its listeners and connections; `close` ends them.
    """

    def __init__(
        self,
        *,
        name: str,
        routes: RouteTable,
        backends: Mapping[str, Backend],
        control: Mount | None,
        describe: Describe,
        hold: Hold,
        allowed_hosts: AllowedHosts,
        trusted_proxies: tuple[str, ...] = (),
    ) -> None:
        self.pseudonym = f"devproxy-{name}".encode("ascii", "replace")
        self.draining = False
        self._hurried = False
        self.requests = 0  # so far
        self.known_lines = request_lines()
        self._control = control
        self._describe = describe
        self.adopt(routes, backends, hold, allowed_hosts, trusted_proxies)
        self._connections: set[GatewayProtocol] = set()
        self._servers: list[asyncio.Server] = []
        self._sweep: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event = asyncio.Event()

    def adopt(
        self,
        routes: RouteTable,
        backends: Mapping[str, Backend],
        hold: Hold,
        allowed_hosts: AllowedHosts,
        trusted_proxies: tuple[str, ...],
    ) -> None:
        """What new requests go by, from now on (and new connections, as for `trusted_proxies`)."""
        self.allowed_hosts = allowed_hosts
        self._routes = routes
        self._backends = {
            name: (backend, *(BALANCED if isinstance(backend, Balanced) else PLAIN))
            for name, backend in backends.items()
        }
        self._hold = hold
        self._trusted = tuple(ip_network(network, strict=False) for network in trusted_proxies)
        self._known_hosts: set[bytes] = set()

    # -- listening

    async def listen(self, sockets: list[socket.socket]) -> None:
        """Accept browsers on bound sockets from now on."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            self._servers.append(await loop.create_server(partial(GatewayProtocol, self), sock=sock, backlog=BACKLOG))
        self._sweep = loop.call_later(SWEEP_SECONDS, self._expire)

    async def listen_locally(self, path: str) -> None:
        """Accept this user's own commands on a Unix socket at `path`."""
        loop = asyncio.get_running_loop()
        local = partial(GatewayProtocol, self, local=True)
        self._servers.append(await loop.create_unix_server(local, path, backlog=BACKLOG))

    async def drain(self, *, grace: float) -> None:
        """Let the answers of upstreams that are under way finish, for `grace` seconds; `hurry` ends it sooner.

        Relays end. This user's own commands, and the control API, go on.
        """
        self.draining = True
        for connection in tuple(self._connections):
            if not connection.local:
                connection.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while not self._hurried and any(connection.is_exchanging for connection in self._connections):
                    self._emptied.clear()
                    await self._emptied.wait()

    def hurry(self) -> None:
        """Wait for no answer any more."""
        self._hurried = True
        self._emptied.set()

    async def close(self, *, grace: float) -> None:
        """Stop accepting, let answers under way finish for `grace` seconds, then cut what is left."""
        self.draining = True
        for server in self._servers:
            server.close()
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in tuple(self._connections):
            connection.drain()
        try:
            async with asyncio.timeout(grace):
                while self._connections:
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            for connection in tuple(self._connections):
                connection.transport.abort()
        if self._control is not None:
            await self._control.close()
        for backend, *_ in self._backends.values():
            await backend.close()

    def opened(self, connection: GatewayProtocol) -> None:
        self._connections.add(connection)

    def closed(self, connection: GatewayProtocol) -> None:
        self._connections.discard(connection)
        if self.draining or not self._connections:
            self._emptied.set()

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in tuple(self._connections):
            connection.expire(now)
        self._sweep = loop.call_later(SWEEP_SECONDS, self._expire)

    # -- what connections ask

    def hop(self, transport: asyncio.Transport) -> Hop:
        """What is known of a new connection."""
        peer, own = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        address = peer[0].partition("%")[0] if isinstance(peer, tuple) else ""
        port = str(own[1]) if isinstance(own, tuple) else ""
        trusted = bool(self._trusted) and bool(address) and self._is_trusted(address)
        return Hop(address.encode(), b"http", port.encode(), self.pseudonym, trusted)

    def _is_trusted(self, address: str) -> bool:
        parsed = ip_address(address)
        return any(parsed in network for network in self._trusted)

    def check_host(self, host: bytes) -> Refusal | None:
        """`checks.check_host`, remembering the few hosts that were admitted."""
        if host in self._known_hosts:
            return None
        refusal = check_host(host, self.allowed_hosts)
        if refusal is None:
            if len(self._known_hosts) >= MAX_KNOWN_HOSTS:
                self._known_hosts.clear()
            self._known_hosts.add(host)
        return refusal

    def route(self, client: GatewayProtocol, request: RequestHead, *, ours: bool) -> None:
        """Hand an admitted request to whoever answers it. `ours`: the control API does."""
        self.requests += 1
        if request.upgrade and not is_handshake(request):
            request.upgrade = b""  # h2c and its like end here, as RFC 9110 §7.8 lets an intermediary choose
        if ours:
            if self._control is None:
                client.refuse(request, Outage(404, "There is no control API here"))
            else:
                self._control.serve(client, request)
            return
        route = self._routes.match(request)
        if route is None:
            client.refuse(request, self._no_route(request))
            return
        backend, exchange_class, ruled_class = self._backends[route.backend]
        if isinstance(backend, Mount):
            backend.serve(client, request)
            return
        if b"via" in request.noted and own_hops(request, self.pseudonym) >= MAX_OWN_HOPS:
            client.refuse(request, self._loop(route.to))
            return
        if b"max-forwards" in request.noted and not count_forward(request):
            self._last_hop(client, request)
            return
        hop, target, hold = client.hop, route.target(request.target), self._hold
        if route.rules is None:
            head = request_bytes(request, hop, target=target)
            exchange = exchange_class(client, backend, request, head, hold=hold, fail=self._fail)
        else:
            exchange = ruled_class(
                client, backend, request, route.rules, hop=hop, target=target, hold=hold, fail=self._fail
            )
        client.handle(exchange)
        exchange.start()

    def answer(self, transport: asyncio.Transport, request: RequestHead | None, outage: Outage) -> None:
        """Write our own answer."""
        transport.write(response(outage, request))

    def _fail(self, request: RequestHead, upstream: Upstream, failure: Failure) -> bytes:
        return response(self._describe(upstream.name, failure), request)

    def _last_hop(self, client: GatewayProtocol, request: RequestHead) -> None:
        """Answer a request that may be forwarded no further (RFC 9110 §7.6.2)."""
        if request.method == b"OPTIONS":
            client.transport.write(options(request))
            client.exchange_done(keep_alive=request.keep_alive and not request.has_body)
        else:
            client.refuse(request, Outage(405, "Nothing is reflected here", "TRACE shows who asks what they sent."))

    def _no_route(self, request: RequestHead) -> Outage:
        path = request.target.partition(b"?")[0].decode("latin-1")
        served = ", ".join(sorted({route.route.prefix or route.route.regex or "" for route in self._routes.routes}))
        return Outage(
            404,
            f"No route takes {path}",
            f"Routes here: {served or 'none'}.",
            "Add a `[[routes]]` entry to devproxy.toml; `devproxy routes` says which there are.",
        )

    def _loop(self, service: str) -> Outage:
        return Outage(
            508,
            "This request goes in a circle",
            f"It has come through this gateway {MAX_OWN_HOPS} times: “{service}” sends it back here.",
            "Check where the service's own proxy and its upstream address point.",
            service=service,
        )
