"""A service's files: append only, rotated by size, kept by count, healed when a crash tore them.

A file that cannot be written raises OSError from `append` and is left as it was before the chunk, so that a
later chunk may try again.
"""

import os
from collections.abc import Collection
from pathlib import Path

from devproxy.logs import index
from devproxy.logs.records import Chunk


class Segments:
    """Writes the segments of one service.

    Args: segment_bytes: a segment that reached it is followed by the next; keep: segments that stay.
    Owns: two open files between the first chunk and `close`.
    """

    def __init__(self, directory: Path, service: str, session: str, *, segment_bytes: int, keep: int) -> None:
        self._directory = directory
        self._service = service
        self._session = session
        self._segment_bytes = segment_bytes
        self._keep = keep
        self._number = 0
        self._lines = Appender.closed()
        self._index = Appender.closed()

    def append(self, chunk: Chunk) -> None:
        """Store a chunk. Raises: OSError: nothing of it was stored (no room, no directory, not ours).

        Then the files are opened anew by the next chunk: where they end is no longer sure.
        """
        try:
            self._append(chunk)
        except OSError:
            self.close()
            raise

    def _append(self, chunk: Chunk) -> None:
        if not self._lines.is_open:
            self._open_last()
        elif self._lines.size and self._lines.size + len(chunk.data) > self._segment_bytes:
            self._open(self._number + 1)
            self._drop_old()
        offset = self._lines.size
        self._lines.append(chunk.data)
        try:
            self._index.append(index.line(chunk, offset, self._session))
        except OSError:
            self._lines.truncate(offset)
            raise

    def close(self) -> None:
        self._lines.close()
        self._index.close()

    def _open_last(self) -> None:
        numbers = index.segments(self._directory).get(self._service)
        if numbers:
            heal(self._directory, self._service, numbers[-1])
        self._open(numbers[-1] if numbers else 1)

    def _open(self, number: int) -> None:
        path = index.segment_path(self._directory, self._service, number)
        lines = Appender(path)
        try:
            indexed = Appender(path.with_suffix(".idx"))
        except OSError:
            lines.close()
            raise
        self.close()
        self._number, self._lines, self._index = number, lines, indexed

    def _drop_old(self) -> None:
        for number in index.segments(self._directory).get(self._service, [])[: -self._keep]:
            remove(index.segment_path(self._directory, self._service, number))


class Appender:
    """A file that grows by whole pieces or not at all."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self.size = os.fstat(self._fd).st_size

    @classmethod
    def closed(cls) -> "Appender":
        """One that has no file yet."""
        appender = cls.__new__(cls)
        appender._fd, appender.size = -1, 0
        return appender

    @property
    def is_open(self) -> bool:
        return self._fd >= 0

    def append(self, data: bytes) -> None:
        """Raises: OSError: nothing was appended."""
        rest = memoryview(data)
        try:
            while rest:  # a disk that fills up takes a part first
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            self.truncate(self.size)
            raise
        self.size += len(data)

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)
        self.size = size

    def close(self) -> None:
        if self.is_open:
            os.close(self._fd)
            self._fd = -1


def forget_others(directory: Path, services: Collection[str], *, keep: int) -> None:
    """Let go of the oldest segments of services that there are no more; all of those share what one may `keep`."""
    paths = [
        index.segment_path(directory, service, number)
        for service, numbers in index.segments(directory).items()
        if service not in services
        for number in numbers
    ]
    paths.sort(key=lambda path: path.stat().st_mtime)
    for path in paths[:-keep]:
        remove(path)


def remove(path: Path) -> None:
    """Remove a segment: its index first, so that a crash in between leaves no index without lines."""
    path.with_suffix(".idx").unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def heal(directory: Path, service: str, number: int) -> None:
    """Make a segment fit to be appended to, whatever a crash left.

    Index lines that are torn, or point past the end of the segment, go. Lines that no index line names stay
    for who reads the file; a torn last one is ended.
    """
    path = index.segment_path(directory, service, number)
    size = path.stat().st_size
    idx = path.with_suffix(".idx")
    raw = idx.read_bytes() if idx.exists() else b""
    end = raw.rfind(b"\n") + 1
    while end:
        start = raw.rfind(b"\n", 0, end - 1) + 1
        entry = index.parse(raw[start : end - 1], service, path)
        if entry and entry.offset + entry.length <= size:
            break
        end = start
    if end != len(raw):
        os.truncate(idx, end)
    with path.open("r+b") as lines:
        if size and (lines.seek(size - 1), lines.read(1))[1] != b"\n":
            lines.write(b"\n")
