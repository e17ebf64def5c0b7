"""The log as an event stream: what was printed, then what is, without a line missing or twice.

Events: `line` (a log record), `gap` ({"dropped": n}: lines that this reader was too slow for, or that are
no longer kept; counted over all services), `end` ({}: nothing more comes). The id of a line is SESSION-SEQ, and a
reader that comes back with it goes on behind it: from the ring, and what the ring has lost, from the files; also
with an id of an earlier session, whose rest comes first.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

from devproxy import sse
from devproxy.hub.topic import Subscriber, TopicClosed
from devproxy.logs import index
from devproxy.logs.log import Log
from devproxy.logs.newest import SETTLED_US
from devproxy.logs.newest import newest as newest_of
from devproxy.logs.query import CONTEXT, Query, parse_cursor, read_page
from devproxy.logs.records import PART_LINES, Chunk, Record, is_of, parts, records_of
from devproxy.logs.stored import stored_newest_first
from devproxy.logs.tracebacks import Grouper, Levels, joined

EVERYTHING: Final = Query()
BACKLOG: Final = 100
MAX_BACKLOG: Final = 10_000
HEARTBEAT_SECONDS: Final = 15.0
RETRY_MS: Final = 1000
PAGE: Final = 5000  # lines read from the files in one piece, in a thread
PIECE_BYTES: Final = 64 * 1024  # about what is sent at once
SHARED_BYTES: Final = 4 * 1024 * 1024
QUIET_SECONDS: Final = SETTLED_US / 1_000_000  # an error is complete when its service has printed nothing for so long

Place = tuple[str, int]  # session, sequence number: all up to there has been sent


class Encoder:
    """Chunks as events, made once for all readers: two hundred cost little more than one.

    Owns: the events of the newest chunks, SHARED_BYTES of them; a reader further behind makes its own.
    """

    def __init__(self, session: str) -> None:
        self._session = session
        self._made: dict[int, list[bytes]] = {}  # by first number, in their order
        self._size = 0
        self._levels = Levels()
        self._next = 1

    def encode(self, chunk: Chunk) -> list[bytes]:
        """The events of a chunk's lines, in pieces."""
        made = self._made.get(chunk.first_seq)
        if made is not None:
            return made
        is_newest = chunk.first_seq >= self._next
        levels = self._levels if is_newest else Levels()
        records = records_of(chunk, self._session)
        made = list(pieces(replace(record, level=levels.of(record)) for record in records))
        if is_newest:
            self._next = chunk.last_seq + 1
            self._keep(chunk.first_seq, made)
        return made

    def _keep(self, first: int, made: list[bytes]) -> None:
        self._made[first] = made
        self._size += sum(map(len, made))
        while self._size > SHARED_BYTES:
            oldest = next(iter(self._made))
            self._size -= sum(map(len, self._made.pop(oldest)))


async def stream(
    log: Log,
    query: Query = EVERYTHING,
    *,
    backlog: int = BACKLOG,
    follow: bool = True,
    last_event_id: str | None = None,
    heartbeat: float = HEARTBEAT_SECONDS,
    encoder: Encoder | None = None,
) -> AsyncIterator[bytes]:
    """The bytes of the stream: the last `backlog` lines of this session, then each line as it is printed.

    Args:
        query: which lines: its services (which need not exist yet), grep, invert and level. With a level, an error of
            several lines is one record, sent when it is complete.
        follow: False: end after the backlog.
        last_event_id: the id of the last line that the reader has; then there is no backlog. None, or not ours: as new.
        heartbeat: seconds of silence after which a comment is sent.
        encoder: shared by all readers of the log.
    Backpressure: a reader that takes its time falls behind in the ring and gets a `gap`; nobody waits for it.
    Cancel: safe.
    """
    yield sse.retry(RETRY_MS)
    place = resume_after(log, last_event_id)
    if place is None:
        records, position = await newest(log, query, max(0, min(backlog, MAX_BACKLOG)))
        for piece in pieces(records):
            yield piece
            await asyncio.sleep(0)  # the others have their turn
    else:
        while (found := await missed(log, query, place)) is not None:
            dropped, records, place = found
            if dropped:
                yield gap(dropped)
            for piece in pieces(records):
                yield piece
                await asyncio.sleep(0)
        position = place[1] if place[0] == log.session_id else 0
    reader = log.topic.subscribe(position)
    try:
        lines = Lines(query, log.session_id, encoder, after=position)
        lines.recall(chunk for _, chunk in log.topic.since(max(0, position - CONTEXT)))
        async for part in following(reader, lines, heartbeat, follow):
            yield part
    finally:
        reader.close()
    yield sse.encode("{}", event="end")


def resume_after(log: Log, last_event_id: str | None) -> Place | None:
    """Where to go on; None: the reader is new."""
    cursor = parse_cursor(last_event_id or "")
    if cursor is None:
        return None
    session, seq = cursor
    if session == log.session_id:
        return session, min(seq, log.topic.last)
    return cursor if log.directory and session in index.sessions(log.directory) else None


async def newest(log: Log, query: Query, count: int) -> tuple[list[Record], int]:
    """The last `count` lines of this session that a query takes, and the number after which to go on.

    An error that is still being printed is left for what follows.
    """
    position = log.topic.last  # nothing is awaited before the ring has been read up to here
    if not query.filters or not count:
        return log.recent(query.services, count), position
    ring = [chunk for _, chunk in log.topic.since(log.topic.first - 1)]
    return await asyncio.to_thread(_newest, ring, log.directory, query, log.session_id, count, position)


