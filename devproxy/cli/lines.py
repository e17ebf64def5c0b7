"""The log's lines on a terminal: painted a chunk at a time, from a place in the log that only moves forward.

On a terminal the last row is for the line that some child has begun and not ended (a question, a progress
bar): shown as it is, taken back when lines follow, and shown again below them. A pipe or a file gets whole
lines only.

Who reads more slowly than the children print falls behind the log's ring, and gets what that no longer holds
from the files: a pipe or a terminal that stood still has every line in the end, unless they were rotated away.

Knows no event loop: the first lines are shown before there is one (early.py), the others by screen.py.
"""

import os
import stat
import threading
from typing import TYPE_CHECKING

from devproxy.cli.prefix import OURS, Painter

if TYPE_CHECKING:
    from devproxy.logs.log import Log

ERASE = b"\r\x1b[K"
CATCH_UP_BYTES = 1024 * 1024


class Lines:
    """Shows what a log holds past `position`."""

    def __init__(self, fd: int, painter: Painter) -> None:
        self._fd = fd
        self._painter = painter
        self.never_waits = stat.S_ISREG(os.fstat(fd).st_mode)  # a file takes lines at once
        self._erases = os.isatty(fd) and os.environ.get("TERM") != "dumb"
        self._writing = threading.Lock()  # lines are written in threads, our own talk in the loop's
        self._last_row = b""  # what is to stand there
        self._drawn = b""  # what stands there
        self.position = 0  # the last line taken
        self.shown: frozenset[str] = frozenset()  # only these services' lines; empty: all

    def is_behind(self, log: "Log") -> bool:
        """Whether `catch_up` may find lines that the ring no longer holds."""
        return log.directory is not None and self.position + 1 < log.topic.first

    def catch_up(self, log: "Log") -> bool:
        """Show what the ring no longer holds, as far as the files do, some of it at a time; False if that was all.

        In any thread: it reads files, and waits for the terminal.
        """
        from devproxy.logs.stored import stored  # who keeps up need not pay for it

        assert log.directory is not None
        parts: list[bytes] = []
        size = 0
        for chunk in stored(log.directory, log.session_id, self.position, log.topic.first):
            if chunk.first_seq > self.position + 1:
                parts.append(self._fell_behind(chunk.first_seq - self.position - 1))
            if self._shows(chunk.service):
                parts.append(self._painter.paint(chunk))
            self.position = chunk.last_seq
            size += len(chunk.data)
            if size >= CATCH_UP_BYTES:
                break
        self.write(b"".join(parts))
        return size > 0

    def _fell_behind(self, gap: int) -> bytes:
        return self._painter.note(f"{gap} lines not shown: this terminal fell behind")

    def take(self, log: "Log") -> bytes:
        """What is new, painted; "" if nothing is. In the thread that owns the log."""
        topic = log.topic
        gap = topic.first - self.position - 1
        parts = [self._fell_behind(gap)] if gap > 0 else []
        chunks = topic.since(self.position)
        self.position = topic.last
        parts += [self._painter.paint(chunk) for _, chunk in chunks if self._shows(chunk.service)]
        self._last_row = self._paint_unfinished(log) if self._erases else b""
        return b"".join(parts)

    def _paint_unfinished(self, log: "Log") -> bytes:
        begun = [(service, text) for (service, _), text in log.unfinished.items() if self._shows(service)]
        if not begun:
            return b""
        service, text = begun[-1]
        return self._painter.row(service, text, os.get_terminal_size(self._fd).columns or 80)

    def _shows(self, service: str) -> bool:
        return not self.shown or service in self.shown or service == OURS

    def leave(self) -> None:
        """Take the last row back: somebody else writes from here on."""
        with self._writing:
            self._put(ERASE if self._drawn else b"")
            self._drawn = b""

    def write(self, data: bytes) -> None:
        """Write all of it. Blocks as long as the terminal does; a reader that has gone is no error."""
        with self._writing:
            if not data and self._last_row == self._drawn:
                return
            erase, self._drawn = ERASE if self._drawn else b"", self._last_row
            self._put(erase + data + self._drawn)

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._fd, view) :]
            except OSError:
                return  # EPIPE, or EIO when the terminal is gone; SIGHUP tells the session
