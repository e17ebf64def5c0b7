"""Reading lines back from the files, live or after the session has ended.

The order is that of the sessions and, within one, of the sequence numbers. A reader in another process sees a
consistent end: index lines are written in the order of the numbers, so when the newest number is taken *before*
the files are read, all lines up to it are there; what came later is left for the next reading.
"""

import heapq
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from devproxy.errors import UsageError
from devproxy.logs import index, marks
from devproxy.logs.index import Entry
from devproxy.logs.levels import NAMES, at_least
from devproxy.logs.moments import parse_moment
from devproxy.logs.newest import SETTLED_US, newest
from devproxy.logs.records import LEVELS, Record, is_of, records_of
from devproxy.logs.tracebacks import Grouper, Levels, joined

Position = tuple[int, int]  # rank of the session, sequence number

CONTEXT = 200  # lines before a cursor that are looked at, lest the rest of a traceback be taken for other lines


@dataclass(frozen=True, slots=True)
class Query:
    """Which lines. Without a cursor `limit` takes the newest, with one the first after it.

    With a level an error of several lines is one record (tracebacks.joined), and `grep` searches all of it.
    """

    services: tuple[str, ...] = ()  # empty: all
    since: int | None = None  # µs since the epoch
    until: int | None = None
    grep: re.Pattern[str] | None = None  # searched in the text without colours
    invert: bool = False  # what `grep` does not find
    level: str | None = None  # this one and worse
    limit: int | None = None
    cursor: str | None = None  # SESSION-SEQ: only what came after
    goes_on: bool = False  # the reader comes back with the new cursor; so does one that has a cursor
    session: str | None = None  # only this one

    def takes(self, record: Record) -> bool:
        return (self.grep is None or (self.grep.search(record.plain) is None) == self.invert) and (
            self.level is None or at_least(record.level, self.level)
        )

    @property
    def filters(self) -> bool:
        """Whether it looks into lines."""
        return self.grep is not None or self.level is not None


@dataclass(frozen=True, slots=True)
class Page:
    """What api/logs answers. `cursor` goes on after it; `dropped`: lines since the old cursor that are gone."""

    records: list[Record]
    cursor: str
    dropped: int

    def to_json(self) -> dict[str, Any]:
        return {
            "records": [record.to_json() for record in self.records],
            "cursor": self.cursor,
            "dropped": self.dropped,
        }


def parse_query(
    services: Iterable[str] = (),
    *,
    directory: Path | None = None,
    since: str | None = None,
    until: str | None = None,
    grep: str | None = None,
    invert: bool = False,
    level: str | None = None,
    limit: int | None = None,
    cursor: str | None = None,
    goes_on: bool = False,
) -> Query:
    """A query from words, as the command line and the API get them; empty words count as absent.

    Args: directory: that of the log, where the events are.
    Raises: UsageError: one of them makes no sense; says what would.
    """
    names = tuple(services)
    if invert and not grep:
        raise UsageError("there is no pattern to invert", hint="say which lines to leave out: --grep RE -v")
    if limit is not None and limit < 0:
        raise UsageError(f"{limit} lines cannot be shown", hint="give a number from 0 up")
    if cursor and parse_cursor(cursor) is None:
        raise UsageError(f"{cursor!r} is not a cursor", hint="pass on the `cursor` of the last answer")
    return Query(
        services=names,
        since=parse_when(since, directory, names) if since else None,
        until=parse_when(until, directory, names) if until else None,
        grep=parse_pattern(grep) if grep else None,
        invert=invert,
        level=parse_level(level) if level else None,
        limit=limit,
        cursor=cursor or None,
        goes_on=goes_on,
    )


def parse_when(text: str, directory: Path | None, services: Sequence[str]) -> int:
    """µs since the epoch of a moment, or of an event: of one of the services, or of any."""
    kind = text.strip().removeprefix("last-")
    if kind == text.strip() or kind not in marks.KINDS:
        return parse_moment(text, time.time())
    mark = marks.last(directory, kind, services) if directory else None
    if mark is None:
        whose = f" of {' or '.join(services)}" if services else ""
        raise UsageError(f"no {kind}{whose} is on record", hint="name another event, or a time: --since 5m")
    return mark.time_us


def parse_pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(
            f"{text!r} is not a regular expression: {error}", hint="put a \\ before ( [ * + ? . to search for them"
        ) from error


def parse_level(text: str) -> str:
    try:
        return NAMES[text.lower()]
    except KeyError:
        raise UsageError(f"there is no level {text!r}", hint=f"use one of {', '.join(LEVELS)}") from None


def parse_cursor(text: str) -> tuple[str, int] | None:
    """The session and the sequence number of SESSION-SEQ; None if it is none."""
    session, dash, seq = text.rpartition("-")
    return (session, int(seq)) if session and dash and re.fullmatch(r"[0-9]{1,18}", seq) else None


def read(directory: Path, query: Query) -> Iterator[Record]:
    """The lines that a query takes, oldest first, each with its session and its level. No logs: none."""
    with Reading(directory, query) as reading:
        yield from reading.records()


def read_page(directory: Path, query: Query) -> Page:
    """`read` as one answer, with the cursor that goes on after it."""
    with Reading(directory, query) as reading:
        records = list(reading.records())
        is_cut = query.cursor and query.limit is not None and len(records) == query.limit
        cursor = (records[-1].id() if records else query.cursor) if is_cut else reading.end_cursor
        return Page(records, cursor or query.cursor or "", reading.dropped)


def services(directory: Path) -> list[str]:
    """The services that have lines here."""
    return list(index.segments(directory))


