"""Which devproxy runs: seen by connecting, never by a file."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devproxy import paths
from devproxy.ports.facts import LiveSession
from devproxy.ports.look import look
from devproxy.ports.sessions import FILE, running
from devproxy.session.place import SESSION_FILE, Place
from tests.ports.children import IPV4, Children
from tests.support import free_port


@pytest.fixture
def place(repo: Path) -> Iterator[Place]:
    """A session of `repo` that has said that it runs."""
    place = Place(repo)
    place.announce({"url": "http://localhost:4400"})
    yield place
    place.leave()


@pytest.fixture
def answering(place: Place) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(place.socket))
        server.listen()
        yield server


def pid_in(place: Place, pid: int) -> None:
    """Say that this process is the session."""
    place.announce({"pid": pid})


def test_the_name_of_the_file_is_the_sessions() -> None:
    assert FILE == SESSION_FILE


def test_a_session_that_answers_runs(place: Place, answering: socket.socket, tmp_path: Path) -> None:
    pid_in(place, 4711)
    assert running(paths.state_home(), place.root) == (LiveSession(4711, str(place.root), is_this_root=True),)
    assert running(paths.state_home(), tmp_path) == (LiveSession(4711, str(place.root), is_this_root=False),)


def test_a_file_that_a_crash_left_is_no_session(place: Place) -> None:
    assert (place.state / SESSION_FILE).exists()
    assert running(paths.state_home(), place.root) == ()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"pid": "x", "socket": "/"}', '{"pid": 1}'])
def test_a_file_that_says_nothing_is_no_session(place: Place, answering: socket.socket, text: str) -> None:
    (place.state / SESSION_FILE).write_text(text)
    assert running(paths.state_home(), place.root) == ()


def test_a_session_in_the_background_is_asked_about_although_it_looks_like_an_orphan(
    children: Children, repo: Path, place: Place, answering: socket.socket
) -> None:
    port = free_port()
    pid = children.orphan(IPV4, port, cwd=repo)
    assert [one.verdict.kind for one in look(port, repo)] == ["ours"]
    pid_in(place, pid)
    assert [(one.verdict.kind, one.verdict.hint) for one in look(port, repo)] == [("neighbour", "devproxy down")]
