"""Did an error end a start, although the process that we started lives? Pure.

A reloader (`uvicorn --reload`, `node --watch`, `runserver`) whose code is broken from the beginning waits for the next
save, and nothing of it will listen until then. A start that takes its time looks the same but for two things: the
runtime of a broken one has said that an error ended it, and what is left does nothing. Both are asked for. A traceback
alone proves nothing (handled errors are logged with theirs), nor does silence, nor a process that has ended.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from devproxy.logs.records import Record
from devproxy.logs.tracebacks import last_traceback

REST_SECONDS: Final = 2.0
"""So long must it rest: not print, not listen, start and end no process, and hardly work."""

WORKING: Final = 0.1
"""Who uses more than this of a core works: a compiler or an import does, on a busy machine, too."""

LINES_AFTER: Final = 10
"""What is printed after the error, at most: what the reloader has to say about it."""

_SAYS_SO: Final = re.compile(
    r"^Process \S*Process\S*-[\d:]+:$"  # Python's multiprocessing: uvicorn's and hypercorn's reloaders
    r"|^Exception in thread \S*main\S*\b.*:$"  # Python's threading: Django's
    r"|^ERROR:\s+(?:Error loading ASGI app\.|Application startup failed\. Exiting\.)"  # uvicorn, without an exception
    r"|^Node\.js v\d+\.\d+"  # Node ends so what it prints of an exception that nobody has caught
)


def says_an_error_ended_it(records: Sequence[Record]) -> bool:
    """Whether the last thing that these lines of a service tell is that an error ended its worker.

    Only a hint: who asks sees for itself whether the rest goes on.
    """
    printed = [record for record in records if record.plain.strip()]
    error = last_traceback(records)
    if not error:
        news = printed[-LINES_AFTER:]
    else:
        announced = [record for record in printed if record.seq < error[0].seq][-1:]
        after = [record for record in printed if record.seq > error[-1].seq]
        news = [*announced, *after] if len(after) <= LINES_AFTER else []
    return any(_SAYS_SO.search(record.plain.strip()) for record in news)


@dataclass(frozen=True, slots=True)
class Look:
    """What a service does. last_line: the number of its newest line; pids: its processes; cpu_seconds: what these have
    used; moment: when it was."""

    last_line: int
    pids: frozenset[int]
    cpu_seconds: float
    moment: float


def is_at_rest(before: Look, now: Look) -> bool:
    """Whether it has hardly done anything in between."""
    if (before.last_line, before.pids) != (now.last_line, now.pids):
        return False
    return now.cpu_seconds - before.cpu_seconds <= WORKING * (now.moment - before.moment)
