"""Talking to a session over its Unix socket."""

import socket
import threading
from pathlib import Path

import pytest

from devproxy.cli.client import Client, find_session
from devproxy.errors import DevproxyError, NoSession, UsageError
from devproxy.paths import socket_path
from tests.cli.conftest import Running
from tests.support import until


def test_a_session_is_found_from_a_folder_inside_its_project(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = running.root / "src"
    inside.mkdir()
    monkeypatch.chdir(inside)
    with find_session() as session:
        assert session.root == running.root
        assert session.get("/api/status")["name"] == "shop"


def test_a_folder_that_is_given_is_the_root_itself(running: Running) -> None:
    """As for `up -C`: also below a folder that would be found first, such as a repository's."""
    (running.root / "devproxy.toml").unlink()
    (running.root.parent / "devproxy.toml").touch()
    with find_session(running.root) as session:
        assert session.root == running.root


def test_nothing_runs_where_no_socket_is(project: Path) -> None:
    with pytest.raises(NoSession) as error:
        find_session(project)
    assert str(project) in error.value.message
    assert "devproxy up" in error.value.hint


def test_a_socket_that_a_crash_left_behind_is_no_session(project: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_path(project)))
    with Client(project) as client:
        assert not client.is_running()


def test_a_folder_that_is_not_there_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        find_session(tmp_path / "nowhere")


def test_a_problem_is_the_error_that_it_was_in_the_session(running: Running) -> None:
    with Client(running.root) as client, pytest.raises(UsageError) as error:
        client.post("/api/services/wbe/restart")
    assert error.value.message == "there is no service 'wbe'"
    assert "'web'" in error.value.hint


def test_parameters_without_a_value_are_not_sent_and_lists_are_repeated(running: Running) -> None:
    running.session.log.source("api").feed(b"one\n")
    running.session.log.source("web").feed(b"two\n")
    with Client(running.root) as client:
        page = client.get("/api/logs", service=["api", "db"], grep=None)
    assert [record["text"] for record in page["records"]] == ["one"]


def test_a_proxy_in_the_environment_is_not_asked(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Client(running.root) as client:
        assert client.is_running()


def test_a_stream_comes_as_it_is_sent_and_ends_with_the_session(running: Running) -> None:
    with Client(running.root) as client:
        stream = client.stream("/live")
        assert b"event: ready" in next(stream)
        running.end()
        assert list(stream) == []


def test_a_refused_stream_is_an_error(running: Running) -> None:
    with Client(running.root) as client, pytest.raises(UsageError):
        list(client.stream("/api/events", {"topics": "nonsense"}))


def test_a_stream_that_is_left_closes_its_connection(running: Running) -> None:
    with Client(running.root) as client:
        stream = client.stream("/live")
        next(stream)
        stream.close()
        until(lambda: not running.session.live._waiting)


def test_a_session_that_hangs_is_told_from_none(project: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(socket_path(project)))
        silent.listen()
        with Client(project, answer_seconds=0.1) as client, pytest.raises(DevproxyError) as error:
            client.get("/health")
    assert not isinstance(error.value, NoSession)
    assert "does not answer" in error.value.message


def test_an_answer_that_is_no_problem_is_still_one_message(project: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path(project)))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops")

        thread = threading.Thread(target=answer)
        thread.start()
        with Client(project) as client, pytest.raises(DevproxyError, match="502: oops"):
            client.get("/health")
        thread.join()
