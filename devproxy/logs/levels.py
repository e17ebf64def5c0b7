"""How serious a line is, as far as the line itself says; and which lines are one traceback.

Conservative: a wrong level is worse than none, so a word in the middle of a sentence counts for nothing. Known are
the forms of uvicorn and Python's logging, pino and other JSON logs, logfmt, Vite, esbuild, tsc, npm, Rust, Go and
Node; a line of none of them has no level. Lines of a traceback are errors, as its first line is.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # records need `detect`
    from devproxy.logs.records import Record

LEVELS = ("debug", "info", "warning", "error", "critical")  # ascending
PINO = {10: "debug", 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "critical"}
NAMES = {
    **{name: name for name in LEVELS},
    **{"trace": "debug", "verbose": "debug", "notice": "info", "warn": "warning", "err": "error"},
    **{"fatal": "critical", "panic": "critical", "emerg": "critical", "alert": "critical", "crit": "critical"},
}
UPPER = r"TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL|PANIC"
LOWER = r"trace|debug|info|notice|warn(?:ing)?|error|critical|fatal|emerg|alert|crit"

SGR = re.compile("\x1b\\[[0-9;:]*m")
HEAD = 160  # characters in which a level may stand
JSON = re.compile(r'"(?:level|severity|levelname|log\.level|lvl)"\s*:\s*"?(\w+)')
LOGFMT = re.compile(r'(?:^|\s)(?:level|lvl|severity)="?([A-Za-z]+)\b')
RULES = tuple(
    re.compile(rule)
    for rule in (
        rf"\s*({UPPER})(?::|\s[\s:|\[-]|\s\d|$)",  # INFO:     … | ERROR:root:… | WARN  … | INFO 2024-…
        rf"\W{{0,4}}\[\s*({UPPER}|{LOWER})\s*\]",  # [info] … | ✘ [ERROR] …
        # 10:00:01 INFO … | 2024-01-01 10:00:00,123 - name - ERROR - … | [2024-…] [42] [ERROR] … | 2024/… [error] 7#7:
        rf"\[?\d{{1,4}}[-/:]\d\S*.{{0,60}}?[\s\[(|]({UPPER})(?:[\s\])|:]|$)",
        rf"\[?\d{{1,4}}[-/:]\d\S*.{{0,60}}?\[({LOWER})\]",
        r"(error|warning|warn|fatal|panic)(?:\[\w+\])?: ",  # rustc, cargo, git, Go's panic
        r"\S+(?:\(\d+,\d+\)|:\d+:\d+)(?::| -) (error|warning)\b",  # src/a.ts(3,1): error TS2304, a.c:3:1: warning
        r"npm (ERR|error|WARN|warn)\b",
    )
)
VITE = re.compile(r"(?:\d\d?:\d\d:\d\d(?: [AP]M)? )?\[vite\](?: \(\w+\))? (Internal server error|[Ee]rror|warning)")
FAILED = re.compile(
    r"Traceback \(most recent call last\):|(?:Uncaught )?(?:[A-Za-z_][\w.]*)?(?:Error|Exception)(?: \[\w+\])?(?::|$)"
    r"|error when starting dev server|Unhandled(?:Promise)?Rejection|fatal error: "
)
PYTHON_WARNING = re.compile(r"\S+\.py:\d+: \w*Warning: ")

PYTHON_HEAD = re.compile(r"\s*(?:[+|] )*(?:Exception Group )?Traceback \(most recent call last\):|╭─+ Traceback \(most")
PYTHON_CHAIN = re.compile(r"During handling of the above exception|The above exception was the direct cause")
NODE_FRAME = re.compile(r"\s+at .+(?::\d+|\)|<anonymous>)(?: \{)?$")
NODE_PLACE = re.compile(r"(?:file://)?/\S+:\d+$")
ERROR_HEAD = re.compile(r"(?:Uncaught )?\S*(?:Error|Exception|Rejection)\b")


def detect(text: str) -> str | None:
    """debug, info, warning, error or critical, as the line says; None when it does not say."""
    head = text[: HEAD * 2]
    if "\x1b" in head:
        head = SGR.sub("", head)
    head = head[:HEAD]
    if head.startswith("{"):
        return named(JSON.search(text))
    for rule in RULES:
        if found := rule.match(head):
            return named(found)
    if found := VITE.match(head):
        return "warning" if found[1] == "warning" else "error"
    if FAILED.match(head):
        return "error"
    if PYTHON_WARNING.match(head):
        return "warning"
    return named(LOGFMT.search(head)) if "=" in head else None


def named(found: re.Match[str] | None) -> str | None:
    if not found:
        return None
    word = found[1].lower()
    return PINO.get(int(word)) if word.isascii() and word.isdigit() else NAMES.get(word)


def at_least(level: str | None, wanted: str) -> bool:
    """Whether a line of that level is wanted when `wanted` and worse are; a line without one is not."""
    return level is not None and LEVELS.index(level) >= LEVELS.index(wanted)


class Levels:
    """The level of each line, knowing the lines before it: those of a traceback are errors.

    Lines of one service and stream must come in order; other services may come in between.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], str] = {}  # stream -> the kind of traceback it is in

    def of(self, record: "Record") -> str | None:
        key = record.service, record.stream
        kind = self._open.pop(key, "")
        now, level = step(kind, record.plain, record.level)
        if now:
            self._open[key] = now
        return level


