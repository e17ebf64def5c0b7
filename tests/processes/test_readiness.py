"""When a service may take traffic: one probe for each way of telling, real programs, real ports."""

import asyncio
import contextlib
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from devproxy.config.model import Ready
from devproxy.errors import ServiceFailed
from devproxy.ports.table import Listener
from devproxy.processes import readiness
from devproxy.processes.lifecycle import Exit
from devproxy.processes.probe_command import Outcome
from devproxy.processes.readiness import NotReady, Readiness, Subject, addresses_of, wait_ready
from tests.processes.stage import LISTEN, STAY, python
from tests.support import auntil, free_port, run

SHORT = 0.3  # seconds of patience where nothing will come
SECONDS = r" for \d+(\.\d)? s"


def never(*_: object) -> "asyncio.Future[None]":
    return asyncio.get_running_loop().create_future()


def exits(*codes: int) -> Callable[[str], "asyncio.Future[Outcome]"]:
    """A command that ends with these codes, one after another; the last one again and again."""
    left = list(codes)

    def run_it(_: str) -> "asyncio.Future[Outcome]":
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        done.set_result(Outcome(Exit(code=left.pop(0) if len(left) > 1 else left[0])))
        return done

    return run_it


def subject(pid: int, port: int | None, *, listens: bool = True) -> Subject:
    return Subject(pid, port, listens, printed=never, run=exits(0))


Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def start(source: str, *arguments: object, shell: bool = False) -> subprocess.Popen[bytes]:
        words = python(source, *arguments)
        command = ("sh", "-c", f"{shlex.join(words)}; true") if shell else words
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True))
        return started[-1]

    yield start
    for one in started:
        with one, contextlib.suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGKILL)


def waited(ready: Ready, subject: Subject) -> Readiness:
    return run(wait_ready(ready, subject))


def failure(ready: Ready, subject: Subject) -> str:
    with pytest.raises(NotReady) as raised:
        waited(ready, subject)
    return str(raised.value)


def test_it_is_ready_when_its_process_listens_on_its_port(start: Start) -> None:
    port = free_port()
    assert waited(Ready(), subject(start(LISTEN, port).pid, port)) == Readiness((("127.0.0.1", port),))


def test_or_when_a_descendant_does(start: Start) -> None:
    port = free_port()
    assert waited(Ready(), subject(start(LISTEN, port, shell=True).pid, port)).addresses == (("127.0.0.1", port),)


def test_a_port_that_somebody_else_listens_on_does_not_make_it_ready(start: Start) -> None:
    port = free_port()
    stranger = start(LISTEN, port)
    assert waited(Ready(), subject(stranger.pid, port))
    told = failure(Ready(timeout_seconds=SHORT), subject(start(STAY).pid, port))
    assert re.fullmatch(rf"nothing of its tree listens on {port}{SECONDS}", told)


def test_on_another_port_it_is_ready_too_and_that_is_said(start: Start) -> None:
    wanted, other = free_port(), free_port()
    found = waited(Ready(), subject(start(LISTEN, other).pid, wanted))
    assert found == Readiness((("127.0.0.1", other),), f"listens on {other}, not on {wanted}")


def test_a_first_port_elsewhere_is_not_believed_at_once(start: Start) -> None:
    """A debugger's or an HMR socket may come before the port we want."""
    wanted, other = free_port(), free_port()
    source = """
import signal, socket, sys, time
first = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(0.3)
second = socket.create_server(("127.0.0.1", int(sys.argv[2])))
signal.pause()
"""
    found = waited(Ready(), subject(start(source, other, wanted).pid, wanted))
    assert found == Readiness((("127.0.0.1", wanted),))


def test_without_a_port_of_its_own_any_will_do(start: Start) -> None:
    port = free_port()
    assert waited(Ready(), subject(start(LISTEN, port).pid, None)) == Readiness((("127.0.0.1", port),))


def test_a_service_that_need_not_listen_is_ready_as_it_has_started() -> None:
    assert waited(Ready(), subject(os.getpid(), None, listens=False)) == Readiness()
    assert waited(Ready(started=True), subject(os.getpid(), 8000)) == Readiness()


def test_it_may_be_declared_to_listen(start: Start) -> None:
    told = failure(Ready(port=True, timeout_seconds=SHORT), subject(start(STAY).pid, None, listens=False))
    assert re.fullmatch(rf"nothing of its tree listens{SECONDS}", told)


def test_a_line_that_matches_makes_it_ready(start: Start) -> None:
    seen: list[re.Pattern[str]] = []

    def printed(pattern: re.Pattern[str]) -> "asyncio.Future[None]":
        seen.append(pattern)
        done = never()
        done.set_result(None)
        return done

    assert (
        waited(Ready(log=r"ready in \d+ ms"), replace(subject(start(STAY).pid, None), printed=printed)) == Readiness()
    )
    assert seen == [re.compile(r"ready in \d+ ms")]


def test_a_line_that_never_comes_is_named() -> None:
    told = failure(Ready(log="listening", timeout_seconds=SHORT), subject(os.getpid(), None))
    assert re.fullmatch(rf"no line matched /listening/{SECONDS}", told)


