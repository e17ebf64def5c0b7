"""What the keys of `devproxy up` mean. Pure: a key goes in, an act or a question comes out.

h help · o open · r restart (all, or one by its number) · l show one service only · a attach to one · c clear
q quit
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Act = Literal["", "help", "open", "restart", "filter", "attach", "clear", "quit"]
Question = Literal["restart", "filter", "attach"]

HELP = (
    ("o", "open the page in the browser"),
    ("r", "restart all services, or one"),
    ("l", "show the lines of one service only, or of all again"),
    ("a", "attach to a service: answer its question, use its debugger"),
    ("c", "clear the screen"),
    ("q", "stop everything and quit (as Ctrl-C does)"),
    ("h", "show this"),
)


ASKS: Mapping[str, Question] = {"r": "restart", "l": "filter", "a": "attach"}
WORDS: Mapping[Question, str] = {
    "restart": "restart:  a all",
    "filter": "show:  a all",
    "attach": "attach to:  a who asks",
}


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a key asks for. services: whom it concerns (empty: all; to attach to: the one that waits for input);
    question: what to ask next."""

    act: Act = ""
    services: tuple[str, ...] = ()
    question: str = ""


class Keys:
    """Reads keys one by one; remembers only which question is open."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = tuple(services)
        self._asked: Question | None = None

    def offer(self, services: Sequence[str]) -> None:
        """These are the services now; a question that is open is answered by those that it offered."""
        if self._asked is None:
            self._services = tuple(services)

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
        if key in ASKS:
            return self._ask(ASKS[key])
        return Pressed()

    def _ask(self, what: Question) -> Pressed:
        if len(self._services) == 1 and what != "filter":
            return Pressed(what, self._services)
        self._asked = what
        choices = "  ".join(f"{number} {name}" for number, name in enumerate(self._services[:9], 1))
        return Pressed(question=f"{WORDS[what]}  {choices}   (other keys: nothing)")

    def _answer(self, key: str) -> Pressed:
        what, self._asked = self._asked, None
        if what is None:
            return Pressed()
        if key in ("a", "\r", "\n") or ASKS.get(key) == what:
            return Pressed(what)
        if key.isascii() and key.isdigit() and 1 <= int(key) <= len(self._services):
            return Pressed(what, (self._services[int(key) - 1],))
        return Pressed()
