"""What the keys of `devproxy up` mean. Pure: a key goes in, an act or a question comes out.

h help · o open · r restart (all, or one by its number) · l show one service only · c clear · q quit
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Act = Literal["", "help", "open", "restart", "filter", "clear", "quit"]

HELP = (
    ("o", "open the page in the browser"),
    ("r", "restart all services, or one"),
    ("l", "show the lines of one service only, or of all again"),
    ("c", "clear the screen"),
    ("q", "stop everything and quit (as Ctrl-C does)"),
    ("h", "show this"),
)


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a key asks for. services: whom it concerns (empty: all); question: what to ask next."""

    act: Act = ""
    services: tuple[str, ...] = ()
    question: str = ""


class Keys:
    """Reads keys one by one; remembers only which question is open."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = tuple(services)
        self._asked: Literal["", "restart", "filter"] = ""

    def press(self, key: str) -> Pressed:
        """One key."""
        if self._asked:
            return self._answer(key)
        match key:
            case "h" | "?":
                return Pressed("help")
            case "o":
                return Pressed("open")
            case "c":
                return Pressed("clear")
            case "q":
                return Pressed("quit")
            case "r" | "l":
                return self._ask("restart" if key == "r" else "filter")
        return Pressed()

    def _ask(self, what: Literal["restart", "filter"]) -> Pressed:
        if len(self._services) == 1 and what == "restart":
            return Pressed("restart", self._services)
        self._asked = what
        choices = "  ".join(f"{number} {name}" for number, name in enumerate(self._services[:9], 1))
        return Pressed(
            question=f"{'restart' if what == 'restart' else 'show'}:  a all  {choices}   (other keys: nothing)"
        )

    def _answer(self, key: str) -> Pressed:
        what, self._asked = self._asked, ""
        if what == "":
            return Pressed()
        if key in ("a", "r" if what == "restart" else "l", "\r", "\n"):
            return Pressed(what)
        if key.isascii() and key.isdigit() and 1 <= int(key) <= len(self._services):
            return Pressed(what, (self._services[int(key) - 1],))
        return Pressed()
