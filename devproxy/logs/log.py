"""The way in: what a process prints becomes numbered lines, in memory and on disk, a chunk at a time.

    child -> Source.feed -> filter -> Log: number, append to the service's segment, publish on the topic

The work is done per chunk, never per line, and nothing here waits: no task, no event loop. A disk that is full
(or read-only, or gone) costs the files and nothing else: one warning, then memory only, until it takes a chunk again.
"""

import errno
import os
import time
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from devproxy.config.model import Logs
from devproxy.hub.topic import Topic
from devproxy.logs import index
from devproxy.logs.filter import LineFilter
from devproxy.logs.marks import Marks
from devproxy.logs.records import Chunk, Record, is_of, records_of, trim
from devproxy.logs.segments import Segments, forget_others

OURS = "devproxy"  # the service and the stream of devproxy's own lines
MIB = 1024 * 1024
RING_BYTES = 32 * MIB  # whatever ring_lines says: 10,000 lines of 64 KiB would be 640 MiB
RETRY_US = 1_000_000  # a disk that failed is tried again by the first chunk after this long
ROOM_BYTES = 256 * 1024  # free on a disk that was full, before it is written to again
SESSIONS_KEPT = 1000


class Log:
    """The log of one session.

    Args:
        directory: where the segments lie (made if need be, 0700); None: memory only.
        session_id: names the session in line ids; letters, digits, `.` and `_`, no space.
    Owns: the open segments, the topics, the marks; `close` ends them.

    A line without an end is no line yet, and is in no topic, no file and no number. But it may be a question:
    `unfinished` holds those that are to be shown (by service and stream, the latest last), and `begun` wakes
    who shows them.
    """

    def __init__(self, directory: Path | None, session_id: str, settings: Logs) -> None:
        self.directory = directory
        self.session_id = session_id
        self.topic: Topic[Chunk] = Topic(settings.ring_lines, max_size=RING_BYTES, trim=trim)
        self.unfinished: dict[tuple[str, str], bytes] = {}
        self.begun: Topic[str] = Topic(1)
        self._settings = settings
        self._sources: dict[tuple[str, str], Source] = {}
        self._segments: dict[str, Segments] = {}
        self._disk = Disk()
        self.marks = Marks(directory, session_id)
        if directory:
            try:
                register(directory, session_id)
            except OSError as error:
                self._complain(error, time.time_ns() // 1000)

    def source(self, service: str, stream: str = "stdout") -> "Source":
        """Where the bytes of a stream of a service go in. The same one for the same names."""
        key = service, stream
        if key not in self._sources:
            self._sources[key] = Source(self, service, stream)
        return self._sources[key]

    def forget_others(self, services: Collection[str]) -> None:
        """Bound what is kept of services that there are no more: all of those share what one may keep."""
        if self.directory:
            with suppress(OSError):  # such a disk is spoken of by the first line
                forget_others(self.directory, {OURS, *services}, keep=self._settings.segments)

    def say(self, text: str, level: str = "info") -> None:
        """A line (or lines) of devproxy's own: debug info warning error critical."""
        lines = LineFilter().feed(text.encode("utf-8", "replace") + b"\n")
        self.add(OURS, OURS, lines, level)

    def add(self, service: str, stream: str, lines: bytes, level: str | None = None) -> None:
        """Number, store and publish whole filtered lines."""
        if not lines or self.topic.closed:
            return
        chunk = Chunk(self.topic.last + 1, lines.count(b"\n"), time.time_ns() // 1000, service, stream, lines, level)
        self.topic.publish(chunk, chunk.count, len(lines))
        self._store(chunk)

    def last_lines(self, service: str, count: int) -> list[Record]:
        """The last `count` lines of a service in this session, oldest first."""
        return self.recent((service,), count)

    def unfinished_of(self, service: str) -> bytes:
        """The line that a service has begun, shown already or not."""
        sources = [self._sources.get((service, stream)) for stream in ("stdout", "stderr")]
        return next((source.unfinished for source in sources if source and source.is_unfinished), b"")

    def recent(self, services: Collection[str], count: int) -> list[Record]:
        """The last `count` lines of this session, of some services or (when that is empty) of all, oldest first.

        From the ring; what a noisier service has pushed out of it, from the files.
        """
        found: deque[Record] = deque()
        for _, chunk in reversed(self.topic.since(self.topic.first - 1)):
            if len(found) >= count:
                break
            if not services or is_of(chunk.service, services):
                found.extendleft(reversed(records_of(chunk, self.session_id)))
        if len(found) < count and self.topic.first > 1 and self.directory:
            from devproxy.logs.query import Query, read  # seldom needed, and children wait for this file

            stored = read(self.directory, Query(tuple(services), limit=count, session=self.session_id))
            found.extendleft(reversed([record for record in stored if record.seq < self.topic.first]))
        from devproxy.logs.tracebacks import Levels  # only readers need it

        levels = Levels()
        graded = [replace(record, level=levels.of(record)) for record in found]
        return graded[max(0, len(graded) - count) :]

    def close(self) -> None:
        """End the unfinished lines, the files, and the topic. What comes later is dropped."""
        for source in self._sources.values():
            source.flush()
        self.topic.close()
        self.marks.close()
        self.begun.close()
        for segments in self._segments.values():
            segments.close()

    def _store(self, chunk: Chunk) -> None:
        if not self.directory or not self._disk.is_due(chunk.time_us):
            self._disk.missed += chunk.count
            return
        try:
            if self._disk.failed:
                check_room(self.directory)
                register(self.directory, self.session_id)
            self._segments_of(chunk.service).append(chunk)
        except OSError as error:
            self._disk.missed += chunk.count
            self._complain(error, chunk.time_us)
            return
        if missed := self._disk.heal():
            self.say(f"the log is written to disk again; {missed} lines are missing in its files")

    def _complain(self, error: OSError, now_us: int) -> None:
        if self._disk.fail(now_us):
            self.say(
                f"the log cannot be written to {self.directory}: {error.strerror};"
                " lines are kept in memory only until it can",
                "warning",
            )

    def _segments_of(self, service: str) -> Segments:
        assert self.directory
        if service not in self._segments:
            self._segments[service] = Segments(
                self.directory,
                service,
                self.session_id,
                segment_bytes=self._settings.segment_mib * MIB,
                keep=self._settings.segments,
            )
        return self._segments[service]


class Source:
    """One stream of one service: bytes go in as they come, in pieces of any size."""

    def __init__(self, log: Log, service: str, stream: str) -> None:
        self._log = log
        self._filter = LineFilter()
        self.service = service
        self.stream = stream

    def feed(self, data: bytes) -> None:
        """Take bytes; the lines they complete are published as one chunk."""
        self._add(self._filter.feed(data))

    def flush(self) -> None:
        """End a line that has no end yet (the process is gone)."""
        self._add(self._filter.flush())

    def _add(self, lines: bytes) -> None:
        if lines and self._log.unfinished:  # before who shows it is woken: the line would stand there twice
            self._log.unfinished.pop((self.service, self.stream), None)
        self._log.add(self.service, self.stream, lines)

    @property
    def is_unfinished(self) -> bool:
        """Whether a line has begun that has no end yet."""
        return self._filter.is_unfinished

    @property
    def unfinished(self) -> bytes:
        """That line, as it would be if it ended now."""
        return self._filter.unfinished

    def show_unfinished(self) -> None:
        """Have that line shown as it is: nothing has followed it for a moment."""
        key, text = (self.service, self.stream), self._filter.unfinished
        if self._log.unfinished.get(key, b"") == text or self._log.begun.closed:
            return
        self._log.unfinished.pop(key, None)
        if text:
            self._log.unfinished[key] = text
        self._log.begun.publish(self.service)


class Disk:
    """Whether the files take lines, and when to try again: after 1 s, 2 s, 4 s … 60 s.

    The delay never shrinks: a disk that is full every other moment is spoken of ever more seldom.
    """

    def __init__(self) -> None:
        self.failed = False
        self.missed = 0
        self._retry_at = 0
        self._delay_us = RETRY_US

    def is_due(self, now_us: int) -> bool:
        return not self.failed or now_us >= self._retry_at

    def fail(self, now_us: int) -> bool:
        """Note a failure; true when it is the first of an outage."""
        first = not self.failed
        self.failed = True
        self._retry_at = now_us + self._delay_us
        self._delay_us = min(self._delay_us * 2, 60 * RETRY_US)
        return first

    def heal(self) -> int:
        """Note a success; the lines that the outage cost, 0 when there was none."""
        missed, self.missed = (self.missed, 0) if self.failed else (0, 0)
        self.failed = False
        return missed


def check_room(directory: Path) -> None:
    """Raises: OSError: a disk that was full has no room to speak of: a short chunk may fit, and the next one not."""
    folder = next(each for each in (directory, *directory.parents) if each.exists())
    free = os.statvfs(folder)
    if free.f_bavail * free.f_frsize < ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def register(directory: Path, session_id: str) -> None:
    """Make the directory and enter the session in its list (see index.SESSIONS), once.

    Raises: OSError: it cannot be written.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = index.sessions(directory)
    if session_id in known:
        return
    kept = [*known, session_id][-SESSIONS_KEPT:]
    partial = directory / f"{index.SESSIONS}.new"
    partial.write_text("".join(f"{each}\n" for each in kept))
    partial.replace(directory / index.SESSIONS)
