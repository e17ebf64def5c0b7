"""Chunks of the live session, back from the files."""

from pathlib import Path

from devproxy.config.model import Logs
from devproxy.logs.log import Log
from devproxy.logs.stored import stored


def printed(log: Log, service: str, *lines: str) -> None:
    for line in lines:
        log.source(service).feed(f"{line}\n".encode())


def texts(directory: Path, session: str, after: int, before: int) -> list[str]:
    return [
        f"{chunk.first_seq} {chunk.service} {line}"
        for chunk in stored(directory, session, after, before)
        for line in chunk.data.decode().splitlines()
    ]


def test_the_lines_of_all_services_come_in_their_order(tmp_path: Path) -> None:
    log = Log(tmp_path, "s1", Logs())
    printed(log, "api", "a")
    printed(log, "web", "b")
    printed(log, "api", "c", "d")
    assert texts(tmp_path, "s1", 0, 5) == ["1 api a", "2 web b", "3 api c", "4 api d"]
    assert texts(tmp_path, "s1", 1, 4) == ["2 web b", "3 api c"]


def test_a_chunk_is_cut_where_the_reader_is(tmp_path: Path) -> None:
    log = Log(tmp_path, "s1", Logs())
    log.source("api").feed(b"a\nb\nc\n")
    assert [(each.first_seq, each.count, each.data) for each in stored(tmp_path, "s1", 2, 4)] == [(3, 1, b"c\n")]


def test_what_an_earlier_session_wrote_is_not_there(tmp_path: Path) -> None:
    earlier = Log(tmp_path, "s1", Logs())
    printed(earlier, "api", "old", "older", "oldest")
    earlier.close()
    log = Log(tmp_path, "s2", Logs())
    printed(log, "api", "new")
    assert texts(tmp_path, "s2", 0, 10) == ["1 api new"]
