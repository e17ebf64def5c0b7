"""The last lines that a filter takes are those that reading everything would give, from less of the files."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.config.model import Logs
from devproxy.logs import index, newest
from devproxy.logs.index import Entry
from devproxy.logs.log import Log
from devproxy.logs.query import Query, Reading, read
from devproxy.logs.records import Record

ERROR = b"Traceback (most recent call last):\n  File x\n  File y\nValueError: no\n"
PRINTED = [
    b"INFO: fine\n",
    b"plain\n",
    b"  indented\n",
    b"ERROR: short\n",
    b"WARNING: w\n",
    ERROR,
    ERROR + b"INFO: n\n",
]
Printed = list[tuple[str, bytes, float]]


def write(directory: Path, printed: Printed) -> None:
    """Lines in chunks of one each; what is printed comes so many seconds after what was before, at once."""
    log, now = Log(directory, "s", Logs()), 1_000_000_000
    with pytest.MonkeyPatch.context() as clock:
        clock.setattr(time, "time_ns", lambda: now)
        for service, lines, later in printed:
            now += round(later * 1e9)
            for line in lines.splitlines(keepends=True):
                now += 1000
                log.source(service).feed(line)
        log.close()


QUERIES = [Query(level="error"), Query(level="warning", grep=re.compile("o")), Query(grep=re.compile("File"))]


@given(
    st.lists(
        st.tuples(st.sampled_from(["web", "api"]), st.sampled_from(PRINTED), st.sampled_from([0, 0.01, 3])), max_size=25
    ),
    st.sampled_from(QUERIES),
    st.integers(1, 6),
    st.integers(1, 9),
)
def test_the_last_are_those_that_reading_everything_gives(
    tmp_path_factory: pytest.TempPathFactory, printed: Printed, query: Query, limit: int, window: int
) -> None:
    directory = tmp_path_factory.mktemp("logs")
    write(directory, printed)
    with pytest.MonkeyPatch.context() as small:
        small.setattr(newest, "WINDOW_LINES", window)
        limited = Query(level=query.level, grep=query.grep, limit=limit)
        assert list(read(directory, limited)) == list(read(directory, query))[-limit:]


def test_the_last_errors_of_a_long_log_need_no_reading_of_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[int] = []
    of = Reading._read

    def reading(self: Reading, entry: Entry) -> list[Record]:
        looked_at.append(entry.first_seq)
        return of(self, entry)

    write(tmp_path, [("web", ERROR if number % 10 == 0 else b"INFO: fine\n", 1) for number in range(6000)])
    monkeypatch.setattr(Reading, "_read", reading)
    found = list(read(tmp_path, Query(level="error", limit=3)))
    assert [one.lines for one in found] == [4, 4, 4]
    assert len(looked_at) < 3000
    assert list(read(tmp_path, Query(level="error", limit=3, until=2_000_000))) == []
    assert index.segments(tmp_path) == {"web": [1]}
