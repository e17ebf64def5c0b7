"""Waiting for a line: what makes a service ready that says so itself."""

import asyncio
import re
from collections.abc import Iterable

from devproxy.hub.topic import TopicClosed
from devproxy.logs.log import Log
from devproxy.logs.records import Chunk, records_of
from devproxy.logs.stored import stored


async def printed(log: Log, service: str, pattern: re.Pattern[str], after: int) -> None:
    """Wait until a service prints a line that matches, after the log's line of this number; for ever if the log ends.

    However much others print meanwhile: what they have pushed out of the ring is read from the files.
    """
    reader = log.topic.subscribe(after)
    try:
        while True:
            begin, batch = reader.position, await reader.next()
            if batch.gap and log.directory is not None:
                lost = stored(log.directory, log.session_id, begin, begin + batch.gap + 1, service=service)
                if await asyncio.to_thread(_matches, lost, service, pattern):
                    return
            if _matches((chunk for _, chunk in batch.items), service, pattern):
                return
    except TopicClosed:
        await asyncio.get_running_loop().create_future()  # the session ends, and this wait with it
    finally:
        reader.close()


def _matches(chunks: Iterable[Chunk], service: str, pattern: re.Pattern[str]) -> bool:
    return any(
        pattern.search(record.plain) for chunk in chunks if chunk.service == service for record in records_of(chunk)
    )
