"""Where in a service's segments which lines are.

Beside each segment `SERVICE.NNNN.log` (plain lines, readable with less) lies `SERVICE.NNNN.idx`, one line a chunk:

    first_seq count time_us stream offset length session level

`level` is `-` unless whoever wrote the lines knew it. The index line is written after the lines it points to,
so what it names is there; a last line without its \\n is one that is being written, or torn by a crash.
"""

import os
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from devproxy.logs.records import LEVELS, Chunk

SEGMENT = re.compile(r"(?P<service>.+)\.(?P<number>\d{4,})\.log")
TAIL_BYTES = 4096  # of an index, in which its last line stands
SESSIONS = "sessions"  # the sessions that wrote here, oldest first, one id a line


@dataclass(frozen=True, slots=True)
class Entry:
    """One chunk: what it is, and where its bytes lie."""

    first_seq: int
    count: int
    time_us: int
    stream: str
    offset: int
    length: int
    session: str
    level: str | None
    service: str
    path: Path  # of the segment

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.count - 1

    def chunk(self, data: bytes) -> Chunk:
        return Chunk(self.first_seq, self.count, self.time_us, self.service, self.stream, data, self.level)


def line(chunk: Chunk, offset: int, session: str) -> bytes:
    """The index line of a chunk stored at `offset`."""
    return (
        f"{chunk.first_seq} {chunk.count} {chunk.time_us} {chunk.stream} {offset} {len(chunk.data)}"
        f" {session} {chunk.level or '-'}\n"
    ).encode()


def parse(raw: bytes, service: str, path: Path) -> Entry | None:
    """The entry that an index line tells; None if it is not one (torn, or by a later version)."""
    try:
        first, count, time_us, stream, offset, length, session, level = raw.decode().split(" ")
        numbers = int(first), int(count), int(time_us), int(offset), int(length)
        if min(numbers) < 0:
            return None
        known = level if level in LEVELS else None
        return Entry(*numbers[:3], stream, *numbers[3:], session, known, service, path)
    except ValueError:
        return None


def segment_path(directory: Path, service: str, number: int) -> Path:
    """Names are quoted like a URL's, so that none can leave the directory."""
    return directory / f"{quote(service, safe='')}.{number:04d}.log"


def segments(directory: Path) -> dict[str, list[int]]:
    """The numbers of the segments that each service has, ascending. No directory: no services."""
    found: dict[str, list[int]] = {}
    if directory.is_dir():
        for path in directory.iterdir():
            if match := SEGMENT.fullmatch(path.name):
                found.setdefault(unquote(match["service"]), []).append(int(match["number"]))
    return {service: sorted(numbers) for service, numbers in sorted(found.items())}


def entries(
    directory: Path,
    service: str,
    numbers: list[int],
    *,
    newest_first: bool = False,
    is_wanted: Callable[[Entry], bool] | None = None,
) -> Iterator[Entry]:
    """The entries of a service's segments; a segment that was rotated away meanwhile is passed over.

    Args: is_wanted: from the first entry for which it holds; it holds for all later ones. What is before is not
    read line by line: a poll for the newest lines of a full log costs as much as that of an empty one.
    """
    if is_wanted:
        numbers = numbers[_first_segment(directory, service, numbers, is_wanted) :]
    for number in reversed(numbers) if newest_first else numbers:
        path = segment_path(directory, service, number)
        try:
            raw = path.with_suffix(".idx").read_bytes()
        except FileNotFoundError:
            continue
        lines = raw.split(b"\n")[:-1]  # without what has no end yet
        if is_wanted:
            lines = lines[_first_line(lines, service, path, is_wanted) :]
        for each in reversed(lines) if newest_first else lines:
            if entry := parse(each, service, path):
                yield entry


def newest(directory: Path, service: str, numbers: list[int]) -> Entry | None:
    """The last entry of a service; None if it has none."""
    for number in reversed(numbers):
        if entry := _last_of(segment_path(directory, service, number), service):
            return entry
    return None


def _last_of(path: Path, service: str) -> Entry | None:
    """The last entry of a segment."""
    try:
        with path.with_suffix(".idx").open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            tail = file.read()
    except FileNotFoundError:
        return None
    for raw in reversed(tail[: tail.rfind(b"\n") + 1].split(b"\n")):
        if entry := parse(raw, service, path):
            return entry
    return None


def _first_segment(directory: Path, service: str, numbers: list[int], is_wanted: Callable[[Entry], bool]) -> int:
    """Which segment to begin with: the first one whose last entry is wanted."""

    def ends_wanted(number: int) -> bool:
        last = _last_of(segment_path(directory, service, number), service)
        return last is None or is_wanted(last)

    return bisect_left(numbers, True, key=ends_wanted)


def _first_line(lines: list[bytes], service: str, path: Path, is_wanted: Callable[[Entry], bool]) -> int:
    def wanted(raw: bytes) -> bool:
        entry = parse(raw, service, path)
        return entry is None or is_wanted(entry)

    return bisect_left(lines, True, key=wanted)


def sessions(directory: Path) -> list[str]:
    """The ids of the sessions that wrote here, oldest first."""
    try:
        return (directory / SESSIONS).read_text().split()
    except FileNotFoundError:
        return []
