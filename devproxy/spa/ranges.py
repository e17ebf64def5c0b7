"""Range requests for one range of bytes (RFC 9110 §14). Pure.

Several ranges, another unit and anything unreadable are answered with the whole file, as §14.2 allows.
"""

import re
from dataclasses import dataclass

from devproxy.spa.requests import Fields, Validators, read_date

# [0-9] and not \d: int() and \d take other scripts' digits, HTTP does not. 18 digits are 888 PiB.
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `first` to `last` of a file, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


class Unsatisfiable(ValueError):
    """The range asks for nothing that the file has: 416."""


def wanted_span(fields: Fields, validators: Validators, size: int) -> Span | None:
    """The range to send, None for the whole file.

    Raises: Unsatisfiable.
    """
    value = fields.get("range")
    if value is None or not _same_version(fields.get("if-range"), validators):
        return None
    return parse_range(value, size)


def parse_range(value: str, size: int) -> Span | None:
    """Read a Range field for a file of `size` bytes; None: send the whole file.

    Raises: Unsatisfiable.
    """
    match = _RANGE.fullmatch(value)
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":  # the last n bytes
        length = min(int(match[2]), size)
        if length == 0:
            raise Unsatisfiable
        return Span(size - length, size - 1)
    first = int(match[1])
    if match[2] and int(match[2]) < first:
        return None  # not a range at all, §14.1.1
    if first >= size:
        raise Unsatisfiable
    return Span(first, min(int(match[2]), size - 1) if match[2] else size - 1)


def _same_version(if_range: str | None, validators: Validators) -> bool:
    """If-Range: a strong ETag or the exact date; without it any version will do (§13.1.5)."""
    if if_range is None:
        return True
    if if_range.startswith(('"', "W/")):
        return if_range == validators.etag  # ours are strong, so a weak one never equals
    return read_date(if_range) == validators.modified
