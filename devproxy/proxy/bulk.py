"""A long body, read into one buffer again and again.

An asyncio.Protocol gets each read as new bytes: a copy, of 256 KB at most under uvloop, and what Python does for a read
finds the processor's caches full of payload each time. With reads of a mebibyte and no copy, a download costs as much
as nginx's; without, 1.35 times that (processor time of 1 GiB, 21 November 2026).
"""

import asyncio
from typing import Final

READ: Final = 2**20

LONG: Final = 2 * READ
"""From how many bytes on a body is worth the buffer."""


class LongBody(asyncio.BufferedProtocol):
    """Stands in for `owner`, the protocol of `source`, while the next `left` bytes pass from there to `sink`.

    `owner` gets them by `data_received`, as views of the buffer, and must write them to `sink` or drop them.

    Backpressure: `sink` takes no byte into its write buffer without pausing its protocol, and that must pause
    `source`: only then is the buffer free for the next read.
    """

    def __init__(self, owner: asyncio.Protocol, source: asyncio.Transport, sink: asyncio.Transport, left: int) -> None:
        self._owner = owner
        self._source = source
        self._sink = sink
        self._left = left
        self._buffer = memoryview(bytearray(READ))
        self.connection_lost = owner.connection_lost  # type: ignore[method-assign]
        self.eof_received = owner.eof_received  # type: ignore[method-assign]
        self.pause_writing = owner.pause_writing  # type: ignore[method-assign]
        self.resume_writing = owner.resume_writing  # type: ignore[method-assign]
        source.set_protocol(self)
        sink.set_write_buffer_limits(0)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._left -= nbytes
        if self._left <= 0:  # the last of it: from now on all is as usual
            self._source.set_protocol(self._owner)
            self._sink.set_write_buffer_limits()
        self._owner.data_received(self._buffer[:nbytes])  # type: ignore[arg-type]  # counted and written, as bytes are
