"""A raw upstream: answers with the bytes a test gives it, and remembers the bytes it got."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

Handler = Callable[["Conversation"], Awaitable[None]]


class Conversation:
    """One connection of the gateway to the upstream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.reader = reader
        self.writer = writer
        self.number = number

    async def head(self) -> bytes:
        """The next request head."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def send(self, data: bytes) -> None:
        if self.writer.is_closing():  # uvloop raises RuntimeError, asyncio says nothing
            raise ConnectionResetError
        self.writer.write(data)
        await self.writer.drain()


class RawUpstream:
    """Listens on a loopback port (0: one that is free); `handler` speaks on each connection, which then closes.

    tls: what it speaks TLS by.
    """

    def __init__(
        self, handler: Handler, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._handler = handler
        self._host = host
        self._port = port
        self._tls = tls
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.ended = 0

    async def __aenter__(self) -> "RawUpstream":
        self._server = await asyncio.start_server(self._accept, self._host, self._port, limit=2**20, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for _ in range(3):  # a connection that was accepted in this very turn gets its task in the next ones
            await asyncio.sleep(0)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def address(self) -> tuple[str, int]:
        return self._host, self.port

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._handler(Conversation(reader, writer, self.connections))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):  # the test is over
            pass
        finally:
            self.ended += 1
            writer.close()
            self._tasks.discard(task)


def answering(response: bytes) -> Handler:
    """A handler that answers every request on the connection with the same bytes."""

    async def handler(conversation: Conversation) -> None:
        while True:
            await conversation.head()
            await conversation.send(response)

    return handler


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
