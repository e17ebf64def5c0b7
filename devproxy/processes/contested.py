"""Which port a child wanted and somebody else has, as far as what it printed tells. Pure.

Only a hint: who asks sees for itself whether the port is held.
"""

import re
from collections.abc import Iterable
from typing import Final

# Node, Python, Go, Ruby, PHP, Rust, .NET; Vite, Django, Flask, gunicorn, Spring. errno 98 is Linux's, 48 macOS's.
_SAYS_SO: Final = re.compile(
    r"EADDRINUSE|AddrInUse|address (?:is )?already in use|\berrno (?:98|48)\b"
    r"|\b(?:port|connection)\b.{0,40}?\b(?:already )?in use",
    re.IGNORECASE,
)
# ":::3000", "127.0.0.1:8000", "('127.0.0.1', 8000)", "port 5173", "port = 8080"
_NUMBER: Final = re.compile(r"(?::|\bport[ =:]{1,3}|['\"], ?)(\d{2,5})\b", re.IGNORECASE)


def ports_in_use(lines: Iterable[str]) -> list[int]:
    """The ports that are named where a line says that an address is in use, in the order of the lines."""
    found: dict[int, None] = {}
    for line in lines:
        if _SAYS_SO.search(line):
            found.update(dict.fromkeys(number for text in _NUMBER.findall(line) if 0 < (number := int(text)) < 65536))
    return list(found)
