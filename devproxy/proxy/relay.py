"""Bytes both ways after an upgrade.

Nobody parses them: subprotocols, extensions, fragments, close codes and empty frames survive because
they are never read. Backpressure passes through; a half-close is passed on as a half-close.
"""

import asyncio
from collections.abc import Callable


class Relay(asyncio.Protocol):
    """One side of a relay: what it receives goes to the other side's transport."""

    def __init__(self, own: asyncio.Transport, peer: asyncio.Transport, done: Callable[[], None]) -> None:
        self._own = own
        self._peer = peer
        self._done = done
        self.ended = False  # the other end of `own` sends no more

    def data_received(self, data: bytes) -> None:
        self._peer.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        if self._peer.is_closing() or not self._peer.can_write_eof():
            return False
        self._peer.write_eof()
        other = self._peer.get_protocol()
        return not (isinstance(other, Relay) and other.ended)  # both ended: close

    def pause_writing(self) -> None:
        self._peer.pause_reading()

    def resume_writing(self) -> None:
        if not self._peer.is_closing():
            self._peer.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self._peer.close()
        else:
            self._peer.abort()
        self._done()


def join(client: asyncio.Transport, upstream: asyncio.Transport, done: Callable[[], None]) -> None:
    """Relay between two transports from now on. `done` is called once for each side that is lost.

    Owns: both transports; losing one closes the other, abruptly if it was lost abruptly.
    """
    client.set_protocol(Relay(client, upstream, done))
    upstream.set_protocol(Relay(upstream, client, done))
    client.resume_reading()
