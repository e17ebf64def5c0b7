"""A place for an ASGI application that is loaded when it is first needed.

The web stack takes a third of a second to import: children are started, and proxied, before it is
there. Requests for it that come earlier wait.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from devproxy.proxy.failures import Outage
from devproxy.proxy.head import RequestHead

if TYPE_CHECKING:
    from devproxy.gateway.asgi import Application, Mounted
    from devproxy.gateway.protocol import GatewayProtocol, Sink


_FAILED = Outage(
    500,
    "This part of devproxy could not be loaded",
    "Its own log says why.",
    "This is devproxy's fault or its installation's: please report it, with the log.",
)


class Mount:
    """An application, by the function that makes it; `load` runs in a thread and may import what it likes.

    Owns: the loading and the application's requests; `close` ends both.
    """

    def __init__(self, load: Callable[[], "Application"]) -> None:
        self._load = load
        self._mounted: Mounted | None = None
        self._loading: asyncio.Task[Mounted] | None = None
        self._failed = False
        self._postponed: list[Postponed] = []

    def serve(self, client: "GatewayProtocol", request: RequestHead) -> None:
        """Answer `request`, now or when the application is there."""
        if self._mounted is not None:
            self._mounted.serve(client, request)
            return
        if self._failed:
            client.refuse(request, _FAILED)
            return
        postponed = Postponed(client, request)
        client.handle(postponed)
        self._postponed.append(postponed)
        self.preload()

    def preload(self) -> None:
        """Begin to load, if that has not begun yet."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(asyncio.to_thread(self._make))
            self._loading.add_done_callback(self._loaded)

    def _loaded(self, loading: "asyncio.Task[Mounted]") -> None:
        if loading.cancelled():
            return
        postponed, self._postponed = self._postponed, []
        if (error := loading.exception()) is None:
            self._mounted = loading.result()
            for each in postponed:
                each.serve(self._mounted)
            return
        self._failed = True
        for each in postponed:
            each.refuse(_FAILED)
        asyncio.get_running_loop().call_exception_handler(
            {"message": "An application was not loaded", "exception": error}
        )

    def _make(self) -> "Mounted":
        from devproxy.gateway.asgi import Mounted

        return Mounted(self._load())

    async def close(self) -> None:
        """End the loading, or the requests that still run."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        if self._mounted is not None:
            await self._mounted.close()


class Postponed:
    """A request that waits for its application; keeps the little body that has come with it."""

    answering = False

    def __init__(self, client: "GatewayProtocol", request: RequestHead) -> None:
        self._client = client
        self._request = request
        self._body: list[bytes] = []
        self._end: list[tuple[bytes, bytes]] | None = None
        self._lost = False

    def refuse(self, outage: Outage) -> None:
        """There will be no application."""
        if not self._lost:
            self._client.refuse(self._request, outage)

    def serve(self, mounted: "Mounted") -> None:
        """The application is there."""
        if self._lost:
            return
        self._client.resume_body()  # first: what follows may have reasons of its own to pause
        sink: Sink = mounted.serve(self._client, self._request)
        for data in self._body:
            sink.body(data)
        if self._end is not None:
            sink.body_end(self._end)

    def body(self, data: bytes) -> None:
        self._body.append(data)
        self._client.pause_body()

    def body_end(self, trailers: list[tuple[bytes, bytes]]) -> None:
        self._end = trailers

    def client_lost(self) -> None:
        self._lost = True

    def pause_upstream(self) -> None:
        """Nothing is being written yet."""

    def resume_upstream(self) -> None:
        """Nothing is being written yet."""
