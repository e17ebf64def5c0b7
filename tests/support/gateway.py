"""A gateway on a free port in front of upstreams, in the test's own loop, and a raw client for it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from devproxy.config.model import Hold, Route
from devproxy.gateway.gateway import Backend, Gateway
from devproxy.gateway.mount import Mount
from devproxy.hosts import AllowedHosts
from devproxy.ports.probe import bind_loopback
from devproxy.proxy.exchange import Failure
from devproxy.proxy.failures import Outage
from devproxy.proxy.routes import RouteTable
from devproxy.proxy.upstream import Upstream
from tests.support import free_port


class RunningGateway:
    """The gateway under test, and how to reach it."""

    def __init__(self, gateway: Gateway, port: int) -> None:
        self.gateway = gateway
        self.port = port

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A client's connection."""
        return await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)

    async def talk(self, data: bytes) -> bytes:
        """Send bytes, then read until the gateway closes."""
        reader, writer = await self.open()
        writer.write(data)
        try:
            return await reader.read(-1)
        finally:
            writer.close()

    def request(self, target: str = "/", *, method: str = "GET", fields: str = "", body: bytes = b"") -> bytes:
        """A request that asks for the connection to close after it."""
        host = f"localhost:{self.port}"
        head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}\r\n"
        return head.encode("latin-1") + body


@asynccontextmanager
async def running_gateway(
    backends: Mapping[str, Backend],
    routes: tuple[Route, ...] | None = None,
    *,
    hold: Hold | None = None,
    control: Mount | None = None,
    allowed_hosts: tuple[str, ...] = (),
    trusted_proxies: tuple[str, ...] = (),
) -> AsyncIterator[RunningGateway]:
    """A gateway in front of `backends`; without routes, everything goes to the first one.

    Fails if anything raised in the loop's callbacks meanwhile: what a peer sends must never do that.
    """
    raised: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: raised.append(context))
    routes = routes or (Route(to=(next(iter(backends)),), prefix="/"),)
    gateway = Gateway(
        name="test",
        routes=RouteTable(routes),
        backends=backends,
        control=control,
        describe=lambda name, failure: _outage(name, failure),
        hold=hold or Hold(),
        allowed_hosts=AllowedHosts(allowed_hosts),
        trusted_proxies=trusted_proxies,
    )
    port = free_port()
    await gateway.listen(bind_loopback(port))
    try:
        yield RunningGateway(gateway, port)
    finally:
        await gateway.close(grace=0)
        for backend in backends.values():
            if isinstance(backend, Upstream):
                await backend.close()
        await asyncio.sleep(0)  # the last callbacks
        loop.set_exception_handler(None)
    for context in raised:
        raise AssertionError(context["message"]) from context.get("exception")


def _outage(name: str, failure: Failure) -> Outage:
    return Outage(failure.status, f"{name} failed", failure.reason, service=name)


def ready(name: str, *addresses: tuple[str, int]) -> Upstream:
    """An upstream that is ready at these addresses."""
    return Upstream(name, state="ready", addresses=addresses)


def status_of(response: bytes) -> int:
    """The status of the first response in `response`."""
    return int(response.split(b" ", 2)[1])


def body_of(response: bytes) -> bytes:
    """What follows the first head."""
    return response.partition(b"\r\n\r\n")[2]
