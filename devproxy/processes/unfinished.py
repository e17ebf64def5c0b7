"""Lines that a child has begun and not ended: shown when nothing follows, and known as questions when they are.

A line's end is what makes it one in the log, so a question (`Continue? [y/N] `, `(Pdb) `) is in none while
it waits. Whether the child reads its terminal, nothing portable tells; the line itself does, well enough: what
compiles, downloads or counts dots says so in other words than what asks.
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

    from devproxy.processes.start import Source

QUIET_SECONDS: Final = 0.01
"""A line that nothing follows for this long is shown. Asked twice at most: it is there within 50 ms."""

ANSWER_SECONDS: Final = 1.5
"""A question that was not answered for so long has perhaps not been seen."""

_COLOUR: Final = re.compile(r"\x1b\[[0-9;:]*m")
_ASKS: Final = re.compile(
    r"(?:(?<![=#-])>|[?:$❯›»])$"  # "Name:", "ipdb>"; but no progress bar's "===>"
    r"|[\[(](?:[a-z]+(?:/[a-z]+)+|y|n|yes|no)[\])]$"  # "[y/N]", "(yes/no)", "(y)"
    r"|^\([\w+.-]+\)$"  # "(Pdb)", "(gdb)"
    r"|\b(?:press|enter|type|password|passphrase|choose|select)\b",
    re.IGNORECASE,
)


def asks(line: str) -> bool:
    """Whether an unfinished line is a question to who sits at the terminal."""
    return _ASKS.search(_COLOUR.sub("", line).strip()) is not None


class Unfinished:
    """Watches one output of a running child. One timer at most, and none while all its lines are whole.

    Args: asked: called once for each line that is a question and that nothing followed for ANSWER_SECONDS.
    """

    def __init__(self, source: "Source", loop: "asyncio.AbstractEventLoop", asked: Callable[[], None]) -> None:
        self._source = source
        self._loop = loop
        self._asked = asked
        self._timer: asyncio.TimerHandle | None = None
        self._is_fresh = False  # something came since the timer was set
        self._is_shown = False  # ... and may be waiting for an answer
        self._has_asked = False

    @property
    def is_waiting(self) -> bool:
        """Whether it will look at the line again by itself."""
        return self._timer is not None

    def fed(self, data: bytes) -> None:
        """The source got these bytes."""
        self._is_fresh = True
        if self._is_shown:
            self.stop()
        if self._has_asked and b"\n" in data:
            self._has_asked = False
        if self._timer is None and self._source.is_unfinished:
            self._wait(QUIET_SECONDS)

    def stop(self) -> None:
        """The output has ended."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._is_shown = None, False

    def _wait(self, seconds: float) -> None:
        self._is_fresh = False
        self._timer = self._loop.call_later(seconds, self._quiet)

    def _quiet(self) -> None:
        self._timer = None
        if not self._source.is_unfinished:
            return
        if self._is_fresh:
            self._wait(QUIET_SECONDS)
        elif not self._is_shown:
            self._source.show_unfinished()
            self._is_shown = True
            self._wait(ANSWER_SECONDS)
        else:
            self._is_shown = False
            if not self._has_asked and asks(self._source.unfinished.decode("utf-8", "replace")):
                self._has_asked = True
                self._asked()
