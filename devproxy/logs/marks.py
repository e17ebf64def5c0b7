"""What lines can be counted from: when a service was started last, became ready, had files saved for it.

One line each in `events`, beside the segments, so that they are found after the session has ended as well:

    time_us session kind service
"""

import os
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args
from urllib.parse import quote, unquote

from devproxy.logs.records import is_of

Kind = Literal["restart", "ready", "save"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
FILE: Final = "events"
MAX_BYTES: Final = 256 * 1024  # then the older half goes, at the next start


@dataclass(frozen=True, slots=True)
class Mark:
    time_us: int
    session: str
    kind: str
    service: str


class Marks:
    """Writes the marks of one session. A disk that takes none costs the marks and nothing else.

    Args: directory: None: they are kept nowhere. Owns: an open file from the first mark to `close`.
    """

    def __init__(self, directory: Path | None, session: str) -> None:
        self._directory = directory
        self._session = session
        self._fd = -1

    def add(self, kind: Kind, service: str, at: float | None = None) -> None:
        """Note that it happened; at: seconds since the epoch, now unless given."""
        if self._directory is None:
            return
        time_us = time.time_ns() // 1000 if at is None else round(at * 1_000_000)
        line = f"{time_us} {self._session} {kind} {quote(service, safe='')}\n".encode()
        with suppress(OSError):  # the log itself tells of such a disk
            if self._fd < 0:
                self._fd = _open(self._directory / FILE)
            os.write(self._fd, line)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def last(directory: Path, kind: str, services: Collection[str] = ()) -> Mark | None:
    """The newest mark of a kind, of one of the services or (when there are none) of any."""
    return next((one for one in _newest_first(directory) if one.kind == kind and _is_of(one, services)), None)


def _is_of(mark: Mark, services: Collection[str]) -> bool:
    return not services or is_of(mark.service, services)


def _newest_first(directory: Path) -> Iterator[Mark]:
    try:
        raw = (directory / FILE).read_bytes()
    except FileNotFoundError:
        return
    for line in reversed(raw.split(b"\n")):
        words = line.decode("utf-8", "replace").split(" ")
        if len(words) == 4 and words[0].isascii() and words[0].isdigit():  # else torn by a crash
            yield Mark(int(words[0]), words[1], words[2], unquote(words[3]))


def _open(path: Path) -> int:
    """The file, fit to be appended to: not too long, and its last line ended."""
    with suppress(FileNotFoundError):
        raw = path.read_bytes()
        kept = raw if len(raw) <= MAX_BYTES else raw[raw.index(b"\n", len(raw) // 2) + 1 :]
        if kept and not kept.endswith(b"\n"):
            kept += b"\n"
        if kept != raw:
            partial = path.with_suffix(".new")
            partial.write_bytes(kept)
            partial.replace(path)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
