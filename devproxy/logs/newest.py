"""The last lines that a filter takes, from no more of the log than that needs.

Where an error begins, only the lines before tell. So the end of the log is read forward, a window that grows
until it has enough; and what begins in its first second is not believed: an error's lines come within that.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol, TypeVar

from devproxy.logs.records import Record

WINDOW_LINES: Final = 2000  # of the first one; the next has four times as many
SETTLED_US: Final = 1_000_000  # an error whose last line is older than this has no more of them to come


class Piece(Protocol):
    """Some lines: a chunk, or the index entry of one."""

    @property
    def count(self) -> int: ...
    @property
    def time_us(self) -> int: ...


P = TypeVar("P", bound=Piece)


def newest(pieces: Iterable[P], take: Callable[[Sequence[P]], list[Record]], limit: int) -> list[Record]:
    """The last `limit` records that `take` finds.

    Args: pieces: newest first; take: what is taken of a window of them, which it gets oldest first.
    """
    rest, window, lines, wanted = iter(pieces), deque[P](), 0, WINDOW_LINES
    while True:
        for piece in rest:
            window.appendleft(piece)
            lines += piece.count
            if lines >= wanted:
                break
        else:
            return take(window)[-limit:]
        believed = window[0].time_us + SETTLED_US
        found = [record for record in take(window) if record.time_us >= believed]
        if len(found) >= limit:
            return found[-limit:]
        wanted = 4 * lines
