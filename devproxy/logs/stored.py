"""Chunks of the live session, back from the files: what the ring no longer holds."""

import heapq
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from devproxy.logs import index
from devproxy.logs.index import Entry
from devproxy.logs.records import Chunk, is_of, trim


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


def stored_newest_first(directory: Path, session: str, before: int, services: Collection[str]) -> Iterator[Chunk]:
    """What the newest session's files hold ahead of line `before`, the last first; services: only theirs, if any."""
    found = [
        index.entries(directory, service, numbers, newest_first=True, is_wanted=lambda each: each.session == session)
        for service, numbers in index.segments(directory).items()
        if not services or is_of(service, services)
    ]
    for entry in heapq.merge(*found, key=lambda each: each.first_seq, reverse=True):
        if entry.session == session and entry.first_seq < before and (chunk := _chunk(entry)):
            yield chunk


def _chunk(entry: Entry) -> Chunk | None:
    """None: its segment was rotated away meanwhile."""
    with suppress(FileNotFoundError), entry.path.open("rb") as file:
        file.seek(entry.offset)
        return entry.chunk(file.read(entry.length))
    return None
