"""Did a service's first start fail because a program is not there? Pure."""

import re
from collections.abc import Callable, Iterable
from typing import Final

from devproxy.errors import DevproxyError, MissingProgram
from devproxy.logs.records import Record
from devproxy.processes.lifecycle import Life

NOT_FOUND: Final = 127
"""A shell's exit code for a command that it could not find."""

# "sh: 1: vite: not found", "bash: line 1: vite: command not found", "env: 'node': No such file or directory"
_SAYS_SO: Final = re.compile(
    r"^\S*(?:sh|env|exec)\S*:.*(?:not found|No such file or directory)\s*$"
    r"|^\S+: command not found\s*$|^\S+: command not found: \S+\s*$",
    re.IGNORECASE,
)


def program(
    name: str, life: Life, refusal: DevproxyError | None, printed: Callable[[], Iterable[Record]]
) -> MissingProgram | None:
    """The program that was not there at a service's very first start; None: it did not fail of that.

    Args: refusal: why its child could not be started; printed: the lines of the one that could.
    """
    if life.state != "crashed" or life.generation != 1 or life.was_ready or life.exit is None:
        return None
    if refusal is not None:
        found = refusal if isinstance(refusal, MissingProgram) else None
        return found and MissingProgram(f"{name} cannot start: {found.message}", hint=found.hint)
    if life.exit.code != NOT_FOUND:
        return None
    line = not_found(record.plain for record in printed())
    hint = "install what is missing (npm install, pip install …), or correct the command"
    return MissingProgram(f"{name} cannot start: {line}", hint=hint) if line is not None else None


def not_found(lines: Iterable[str]) -> str | None:
    """The last line by which a shell, or env(1), says that a program is not there; None: there is none."""
    return next((line.strip() for line in reversed([*lines]) if _SAYS_SO.match(line.strip())), None)
