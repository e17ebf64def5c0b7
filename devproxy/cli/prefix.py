"""The prefix that says which service printed a line: aligned, and in the service's colour."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from devproxy.logs.records import Chunk

OURS: Final = "devproxy"
# No red, which is for errors; neighbours differ also for who sees no green.
COLORS: Final = ("36", "33", "35", "32", "34", "96", "93", "95", "92", "94")
GREY: Final = "90"
RESET: Final = b"\x1b[0m"
LEVEL_SGR: Final = {"warning": b"\x1b[33m", "error": b"\x1b[31m", "critical": b"\x1b[1;31m"}
SGR: Final = re.compile(rb"\x1b\[[0-9;:]*m")


def prefix(service: str, width: int, color: str | None) -> bytes:
    """`service   | `, padded to `width`; color: an SGR code ("36"), None for none."""
    name = f"{service:<{width}} |"
    return (f"\x1b[{color}m{name}\x1b[0m " if color else f"{name} ").encode()


class Painter:
    """Puts prefixes before lines, a chunk at a time.

    Args: services: those to be expected, which gives the width and each its colour (by the order of the
    names: `up` and `logs` agree); color: False: no escapes at all, the lines' own colours go too.
    """

    def __init__(self, services: Sequence[str], *, color: bool) -> None:
        self._color = color
        self._width = max((len(name) for name in (*services, OURS)), default=0)
        self._colors = {OURS: GREY}
        self._prefixes: dict[str, bytes] = {}
        for name in sorted({*services} - {OURS}):
            self._colors[name] = COLORS[(len(self._colors) - 1) % len(COLORS)]

    def paint(self, chunk: "Chunk") -> bytes:
        """The lines of a chunk, each behind its prefix, fit for a terminal."""
        return self.lines(chunk.service, chunk.data, chunk.level)

    def line(self, service: str, text: str, level: str | None = None) -> bytes:
        """One line behind its prefix."""
        return self.lines(service, text.encode("utf-8", "replace") + b"\n", level)

    def note(self, text: str) -> bytes:
        """A line of devproxy's that is not in the log."""
        return self.lines(OURS, text.encode() + b"\n", "warning")

    def row(self, service: str, text: bytes, columns: int) -> bytes:
        """A line that is not whole yet, in one row of a terminal: of one that is too long, its end."""
        text = text.replace(b"\t", b" ")
        room = max(1, columns - self._width - len(" | ") - 1)  # a full row wraps, and could not be erased
        plain = SGR.sub(b"", text).decode("utf-8", "replace")
        if cells(plain) > room:
            while cells(plain) >= room:
                plain = plain[1 + (cells(plain) - room) // 2 :]  # a character has two cells at most
            text = f"…{plain}".encode()
        return self.lines(service, text + b"\n")[:-1]

    def lines(self, service: str, data: bytes, level: str | None = None) -> bytes:
        """Whole lines, each behind its prefix. A line that sets a colour does not colour the next.

        devproxy's own lines are in the colour of their level; what others print is never coloured by us.
        """
        sgr = LEVEL_SGR.get(level or "", b"") if service == OURS else b""
        if not data.isascii():
            # A byte of 0x80–0x9f alone is a control character for a terminal that is not in UTF-8.
            data = data.decode("utf-8", "replace").encode()
        before, end = self._prefix(service), b"\n"
        if not self._color:
            data = SGR.sub(b"", data) if b"\x1b" in data else data
        elif sgr or b"\x1b" in data:
            before, end = before + sgr, RESET + b"\n"
        return before + data[:-1].replace(b"\n", end + before) + end

    def _prefix(self, service: str) -> bytes:
        if service not in self._prefixes:
            color = self._colors.setdefault(service, COLORS[(len(self._colors) - 1) % len(COLORS)])
            self._prefixes[service] = prefix(service, self._width, color if self._color else None)
        return self._prefixes[service]


def cells(text: str) -> int:
    """The columns that a text takes on a terminal, at most."""
    if text.isascii():
        return len(text)
    from unicodedata import east_asian_width

    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)
