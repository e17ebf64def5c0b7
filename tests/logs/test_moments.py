from datetime import datetime

import pytest

from devproxy.errors import UsageError
from devproxy.logs.moments import parse_moment

NOON = datetime(2026, 3, 10, 12, 0, 0).timestamp()


def ago(text: str) -> float:
    return NOON - parse_moment(text, NOON) / 1_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), ("2d", 172_800), ("250ms", 0.25)],
)
def test_a_span_is_that_long_ago(text: str, seconds: float):
    assert ago(text) == pytest.approx(seconds, abs=1e-5)


@pytest.mark.parametrize(("text", "seconds"), [("10:41", 4740), ("10:41:30", 4710), ("12:00", 0), ("9:00", 10_800)])
def test_a_time_of_day_is_todays(text: str, seconds: float):
    assert ago(text) == pytest.approx(seconds)


def test_a_time_of_day_that_has_not_been_is_yesterdays():
    assert datetime.fromtimestamp(parse_moment("13:00", NOON) / 1e6) == datetime(2026, 3, 9, 13, 0)


@pytest.mark.parametrize("text", ["2026-01-31T10:41:00Z", "2026-01-31T12:41:00+02:00", "2026-01-31T10:41:00.000Z"])
def test_a_moment_of_rfc_3339_is_itself(text: str):
    assert parse_moment(text, NOON) == 1_769_856_060_000_000


@pytest.mark.parametrize("text", ["", "5", "yesterday", "25:00", "10:61", "5m ago", "-5m", "٣m", "99999-01-01"])
def test_anything_else_is_an_error_that_says_what_would_do(text: str):
    with pytest.raises(UsageError) as caught:
        parse_moment(text, NOON)
    assert "10:41" in caught.value.hint
