"""What a session in the background shows goes into `session.log`: bounded, for nobody empties it.

Every line is in the log's own files as well; this one is for what goes wrong before there is a log, and for bugs.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from devproxy.cli.lines import Lines

if TYPE_CHECKING:
    from devproxy.cli.prefix import Painter

SESSION_LOG: Final = "session.log"
LIMIT: Final = 8 * 1024 * 1024  # bytes; then it becomes session.log.1, and the one before that goes
STDERR: Final = 2


def lines_for(fd: int, painter: "Painter", state: Path) -> Lines:
    """Where the log is shown: `fd`, kept short if it is the session.log of this state folder."""
    path = state / SESSION_LOG
    try:
        found, shown = path.stat(), os.fstat(fd)
    except OSError:
        return Lines(fd, painter)
    is_ours = (found.st_dev, found.st_ino) == (shown.st_dev, shown.st_ino)
    return SessionLines(fd, painter, path) if is_ours else Lines(fd, painter)


class SessionLines(Lines):
    """Lines into a file that is replaced when it has become too long; stderr goes along."""

    def __init__(self, fd: int, painter: "Painter", path: Path, *, limit: int = LIMIT, also: int = STDERR) -> None:
        super().__init__(fd, painter)
        self._path = path
        self._limit = limit
        self._also = also
        self._size = os.fstat(fd).st_size

    def write(self, data: bytes) -> None:
        super().write(data)
        self._size += len(data)
        if self._size > self._limit:
            self._size = 0
            self._replace()

    def _replace(self) -> None:
        try:
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            fresh = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return  # a full disk: it takes no more lines either
        os.dup2(fresh, self._fd)
        os.dup2(fresh, self._also)
        os.close(fresh)
