import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devproxy.config.model import Logs
from devproxy.errors import UsageError
from devproxy.logs import index, query
from devproxy.logs.index import Entry
from devproxy.logs.log import Log
from devproxy.logs.query import Query, parse_query, read, read_page, services


@pytest.fixture
def two_sessions(tmp_path: Path) -> Path:
    """Session `b2` (the older one) and `a1`, each with lines of web, api and devproxy."""
    for session in ("b2", "a1"):
        log = Log(tmp_path, session, Logs())
        log.source("web").feed(f"{session} web 1\n{session} web 2\n".encode())
        log.source("api").feed(f"{session} ERROR api 3\n".encode())
        log.say(f"{session} ours 4")
        log.source("web").feed(f"ERROR: {session} web 5\n".encode())
        log.close()
    return tmp_path


def ids(directory: Path, query: Query) -> list[str]:
    return [record.id() for record in read(directory, query)]


def stamp(path: Path, service: str, times: list[int]) -> None:
    """Give the chunks of a service other times."""
    idx = index.segment_path(path, service, 1).with_suffix(".idx")
    lines = [line.split(" ") for line in idx.read_text().splitlines()]
    idx.write_text(
        "".join(" ".join([*one[:2], str(at), *one[3:]]) + "\n" for one, at in zip(lines, times, strict=True))
    )


def test_all_lines_come_in_the_order_of_the_sessions_and_their_numbers(two_sessions: Path):
    assert ids(two_sessions, Query()) == [f"{session}-{seq}" for session in ("b2", "a1") for seq in range(1, 6)]


def test_the_newest_lines_are_taken_across_services_and_sessions(two_sessions: Path):
    assert ids(two_sessions, Query(limit=7)) == ["b2-4", "b2-5", *(f"a1-{seq}" for seq in range(1, 6))]
    assert ids(two_sessions, Query(limit=1)) == ["a1-5"]
    assert ids(two_sessions, Query(limit=0)) == []


def test_only_the_services_asked_for_come(two_sessions: Path):
    assert ids(two_sessions, Query(("api", "devproxy"))) == ["b2-3", "b2-4", "a1-3", "a1-4"]
    assert ids(two_sessions, Query(("web",), limit=2)) == ["a1-2", "a1-5"]
    assert ids(two_sessions, Query(("nobody",))) == []


def test_one_session_can_be_asked_for(two_sessions: Path):
    assert ids(two_sessions, Query(("web",), session="b2")) == ["b2-1", "b2-2", "b2-5"]


def test_grep_finds_in_the_text_without_its_colours(tmp_path: Path):
    log = Log(tmp_path, "s", Logs())
    log.source("web").feed(b"G\x1b[32mET\x1b[0m /\nPOST /\n")
    log.close()
    assert ids(tmp_path, Query(grep=re.compile("^GET"))) == ["s-1"]
    assert ids(tmp_path, Query(grep=re.compile("^GET"), limit=5)) == ["s-1"]


def test_a_level_takes_the_worse_ones_too_and_a_traceback_as_one_record(tmp_path: Path):
    log = Log(tmp_path, "s", Logs())
    log.source("api").feed(b"INFO: a\nTraceback (most recent call last):\n  File x\n")
    log.source("web").feed(b"noise\n")
    log.source("api").feed(b"ValueError: b\nWARNING: c\n")
    log.close()
    assert ids(tmp_path, Query(level="error")) == ["s-5"]
    assert ids(tmp_path, Query(level="warning", limit=2)) == ["s-5", "s-6"]
    (error,) = read(tmp_path, Query(level="error"))
    assert (error.text, error.lines) == ("Traceback (most recent call last):\n  File x\nValueError: b", 3)
    assert ids(tmp_path, Query(level="error", grep=re.compile("ValueError"))) == ["s-5"]


