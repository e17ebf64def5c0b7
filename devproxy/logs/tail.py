"""Files that a program logs into (`log/development.log`), followed into the log as the stream `file`.

Only what is appended while the session runs is ours: a file that is there at the start is read from its end,
one that appears later from its beginning. A path is followed, not an inode: when another file takes the
name (rotation), the old one is read to its end first, and it stays open until the new one has something in it,
since a program that was told to reopen its log writes to the old one until it does. A file that got shorter, or
whose text is another one than was read, was truncated and is read from its beginning.

Files are looked at, not listened to: it works on every file system, and twice a second costs next to nothing.
"""

import glob
import os
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Protocol

STREAM: Final = "file"
TURN_BYTES: Final = 64 * 1024  # of one file, until the others and the loop have their turn
KNOWN_BYTES: Final = 64  # of what was read last: what tells a file that was truncated and has grown again
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 0.5  # seconds between two looks: doubled while nothing comes
SCAN_SECONDS: Final = 1.0  # between two looks for files that a glob newly matches
MAX_FILES: Final = 100  # of one service: each is an open file
FINISH_SECONDS: Final = 1.0  # for what is left at the end; a program that never stops writing must not keep us

Identity = tuple[int, int]  # device and inode
Wanted = tuple[str, Path, tuple[str, ...]]  # service, its folder, paths or globs below it or absolute


class Source(Protocol):
    """Where the bytes go (a Source of devproxy.logs.log)."""

    def feed(self, data: bytes) -> None: ...
    def flush(self) -> None: ...


class LogFiles:
    """All files that the services of a session log into.

    Args: source: makes a way into the log for each file, by service and stream; warn: told once of each file
    that cannot be read.
    Owns: one open file each. Make it before the services start: what they append from then on is read.
    """

    def __init__(
        self,
        wanted: Iterable[Wanted],
        source: Callable[[str, str], Source],
        warn: Callable[[str], None],
    ) -> None:
        self._wanted = _patterns(wanted)
        self._source = source
        self._warn = warn
        self._files: dict[tuple[str, Path], Followed] = {}
        self._read_already: set[Identity] = set()  # under another name
        self._warned: set[str] = set()
        self._scan_at = 0.0
        self._scan(from_end=True)

    async def run(self) -> None:
        """Follow them until cancelled."""
        import asyncio  # made before there is a loop, when it would only delay the children

        pause = SHORTEST_PAUSE
        while True:
            if self.poll():
                pause = SHORTEST_PAUSE
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def poll(self) -> bool:
        """Take a turn's worth of what is new in each; whether anything was."""
        if time.monotonic() >= self._scan_at:
            self._scan(from_end=False)
        moved = [self._poll(file) for file in self._files.values()]  # each has its turn
        return any(moved)

    def adopt(self, wanted: Iterable[Wanted]) -> None:
        """Follow these from now on, and no others."""
        self._wanted = _patterns(wanted)
        former, self._files = self._files, {}
        self._scan(from_end=True, former=former)
        for file in former.values():
            file.close()

    def finish(self) -> None:
        """Take what is left, end unfinished lines, close."""
        deadline = time.monotonic() + FINISH_SECONDS
        self._scan_at = 0.0
        while self.poll() and time.monotonic() < deadline:
            pass
        for file in self._files.values():
            file.close()

    def _poll(self, file: "Followed") -> bool:
        before = file.identity
        try:
            moved = file.poll()
        except OSError as error:
            self._warn_once(str(file.path), f"the log file {file.path} cannot be read: {error.strerror}")
            return False
        if before and before != file.identity:
            self._read_already.add(before)
        return moved

    def _scan(self, *, from_end: bool, former: "dict[tuple[str, Path], Followed] | None" = None) -> None:
        """Find the files; a path without a glob is followed before it exists. former: followed until now."""
        self._scan_at = time.monotonic() + SCAN_SECONDS
        for service, pattern in self._wanted:
            is_glob = glob.has_magic(pattern)
            for path in map(Path, sorted(glob.glob(pattern)) if is_glob else [pattern]):  # noqa: PTH207 - absolute too
                if (service, path) in self._files or (is_glob and self._is_open(path)):
                    continue
                if sum(name == service for name, _ in self._files) >= MAX_FILES:
                    self._warn_once(service, f"{service}: only {MAX_FILES} of its log files are followed")
                    break
                file = former.pop((service, path), None) if former else None
                if file is None:
                    file = Followed(path, self._source(service, STREAM))
                    if from_end or identity(path) in self._read_already:
                        file.skip()
                self._files[service, path] = file

    def _is_open(self, path: Path) -> bool:
        """Whether it is a file that is still read under the name it had before (`log/*` matches rotated ones too)."""
        return identity(path) in {file.identity for file in self._files.values() if file.identity}

    def _warn_once(self, about: str, sentence: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            self._warn(sentence)


def identity(path: Path) -> Identity | None:
    """Which file is there; None if none is."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _patterns(wanted: Iterable[Wanted]) -> list[tuple[str, str]]:
    return [(service, str(folder / name)) for service, folder, names in wanted for name in names]


class Followed:
    """One path, and the file that was last found there."""

    def __init__(self, path: Path, source: Source) -> None:
        self.path = path
        self.identity: Identity | None = None  # of the file that is open
        self._source = source
        self._fd = -1
        self._position = 0
        self._known = b""  # the last bytes before the position

    def skip(self) -> None:
        """Begin at the end of what is there now."""
        try:
            if not self._open():
                return
        except OSError:
            return  # `poll` says so, in its turn
        self._position = os.fstat(self._fd).st_size
        self._remember(os.pread(self._fd, KNOWN_BYTES, max(0, self._position - KNOWN_BYTES)))

    def poll(self) -> bool:
        """Take a turn's worth of what is new; whether anything was. Raises: OSError: it cannot be read."""
        if self._fd >= 0 and self._read():
            return True
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False
        if (found.st_dev, found.st_ino) == self.identity or not stat.S_ISREG(found.st_mode):
            return False
        if self._fd >= 0:
            if not found.st_size:
                return False
            if self._read():  # written since we looked: the old file is read to its end first
                return True
            self.close()
        return self._open() and self._read()

    def close(self) -> None:
        """End the line that is not whole; forget the file."""
        if self._fd >= 0:
            self._source.flush()
            os.close(self._fd)
            self._fd, self.identity = -1, None

    def _open(self) -> bool:
        """Open what is there; false if it is no file with a size (a pipe would wait for its writer)."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            return False
        self._fd, self.identity = fd, (status.st_dev, status.st_ino)
        self._position, self._known = 0, b""
        return True

    def _read(self) -> bool:
        size = os.fstat(self._fd).st_size
        if size == self._position:
            return False
        data = os.pread(self._fd, len(self._known) + TURN_BYTES, self._position - len(self._known))
        if size < self._position or not data.startswith(self._known):
            self._source.flush()  # truncated: the half line before is no part of what follows
            self._position, self._known = 0, b""
            data = os.pread(self._fd, TURN_BYTES, 0)
        new = data[len(self._known) :]
        self._position += len(new)
        self._remember(data)
        self._source.feed(new)
        return bool(new)

    def _remember(self, data: bytes) -> None:
        self._known = data[-KNOWN_BYTES:]
