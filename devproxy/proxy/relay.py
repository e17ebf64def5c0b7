"""Bytes both ways after an upgrade.

Nobody parses them: subprotocols, extensions, fragments, close codes and empty frames survive because
they are never read. Backpressure passes through; a half-close is passed on as a half-close, a reset as a reset.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Final

_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Relay(asyncio.Protocol):
    """One side of a relay: what it receives goes to the other side's transport."""

    def __init__(self, peer: asyncio.Transport, done: Callable[[], None]) -> None:
        self._peer = peer
        self._done = done
        self.ended = False  # this side sends no more

    def data_received(self, data: bytes) -> None:
        self._peer.write(data)

    def eof_received(self) -> bool:
        self.ended = True
        if self._peer.is_closing():
            return False
        self._peer.write_eof()
        other = self._peer.get_protocol()
        return not (isinstance(other, Relay) and other.ended)  # both ended: close

    def pause_writing(self) -> None:
        self._peer.pause_reading()

    def resume_writing(self) -> None:
        self._peer.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self._peer.close()
        else:
            reset(self._peer)
        self._done()


def join(
    client: asyncio.Transport,
    upstream: asyncio.Transport,
    *,
    to_client: bytes,
    to_upstream: bytes,
    done: Callable[[], None],
) -> None:
    """Relay between two transports from now on, beginning with these bytes. `done` is called once for each side lost.

    Owns: both transports; losing one closes the other, by a reset if it was lost by one.
    """
    # The relay first, the bytes after: a side that is full must pause its peer through the relay.
    client.set_protocol(Relay(upstream, done))
    upstream.set_protocol(Relay(client, done))
    client.write(to_client)
    upstream.write(to_upstream)
    client.resume_reading()


def reset(transport: asyncio.Transport) -> None:
    """End a connection so that the other side sees an error, not an end (tcp(7), SO_LINGER in socket(7))."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
