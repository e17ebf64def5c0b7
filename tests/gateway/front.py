"""A gateway with one of each kind of route behind it, which remember what reached them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from devproxy.config.model import Route
from devproxy.gateway.asgi import Receive, Scope, Send
from devproxy.gateway.mount import Mount
from tests.support.gateway import RunningGateway, ready, running_gateway
from tests.support.upstream import OK, Conversation, RawUpstream

SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


@dataclass
class Reached:
    """An ASGI application that answers "NAME"; `requests` are what came through: "METHOD path"."""

    name: str
    requests: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests.append(f"{scope.get('method', 'GET')} {scope['path']}")
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                pass
            return
        body = self.name.encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


@dataclass
class Front:
    """The gateway: /__devproxy is the control application, /api a raw upstream, the rest a static site."""

    gateway: RunningGateway
    control: Reached
    site: Reached
    upstream: list[str]

    @property
    def reached(self) -> list[str]:
        """Everything that came through, wherever it went."""
        return self.control.requests + self.site.requests + self.upstream


@asynccontextmanager
async def front(*, allowed_hosts: tuple[str, ...] = ()) -> AsyncIterator[Front]:
    requests: list[str] = []

    async def handler(conversation: Conversation) -> None:
        while True:
            head = await conversation.head()
            requests.append(head.decode("latin-1").rpartition(" HTTP/")[0].split(" HTTP/")[0])
            if b"Upgrade: websocket" in head:
                await conversation.send(SWITCHED)
            elif head.startswith(b"HEAD"):
                await conversation.send(OK.removesuffix(b"ok"))
            else:
                await conversation.send(OK)

    control, site = Reached("control"), Reached("site")
    routes = (Route(to=("site",), prefix="/"), Route(to=("api",), prefix="/api"))
    async with RawUpstream(handler) as upstream:
        backends = {"site": Mount(lambda: site), "api": ready("api", upstream.address)}
        async with running_gateway(
            backends, routes, control=Mount(lambda: control), allowed_hosts=allowed_hosts
        ) as running:
            yield Front(running, control, site, requests)
