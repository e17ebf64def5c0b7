"""Where in a service's segments which lines are.

Beside each segment `SERVICE.NNNN.log` (plain lines, readable with less) lies `SERVICE.NNNN.idx`, one line a chunk:

    first_seq count time_us stream offset length session level

`level` is `-` unless whoever wrote the lines knew it. The index line is written after the lines it points to,
so what it names is there; a last line without its \\n is one that is being written, or torn by a crash.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from devproxy.logs.levels import LEVELS
from devproxy.logs.records import Chunk

SEGMENT = re.compile(r"(?P<service>.+)\.(?P<number>\d{4,})\.log")
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
        return Entry(
            int(first),
            int(count),
            int(time_us),
            stream,
            int(offset),
            int(length),
            session,
            level if level in LEVELS else None,
            service,
            path,
        )
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


def entries(directory: Path, service: str, numbers: list[int], *, newest_first: bool = False) -> Iterator[Entry]:
    """The entries of a service's segments; a segment that was rotated away meanwhile is passed over."""
    for number in reversed(numbers) if newest_first else numbers:
        path = segment_path(directory, service, number)
        try:
            raw = path.with_suffix(".idx").read_bytes()
        except FileNotFoundError:
            continue
        lines = raw[: raw.rfind(b"\n") + 1].split(b"\n")[:-1]
        for each in reversed(lines) if newest_first else lines:
            if entry := parse(each, service, path):
                yield entry


def sessions(directory: Path) -> list[str]:
    """The ids of the sessions that wrote here, oldest first."""
    try:
        return (directory / SESSIONS).read_text().split()
    except FileNotFoundError:
        return []
