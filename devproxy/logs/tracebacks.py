"""Which lines are one error: a traceback with what announces it, causes it and belongs to it.

Known are Python's (chained ones, groups), Node's, Java's, Ruby's and Rails', Go's, Rust's and .NET's. A line is
judged by the one before it (`step`), so that lines can be graded as they are printed:

    none ── an error's log line ──> log ── exception ──> head ── frame ──> frames ── cause, frame ──> frames
      ├── exception ──> head         └── Traceback ──> python ── last line ──> ended ── "During handling …" ──> chained
      └── file:line (Node) ──> place ── exception ──> head                       head ── goroutine ──> go

Lines between an exception and its first frame (a message of several lines), and blank ones, belong to it only if
a frame follows: until then they are "maybe".
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, Literal, NamedTuple

from devproxy.logs.levels import EXCEPTION
from devproxy.logs.records import LEVELS, Record

Verdict = Literal["out", "new", "perhaps", "in", "maybe"]

MESSAGE_LINES: Final = 10  # of an exception, before its frames
PLACE_LINES: Final = 8  # of source, between Node's file:line and the exception
BLANK_LINES: Final = 3
FIELD_LINES: Final = 60  # of Node's `{ code: … }` after the frames
TOLD: Final = 500  # characters of a line that are looked at: some expressions go back and forth in them
LONGEST: Final = 1000  # lines of one error; what follows is another
WAITING: Final = 1000  # records held back by errors that are not complete

PYTHON = re.compile(r"\s*(?:[+|] )*(?:Exception Group )?Traceback \(most recent call last\):|╭─+ Traceback \(most")
PYTHON_CHAIN = re.compile(r"During handling of the above exception|The above exception was the direct cause")
FRAME = re.compile(
    r"\s+at .+(?::\d+|:line \d+|\)|<anonymous>)(?: \{| ~?\[[^][]*\])?$"  # Node, Java, .NET
    r"|\s*(?:from |\d+: from )?\S+\.(?:rb|erb|haml|slim|rake|ru):\d+:in (?!.*\([A-Z][\w:]*\)$)"  # Ruby, Rails
    r"|\s+\d+: \S"  # Rust
)
CAUSE = re.compile(
    r"\s*(?:Caused by: |Suppressed: |\.\.\. \d+ (?:more|common frames)|\.\.\. \d+ lines matching|\[cause\]: )"
)
NODE_PLACE = re.compile(r"(?:file://)?/\S+:\d+$")
NODE_HEAD = re.compile(r"(?:Uncaught )?\S*(?:Error|Exception|Rejection)\b")
GO_START = re.compile(r"goroutine \d+ \[|\[signal ")
GO = re.compile(r"goroutine \d+ \[|\[signal |\t|created by |exit status \d|\S[^\s(]*\(.*\)$|\.\.\.\S* ")


class State(NamedTuple):
    """Where in an error a stream is; `loose` counts the lines that may belong to it."""

    kind: str = ""
    loose: int = 0


NONE: Final = State()


def step(state: State, text: str, level: str | None) -> tuple[State, Verdict]:
    """The state after a line, and whether it belongs to the error; "new" begins another one, "perhaps" may."""
    kind, loose = state
    text = text[:TOLD]
    if PYTHON.match(text):
        is_inside = kind in ("log", "chained") or (kind == "python" and text[:1] in " \t")
        return State("python"), "in" if is_inside else "new"
    match kind:
        case "python":
            if text:
                return State("python" if text[0] in " \t│╰|+" else "ended"), "in"
        case "ended" | "chained":
            if PYTHON_CHAIN.match(text):
                return State("chained"), "in"
            if not text and loose < BLANK_LINES:
                return State(kind, loose + 1), "maybe"
        case "place" if NODE_HEAD.match(text):
            return State("head"), "in"
        case "place" if loose < PLACE_LINES and level is None:
            return State(kind, loose + 1), "maybe"
        case "go":
            if GO.match(text):
                return State("go"), "in"
            if not text and loose < BLANK_LINES:
                return State(kind, loose + 1), "maybe"
        case "fields" if loose < FIELD_LINES:
            return (NONE if text == "}" else State(kind, loose + 1)), "in"
        case "log" | "head" | "frames" if FRAME.match(text):
            return State("fields" if text.endswith(" {") else "frames"), "in"
        case "frames" if CAUSE.match(text):
            return State("frames"), "in"
        case "log" | "head" if GO_START.match(text):
            return State("go"), "in"
        case "log" if EXCEPTION.match(text):
            return State("head"), "in"
        case "log" if not text and loose < BLANK_LINES:
            return State(kind, loose + 1), "maybe"
        case "head" if level is None and loose < MESSAGE_LINES and not NODE_PLACE.match(text):
            return State(kind, loose + 1), "maybe"
    return _first(text, level)


def _first(text: str, level: str | None) -> tuple[State, Verdict]:
    if EXCEPTION.match(text):
        return State("head"), "new"
    if level in ("error", "critical"):
        return State("log"), "new"
    return (State("place"), "perhaps") if NODE_PLACE.match(text) else (NONE, "out")


def worse(one: str | None, other: str | None) -> str | None:
    """The more serious of two levels."""
    return max((one, other), key=lambda level: -1 if level is None else LEVELS.index(level))


class Levels:
    """The level of each line, knowing the lines before it: those of a traceback are errors.

    Lines of one service and stream must come in order; others may come in between.
    """

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], State] = {}  # of the streams that are in an error

    def of(self, record: Record) -> str | None:
        key = record.service, record.stream
        state, verdict = step(self._states.pop(key, NONE), record.plain, record.level)
        if state.kind:
            self._states[key] = state
        return worse(record.level, "error") if verdict in ("in", "new") else record.level


class Group:
    """The lines of what may be one error; the first `sure` of them are."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.sure = 0


