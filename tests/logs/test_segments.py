import errno
import os
from pathlib import Path

import pytest

from devproxy.logs import index
from devproxy.logs.records import Chunk
from devproxy.logs.segments import Segments, forget_others


def chunk(seq: int, data: bytes) -> Chunk:
    return Chunk(seq, data.count(b"\n"), seq * 1000, "web", "stdout", data)


def writer(directory: Path, session: str = "s", segment_bytes: int = 100, keep: int = 3) -> Segments:
    return Segments(directory, "web", session, segment_bytes=segment_bytes, keep=keep)


def stored(directory: Path) -> list[tuple[str, int, bytes]]:
    numbers = index.segments(directory)["web"]
    return [
        (one.session, one.first_seq, one.path.read_bytes()[one.offset : one.offset + one.length])
        for one in index.entries(directory, "web", numbers)
    ]


def test_a_chunk_is_stored_with_its_index_line(tmp_path: Path):
    segments = writer(tmp_path)
    segments.append(chunk(1, b"a\nb\n"))
    segments.append(chunk(3, b"c\n"))
    segments.close()
    assert (tmp_path / "web.0001.log").read_bytes() == b"a\nb\nc\n"
    assert (tmp_path / "web.0001.idx").read_text() == "1 2 1000 stdout 0 4 s -\n3 1 3000 stdout 4 2 s -\n"


def test_a_segment_that_is_full_is_followed_by_the_next_and_the_oldest_go(tmp_path: Path):
    segments = writer(tmp_path)
    for seq in range(1, 21):
        segments.append(chunk(seq, b"%039d\n" % seq))
    segments.close()
    assert index.segments(tmp_path) == {"web": [8, 9, 10]}
    assert len(list(tmp_path.iterdir())) == 6
    assert [seq for _, seq, _ in stored(tmp_path)] == [15, 16, 17, 18, 19, 20]


def test_a_chunk_larger_than_a_segment_has_one_of_its_own(tmp_path: Path):
    segments = writer(tmp_path)
    segments.append(chunk(1, b"x" * 500 + b"\n"))
    segments.append(chunk(2, b"y\n"))
    segments.close()
    assert index.segments(tmp_path) == {"web": [1, 2]}


def test_the_next_session_goes_on_behind_the_last(tmp_path: Path):
    for session in ("one", "two"):
        segments = writer(tmp_path, session)
        segments.append(chunk(1, session.encode() + b"\n"))
        segments.close()
    assert stored(tmp_path) == [("one", 1, b"one\n"), ("two", 1, b"two\n")]


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_torn_index_is_healed_at_the_next_start(tmp_path: Path, cut: int):
    segments = writer(tmp_path, "one")
    segments.append(chunk(1, b"a\n"))
    segments.append(chunk(2, b"b\n"))
    segments.close()
    idx = tmp_path / "web.0001.idx"
    idx.write_bytes(idx.read_bytes()[:-cut])
    segments = writer(tmp_path, "two")
    segments.append(chunk(1, b"c\n"))
    segments.close()
    found = stored(tmp_path)
    assert found[-1] == ("two", 1, b"c\n")
    assert found[:-1] == ([("one", 1, b"a\n")] if cut < 27 else [])
    assert (tmp_path / "web.0001.log").read_bytes() == b"a\nb\nc\n"


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_torn_segment_is_healed_at_the_next_start(tmp_path: Path, cut: int):
    segments = writer(tmp_path, "one")
    segments.append(chunk(1, b"first\n"))
    segments.append(chunk(2, b"second\n"))
    segments.close()
    log = tmp_path / "web.0001.log"
    log.write_bytes(log.read_bytes()[:-cut])
    segments = writer(tmp_path, "two")
    segments.append(chunk(1, b"c\n"))
    segments.close()
    assert stored(tmp_path) == [("one", 1, b"first\n"), ("two", 1, b"c\n")]
    assert log.read_bytes().endswith(b"\nc\n")


def test_a_segment_that_lost_its_index_is_appended_to(tmp_path: Path):
    (tmp_path / "web.0003.log").write_bytes(b"old")
    segments = writer(tmp_path)
    segments.append(chunk(1, b"new\n"))
    segments.close()
    assert stored(tmp_path) == [("s", 1, b"new\n")]
    assert (tmp_path / "web.0003.log").read_bytes() == b"old\nnew\n"


def test_an_index_of_garbage_is_no_error(tmp_path: Path):
    (tmp_path / "web.0001.log").write_bytes(b"a\n")
    (tmp_path / "web.0001.idx").write_bytes(b"\xff\x00\n1 2 3\nx y z stdout 0 2 s -\n")
    segments = writer(tmp_path)
    segments.append(chunk(1, b"b\n"))
    segments.close()
    assert stored(tmp_path) == [("s", 1, b"b\n")]


