"""The time that a line itself gives: uvicorn, Django, Rails, pino, winston, slog, Vite, log4j and their like.

Only at its head, or in the field of a JSON or logfmt line. A time without a zone is local; one without a date
is the nearest to when the line was read.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

HEAD: Final = 64  # characters in which a timestamp may begin and end, unless it is a field's
DAY: Final = timedelta(days=1)
UNITS: Final = (1_000_000, 1000, 1, 0.001)  # of a number since the epoch: s, ms, µs, ns; by its size
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

CLOCK = r"(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d)(?:[.,](?P<fraction>\d{1,9}))?"
ZONE = r"(?: ?(?P<zone>Z|UTC|[+-]\d\d:?\d\d)\b)?"
ISO = rf"(?P<year>\d{{4}})[-/](?P<month>\d\d)[-/](?P<day>\d\d)[T ]{CLOCK}{ZONE}"
# 31/Jan/2026:10:41:00 +0100 (Apache), 31/Jan/2026 10:41:00 (Django's runserver)
COMMON = rf"(?P<day>\d\d)/(?P<name>{'|'.join(MONTHS)})/(?P<year>\d{{4}})[: ]{CLOCK}{ZONE}"
LEAD = r"(?:[A-Z]+:?\s+|[DIWEFAU], )?[\[(]?"  # INFO 2026-…, INFO:     […, E, [2026-…
AT_HEAD = tuple(
    re.compile(LEAD + form)
    for form in (ISO, rf"(?:\S+ \S+ \S+ \[)?{COMMON}", rf"{CLOCK}(?P<half> [AP]M)?(?![\d:])")
)  # fmt: skip
FIELD = re.compile(
    r'(?:"(?:time|timestamp|ts|@timestamp|datetime|asctime)"\s*:\s*|(?:^|\s)(?:time|ts|timestamp)=)'
    r'(?:"(?P<text>[^"]{8,40})"|(?P<number>\d{10,19}(?:\.\d+)?)(?!\d)|(?P<word>\d{4}-[^\s,}]{8,40}))'
)
ISO_ALONE = re.compile(ISO)


def own_time(text: str, read_us: int) -> int | None:
    """µs since the epoch; None if the line gives no time.

    Args: text: without colours; read_us: when it was read.
    """
    if text.startswith("{") or "time=" in text[:HEAD] or "ts=" in text[:HEAD]:
        found = FIELD.search(text)
        return _of_field(found) if found else None
    head = text[:HEAD]
    for form in AT_HEAD:
        if found := form.match(head):
            return _moment(found, read_us)
    return None


def _of_field(found: re.Match[str]) -> int | None:
    if number := found["number"]:
        digits = len(number.partition(".")[0])
        return round(float(number) * UNITS[max(0, min(3, (digits - 8) // 3))])
    iso = ISO_ALONE.match(found["text"] or found["word"])
    return _moment(iso, 0) if iso else None


def _moment(found: re.Match[str], read_us: int) -> int | None:
    parts = found.groupdict()
    hour = int(parts["hour"])
    if half := parts.get("half"):
        hour = hour % 12 + (12 if half == " PM" else 0)
    clock = timedelta(hours=hour, minutes=int(parts["minute"]), seconds=int(parts["second"]))
    micros = int((parts["fraction"] or "").ljust(6, "0")[:6])
    try:
        if "year" in parts:
            month = MONTHS.index(parts["name"]) + 1 if "name" in parts else int(parts["month"])
            moment = datetime(int(parts["year"]), month, int(parts["day"]), tzinfo=_zone(parts["zone"])) + clock
        else:
            read = datetime.fromtimestamp(read_us / 1_000_000)
            today = read.replace(hour=0, minute=0, second=0, microsecond=0) + clock
            moment = min((today + shift * DAY for shift in (-1, 0, 1)), key=lambda each: abs(each - read))
        return round(moment.timestamp()) * 1_000_000 + micros
    except (ValueError, OverflowError):  # the 31st of February
        return None


def _zone(text: str | None) -> timezone | None:
    """None: local time."""
    if not text:
        return None
    if text in ("Z", "UTC"):
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))
