"""The same traceback again, told in one line: `ValueError: bad  ×37 since 10:41 (the same traceback)`.

For people at a terminal; scripts get every line. A traceback that was shown before is recognised while it comes: its
lines are held back as long as they are those of a known one, and shown after all if they go on otherwise.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from devproxy.logs.levels import EXCEPTION
from devproxy.logs.records import Record
from devproxy.logs.tracebacks import Grouper, is_traceback

# What differs from one time to the next: moments, addresses, goroutines and ids.
PASSING: Final = re.compile(
    r"\d{4}[-/]\d\d[-/]\d\d[T ]?|\d\d/\w{3}/\d{4}|\d\d:\d\d:\d\d[.,\d]*(?:Z|[+-]\d\d:?\d\d)?|goroutine \d+"
    r"|\b0x[0-9a-fA-F]+|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
)
MOST: Final = 50  # tracebacks of a stream that are known, the newest

Block = tuple[str, ...]  # the lines of a traceback, without what is passing


@dataclass(slots=True)
class Seen:
    """A traceback that was shown. since_us: when it came first."""

    since_us: int
    count: int = 1


@dataclass(slots=True)
class Stream:
    """One stream of a service. held: lines that are those of a known traceback, so far."""

    known: dict[Block, Seen] = field(default_factory=dict)
    held: list[Record] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fold:
    """A traceback that was known, in the line that stands for it."""

    block: Block
    line: Record


class Folder:
    """Takes records in their order and gives back those to show."""

    def __init__(self) -> None:
        self._grouper = Grouper()
        self._streams: dict[tuple[str, str], Stream] = {}
        self._fold: Fold | None = None  # not shown yet: the next one, if it is the same, takes its place

    def feed(self, record: Record) -> list[Record]:
        """What is to be shown now."""
        stream = self._stream_of(record)
        if record.lines > 1:
            return self._show([self._whole(stream, record)])
        given_up = [] if self._goes_on(stream, record) else self._give_up(stream)
        for group in self._grouper.feed(record):  # after: what is complete now was not known when it came
            if is_traceback(group):
                self._learn(self._stream_of(group[0]), block_of(group), group[0].time_us)
        if not self._goes_on(stream, record):
            return self._show([*given_up, record])
        stream.held.append(record)
        block = block_of(stream.held)
        if block not in stream.known or any(is_longer(other, block) for other in stream.known):
            return self._show(given_up)
        stream.held = []
        return self._show([*given_up, self._folded(stream, block, record)])

    def settle(self) -> list[Record]:
        """The line of a fold that may have been the last."""
        fold, self._fold = self._fold, None
        return [fold.line] if fold else []

    def flush(self) -> list[Record]:
        """Everything held back: nothing came for a while, or nothing more will."""
        return self._show([each for stream in self._streams.values() for each in self._give_up(stream)]) + self.settle()

    def _stream_of(self, record: Record) -> Stream:
        return self._streams.setdefault((record.service, record.stream), Stream())

    def _whole(self, stream: Stream, error: Record) -> Record | Fold:
        """An error that comes as one record."""
        block = tuple(map(lasting, error.plain.split("\n")))
        if block in stream.known:
            return self._folded(stream, block, replace(error, raw=None, lines=1))
        self._learn(stream, block, error.time_us)
        return error

    def _goes_on(self, stream: Stream, record: Record) -> bool:
        """Whether a known traceback goes on, or begins, with this line."""
        block = block_of([*stream.held, record])
        return any(other == block or is_longer(other, block) for other in stream.known)

    def _give_up(self, stream: Stream) -> list[Record | Fold]:
        """What was held, and is not going on: a known traceback perhaps, and lines after it."""
        held, stream.held = stream.held, []
        for count in range(len(held), 1, -1):
            if (block := block_of(held[:count])) in stream.known:
                return [self._folded(stream, block, held[count - 1]), *held[count:]]
        return [*held]

    def _learn(self, stream: Stream, block: Block, since_us: int) -> None:
        if block not in stream.known:
            stream.known[block] = Seen(since_us)
            if len(stream.known) > MOST:
                del stream.known[next(iter(stream.known))]

    def _folded(self, stream: Stream, block: Block, last: Record) -> Fold:
        seen = stream.known[block]
        seen.count += 1
        what = next((text for text in reversed(block) if EXCEPTION.match(text)), block[-1])
        since = datetime.fromtimestamp(seen.since_us / 1_000_000)
        text = f"{what}  ×{seen.count} since {since:%H:%M} (the same traceback)"
        return Fold(block, replace(last, text=text, raw=None))

    def _show(self, found: Iterable[Record | Fold]) -> list[Record]:
        shown: list[Record] = []
        for each in found:
            if isinstance(each, Fold) and self._fold and self._fold.block == each.block:
                self._fold = each
                continue
            shown += self.settle()
            if isinstance(each, Fold):
                self._fold = each
            else:
                shown.append(each)
        return shown


def is_longer(other: Block, block: Block) -> bool:
    """Whether `other` begins with `block` and goes on."""
    return len(other) > len(block) and other[: len(block)] == block


def block_of(records: Iterable[Record]) -> Block:
    return tuple(lasting(record.plain) for record in records)


def lasting(text: str) -> str:
    """A line without what differs from one time to the next."""
    return PASSING.sub("…", text)
