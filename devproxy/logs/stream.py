"""The log as an event stream: what was printed, then what is, without a line missing or twice.

Events: `line` (a log record), `gap` ({"dropped": n}: lines that this reader was too slow for, or that are
no longer kept; counted over all services), `end` ({}: nothing more comes). The id of a line is SESSION-SEQ, and a
reader that comes back with it goes on behind it: from the ring, and what the ring has lost, from the files.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from itertools import islice

from devproxy import sse
from devproxy.hub.topic import Subscriber, TopicClosed
from devproxy.logs import index
from devproxy.logs.log import Log
from devproxy.logs.query import Query, parse_cursor, read_page
from devproxy.logs.records import Chunk, Record, records_of
from devproxy.logs.tracebacks import Levels

BACKLOG = 100
MAX_BACKLOG = 10_000
HEARTBEAT_SECONDS = 15.0
RETRY_MS = 1000
SLICE = 256  # lines encoded in one turn of the loop, about 3 ms
PAGE = 5000  # lines read from the files in one piece, in a thread


async def stream(
    log: Log,
    *,
    services: Collection[str] = (),
    backlog: int = BACKLOG,
    follow: bool = True,
    last_event_id: str | None = None,
    heartbeat: float = HEARTBEAT_SECONDS,
) -> AsyncIterator[bytes]:
    """The bytes of the stream: the last `backlog` lines of this session, then each line as it is printed.

    Args:
        services: only these, which need not exist yet; empty: all.
        follow: False: end after the backlog.
        last_event_id: the id of the last line that the reader has; then there is no backlog. One of an earlier
            session: all of this session. None, or not ours: as new.
        heartbeat: seconds of silence after which a comment is sent.
    Backpressure: a reader that takes its time falls behind in the ring and gets a `gap`; nobody waits for it.
    Cancel: safe.
    """
    yield sse.retry(RETRY_MS)
    position = resume_after(log, last_event_id)
    if position is None:
        position = log.topic.last  # nothing is awaited before `recent` has read up to here
        for part in encoded(log.recent(services, max(0, min(backlog, MAX_BACKLOG)))):
            yield part
    else:
        while (page := await missed(log, services, position)) is not None:
            dropped, records, position = page
            if dropped:
                yield gap(dropped)
            for part in encoded(records):
                yield part
    reader = log.topic.subscribe(position)
    try:
        async for part in following(reader, log.session_id, services, heartbeat, follow):
            yield part
    finally:
        reader.close()
    yield sse.encode("{}", event="end")


def resume_after(log: Log, last_event_id: str | None) -> int | None:
    """The sequence number of this session to go on behind; None: the reader is new."""
    cursor = parse_cursor(last_event_id or "")
    if cursor is None:
        return None
    session, seq = cursor
    if session == log.session_id:
        return min(seq, log.topic.last)
    return 0 if log.directory and session in index.sessions(log.directory) else None


async def missed(log: Log, services: Collection[str], position: int) -> tuple[int, Sequence[Record], int] | None:
    """A page of what the ring no longer holds: lines lost, records, the position after it; None: all is in the ring."""
    if log.directory is None or position + 1 >= log.topic.first:
        return None
    query = Query(tuple(services), cursor=f"{log.session_id}-{position}", limit=PAGE, session=log.session_id)
    page = await asyncio.to_thread(read_page, log.directory, query)
    _, reached = parse_cursor(page.cursor) or ("", position)
    return (page.dropped, page.records, reached) if reached > position else None


async def following(
    reader: Subscriber[Chunk], session: str, services: Collection[str], heartbeat: float, follow: bool
) -> AsyncIterator[bytes]:
    """What the reader gets; ends when the topic does or, without `follow`, when it has caught up."""
    levels = Levels()
    while True:
        try:
            async with asyncio.timeout(heartbeat):
                batch = await reader.next() if follow else reader.take()
        except TimeoutError:
            yield sse.comment("heartbeat")
            continue
        except TopicClosed:
            return
        if batch.gap:
            yield gap(batch.gap)
        for _, chunk in batch.items:
            if not services or chunk.service in services:
                for part in encoded(records_of(chunk, session), levels):
                    yield part
                    await asyncio.sleep(0)  # a reader that keeps up leaves the others their turn
        if not follow:
            return


def encoded(records: Sequence[Record], levels: Levels | None = None) -> Iterator[bytes]:
    """Records as `line` events, some hundred to a piece."""
    lines = (line(record, levels.of(record) if levels else record.level) for record in records)
    while part := b"".join(islice(lines, SLICE)):
        yield part


def line(record: Record, level: str | None) -> bytes:
    fields = {**record.to_json(), "level": level}
    return sse.encode(json.dumps(fields, ensure_ascii=False), event="line", id=record.id())


def gap(dropped: int) -> bytes:
    return sse.encode(json.dumps({"dropped": dropped}), event="gap")
