"""When people say "since": a span before now, a time of day, or a moment."""

import re
from datetime import datetime, timedelta

from devproxy.errors import UsageError

SPAN = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+")
PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
TIME_OF_DAY = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")


def parse_moment(text: str, now: float) -> int:
    """µs since the epoch of `5m`, `1h30m`, `10:41[:07]` (local, the last one that has been), or RFC 3339.

    Args:     now: seconds since the epoch. A moment without an offset is local time.
    Raises:   UsageError: it is none of these.
    """
    text = text.strip()
    if SPAN.fullmatch(text):
        span = sum(float(number) * SECONDS[unit] for number, unit in PART.findall(text))
        return max(0, round((now - span) * 1_000_000))
    if found := TIME_OF_DAY.fullmatch(text):
        hour, minute, second = (int(part or 0) for part in found.groups())
        moment = datetime.fromtimestamp(now).replace(hour=hour, minute=minute, second=second, microsecond=0)
        if moment.timestamp() > now:
            moment -= timedelta(days=1)
        return round(moment.timestamp() * 1_000_000)
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1_000_000)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is not a moment",
            hint="say 30s, 5m, 1h30m or 2d (before now), 10:41, a date as 2026-01-31T10:41:00Z,"
            " or last-restart, last-save, last-ready",
        ) from error
