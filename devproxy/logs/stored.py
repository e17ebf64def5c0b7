"""Chunks of the live session, back from the files: for a reader of chunks that the ring has left behind."""

import heapq
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from devproxy.logs import index
from devproxy.logs.index import Entry
from devproxy.logs.records import Chunk, trim


def stored(directory: Path, session: str, after: int, before: int, *, service: str | None = None) -> Iterator[Chunk]:
    """What the newest session's files hold past line `after` and ahead of line `before`, in order.

    Args: service: only this one's. Whatever was rotated away, or never reached the disk, is missing.
    """

    def is_wanted(entry: Entry) -> bool:
        return entry.session == session and entry.last_seq > after

    found = [
        index.entries(directory, name, numbers, is_wanted=is_wanted)
        for name, numbers in index.segments(directory).items()
        if service in (None, name)
    ]
    for entry in heapq.merge(*found, key=lambda each: each.first_seq):
        if entry.first_seq >= before:
            return
        if is_wanted(entry) and (chunk := _chunk(entry)):
            yield trim(chunk, after + 1 - chunk.first_seq) if chunk.first_seq <= after else chunk


def _chunk(entry: Entry) -> Chunk | None:
    """None: its segment was rotated away meanwhile."""
    with suppress(FileNotFoundError), entry.path.open("rb") as file:
        file.seek(entry.offset)
        return entry.chunk(file.read(entry.length))
    return None
