from pathlib import Path

from devproxy.logs.marks import FILE, MAX_BYTES, Marks, last


def test_the_newest_mark_of_a_kind_is_found_after_the_session(tmp_path: Path):
    marks = Marks(tmp_path, "s1")
    marks.add("restart", "api", 1.0)
    marks.add("restart", "web", 2.0)
    marks.add("ready", "web", 3.0)
    marks.close()
    found = last(tmp_path, "restart")
    assert found is not None
    assert (found.time_us, found.session, found.service) == (2_000_000, "s1", "web")
    assert (found := last(tmp_path, "restart", ["api", "db"])) is not None
    assert found.time_us == 1_000_000
    assert last(tmp_path, "save") is None
    assert last(tmp_path / "none", "save") is None


def test_a_torn_line_is_passed_over_and_ended(tmp_path: Path):
    for cut in range(1, len("1000000 s1 restart api\n")):
        (tmp_path / FILE).write_text("1000000 s1 restart api\n2000000 s1 restart api\n"[:-cut])
        marks = Marks(tmp_path, "s2")
        marks.add("restart", "a b/ü", 3.0)
        marks.close()
        found = last(tmp_path, "restart", ["api"])
        assert found is not None
        # Only the line's end is gone: it still says what it said.
        assert found.time_us == (2_000_000 if cut == 1 else 1_000_000)
        assert (last(tmp_path, "restart", ["a b/ü"]) or found).time_us == 3_000_000


def test_the_file_does_not_grow_for_ever(tmp_path: Path):
    line = "1000000 s1 restart api\n"
    (tmp_path / FILE).write_text(line * (MAX_BYTES // len(line) + 100))
    marks = Marks(tmp_path, "s2")
    marks.add("ready", "api", 5.0)
    marks.close()
    assert (tmp_path / FILE).stat().st_size < MAX_BYTES * 0.6
    assert (tmp_path / FILE).read_text().endswith("5000000 s2 ready api\n")


def test_a_disk_that_takes_none_is_no_error(tmp_path: Path):
    marks = Marks(tmp_path / "none", "s")
    marks.add("ready", "api")
    marks.close()
    assert Marks(None, "s").add("ready", "api") is None
