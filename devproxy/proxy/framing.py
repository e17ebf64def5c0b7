"""Where a chunked body ends, and what is in it. Pure and incremental.

Bodies with a length need only counting, which their owners do themselves.
Source: RFC 9112 §7.1; extensions are read over, trailers kept.
"""

import re
from collections.abc import Callable
from typing import Final

from devproxy.proxy.head import TOKEN, VALUE

MAX_LINE: Final = 4096
MAX_TRAILERS: Final = 16 * 1024
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?")
_PLAIN: Final = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
_TRAILER: Final = re.compile(rb"(%b):[ \t]*(%b)" % (TOKEN, VALUE))


class BadChunk(Exception):
    """The body is not chunked as RFC 9112 §7.1 has it."""


class ChunkedBody:
    """Finds the end of one chunked body, whatever the pieces it arrives in.

    `feed` returns how many bytes of `data` belong to the body; fewer than all means that it is `done`
    and the rest is somebody else's. Payload goes to `sink`, if one is given. `trailer_from`: where in the bytes
    last taken the trailer section began, 0 if in earlier ones, -1 if it is still to come.
    """

    __slots__ = ("_left", "_line", "_sink", "_step", "_trailer_bytes", "done", "trailer_from", "trailers")

    def __init__(self, sink: Callable[[bytes], None] | None = None) -> None:
        self._sink = sink
        self._step = self._size
        self._left = 0  # bytes of the current chunk still to come, its CRLF not counted
        self._line = b""  # an incomplete line
        self._trailer_bytes = 0
        self.done = False
        self.trailer_from = -1
        self.trailers: list[tuple[bytes, bytes]] = []

    def feed(self, data: bytes) -> int:
        """Take the next bytes; return how many of them were the body's.

        Raises: BadChunk: it is malformed; nothing after that can be trusted.
        """
        position, end = 0, len(data)
        if self.trailer_from > 0:
            self.trailer_from = 0
        while position < end and not self.done:
            position = self._step(data, position)
        return position

    def _size(self, data: bytes, position: int) -> int:
        if not self._line and (position := self._whole(data, position)) == len(data):
            return position
        line, position = self._take_line(data, position)
        if line is None:
            return position
        match = _SIZE.fullmatch(line)
        if match is None:
            raise BadChunk("a malformed chunk size")
        self._left = int(match[1], 16)  # hexadecimal digits only: the match above
        if self._left:
            self._step = self._payload
        else:
            self._step, self.trailer_from = self._trailer, position
        return position

    def _whole(self, data: bytes, position: int) -> int:
        """Take the chunks that are all there, without an extension, in a quarter of the time. Not the last one."""
        while plain := _PLAIN.match(data, position):
            start = plain.end()
            stop = start + int(plain[1], 16)
            if stop == start or data[stop : stop + 2] != b"\r\n":
                break
            if self._sink is not None:
                self._sink(data[start:stop])
            position = stop + 2
        return position

    def _payload(self, data: bytes, position: int) -> int:
        stop = min(position + self._left, len(data))
        if self._sink is not None:
            self._sink(data[position:stop] if position or stop < len(data) else data)
        self._left -= stop - position
        if not self._left:
            self._step = self._payload_end
        return stop

    def _payload_end(self, data: bytes, position: int) -> int:
        line, position = self._take_line(data, position, limit=2)
        if line is None:
            return position
        if line:
            raise BadChunk("a chunk is longer than its size")
        self._step = self._size
        return position

    def _trailer(self, data: bytes, position: int) -> int:
        line, position = self._take_line(data, position)
        if line is None:
            return position
        if not line:
            self.done = True
            return position
        self._trailer_bytes += len(line)
        match = _TRAILER.fullmatch(line)
        if match is None or self._trailer_bytes > MAX_TRAILERS:
            raise BadChunk("a malformed trailer field")
        self.trailers.append((match[1], match[2]))
        return position

    def _take_line(self, data: bytes, position: int, limit: int = MAX_LINE) -> tuple[bytes | None, int]:
        """The next line without its CRLF, or None while it is incomplete; and where it ended."""
        newline = data.find(b"\n", position)
        if newline < 0:
            self._line += data[position:]
            if len(self._line) > limit or (limit == 2 and self._line not in (b"", b"\r")):
                raise BadChunk("a line that does not end")
            return None, len(data)
        line = self._line + data[position : newline + 1]
        if line[-2:] != b"\r\n" or len(line) > max(limit, 2):
            raise BadChunk("a line that does not end in CRLF")
        self._line = b""
        return line[:-2], newline + 1
