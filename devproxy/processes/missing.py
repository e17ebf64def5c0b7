"""Did a service's first start fail because a program is not there? Pure."""

import re
from collections.abc import Iterable
from typing import Final

# "sh: 1: vite: not found", "bash: line 1: vite: command not found", "env: 'node': No such file or directory"
_NOT_FOUND: Final = re.compile(
    r"^\S*(?:sh|env|exec)\S*:.*(?:not found|No such file or directory)\s*$"
    r"|^\S+: command not found\s*$|^\S+: command not found: \S+\s*$",
    re.IGNORECASE,
)


def not_found(lines: Iterable[str]) -> str | None:
    """The last line by which a shell, or env(1), says that a program is not there; None: there is none."""
    return next((line.strip() for line in reversed([*lines]) if _NOT_FOUND.match(line.strip())), None)
