"""The record of children: survives truncation, any other JSON and later versions."""

import json
import stat
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from devproxy.ports.records import FILE, ChildRecord, all_records, load, save

RECORD = ChildRecord("api", 4321, 12.34, "boot", 4321, (8000, 9229), 4000, 11.5, "/home/me/shop")


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save(tmp_path, [RECORD])
    assert load(tmp_path) == [RECORD]


@given(
    st.builds(
        ChildRecord,
        st.text(),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(),
        st.integers(),
        st.lists(st.integers()).map(tuple),
        st.integers(),
        st.floats(allow_nan=False),
        st.text(),
    )
)
def test_any_record_reads_back_as_it_was(record: ChildRecord) -> None:
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder), [record])
        assert load(Path(folder)) == [record]


def test_the_file_is_for_this_user_only_and_nothing_else_is_left(tmp_path: Path) -> None:
    save(tmp_path, [RECORD])
    save(tmp_path, [])
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_no_file_means_no_records(tmp_path: Path) -> None:
    assert load(tmp_path) == []
    assert all_records(tmp_path / "nowhere") == {}


def test_a_file_torn_anywhere_is_read_as_empty(tmp_path: Path) -> None:
    save(tmp_path, [RECORD])
    whole = (tmp_path / FILE).read_bytes()
    for length in range(len(whole)):
        (tmp_path / FILE).write_bytes(whole[:length])
        assert load(tmp_path) == []


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.floats(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["schema", "children", "pid", "ports", "root"]), inner)
        ),
    )
)
def test_any_other_json_is_no_record(value: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for content in (value, {"schema": 1, "children": value}, {"schema": 1, "children": [value]}):
            (Path(folder) / FILE).write_text(json.dumps(content))
            assert load(Path(folder)) == []


def test_a_later_version_of_the_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"schema": 2, "children": []}))
    assert load(tmp_path) == []


def test_the_records_of_all_projects_are_found_by_their_folders(tmp_path: Path) -> None:
    for name in ("shop-1", "blog-2", "empty-3"):
        (tmp_path / name).mkdir()
    save(tmp_path / "shop-1", [RECORD])
    save(tmp_path / "blog-2", [RECORD])
    assert set(all_records(tmp_path)) == {tmp_path / "shop-1", tmp_path / "blog-2"}