class Grouper:
    """Puts the lines of an error together. Others pass one by one.

    Lines of one session, service and stream must come in order. What comes out is in the order of the last lines:
    while an error is not complete, later lines wait for it.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], tuple[State, Group]] = {}
        self._ready: list[list[Record]] = []
        self._session = ""

    @property
    def oldest(self) -> Record | None:
        """The first line of what waits for the end of an error; None: nothing does."""
        return min((group.records[0] for _, group in self._open.values()), key=lambda one: one.seq, default=None)

    def feed(self, record: Record) -> list[list[Record]]:
        """Take a line; the groups that are complete now, an ordinary line being one of its own."""
        done = self.flush() if record.session != self._session else []
        self._session = record.session
        key = record.service, record.stream
        state, group = self._open.pop(key, (NONE, None))
        state, verdict = step(state, record.plain, record.level)
        if group and (verdict in ("new", "perhaps", "out") or len(group.records) >= LONGEST):
            self._complete(group)
            group = None
        if verdict == "out":
            self._ready.append([record])
        else:
            group = group or Group()
            group.records.append(record)
            if verdict in ("new", "in"):
                group.sure = len(group.records)
            if state.kind:
                self._open[key] = state, group
            else:
                self._complete(group)
        return done + (self.flush() if len(self._ready) > WAITING else self._release())

    def settle(self, before_us: int) -> list[list[Record]]:
        """What is complete because the last line of no error is younger than that."""
        for key, (_, group) in tuple(self._open.items()):
            if group.records[-1].time_us < before_us:
                self._complete(self._open.pop(key)[1])
        return self._release()

    def flush(self) -> list[list[Record]]:
        """Everything that waits: nothing came for a while, or nothing more will."""
        for _, group in self._open.values():
            self._complete(group)
        self._open.clear()
        return self._release()

    def _complete(self, group: Group) -> None:
        if group.sure:
            self._ready.append(group.records[: group.sure])
        self._ready += [[record] for record in group.records[group.sure :]]

    def _release(self) -> list[list[Record]]:
        """What comes before all that is not complete."""
        ready = sorted(self._ready, key=lambda group: group[-1].seq)
        oldest = self.oldest
        end = len(ready) if oldest is None else bisect_left(ready, oldest.seq, key=lambda group: group[-1].seq)
        self._ready = ready[end:]
        return ready[:end]


def is_traceback(group: Sequence[Record]) -> bool:
    """Whether an error says where it happened."""
    texts = [record.plain[:TOLD] for record in group]
    return len(group) > 1 and any(PYTHON.match(text) or FRAME.match(text) or GO_START.match(text) for text in texts)


def joined(group: Sequence[Record]) -> Record:
    """An error as one record: the number of its last line, so that a reader goes on after it; the time of its first."""
    if len(group) == 1:
        return group[0]
    level: str | None = None
    for record in group:
        level = worse(level, record.level)
    return replace(
        group[-1],
        time_us=group[0].time_us,
        text="\n".join(record.text for record in group),
        level=worse(level, "error"),
        raw=None if all(record.raw is None for record in group) else b"\n".join(record.data for record in group),
        lines=len(group),
    )


def last_traceback(records: Iterable[Record]) -> list[Record]:
    """The last traceback in the lines of one service, whole: with what announced it and what it was chained to.

    Returns: its lines in order; [] when there is none.
    """
    grouper, last = Grouper(), list[Record]()
    for group in [group for record in records for group in grouper.feed(record)] + grouper.flush():
        if is_traceback(group):
            last = group
    return last
