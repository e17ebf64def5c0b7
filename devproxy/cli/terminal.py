"""The terminal's modes: keys without Enter while we are in front, and the old modes back on every way out."""

import os
import sys
import termios
from contextlib import suppress
from types import TracebackType
from typing import Any


def in_foreground() -> bool:
    """Whether stdin and stdout are a terminal and this process is in its foreground group (tcgetpgrp(3))."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False


class CharacterMode:
    """A context in which keys arrive one by one, unechoed; signals keep working (termios(3): no ICANON, no ECHO).

    `leave` and `enter` are for a stop and a continuation in between.
    """

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno()
        self._before: list[Any] = []

    def __enter__(self) -> "CharacterMode":
        self._before = termios.tcgetattr(self._fd)
        self.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.leave()

    def enter(self) -> None:
        """Keys one by one."""
        modes = termios.tcgetattr(self._fd)
        modes[3] &= ~(termios.ICANON | termios.ECHO)
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._fd, termios.TCSADRAIN, modes)

    def leave(self) -> None:
        """As it was before."""
        with suppress(termios.error):  # EIO: the window was closed
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)


class RawMode(CharacterMode):
    """A context in which every key is a byte for another terminal, Ctrl-C and Enter too.

    Line ends are made here (OPOST, ONLCR): the terminals of services leave them as they are.
    """

    def enter(self) -> None:
        """Keys as bytes."""
        modes = termios.tcgetattr(self._fd)
        modes[0] &= ~(
            termios.BRKINT
            | termios.ICRNL
            | termios.IGNCR
            | termios.INLCR
            | termios.INPCK
            | termios.ISTRIP
            | termios.IXON
        )
        modes[1] |= termios.OPOST | termios.ONLCR
        modes[3] &= ~(termios.ICANON | termios.ECHO | termios.ECHONL | termios.IEXTEN | termios.ISIG)
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._fd, termios.TCSADRAIN, modes)
