"""Which ports a root was given: recalled by it, known to its siblings."""

import json
from pathlib import Path

import pytest

from devproxy.paths import make_state_dir
from devproxy.ports.memory import FILE, PUBLIC, Memory


def memory_of(root: Path) -> Memory:
    root.mkdir(exist_ok=True)
    return Memory(make_state_dir(root), root)


def test_what_was_given_is_recalled_by_the_next_session_of_this_root_only(tmp_path: Path) -> None:
    one = memory_of(tmp_path / "one")
    assert one.recall("api") is None
    one.keep("api", 20001)
    one.keep(PUBLIC, 4401)
    assert (memory_of(tmp_path / "one").recall("api"), memory_of(tmp_path / "one").recall(PUBLIC)) == (20001, 4401)
    assert memory_of(tmp_path / "two").recall("api") is None


def test_others_see_what_a_root_was_given_as_long_as_it_exists(tmp_path: Path) -> None:
    one, two = memory_of(tmp_path / "one"), memory_of(tmp_path / "two")
    one.keep("api", 20001)
    assert (one.of_others(), two.of_others()) == (frozenset(), frozenset({20001}))
    (tmp_path / "one").rmdir()
    assert two.of_others() == frozenset()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 2}', '{"schema": 1, "root": "x", "ports": [1]}'])
def test_a_file_that_cannot_be_understood_is_no_memory_and_is_replaced(tmp_path: Path, text: str) -> None:
    (make_state_dir(tmp_path) / FILE).write_text(text)
    memory = Memory(make_state_dir(tmp_path), tmp_path)
    assert memory.recall("api") is None
    memory.keep("api", 20001)
    assert json.loads((make_state_dir(tmp_path) / FILE).read_text())["ports"] == {"api": 20001}
    assert [path.name for path in make_state_dir(tmp_path).iterdir()] == [FILE]


def test_a_state_folder_that_cannot_be_written_costs_only_the_memory(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "nowhere", tmp_path)
    memory.keep("api", 20001)
    assert memory.recall("api") == 20001
