"""The upstream of bench/http: it answers known paths from memory, and so costs less than any proxy before it.

    python bench/upstream.py PORT

/api/small   100 bytes of JSON         /api/large       64 KiB
/api/events  an event each 0.2 s       everything else  a module of 1 KiB
"""

import asyncio
import sys
from email.utils import formatdate
from typing import cast

EVENT_SECONDS = 0.2
SMALL = b'{"id":42,"name":"a bench","tags":["a","b","c"],"ok":true,"note":"about one hundred bytes of json"}'
EVENTS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n"
)
EVENT = b"e\r\ndata: a tick\n\n\r\n"


def answer(kind: bytes, body: bytes) -> bytes:
    """As many fields as a file server sends."""
    date = formatdate(usegmt=True).encode()
    return (
        b"HTTP/1.1 200 OK\r\nServer: bench\r\nDate: %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n"
        b'Last-Modified: %b\r\nConnection: keep-alive\r\nETag: "6740c5f5-64"\r\nAccept-Ranges: bytes\r\n\r\n%b'
    ) % (date, kind, len(body), date, body)


class Upstream(asyncio.Protocol):
    """One connection: GETs without a body."""

    def __init__(self, answers: dict[bytes, bytes], other: bytes, streams: set[asyncio.Transport]) -> None:
        self.answers = answers
        self.other = other
        self.streams = streams
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        *heads, self.rest = (self.rest + data).split(b"\r\n\r\n")
        for head in heads:
            path = head[4 : head.find(b" ", 4)]
            if path == b"/api/events":
                self.streams.add(self.transport)
                self.transport.write(EVENTS)
            else:
                self.transport.write(self.answers.get(path, self.other))
                if b"onnection: close" in head:
                    self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.streams.discard(self.transport)


async def serve(port: int) -> None:
    answers = {b"/api/small": answer(b"application/json", SMALL), b"/api/large": answer(b"image/webp", bytes(65536))}
    module = answer(b"text/javascript", b"export const value = 1\n" * 44)
    streams: set[asyncio.Transport] = set()
    await asyncio.get_running_loop().create_server(
        lambda: Upstream(answers, module, streams), "127.0.0.1", port, backlog=4096
    )
    while True:
        await asyncio.sleep(EVENT_SECONDS)
        for stream in streams:
            stream.write(EVENT)


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(int(sys.argv[1])))