def step(kind: str, text: str, level: str | None) -> tuple[str, str | None]:
    """In which kind of traceback a stream is after a line, and that line's level.

    Kinds: "" none; "python" frames, until the first line that is not indented, which is the exception; "ended"
    after it, where a chained traceback may follow; "head" after an error's line, where Node's frames may follow.
    """
    if PYTHON_HEAD.match(text):
        return "python", "error"
    if kind == "python":
        return ("python" if text[:1] in " \t│╰" and text else "ended"), "error"
    if kind == "ended" and (not text or PYTHON_CHAIN.match(text)):
        return "ended", "error" if text else level
    if kind == "head" and NODE_FRAME.match(text):
        return "head", "error"
    return ("head" if level == "error" else ""), level


def last_traceback(records: Iterable["Record"]) -> list["Record"]:
    """The last traceback in the lines of one service, whole: Python's with what it was chained to, or Node's.

    Returns: its lines in order; [] when there is none.
    """
    lines = list(records)
    texts = [record.plain for record in lines]
    for last in range(len(texts) - 1, -1, -1):
        if NODE_FRAME.match(texts[last]):
            return lines[node_start(texts, last) : node_end(texts, last)]
        if PYTHON_HEAD.match(texts[last]):
            return lines[python_start(texts, last) : python_end(texts, last)]
    return []


def python_end(texts: list[str], head: int) -> int:
    end = head + 1
    kind = "python"
    while end < len(texts) and kind == "python":
        kind, _ = step(kind, texts[end], None)
        end += 1
    return end


def python_start(texts: list[str], head: int) -> int:
    """The head of the first traceback of the chain that ends with the one at `head`."""
    before = head - 1
    while before >= 0 and (not texts[before] or PYTHON_CHAIN.match(texts[before])):
        before -= 1
    if not any(texts[before + 1 : head]):  # nothing between them says that they belong together
        return head
    for start in range(before, -1, -1):
        if PYTHON_HEAD.match(texts[start]):
            return python_start(texts, start)
    return head


def node_start(texts: list[str], frame: int) -> int:
    """The error's line above the frames, and above that the place Node prints when the error was not caught."""
    start = frame
    while start > 0 and NODE_FRAME.match(texts[start - 1]):
        start -= 1
    for up in range(start - 1, max(start - 11, -1), -1):  # a message may have several lines
        if ERROR_HEAD.match(texts[up]):
            start = up
            break
    else:
        start = max(start - 1, 0)
    for up in range(start - 1, max(start - 8, -1), -1):
        if NODE_PLACE.match(texts[up]):
            return up
    return start


def node_end(texts: list[str], frame: int) -> int:
    """After the frames, and after the fields of the error if Node printed them: `{ code: … }`."""
    if texts[frame].endswith("{"):
        for down in range(frame + 1, min(frame + 30, len(texts))):
            if texts[down] == "}":
                return down + 1
    return frame + 1
