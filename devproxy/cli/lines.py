"""The log's lines on a terminal: painted a chunk at a time, from a place in the log that only moves forward.

Knows no event loop: the first lines are shown before there is one (early.py), the others by screen.py.
"""

import os
from typing import TYPE_CHECKING

from devproxy.cli.prefix import OURS, Painter

if TYPE_CHECKING:
    from devproxy.hub.topic import Topic
    from devproxy.logs.records import Chunk


class Lines:
    """Shows what a log holds past `position`."""

    def __init__(self, fd: int, painter: Painter) -> None:
        self._fd = fd
        self._painter = painter
        self.position = 0  # the last line taken
        self.shown: frozenset[str] = frozenset()  # only these services' lines; empty: all

    def take(self, topic: "Topic[Chunk]") -> bytes:
        """What is new, painted; "" if nothing is. In the thread that owns the topic."""
        gap = topic.first - self.position - 1
        parts = [self._painter.note(f"{gap} lines not shown: this terminal fell behind")] if gap > 0 else []
        chunks = topic.since(self.position)
        self.position = topic.last
        parts += [self._painter.paint(chunk) for _, chunk in chunks if self._shows(chunk.service)]
        return b"".join(parts)

    def _shows(self, service: str) -> bool:
        return not self.shown or service in self.shown or service == OURS

    def write(self, data: bytes) -> None:
        """Write all of it. Blocks as long as the terminal does; a reader that has gone is no error."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._fd, view) :]
            except OSError:
                return  # EPIPE, or EIO when the terminal is gone; SIGHUP tells the session
