"""One session a root: the lock, what is announced, and what a killed session leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devproxy.paths import socket_path, state_dir
from devproxy.session.place import SESSION_FILE, AlreadyRunning, Place

HOLDER = """
import sys
from pathlib import Path
from devproxy.session.place import Place
place = Place(Path(sys.argv[1]))
place.announce({"url": "http://localhost:4400"})
place.socket.touch()
print("here", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def held_elsewhere(root: Path) -> subprocess.Popen[str]:
    """Another process that has the root."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


def test_a_second_session_in_the_same_root_is_refused_and_changes_nothing(root: Path) -> None:
    with held_elsewhere(root) as first:
        with pytest.raises(AlreadyRunning, match=f"already runs in {root}") as raised:
            Place(root)
        assert raised.value.exit_code == 0
        assert json.loads((state_dir(root) / SESSION_FILE).read_text())["pid"] == first.pid
        assert socket_path(root).exists()
        first.kill()


def test_a_refused_session_leaves_no_open_file(root: Path) -> None:
    place = Place(root)
    before = os.listdir("/dev/fd")
    with pytest.raises(AlreadyRunning):
        Place(root)
    assert os.listdir("/dev/fd") == before
    place.leave()


def test_another_root_is_another_place(root: Path) -> None:
    for name in ("one", "two"):
        (root / name).mkdir()
    one, two = Place(root / "one"), Place(root / "two")
    assert one.state != two.state
    assert one.socket != two.socket
    one.leave()
    two.leave()


def test_what_a_killed_session_leaves_does_not_stop_the_next(root: Path) -> None:
    with held_elsewhere(root) as first:
        first.kill()
        first.wait()
        place = Place(root)
    assert not place.socket.exists()  # nobody listened there any more
    place.leave()


def test_children_do_not_hold_the_root(root: Path) -> None:
    """A lock belongs to the open file: a child that inherited it would keep it (flock(2))."""
    place = Place(root)
    with subprocess.Popen(["sleep", "600"], close_fds=False) as child:
        place.leave()
        Place(root).leave()
        child.kill()


def test_clients_find_who_runs_and_where(root: Path) -> None:
    place = Place(root)
    place.announce({"url": "http://localhost:4400", "name": "shop"})
    path = state_dir(root) / SESSION_FILE
    assert json.loads(path.read_text()) == {
        "id": place.id,
        "pid": os.getpid(),
        "root": str(root),
        "socket": str(socket_path(root)),
        "url": "http://localhost:4400",
        "name": "shop",
    }
    assert path.stat().st_mode & 0o777 == 0o600
    place.leave()


def test_nothing_but_the_lock_is_left_when_it_leaves(root: Path) -> None:
    place = Place(root)
    place.announce({})
    place.socket.touch()
    place.leave()
    assert [path.name for path in place.state.iterdir()] == ["lock"]
    assert not place.socket.exists()


def test_each_session_has_another_name(root: Path) -> None:
    names = set()
    for _ in range(3):
        place = Place(root)
        names.add(place.id)
        place.leave()
    assert len(names) == 3


def test_state_is_nobody_elses_to_read(root: Path) -> None:
    place = Place(root)
    assert place.state.stat().st_mode & 0o777 == 0o700
    place.leave()