def test_an_error_that_is_still_being_printed_is_left_for_the_next_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    log = Log(tmp_path, "s", Logs())
    log.source("api").feed(b"ERROR: one\nINFO: x\nTraceback (most recent call last):\n")
    log.source("web").feed(b"ERROR: two\nINFO: y\n")
    monkeypatch.setattr(query, "SETTLED_US", 10**12)
    page = read_page(tmp_path, Query(level="error", goes_on=True))
    assert ([one.text for one in page.records], page.cursor) == (["ERROR: one"], "s-2")
    log.source("api").feed(b"  File x\nValueError: no\nINFO: z\n")
    page = read_page(tmp_path, Query(level="error", cursor=page.cursor))
    assert [one.id() for one in page.records] == ["s-4", "s-7"]
    assert page.records[1].lines == 3
    assert read_page(tmp_path, Query(level="error", cursor=page.cursor)).records == []
    monkeypatch.setattr(query, "SETTLED_US", 0)
    log.source("api").feed(b"Traceback (most recent call last):\n  File x\n")
    assert read_page(tmp_path, Query(level="error", cursor=page.cursor)).records[0].lines == 2
    log.close()


def test_a_cursor_inside_an_error_brings_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(query, "SETTLED_US", 0)
    log = Log(tmp_path, "s", Logs())
    log.source("api").feed(b"Traceback (most recent call last):\n  File x\n")
    log.source("web").feed(b"ERROR: two\n")
    log.source("api").feed(b"ValueError: no\nINFO: z\n")
    log.close()
    first = read_page(tmp_path, Query(level="error", cursor="s-0", limit=1))
    assert [one.id() for one in first.records] == ["s-3"]
    (error,) = read_page(tmp_path, Query(level="error", cursor=first.cursor)).records
    assert (error.seq, error.lines) == (4, 3)


def test_lines_that_a_session_lost_at_its_beginning_are_counted(tmp_path: Path):
    Log(tmp_path, "a", Logs()).close()
    log = Log(tmp_path, "b", Logs())
    for number in range(5):
        log.source("web").feed(b"%d\n" % number)
    log.close()
    idx = tmp_path / "web.0001.idx"
    idx.write_text("".join(idx.read_text().splitlines(keepends=True)[3:]))
    page = read_page(tmp_path, Query(cursor="a-0"))
    assert ([one.seq for one in page.records], page.dropped) == ([4, 5], 3)


def test_a_poll_for_the_newest_lines_reads_only_their_end_of_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = Log(tmp_path, "s", Logs(segment_mib=1))
    for number in range(5000):
        log.source("web").feed(b"%d " % number + b"x" * 500 + b"\n")
    log.close()
    parsed: list[bytes] = []
    parse = index.parse
    monkeypatch.setattr(index, "parse", lambda raw, *rest: (parsed.append(raw), parse(raw, *rest))[1])
    assert [one.seq for one in read_page(tmp_path, Query(cursor="s-4998")).records] == [4999, 5000]
    assert len(parsed) < 300
    assert [one.seq for one in read(tmp_path, Query(since=2**62))] == []
    assert len(parsed) < 400


def test_since_and_until_bound_the_time(tmp_path: Path):
    log = Log(tmp_path, "s", Logs())
    for number in range(5):
        log.source("web").feed(b"%d\n" % number)
    log.close()
    stamp(tmp_path, "web", [10, 20, 30, 40, 50])
    assert ids(tmp_path, Query(since=20, until=40)) == ["s-2", "s-3", "s-4"]
    assert ids(tmp_path, Query(since=20, until=40, limit=2)) == ["s-3", "s-4"]
    assert ids(tmp_path, Query(since=40, limit=100)) == ["s-4", "s-5"]


def test_pages_that_follow_one_another_have_every_line_once(two_sessions: Path):
    everything = ids(two_sessions, Query())
    for size in (1, 2, 3, 4):
        found, cursor = [everything[0]], everything[0]
        while (page := read_page(two_sessions, Query(cursor=cursor, limit=size))).records:
            found += [record.id() for record in page.records]
            cursor = page.cursor
            assert page.dropped == 0
        assert found == everything


