"""What was ended, written down: bounded, and read over all roots."""

from pathlib import Path

from devproxy.paths import make_state_dir, state_home
from devproxy.ports.killed import FILE, LIMIT_BYTES, OLDER, append, read
from tests.support.race import race


def test_the_record_of_a_root_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    state = make_state_dir(tmp_path)
    for number in range(1000):
        append(state, [{"port": number, "why": "x" * 400}])
    assert sum((state / name).stat().st_size for name in (FILE, OLDER)) < 2 * LIMIT_BYTES + 1000
    ports = [entry["port"] for entry in read(state_home())]
    assert ports == list(range(ports[0], 1000))
    assert len(ports) > LIMIT_BYTES // 500


def test_all_roots_are_read_in_the_order_of_time_and_torn_lines_are_left_out(tmp_path: Path) -> None:
    for number, name in enumerate(("b", "a", "b")):
        append(make_state_dir(tmp_path / name), [{"port": number}])
    with (make_state_dir(tmp_path / "a") / FILE).open("a") as file:
        file.write('{"port": 4}\n[]\n{"time": "2')
    assert [entry["port"] for entry in read(state_home())] == [0, 1, 2]


WRITER = """
import sys
from pathlib import Path
from devproxy.ports import killed
print("ready", flush=True)
sys.stdin.readline()
for number in range(300):
    killed.append(Path(sys.argv[1]), [{"port": number, "why": "x" * 300}])
print("done", flush=True)
sys.stdin.readline()
"""


def test_two_that_write_at_once_lose_no_line_that_the_bound_would_keep(tmp_path: Path) -> None:
    state = make_state_dir(tmp_path)
    assert race(WRITER, [[state], [state]]) == ["done", "done"]
    found = read(state_home())
    assert len(found) >= LIMIT_BYTES // 400  # at least the older file, whole
    assert {entry["port"] for entry in found if entry["port"] >= 290} == set(range(290, 300))
