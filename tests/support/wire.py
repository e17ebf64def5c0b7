"""Both sides of the gateway without a network: transports that keep what is written, and an upstream that is there at once."""

import asyncio
import itertools

from devproxy.config.model import Hold, Route
from devproxy.gateway.gateway import Backend, Gateway
from devproxy.gateway.protocol import GatewayProtocol
from devproxy.hosts import AllowedHosts
from devproxy.proxy.exchange import Exchange
from devproxy.proxy.failures import Outage
from devproxy.proxy.routes import RouteTable
from devproxy.proxy.upstream import Upstream, UpstreamConnection


class Wire(asyncio.Transport):
    """Stands for the network: keeps what is written, and how it ended."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.written = b""
        self.ended = ""
        self.reading = True
        self.protocol: asyncio.BaseProtocol | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.ended, "a write after the end"
        self.written += data

    def write_eof(self) -> None:
        self.ended = "closed"

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = self.ended or "aborted"

    def is_closing(self) -> bool:
        return bool(self.ended)

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol


class Instant(Upstream):
    """Each dial succeeds at once; `connections` are what was dialled."""

    def __init__(self) -> None:
        super().__init__("api", state="ready")
        self.connections: list[UpstreamConnection] = []

    def dial(self, exchange: Exchange) -> None:
        connection = UpstreamConnection(self)
        connection.connection_made(Wire())
        self.connections.append(connection)
        exchange.connected(connection)


def gateway_before(backend: Backend) -> Gateway:
    """A gateway with one route, which listens nowhere."""
    return Gateway(
        name="test", routes=RouteTable((Route(to=("app",), prefix="/"),)), backends={"app": backend}, control=None,
        describe=lambda name, failure: Outage(failure.status, name), hold=Hold(), allowed_hosts=AllowedHosts(),
    )  # fmt: skip


def client_of(gateway: Gateway) -> tuple[GatewayProtocol, Wire]:
    """A client's connection."""
    connection, wire = GatewayProtocol(gateway), Wire()
    connection.connection_made(wire)
    return connection, wire


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    """`data` in pieces; the cuts may be any numbers."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]