def test_a_command_is_run_until_it_exits_with_zero() -> None:
    assert waited(Ready(command="pg_isready"), replace(subject(os.getpid(), None), run=exits(1, 0))) == Readiness()


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome(Exit(code=2)), rf"exited with 2{SECONDS}"),
        (Outcome(Exit(code=1), "no response"), rf"exited with 1{SECONDS}: no response"),
        (Outcome(Exit(signal=9)), rf"was ended by signal 9{SECONDS}"),
        (None, rf"did not end{SECONDS}"),
    ],
)
def test_a_command_that_fails_is_named_with_what_came_back(outcome: Outcome | None, words: str) -> None:
    def run_it(_: str) -> "asyncio.Future[Outcome]":
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        if outcome is not None:
            done.set_result(outcome)
        return done

    told = failure(Ready(command="pg_isready", timeout_seconds=SHORT), replace(subject(os.getpid(), None), run=run_it))
    assert re.fullmatch(f"the command 'pg_isready' {words}", told)


def test_a_command_that_hangs_after_it_had_failed_is_said_to_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "ANSWER_SECONDS", 0.1)
    runs: list[str] = []

    def run_it(command: str) -> "asyncio.Future[Outcome]":
        runs.append(command)
        return exits(1)(command) if len(runs) == 1 else asyncio.get_running_loop().create_future()

    told = failure(Ready(command="check", timeout_seconds=1), replace(subject(os.getpid(), None), run=run_it))
    assert re.fullmatch(rf"the command 'check' did not end{SECONDS}", told)
    assert len(runs) == 2


def test_a_command_that_cannot_be_run_is_no_crash_of_ours() -> None:
    def run_it(_: str) -> "asyncio.Future[Outcome]":
        raise ServiceFailed("the folder is gone")

    told = failure(Ready(command="check", timeout_seconds=SHORT), replace(subject(os.getpid(), None), run=run_it))
    assert re.fullmatch(rf"the command 'check' could not be run{SECONDS}: the folder is gone", told)


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[HTTPServer]:
    """A server in this very process: so this process is the subject."""
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("statuses", "wanted"), [([500, 503, 404], None), ([404, 404, 204], 204)], ids=["below 500", "the declared one"]
)
def test_the_status_of_a_path_makes_it_ready(web: HTTPServer, statuses: list[int], wanted: int | None) -> None:
    web.statuses = statuses

    ready = Ready(http="/health", status=wanted)
    assert waited(ready, subject(os.getpid(), web.server_port)).addresses == (("127.0.0.1", web.server_port),)
    assert len(statuses) == 1


def test_the_wrong_status_is_told_with_the_url(web: HTTPServer) -> None:

    web.statuses = [503]
    told = failure(Ready(http="/health", timeout_seconds=1), subject(os.getpid(), web.server_port))
    url = f"http://127.0.0.1:{web.server_port}/health"
    assert re.fullmatch(rf"GET {url} answered 503{SECONDS}; expected a status below 500", told)


def test_no_answer_at_all_is_told(start: Start) -> None:
    """It listens, accepts, and says nothing."""
    port = free_port()
    told = failure(Ready(http="/", status=200, timeout_seconds=1.5), subject(start(LISTEN, port).pid, port))
    assert re.fullmatch(rf"GET http://127.0.0.1:{port}/ got no answer{SECONDS}", told)


def test_a_first_request_without_an_answer_is_not_waited_for_until_the_deadline(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that accepts before it can answer may never answer those that came too early."""
    monkeypatch.setattr(readiness, "ANSWER_SECONDS", 0.2)
    port = free_port()
    source = """
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
first = server.accept()[0]
while True:
    client = server.accept()[0]
    client.recv(4096)
    client.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
    client.close()
"""
    ready = Ready(http="/", timeout_seconds=20)
    assert waited(ready, subject(start(source, port).pid, port)).addresses == (("127.0.0.1", port),)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", None),
        (b"SSH-2.0-x\r\n", "failed{SECONDS}: its answer is not HTTP"),
        (b"", "failed{SECONDS}: it closed the connection without an answer"),
    ],
)
def test_an_answer_is_read_as_http_and_nothing_else(start: Start, answer: bytes, words: str | None) -> None:
    port = free_port()
    source = f"""
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client = server.accept()[0]
    assert client.recv(4096).startswith(b"GET /h%C3%A9alth?a=b HTTP/1.1\\r\\nHost: 127.0.0.1:")
    client.sendall({answer!r})
    client.close()
"""
    ready = Ready(http="/héalth?a=b", status=200, timeout_seconds=1 if words else 20)
    asked = subject(start(source, port).pid, port)
    if words is None:
        assert waited(ready, asked).addresses == (("127.0.0.1", port),)
    else:
        told = failure(ready, asked)
        assert re.fullmatch(f"GET http://127.0.0.1:{port}/héalth.a=b {words.format(SECONDS=SECONDS)}", told)


def test_one_that_listens_elsewhere_only_is_told_with_that_port(start: Start) -> None:
    wanted, other = free_port(), free_port()
    elsewhere = start(LISTEN, other)
    assert waited(Ready(), subject(elsewhere.pid, other))
    told = failure(Ready(timeout_seconds=SHORT), subject(elsewhere.pid, wanted))
    assert re.fullmatch(rf"nothing of its tree listens on {wanted}{SECONDS}; it listens on {other}", told)


def test_a_wait_can_be_cancelled(start: Start) -> None:
    async def scene() -> None:
        pid = start(STAY).pid
        task = asyncio.create_task(wait_ready(Ready(), subject(pid, 9)))
        await asyncio.sleep(0)
        task.cancel()
        await auntil(task.cancelled)

    run(scene())


def test_who_listens_everywhere_is_dialled_on_loopback() -> None:
    found = [
        Listener(80, "0.0.0.0", 4, 1),
        Listener(80, "::", 6, 1),
        Listener(80, "0.0.0.0", 4, 2),
        Listener(80, "192.0.2.7", 4, 1),
    ]
    assert addresses_of(found) == (("127.0.0.1", 80), ("::1", 80), ("192.0.2.7", 80))
