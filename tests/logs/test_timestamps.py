import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.logs.records import timestamp
from devproxy.logs.timestamps import own_time


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is an hour ahead of UTC."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


READ = round(datetime(2026, 1, 31, 9, 41, 5, tzinfo=UTC).timestamp()) * 1_000_000
GIVEN = [
    ("2026-01-31T10:41:00.123456+01:00 hi", "2026-01-31T09:41:00.123456Z"),
    ("2026-01-31T09:41:00Z ERROR app: x", "2026-01-31T09:41:00.000000Z"),
    ("2026-01-31 10:41:00,123 - name - ERROR - x", "2026-01-31T09:41:00.123000Z"),
    ("[2026-01-31 10:41:00 +0100] [42] [INFO] Booting worker", "2026-01-31T09:41:00.000000Z"),
    ("[2026-01-31 10:41:00,123: ERROR/ForkPoolWorker-1] x", "2026-01-31T09:41:00.123000Z"),
    ("2026-01-31T10:41:00.123+01:00  INFO 7 --- [main] c.e.App : x", "2026-01-31T09:41:00.123000Z"),
    ("INFO:     2026-01-31 10:41:00 x", "2026-01-31T09:41:00.000000Z"),
    ("2026/01/31 10:41:00 WARN slow", "2026-01-31T09:41:00.000000Z"),
    ("[31/Jan/2026 10:41:00] \"GET / HTTP/1.1\" 200 1", "2026-01-31T09:41:00.000000Z"),
    ('127.0.0.1 - - [31/Jan/2026:09:41:00 +0000] "GET / HTTP/1.1" 200', "2026-01-31T09:41:00.000000Z"),
    ("I, [2026-01-31T10:41:00.123456 #7]  INFO -- : x", "2026-01-31T09:41:00.123456Z"),
    ('{"level":30,"time":1769852460123,"msg":"x"}', "2026-01-31T09:41:00.123000Z"),
    ('{"level":"info","timestamp":"2026-01-31T09:41:00.123Z","message":"x"}', "2026-01-31T09:41:00.123000Z"),
    ('{"ts":1769852460.5,"msg":"x"}', "2026-01-31T09:41:00.500000Z"),
    ("time=2026-01-31T10:41:00.123+01:00 level=INFO msg=x", "2026-01-31T09:41:00.123000Z"),
    ("10:41:00 AM [vite] hmr update /src/App.tsx", "2026-01-31T09:41:00.000000Z"),
    ("10:41:00.123 [main] ERROR c.e.App - x", "2026-01-31T09:41:00.123000Z"),
    ("[10:41:00.123] INFO (7): x", "2026-01-31T09:41:00.123000Z"),
    ("11:59:59 PM [vite] x", "2026-01-30T22:59:59.000000Z"),  # nearer than tonight
    ("23:00:00 x", "2026-01-30T22:00:00.000000Z"),
]  # fmt: skip
NONE = [
    "", "hello", "at 10:41:00 we left", "10:41", "99:99:99 x", "2026-13-31T10:41:00 x", "2026-02-31T10:41:00 x",
    '{"msg":"2026-01-31T10:41:00Z"}', '{"time":"soon"}', "Server started in 10:41", "127.0.0.1:8000 x",
]  # fmt: skip


@pytest.mark.parametrize(("text", "moment"), GIVEN)
def test_a_line_that_gives_its_time_has_it_in_utc(text: str, moment: str):
    assert (found := own_time(text, READ)) is not None
    assert timestamp(found) == moment


@pytest.mark.parametrize("text", NONE)
def test_a_line_that_gives_no_time_has_none(text: str):
    assert own_time(text, READ) is None


@given(st.text(max_size=100))
def test_no_line_whatever_is_an_error(text: str):
    own_time(text, READ)


@given(st.from_regex(r'(\{"time":"?)?[0-9]{1,4}[-/:][0-9]{2}[-/:T ][0-9]{2}[T :][0-9:.,]{1,20}"?', fullmatch=True))
def test_no_half_time_is_an_error(text: str):
    own_time(text, READ)


def test_the_zone_is_the_test_s():
    assert os.environ["TZ"] == "Europe/Berlin"
