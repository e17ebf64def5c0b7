"""Bytes both ways after an upgrade.

They pass as they are: subprotocols, extensions, fragments, close codes and empty frames survive because nobody takes
them apart. Backpressure passes through; a half-close is passed on as a half-close, a reset as a reset. Towards the
client it is known where frames end: there a close frame can say that the service restarts.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from devproxy.proxy.hold import OVER
from devproxy.proxy.websocket import CLOSE, GOING_AWAY, SERVICE_RESTART, Frames, close_frame

if TYPE_CHECKING:
    from devproxy.proxy.upstream import Stream

GOODBYE_SECONDS = 5.0
"""How long either side may take to close after a goodbye; then it is cut."""

_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Relay:
    """A client and an upstream, joined.

    Args: among: where it is to be found while it lasts; over: called when the client's connection is lost.
    Owns: both transports; losing one closes the other, by a reset if it was lost by one.
    """

    __slots__ = ("_among", "_client", "_from_client", "_from_upstream", "_over", "_upstream")

    def __init__(
        self, client: asyncio.Transport, upstream: asyncio.Transport, among: "set[Stream]", over: Callable[[], None]
    ) -> None:
        self._client = client
        self._upstream = upstream
        self._among = among
        self._over = over
        self._from_client = _FromClient(upstream, self._ended)
        self._from_upstream = _FromUpstream(client)

    def begin(self, *, head: bytes, to_client: bytes, to_upstream: bytes) -> None:
        """Relay from now on, beginning with these bytes: the head of the 101, and what came behind each head."""
        self._among.add(self)
        # The relay first, the bytes after: a side that is full must pause its peer through the relay.
        self._client.set_protocol(self._from_client)
        self._upstream.set_protocol(self._from_upstream)
        self._client.write(head)
        if to_client:
            self._from_upstream.data_received(to_client)
        self._upstream.write(to_upstream)
        self._client.resume_reading()

    def end_stream(self, state: str) -> None:
        """The service is in this state: its clients may come back, and are held.

        In those that are not named here it went by itself, and what it still had to say is on its way.
        """
        if state == "restarting":
            self.close(SERVICE_RESTART, "the service restarts")
        elif state in ("stopped", OVER):
            self.close(GOING_AWAY, "the service goes away")

    def close(self, code: int, reason: str) -> None:
        """End it with a close frame for the client, as soon as the frame under way has passed."""
        source = self._from_upstream
        if source.between is None:
            source.between = partial(self._part, close_frame(code, reason))
            if not source.frames.left:
                source.between()

    def _part(self, goodbye: bytes) -> None:
        client, source = self._client, self._from_upstream
        if client.is_closing():
            return  # it has left: that ends the upstream as well
        _Leaving.begin(self._upstream, lambda: None)
        if not source.frames.closed and not source.ended:
            client.write(goodbye)
        if self._from_client.ended:
            client.close()
        else:
            _Leaving.begin(client, self._ended)

    def _ended(self) -> None:
        self._upstream.close()
        self._among.discard(self)
        self._over()


class _Side(asyncio.Protocol):
    """One side of a relay: what it receives goes to the other side's transport."""

    __slots__ = ("_peer", "ended")

    def __init__(self, peer: asyncio.Transport) -> None:
        self._peer = peer
        self.ended = False  # this side sends no more

    def eof_received(self) -> bool:
        self.ended = True
        if self._peer.is_closing():
            return False
        _end(self._peer)
        other = self._peer.get_protocol()
        # Both have ended, or the other way round TLS has: close.
        return not (isinstance(other, _Side) and (other.ended or not other._peer.can_write_eof()))

    def pause_writing(self) -> None:
        self._peer.pause_reading()

    def resume_writing(self) -> None:
        self._peer.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self._peer.close()
        else:
            reset(self._peer)


class _FromClient(_Side):
    __slots__ = ("_lost", "data_received")

    def __init__(self, upstream: asyncio.Transport, lost: Callable[[], None]) -> None:
        super().__init__(upstream)
        self.data_received = upstream.write  # type: ignore[method-assign]  # nothing of ours runs for a message
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lost()


class _FromUpstream(_Side):
    """`between`, once it is set, is called when the frame under way has passed; nothing behind that is passed on."""

    __slots__ = ("between", "frames")

    def __init__(self, client: asyncio.Transport) -> None:
        super().__init__(client)
        self.frames = Frames()
        self.between: Callable[[], None] | None = None

    def data_received(self, data: bytes) -> None:
        # What comes most often is told here, in 0.15 µs: a piece of a long frame, or one frame alone.
        frames, size = self.frames, len(data)
        left = frames.left
        if left > size:
            frames.left = left - size
        elif (
            left
            or size == 1
            or data[0] == CLOSE
            or (data[1] != size - 2 if size < 128 else data[1] != 126 or (data[2] << 8 | data[3]) != size - 4)
        ):
            self._ends(data)
            return
        self._peer.write(data)

    def _ends(self, data: bytes) -> None:
        """Pass on bytes in which frames end, or begin."""
        if self.between is not None:
            data = data[: self.frames.rest(data)]
        self.frames.feed(data)
        self._peer.write(data)
        if self.between is not None and not self.frames.left:
            self.between()


class _Leaving(asyncio.Protocol):
    """A side that has been told the end. What it still sends is read and dropped until it closes as well: closing
    with bytes unread would reset the connection, and that destroys what it has not read yet (RFC 6455 §7.1.1)."""

    def __init__(self, transport: asyncio.Transport, lost: Callable[[], None]) -> None:
        self._deadline = asyncio.get_running_loop().call_later(GOODBYE_SECONDS, transport.abort)
        self._lost = lost

    @classmethod
    def begin(cls, transport: asyncio.Transport, lost: Callable[[], None]) -> None:
        """End `transport` so. Calls `lost` when it is."""
        transport.set_protocol(cls(transport, lost))
        _end(transport)
        transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.cancel()
        self._lost()


def _end(transport: asyncio.Transport) -> None:
    """Send no more on it."""
    if transport.can_write_eof():
        transport.write_eof()
    else:
        transport.close()  # TLS knows no half-close


def reset(transport: asyncio.Transport) -> None:
    """End a connection so that the other side sees an error, not an end (tcp(7), SO_LINGER in socket(7))."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
