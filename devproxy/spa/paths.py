"""A request's target becomes the parts of a path below the root, decoded exactly once. Pure."""

import os
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, unquote_to_bytes

# A path that no file system takes; refused before it is decoded (PATH_MAX of limits.h).
MAX_TARGET = 4096

WELL_KNOWN = ".well-known"  # RFC 8615

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# NUL ends a C string, a backslash separates elsewhere, control characters split header fields.
_FORBIDDEN = re.compile(rb"[\x00-\x1f\x7f\\]")
_ENCODED_SLASH = re.compile(rb"%2f", re.IGNORECASE)

Verdict = Literal["file", "route", "never"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a target asks for.

    verdict: "file": look for it; "route": no file can have this path, but an app's own route may
    (an encoded or doubled slash); "never": not to be answered with anything.
    parts: names below the root; directory: the target ends in a slash.
    """

    verdict: Verdict
    parts: tuple[str, ...] = ()
    directory: bool = False

    @property
    def is_well_known(self) -> bool:
        return self.parts[:1] == (WELL_KNOWN,)


NEVER = Wanted("never")
ROUTE = Wanted("route")


def read_target(path: bytes, prefix: str = "/") -> Wanted:
    """Read the path of a target (raw bytes, without the query), served under `prefix`.

    `..`, NUL, a backslash, a broken escape and dotfiles are "never" (except /.well-known/); what was
    encoded twice names a file with a percent sign.
    """
    below = _below_prefix(path, prefix)
    if below is None or len(path) > MAX_TARGET or _BAD_ESCAPE.search(below):
        return NEVER
    decoded = unquote_to_bytes(below)
    if _FORBIDDEN.search(decoded):
        return NEVER
    parts = tuple(os.fsdecode(part) for part in decoded.split(b"/"))
    directory = parts[-1] == ""
    names = parts[:-1] if directory else parts
    if any(is_hidden(name, first=position == 0) for position, name in enumerate(names)):
        return NEVER
    if _ENCODED_SLASH.search(below) or "" in names:
        return ROUTE
    return Wanted("file", names, directory)


def is_hidden(name: str, *, first: bool) -> bool:
    """Whether a name is a dotfile's, `.` or `..`; /.well-known is the one exception."""
    return name.startswith(".") and not (first and name == WELL_KNOWN)


def directory_location(parts: tuple[str, ...], prefix: str, query: bytes) -> bytes:
    """Where a directory asked for without its slash really is.

    A path of one origin only: it is built from non-empty parts, so it never starts with `//`, which
    a browser would take for another host.
    """
    path = prefix.rstrip("/") + "".join("/" + quote(os.fsencode(part), safe="") for part in parts) + "/"
    return path.encode("ascii") + (b"?" + _FORBIDDEN.sub(b"", query) if query else b"")


def _below_prefix(path: bytes, prefix: str) -> bytes | None:
    start = prefix.rstrip("/").encode() + b"/"
    if path == start[:-1]:
        return b""
    return path[len(start) :] if path.startswith(start) else None
