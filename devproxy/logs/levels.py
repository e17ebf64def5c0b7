"""How serious a line is, as far as the line itself says.

Conservative: a wrong level is worse than none, so a word in the middle of a sentence counts for nothing. Known are
the forms of uvicorn, Django, Celery and Python's logging, pino, winston and other JSON logs, logfmt and Go's slog,
Rails and Ruby's Logger, log4j and Spring, ASP.NET, Vite, Next, esbuild, tsc, npm, Rust, Go and Node; a line of none of
them has no level. What belongs to an error though it does not say so: tracebacks.py.
"""

import re

from devproxy.logs.records import LEVELS

PINO = {10: "debug", 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "critical"}
NAMES = {
    **{name: name for name in LEVELS},
    **{"trace": "debug", "verbose": "debug", "notice": "info", "warn": "warning", "err": "error"},
    **{"silly": "debug", "dbug": "debug", "trce": "debug", "fail": "error"},
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
        rf"\[?\d{{1,4}}[-/:]\d\S*.{{0,60}}?[\s\[(|]({UPPER})(?:[\s\])|:/]|$)",
        rf"\[?\d{{1,4}}[-/:]\d\S*.{{0,60}}?\[({LOWER})\]",
        rf"[DIWEFAU], \[[^\]]*\]\s+({UPPER}|ANY) --",  # Ruby, Rails: E, [2026-01-31T10:41:00.1 #7] ERROR -- : …
        r"(error|warning|warn|fatal|panic)(?:\[\w+\])?: ",  # rustc, cargo, git, Go's panic
        r"(info|debug|verbose|silly|trce|dbug|fail|crit): ",  # winston's simple form, ASP.NET
        r"\S+(?:\(\d+,\d+\)|:\d+:\d+)(?::| -) (error|warning)\b",  # src/a.ts(3,1): error TS2304, a.c:3:1: warning
        r"npm (ERR|error|WARN|warn)\b",
    )
)
VITE = re.compile(r"(?:\d\d?:\d\d:\d\d(?: [AP]M)? )?\[vite\](?: \(\w+\))? (Internal server error|[Ee]rror|warning)")
NEXT = re.compile(r"\s*([⨯⚠]) ")
STATUS = re.compile(  # an access line whose logger grades it by its status: Django's runserver, Rails
    r"(?:\[\d\d/\w{3}/\d{4} \d\d:\d\d:\d\d\] \".*\" |Completed )([1-5])\d\d\b"
)
BY_STATUS = {"1": "info", "2": "info", "3": "info", "4": "warning", "5": "error"}
EXCEPTION = re.compile(
    r"(?:Uncaught |Unhandled exception\. |Exception in thread \"[^\"]*\" )?"
    r"(?:[A-Za-z_][\w.$]*)?(?:Error|Exception|Throwable)(?: \[\w+\])?(?::|$)"
    r"|(?:[A-Z]\w*::)*[A-Z]\w*(?:Error|Exception|NotFound|Invalid|Missing\w*) \(.*\):$"  # Rails
    r"|\S+\.rb:\d+:in .*\((?:[A-Z]\w*::)*[A-Z]\w*\)$"  # Ruby
    r"|thread '.*' panicked at |panic: |fatal error: |Unhandled(?:Promise)?Rejection"
)
FAILED = re.compile(r"Traceback \(most recent call last\):|error when starting dev server|Internal Server Error: /")
PYTHON_WARNING = re.compile(r"\S+\.py:\d+: \w*Warning: ")


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
    if FAILED.match(head) or EXCEPTION.match(head):
        return "error"
    if found := NEXT.match(head):
        return "error" if found[1] == "⨯" else "warning"
    if found := STATUS.match(head):
        return BY_STATUS[found[1]]
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
