"""Event streams: server-sent events out of the session's topics.

Source: WHATWG HTML §9.2. A stream says how soon to come back, sends a comment every 15 s (so that each
side notices when the other has gone), and ends when its topic does.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from fastapi.responses import StreamingResponse

from devproxy import sse
from devproxy.hub.topic import Batch, Subscriber, TopicClosed

T = TypeVar("T")

HEARTBEAT_SECONDS = 15.0
RETRY_MS = 500
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event_stream(events: AsyncIterator[bytes]) -> StreamingResponse:
    """An answer made of encoded events."""
    return StreamingResponse(events, media_type=sse.CONTENT_TYPE, headers=HEADERS)


def encode(data: Any, **fields: Any) -> bytes:
    """One event whose data is JSON. Args: fields: those of sse.encode."""
    return sse.encode(json.dumps(data, ensure_ascii=False), **fields)


async def relay(
    subscriber: Subscriber[T],
    show: Callable[[int, T], bytes | None],
    *,
    first: bytes,
    lost: Callable[[int], bytes] | None = None,
    heartbeat: float = HEARTBEAT_SECONDS,
) -> AsyncIterator[bytes]:
    """Everything a subscriber gets, encoded.

    Args: show: an item as an event, None to leave it out; first: sent at once; lost: how to tell a gap.
    Owns: the subscriber. Cancel: safe.
    Backpressure: a client that reads slowly falls behind in the topic and is told the gap.
    """
    try:
        yield first
        loop = asyncio.get_running_loop()
        due = loop.time() + heartbeat  # by then something is sent, also when all that happens is left out
        while True:
            batch = await next_batch(subscriber, due - loop.time())
            shown = [lost(batch.gap)] if batch.gap and lost else []
            shown += [event for seq, item in batch.items if (event := show(seq, item)) is not None]
            if not shown and loop.time() >= due:
                shown = [sse.comment()]
            if shown:
                yield b"".join(shown)
                due = loop.time() + heartbeat
    except TopicClosed:
        return
    finally:
        subscriber.close()


async def next_batch(subscriber: Subscriber[T], within: float) -> Batch[T]:
    """The next batch; an empty one when nothing came in time. Raises: TopicClosed."""
    try:
        async with asyncio.timeout(within):
            return await subscriber.next()
    except TimeoutError:
        return Batch([])