@pytest.mark.parametrize("number", range(5))
def test_an_index_line_with_a_negative_number_is_none(tmp_path: Path, number: int):
    words = b"1 1 1 stdout 0 2 s -".split(b" ")
    at = (0, 1, 2, 4, 5)[number]
    words[at] = b"-" + words[at] if words[at] != b"0" else b"-7"
    assert index.parse(b" ".join(words), "web", tmp_path) is None


def test_a_long_index_that_points_nowhere_is_healed_at_once(tmp_path: Path):
    # A disk that lost the lines and kept the index. By the time limit of a test: copying it for each line took hours.
    (tmp_path / "web.0001.log").write_bytes(b"a\n")
    lines = b"".join(b"%d 1 1 stdout %d 2 s -\n" % (seq, seq * 2) for seq in range(300_000))
    (tmp_path / "web.0001.idx").write_bytes(lines)
    segments = writer(tmp_path, segment_bytes=100_000)
    segments.append(chunk(7, b"b\n"))
    segments.close()
    assert stored(tmp_path) == [("s", 0, b"a\n"), ("s", 7, b"b\n")]


def test_a_segment_that_could_not_be_taken_back_is_healed_before_it_is_written_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    segments = writer(tmp_path)
    segments.append(chunk(1, b"a\n"))
    refuse = iter([True, False])

    def write(fd: int, data: bytes, write=os.write) -> int:
        if next(refuse):
            return write(fd, data[:3])
        raise OSError(errno.EIO, "a disk that fails")

    def ftruncate(fd: int, size: int) -> None:
        raise OSError(errno.EIO, "a disk that fails")

    with monkeypatch.context() as failing:
        failing.setattr(os, "write", write)
        failing.setattr(os, "ftruncate", ftruncate)
        with pytest.raises(OSError):
            segments.append(chunk(2, b"lost\n"))
    segments.append(chunk(3, b"c\n"))
    segments.close()
    assert (tmp_path / "web.0001.log").read_bytes() == b"a\nlos\nc\n"
    assert stored(tmp_path) == [("s", 1, b"a\n"), ("s", 3, b"c\n")]


def test_lines_whose_index_line_does_not_fit_are_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    segments = writer(tmp_path)
    segments.append(chunk(1, b"a\n"))
    fits = iter([True, False])

    def write(fd: int, data: bytes, write=os.write) -> int:
        if next(fits):
            return write(fd, data)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "write", write)
        with pytest.raises(OSError):
            segments.append(chunk(2, b"lost\n"))
    assert (tmp_path / "web.0001.log").read_bytes() == b"a\n"
    segments.append(chunk(3, b"c\n"))
    segments.close()
    assert stored(tmp_path) == [("s", 1, b"a\n"), ("s", 3, b"c\n")]


def test_services_that_there_are_no_more_share_what_one_may_keep(tmp_path: Path):
    for number in range(12):
        segments = Segments(tmp_path, f"old/{number}", "s", segment_bytes=100, keep=3)
        segments.append(chunk(1, b"x\n"))
        segments.close()
        os.utime(index.segment_path(tmp_path, f"old/{number}", 1), (number, number))
    kept = writer(tmp_path)
    for seq in range(1, 9):
        kept.append(chunk(seq, b"%039d\n" % seq))
    kept.close()
    before = index.segments(tmp_path)["web"]
    forget_others(tmp_path, {"web"}, keep=3)
    assert index.segments(tmp_path) == {"old/10": [1], "old/11": [1], "old/9": [1], "web": before}
    assert len(list(tmp_path.iterdir())) == 2 * (3 + len(before))
    forget_others(tmp_path / "none", {"web"}, keep=3)


def test_no_service_name_leads_out_of_the_directory(tmp_path: Path):
    (tmp_path / "logs").mkdir()
    for name in ("../evil", "..", "a/b", "a.b", "ü b"):
        segments = Segments(tmp_path / "logs", name, "s", segment_bytes=100, keep=3)
        segments.append(Chunk(1, 1, 1, name, "stdout", b"x\n"))
        segments.close()
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    assert set(index.segments(tmp_path / "logs")) == {"../evil", "..", "a/b", "a.b", "ü b"}


def test_a_link_is_not_followed(tmp_path: Path):
    (tmp_path / "victim").write_bytes(b"")
    (tmp_path / "web.0001.log").symlink_to(tmp_path / "victim")
    segments = writer(tmp_path)
    with pytest.raises(OSError):
        segments.append(chunk(1, b"x\n"))
    assert (tmp_path / "victim").read_bytes() == b""