def test_a_page_of_the_newest_ends_at_the_end(two_sessions: Path):
    page = read_page(two_sessions, Query(limit=2))
    assert (page.cursor, page.dropped) == ("a1-5", 0)
    assert page.to_json()["records"][-1]["text"] == "ERROR: a1 web 5"
    assert read_page(two_sessions, Query(cursor=page.cursor)).records == []


def test_a_page_that_filters_passes_over_what_it_does_not_take(two_sessions: Path):
    page = read_page(two_sessions, Query(("api",), cursor="a1-1", limit=10))
    assert ([record.id() for record in page.records], page.cursor) == (["a1-3"], "a1-5")


def test_a_cursor_whose_lines_were_rotated_away_is_told_how_many(tmp_path: Path):
    log = Log(tmp_path, "s", Logs(segment_mib=1, segments=2))
    for _ in range(40):
        log.source("web").feed(b"x" * 99_999 + b"\n")
    log.source("api").feed(b"last\n")
    log.close()
    page = read_page(tmp_path, Query(cursor="s-5"))
    assert page.dropped > 5
    assert page.records[0].seq == 5 + page.dropped + 1
    assert read_page(tmp_path, Query(("api",), cursor="s-5")).dropped == page.dropped


def test_a_cursor_of_a_forgotten_session_begins_at_the_oldest_line(two_sessions: Path):
    assert read_page(two_sessions, Query(cursor="gone-7", limit=1)).records[0].id() == "b2-1"


def test_a_directory_without_logs_is_empty(tmp_path: Path):
    assert ids(tmp_path / "none", Query(limit=10)) == []
    assert read_page(tmp_path / "none", Query()).to_json() == {"records": [], "cursor": "", "dropped": 0}
    assert services(tmp_path / "none") == []


def test_lines_that_rotation_takes_while_we_read_are_passed_over(two_sessions: Path):
    reading = read(two_sessions, Query())
    assert next(reading).id() == "b2-1"
    for path in two_sessions.glob("api.*"):
        path.unlink()
    assert all(record.service != "api" for record in reading)


WRITER = """
import sys
from pathlib import Path
from devproxy.config.model import Logs
from devproxy.logs.log import Log
log = Log(Path(sys.argv[1]), "live", Logs(segment_mib=1, segments=1000))
for number in range(6000):
    log.source("abc"[number % 3]).feed(b"%d " % number + b"x" * 500 + b"\\n")
log.close()
"""


def test_a_reader_in_another_process_misses_nothing_while_lines_are_written(tmp_path: Path):
    cursor, seen = "", []
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)]) as writer:
        deadline = time.monotonic() + 30
        while len(seen) < 6000 and time.monotonic() < deadline:
            page = read_page(tmp_path, Query(cursor=cursor or "live-0"))
            seen += [record.seq for record in page.records]
            cursor = page.cursor
            assert page.dropped == 0
    assert writer.returncode == 0
    assert seen == list(range(1, 6001))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"grep": "("}, "regular expression"),
        ({"level": "loud"}, "loud"),
        ({"since": "whenever"}, "whenever"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"limit": -1}, "-1"),
    ],
)
def test_words_that_make_no_sense_are_an_error_with_a_hint(words: dict[str, str], says: str):
    with pytest.raises(UsageError) as caught:
        parse_query(**words)
    assert says in caught.value.message
    assert caught.value.hint


def test_levels_have_their_usual_other_names():
    assert parse_query(level="WARN").level == "warning"


def test_a_newest_line_needs_no_reading_of_old_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = Log(tmp_path, "s", Logs())
    for number in range(50):
        log.source("web").feed(b"%d\n" % number)
    log.close()
    read_entries: list[Entry] = []
    chunk = Entry.chunk
    monkeypatch.setattr(Entry, "chunk", lambda self, data: (read_entries.append(self), chunk(self, data))[1])
    assert ids(tmp_path, Query(limit=2)) == ["s-49", "s-50"]
    assert len(read_entries) == 2
