from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from devproxy.logs import index
from devproxy.logs.records import Chunk


@given(st.integers(1, 2**50), st.integers(1, 1000), st.sampled_from([None, "info", "error"]), st.integers(0, 2**40))
def test_an_index_line_reads_back(seq: int, count: int, level: str | None, offset: int):
    chunk = Chunk(seq, count, 12345, "web", "stderr", b"x\n" * count, level)
    entry = index.parse(index.line(chunk, offset, "s1").rstrip(b"\n"), "web", Path("p"))
    assert entry is not None
    assert entry.chunk(chunk.data) == chunk
    assert (entry.offset, entry.length, entry.session, entry.last_seq) == (offset, 2 * count, "s1", chunk.last_seq)


@given(st.binary())
def test_no_bytes_whatever_are_an_error(raw: bytes):
    assert index.parse(raw, "web", Path("p")) is None


def test_a_line_that_is_being_written_is_not_read(tmp_path: Path):
    (tmp_path / "web.0001.idx").write_bytes(b"1 1 1 stdout 0 2 s -\n2 1 1 stdout 2 2 s")
    assert [one.first_seq for one in index.entries(tmp_path, "web", [1])] == [1]


def test_a_segment_that_was_rotated_away_is_passed_over(tmp_path: Path):
    (tmp_path / "web.0002.idx").write_bytes(b"1 1 1 stdout 0 2 s -\n")
    assert [one.first_seq for one in index.entries(tmp_path, "web", [1, 2])] == [1]


def test_a_directory_that_is_not_there_has_no_services(tmp_path: Path):
    assert index.segments(tmp_path / "none") == {}
    assert index.sessions(tmp_path / "none") == []
