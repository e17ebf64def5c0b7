"""A topic: one bounded ring of numbered items, and readers that are only a cursor.

An item of weight n takes n sequence numbers (a chunk of n log lines: a number a line). The ring holds at
most `capacity` numbers, so the memory is the ring's whatever the readers do: publishing never waits, and a
reader that fell behind gets what is still there and the count of what is not.

Everything here belongs to one thread. Publishing and subscribing need no event loop; only `Subscriber.next`
does, and only when there is nothing to hand out.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


class TopicClosed(Exception):
    """The topic (or this subscription) was closed and everything it held was handed out."""


class Entry(NamedTuple, Generic[T]):
    first: int
    weight: int
    size: int
    item: T


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """What came since the last one: items, each with its first sequence number, and what was lost before them."""

    items: list[tuple[int, T]]
    gap: int = 0


class Topic(Generic[T]):
    """A ring of numbered items.

    Args:
        capacity: sequence numbers held; the newest item stays even if it alone weighs more.
        start: the first sequence number.
        max_size: bound of the summed `size` of the items held (bytes, say); None: only `capacity` counts.
        trim: cuts the first n numbers off an item, for a subscriber that starts inside it; without one, such
            a subscriber gets the item whole, under the item's own first number.
    Backpressure: none, on purpose: publishing never waits; the slow reader loses its oldest items.
    """

    def __init__(
        self,
        capacity: int,
        start: int = 1,
        *,
        max_size: int | None = None,
        trim: Callable[[T, int], T] | None = None,
    ) -> None:
        self._capacity = capacity
        self._max_size = max_size
        self._trim = trim
        self._entries: deque[Entry[T]] = deque()
        self._next = start
        self._weight = 0
        self._size = 0
        self._waiting: set[asyncio.Future[None]] = set()  # made by _changed
        self.closed = False

    @property
    def first(self) -> int:
        """The oldest sequence number still held; the next one to come when nothing is."""
        return self._entries[0].first if self._entries else self._next

    @property
    def last(self) -> int:
        """The newest sequence number given out; start - 1 when there was none."""
        return self._next - 1

    def publish(self, item: T, weight: int = 1, size: int = 0) -> int:
        """Append an item and wake who waits; return its first sequence number. Never blocks.

        Raises: TopicClosed: nobody will ever read it.
        """
        if self.closed:
            raise TopicClosed
        first = self._next
        self._next += weight
        self._entries.append(Entry(first, weight, size, item))
        self._weight += weight
        self._size += size
        while self._is_overfull() and len(self._entries) > 1:
            gone = self._entries.popleft()
            self._weight -= gone.weight
            self._size -= gone.size
        self._wake()
        return first

    def subscribe(self, after: int | None = None) -> "Subscriber[T]":
        """A reader of everything past sequence number `after`; None: of what comes from now on."""
        return Subscriber(self, self.last if after is None else min(after, self.last))

    def since(self, after: int) -> list[tuple[int, T]]:
        """The items held past sequence number `after`, oldest first, each with its first number."""
        found: list[tuple[int, T]] = []
        for entry in reversed(self._entries):  # from the new end: a reader is seldom far behind
            if entry.first + entry.weight - 1 <= after:
                break
            if entry.first <= after and self._trim:
                found.append((after + 1, self._trim(entry.item, after + 1 - entry.first)))
            else:
                found.append((entry.first, entry.item))
        found.reverse()
        return found

    def close(self) -> None:
        """Nothing more comes: readers get what is left, then TopicClosed. Closing twice is fine."""
        self.closed = True
        self._wake()

    def _is_overfull(self) -> bool:
        return self._weight > self._capacity or (self._max_size is not None and self._size > self._max_size)

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def _changed(self) -> None:
        import asyncio  # whoever waits has it; whoever only publishes need not pay for it (40 ms)

        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)


class Subscriber(Generic[T]):
    """A cursor into a topic. One task reads it; it holds nothing of the ring."""

    def __init__(self, topic: Topic[T], position: int) -> None:
        self._topic = topic
        self._closed = False
        self.position = position  # the last sequence number handed out (or lost)

    async def next(self) -> Batch[T]:
        """All that came since the last batch, waiting for something when there is nothing yet.

        Raises: TopicClosed: closed, and nothing is left.
        Cancel: safe; what was not handed out is handed out by the next call.
        """
        while True:
            batch = self.take()
            if batch.items:
                return batch
            if self._closed or self._topic.closed:
                raise TopicClosed
            await self._topic._changed()

    def take(self) -> Batch[T]:
        """What there is now, without waiting; no items when there is nothing new."""
        if self._closed or self.position >= self._topic.last:
            return Batch([])
        gap = max(0, self._topic.first - self.position - 1)
        items = self._topic.since(self.position + gap)
        self.position = self._topic.last
        return Batch(items, gap)

    def close(self) -> None:
        """Stop reading: a `next` that waits ends with TopicClosed."""
        self._closed = True
        self._topic._wake()