class Reading:
    """One pass over the files. `dropped` and `end_cursor` are true when it is over (`dropped`: only with a cursor)."""

    def __init__(self, directory: Path, query: Query) -> None:
        self._directory = directory
        self._query = query
        listed = index.segments(directory)
        ends = [entry for name, numbers in listed.items() if (entry := index.newest(directory, name, numbers))]
        # After `ends`: a session enters its name before it writes, so each of theirs is here.
        self._ranks = {session: rank for rank, session in enumerate(index.sessions(directory))}
        last = max(ends, key=self._position, default=None)
        self._end = self._position(last) if last else (-1, 0)
        self.end_cursor = self._last_cursor = f"{last.session}-{last.last_seq}" if last else ""
        # Listed anew: a segment begun since may hold lines up to that end.
        self._segments = index.segments(directory)
        self._files: dict[str, tuple[Path, BinaryIO]] = {}
        self._after = self._cursor_position()
        self.dropped = 0

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_: object) -> None:
        for _path, file in self._files.values():
            file.close()

    def records(self) -> Iterator[Record]:
        query = self._query
        if query.limit == 0:
            return iter(())
        if query.cursor is not None:
            return islice(self._forward(), query.limit)
        if query.limit is None:
            return self._forward()
        if not query.filters:
            return iter(self._backward(query.limit))
        entries = (entry for entry in self._entries(self._wanted(), newest_first=True) if self._covers(entry))
        return iter(newest(entries, self._filtered, query.limit))

    def _forward(self) -> Iterator[Record]:
        lines = self._lines()
        for record in self._grouped(lines) if self._query.level else lines:
            if (self._ranks.get(record.session, -1), record.seq) > self._after and self._query.takes(record):
                yield record

    def _lines(self) -> Iterator[Record]:
        """Every line there may be something to say about, and (before the cursor) those that tell its level."""
        query, levels, expected = self._query, Levels(), self._after
        for entry in self._entries(list(self._segments) if query.cursor else self._wanted()):
            rank = self._position(entry)[0]
            if (rank, entry.last_seq) > self._after:
                if rank != expected[0]:
                    expected = rank, 0
                if query.cursor:
                    self.dropped += max(0, entry.first_seq - expected[1] - 1)
                expected = rank, entry.last_seq
            if self._covers(entry):
                for each in self._read(entry):
                    yield replace(each, level=levels.of(each))

    def _filtered(self, entries: Iterable[Entry]) -> list[Record]:
        """What the filters take of some entries."""
        levels = Levels()
        lines = (replace(each, level=levels.of(each)) for entry in entries for each in self._read(entry))
        return [each for each in (self._grouped(lines) if self._query.level else lines) if self._query.takes(each)]

    def _grouped(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Each error as one record. An error that is still being printed is left for the next reading."""
        grouper = Grouper()
        self.end_cursor = self._last_cursor
        for record in lines:
            yield from map(joined, grouper.feed(record))
        first = grouper.oldest
        if (
            first
            and (self._query.cursor or self._query.goes_on)
            and time.time_ns() // 1000 - first.time_us < SETTLED_US
        ):
            self.end_cursor = f"{first.session}-{first.seq - 1}"
            return
        yield from map(joined, grouper.flush())

    def _backward(self, limit: int) -> list[Record]:
        """The last lines, unfiltered."""
        found = deque[Record]()
        for entry in self._entries(self._wanted(), newest_first=True):
            if self._covers(entry):
                found.extendleft(reversed(self._read(entry)))
            if len(found) >= limit:
                break
        levels = Levels()
        return [replace(record, level=levels.of(record)) for record in found][-limit:]

    def _wanted(self) -> Sequence[str]:
        wanted = self._query.services
        return [name for name in self._segments if not wanted or is_of(name, wanted)]

    def _covers(self, entry: Entry) -> bool:
        query = self._query
        return (
            (not query.services or is_of(entry.service, query.services))
            and (query.session is None or entry.session == query.session)
            and (query.since is None or entry.time_us >= query.since)
            and (query.until is None or entry.time_us <= query.until)
        )

    def _entries(self, names: Sequence[str], *, newest_first: bool = False) -> Iterator[Entry]:
        each = [
            index.entries(
                self._directory, name, self._segments[name], newest_first=newest_first, is_wanted=self._is_reached
            )
            for name in names
        ]
        for entry in heapq.merge(*each, key=self._position, reverse=newest_first):
            if self._position(entry) <= self._end:
                yield entry

    def _is_reached(self, entry: Entry) -> bool:
        """Whether the reading begins at this entry or before it."""
        rank, seq = self._after
        return (self._query.since is None or entry.time_us >= self._query.since) and (
            (self._ranks.get(entry.session, -1), entry.last_seq) > (rank, seq - CONTEXT)
        )

    def _position(self, entry: Entry) -> Position:
        # A session that is no longer listed is older than those that are.
        return self._ranks.get(entry.session, -1), entry.first_seq

    def _cursor_position(self) -> Position:
        """Where the query's cursor is; before everything when there is none, or its session is forgotten."""
        cursor = parse_cursor(self._query.cursor or "")
        if cursor is None or cursor[0] not in self._ranks:
            return -1, -1
        return self._ranks[cursor[0]], cursor[1]

    def _read(self, entry: Entry) -> list[Record]:
        """The records of an entry; none when its segment was rotated away meanwhile."""
        path, file = self._files.get(entry.service, (None, None))
        if path != entry.path or file is None:
            if file:
                file.close()
            with suppress(FileNotFoundError):
                file = entry.path.open("rb")
                self._files[entry.service] = entry.path, file
        if file is None or file.closed:
            return []
        file.seek(entry.offset)
        return records_of(entry.chunk(file.read(entry.length)), entry.session)
