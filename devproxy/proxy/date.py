"""The Date field, for answers of our own, and for those that pass through here without one (RFC 9110 §6.6.1)."""

import time
from functools import lru_cache
from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def date_line() -> bytes:
    """`Date: Sun, 06 Nov 1994 08:49:37 GMT`, CRLF included, for now."""
    return _line_of(int(time.time()))


@lru_cache(maxsize=1)
def _line_of(second: int) -> bytes:
    # Not by strftime, whose names are the locale's.
    now = time.gmtime(second)
    day, month = _DAYS[now.tm_wday], _MONTHS[now.tm_mon - 1]
    clock = f"{now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02}"
    return f"Date: {day}, {now.tm_mday:02} {month} {now.tm_year:04} {clock} GMT\r\n".encode()