def _newest(
    ring: list[Chunk], directory: Path | None, query: Query, session: str, count: int, position: int
) -> tuple[list[Record], int]:
    """From the ring; what that no longer holds, from the files."""
    after = position

    def take(chunks: Iterable[Chunk]) -> list[Record]:
        nonlocal after
        lines, after = Lines(query, session), position
        found = [record for chunk in chunks for record in lines.take(chunk)]
        if (first := lines.open) and time.time_ns() // 1000 - first.time_us < SETTLED_US:
            after = first.seq - 1
            return found
        return found + lines.flush()

    first = ring[0].first_seq if ring else position + 1
    stored = stored_newest_first(directory, session, first, query.services) if directory else ()
    return newest_of(chain(reversed(ring), stored), take, count), after


async def missed(log: Log, query: Query, place: Place) -> tuple[int, list[Record], Place] | None:
    """A page of what the ring does not hold: lines lost, records, the place after it; None: the rest is in the ring."""
    if log.directory is None or (place[0] == log.session_id and place[1] + 1 >= log.topic.first):
        return None
    wanted = replace(query, cursor=f"{place[0]}-{place[1]}", limit=PAGE)
    page = await asyncio.to_thread(read_page, log.directory, wanted)
    reached = parse_cursor(page.cursor)
    return (page.dropped, page.records, reached) if reached and reached != place else None


class Lines:
    """What a query takes of chunks that come one after the other. after: the number of the last line that was told."""

    def __init__(self, query: Query, session: str, encoder: Encoder | None = None, *, after: int = 0) -> None:
        self._query = query
        self._after = after
        self._session = session
        self._encoder = encoder or Encoder(session)
        self._levels = Levels()
        self._grouper = Grouper()

    @property
    def open(self) -> Record | None:
        """The first line of an error that may not be complete."""
        return self._grouper.oldest

    def recall(self, chunks: Iterable[Chunk]) -> None:
        """What was printed before, for an error that began there."""
        if self._query.level is not None:
            for chunk in chunks:
                if chunk.first_seq <= self._after:
                    deque(self._take(record for record in self._records(chunk) if record.seq <= self._after), maxlen=0)

    def encode(self, chunk: Chunk) -> Iterable[bytes]:
        """The events of the lines that are taken, in pieces."""
        if self._query.filters:
            return pieces(self.take(chunk))
        if self._query.services and not is_of(chunk.service, self._query.services):
            return ()
        return self._encoder.encode(chunk)

    def take(self, chunk: Chunk) -> Iterator[Record]:
        """The records that are taken."""
        return self._take(self._records(chunk))

    def _records(self, chunk: Chunk) -> list[Record]:
        if self._query.services and not is_of(chunk.service, self._query.services):
            return []
        return records_of(chunk, self._session)

    def _take(self, records: Iterable[Record]) -> Iterator[Record]:
        for each in records:
            record = replace(each, level=self._levels.of(each))
            yield from self._taken([[record]] if self._query.level is None else self._grouper.feed(record))

    def settled(self) -> list[Record]:
        """What waited for the end of an error that has said nothing more for a while."""
        if not self._grouper.oldest:
            return []
        return self._taken(self._grouper.settle(time.time_ns() // 1000 - SETTLED_US))

    def flush(self) -> list[Record]:
        """What waited for the end of an error."""
        return self._taken(self._grouper.flush())

    def _taken(self, groups: Iterable[list[Record]]) -> list[Record]:
        records = map(joined, groups)
        return [record for record in records if record.seq > self._after and self._query.takes(record)]


async def following(reader: Subscriber[Chunk], lines: Lines, heartbeat: float, follow: bool) -> AsyncIterator[bytes]:
    """What the reader gets; ends when the topic does or, without `follow`, when it has caught up."""
    loop = asyncio.get_running_loop()
    due = loop.time() + heartbeat  # by then something is sent
    while True:
        if rest := b"".join(pieces(lines.settled())):
            yield rest
            due = loop.time() + heartbeat
        elif loop.time() >= due:
            yield sse.comment("heartbeat")
            due = loop.time() + heartbeat
        wait = due - loop.time()
        try:
            async with asyncio.timeout(min(wait, QUIET_SECONDS) if lines.open else wait):
                batch = await reader.next() if follow else reader.take()
        except TimeoutError:
            continue
        except TopicClosed:
            break
        if batch.gap:
            yield gap(batch.gap)
        async for piece in encoded((chunk for _, chunk in batch.items), lines):
            yield piece
            due = loop.time() + heartbeat
        if not follow:
            break
    if rest := b"".join(pieces(lines.flush())):
        yield rest


async def encoded(chunks: Iterable[Chunk], lines: Lines) -> AsyncIterator[bytes]:
    """The events of chunks, joined to about PIECE_BYTES; the others have their turn after some hundred lines."""
    made: list[bytes] = []
    size = looked_at = 0
    for part in (part for chunk in chunks for part in parts(chunk)):
        for piece in lines.encode(part):
            made.append(piece)
            size += len(piece)
        if size >= PIECE_BYTES:
            yield b"".join(made)
            made, size = [], 0
        looked_at += part.count
        if looked_at >= PART_LINES:
            looked_at = 0
            await asyncio.sleep(0)  # a reader that keeps up leaves the others their turn
    if made:
        yield b"".join(made)
        await asyncio.sleep(0)


def pieces(records: Iterable[Record]) -> Iterator[bytes]:
    """Records as `line` events, some hundred to a piece."""
    parts: list[bytes] = []
    size = 0
    for record in records:
        event = sse.encode(json.dumps(record.to_json(), ensure_ascii=False), event="line", id=record.id())
        parts.append(event)
        size += len(event)
        if size >= PIECE_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def gap(dropped: int) -> bytes:
    return sse.encode(json.dumps({"dropped": dropped}), event="gap")
