"""A service that became ready and stopped serving: failing, with the reason; and ready again when it serves.

Reloaders that outlive their worker (uvicorn --reload, node --watch, Django's runserver), pre-forked and SO_REUSEPORT
workers of which one dies.
"""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from devproxy.config.model import Ready, Service, Stop
from devproxy.logs.tracebacks import Grouper, is_traceback
from devproxy.ports.holdings import holdings, is_held
from devproxy.processes import liveness
from devproxy.processes.liveness import (
    ABANDONED_SECONDS,
    CLOSED_SECONDS,
    COMPLAINED_SECONDS,
    ENDED_SECONDS,
    Look,
    patience,
    reason,
)
from tests.processes.reloaders import APP, MANAGE, SERVER_JS, URLS, answers, outages, save, save_until, watches
from tests.processes.stage import LISTEN, Stage, play, python, spec
from tests.support import auntil, free_port

QUICK = Stop(grace_seconds=0.5)

# As Django's runserver, but quicker: the parent waits for a child that has RUN_MAIN in its environment and exits with 3 when its
# source has changed; one whose source is broken prints why, and stays, and waits for the next change.
RUNSERVER = """
import os, subprocess, sys, threading, time, traceback
if os.environ.get("RUN_MAIN") != "true":
    while True:
        code = subprocess.call([sys.executable, *sys.argv], env={**os.environ, "RUN_MAIN": "true"})
        if code != 3:
            sys.exit(code)
before = os.stat("app.py").st_mtime_ns
def serve():
    try:
        exec(compile(open("app.py").read(), "app.py", "exec"), {})
    except Exception:
        traceback.print_exc()
threading.Thread(target=serve, daemon=True).start()
while os.stat("app.py").st_mtime_ns == before:
    time.sleep(0.05)
sys.exit(3)
"""
SERVES = """
import http.server, os, time
time.sleep(DELAY)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"VERSION")
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


# -- reloaders


def test_uvicorns_reloader_that_holds_the_socket_while_its_worker_is_dead(tmp_path: Path) -> None:
    port, app = free_port(), tmp_path / "main.py"
    app.write_text(APP.replace("VERSION", "one"))

    async def scene(stage: Stage) -> None:
        await stage.state("ready", within=20)
        await auntil(lambda: answers(port, "one"))
        await save_until(lambda: stage.it.life.state != "ready", app, "def broken(:\n")
        it = await stage.state("failing", within=20)
        assert it.life.reason == f"nothing takes the connections to port {port}; its worker has ended"
        with socket.create_connection(("127.0.0.1", port), timeout=20):
            pass  # it is the kernel that accepts
        save(app, APP.replace("VERSION", "two"))
        await stage.state("ready", within=20)
        assert await answers(port, "two")
        assert stage.states[-4:] == [("it", "ready"), ("it", "restarting"), ("it", "failing"), ("it", "ready")]
        save(app, APP.replace("VERSION", "three"))
        await auntil(lambda: answers(port, "three"), within=20)
        assert (outages(stage), stage.it.restarts) == (1, 0)

    words = (sys.executable, "-m", "uvicorn", "main:app", "--reload", "--port", str(port))
    play(scene, spec(tmp_path, words, port=port, stop=QUICK), within=90)


@pytest.mark.node
def test_node_watch_whose_script_is_broken(tmp_path: Path) -> None:
    port, script = free_port(), tmp_path / "server.js"
    script.write_text(SERVER_JS.replace("VERSION", "one"))

    async def scene(stage: Stage) -> None:
        await stage.state("ready", within=20)
        await save_until(lambda: stage.it.life.state != "ready", script, "const broken = (\n")
        it = await stage.state("failing", within=20)
        assert it.life.reason == f"nothing of it listens on port {port}; its worker has ended"
        script.write_text(SERVER_JS.replace("VERSION", "two"))
        await stage.state("ready", within=20)
        assert await answers(port, "two")
        assert (outages(stage), stage.it.restarts) == (1, 0)

    play(scene, spec(tmp_path, ("node", "--watch", "server.js"), port=port, stop=QUICK), within=90)


def test_djangos_runserver_that_keeps_its_broken_worker(tmp_path: Path) -> None:
    port, urls = free_port(), tmp_path / "urls.py"
    (tmp_path / "manage.py").write_text(MANAGE)
    urls.write_text(URLS.replace("VERSION", "one"))

    async def scene(stage: Stage) -> None:
        await stage.state("ready", within=30)
        await auntil(lambda: answers(port, "one"))
        await watches(stage, starts=1)
        save(urls, "def broken(:\n")
        await stage.state("failing", within=30)
        grouper, lines = Grouper(), stage.log.last_lines("it", 200)
        groups = [group for line in lines for group in grouper.feed(line)] + grouper.flush()
        errors = [group for group in groups if is_traceback(group)]
        assert [error[-1].plain for error in errors] == ["SyntaxError: invalid syntax"]
        await watches(stage, starts=2)
        save(urls, URLS.replace("VERSION", "three"))
        await stage.state("ready", within=30)
        assert await answers(port, "three")
        assert (outages(stage), stage.it.restarts) == (1, 0)

    words = (sys.executable, "manage.py", "runserver", f"127.0.0.1:{port}")
    play(scene, spec(tmp_path, words, port=port, stop=QUICK), within=90)


def test_a_reloader_that_keeps_its_broken_worker(tmp_path: Path) -> None:
    port, app = free_port(), tmp_path / "app.py"
    (tmp_path / "manage.py").write_text(RUNSERVER)
    app.write_text(SERVES.replace("DELAY", "0").replace("VERSION", "version"))

    async def scene(stage: Stage) -> None:
        await stage.state("ready", within=20)
        save(app, "def broken(:\n")
        await stage.state("failing", within=20)
        assert "SyntaxError" in " ".join(stage.lines())
        save(app, SERVES.replace("DELAY", "0"))
        await stage.state("ready", within=20)
        assert (outages(stage), stage.it.restarts) == (1, 0)

    play(scene, spec(tmp_path, (sys.executable, "manage.py"), port=port, stop=QUICK), within=90)


def test_a_reloaders_restart_is_no_outage_however_long_the_start_takes(tmp_path: Path) -> None:
    """Longer than an abandoned one is waited for: there is a new worker, and no error."""
    port, app = free_port(), tmp_path / "app.py"
    (tmp_path / "manage.py").write_text(RUNSERVER)
    app.write_text(SERVES.replace("DELAY", "0").replace("VERSION", "first__"))

    async def scene(stage: Stage) -> None:
        await stage.state("ready", within=20)
        save(app, SERVES.replace("DELAY", str(CLOSED_SECONDS + 0.5)).replace("VERSION", "second_"))
        await auntil(lambda: answers(port, "second_"), within=20)
        await stage.state("ready")
        assert stage.states[-3:] == [("it", "ready"), ("it", "restarting"), ("it", "ready")]

    play(scene, spec(tmp_path, (sys.executable, "manage.py"), port=port, stop=QUICK), within=60)


# Has a worker that shares its socket and, asked to end, takes no more connections but stays until its clients have left.
DRAINS = """
import os, signal, socket, sys
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
one.bind(("127.0.0.1", int(os.environ["PORT"])))
def work():
    if (worker := os.fork()):
        return worker
    signal.signal(signal.SIGUSR1, lambda *_: sys.exit())
    signal.signal(signal.SIGTERM, lambda *_: one.close())
    os.write(1, b"worker %d\\n" % os.getpid())
    while one.fileno() >= 0:
        try: one.accept()[0].close()
        except OSError: pass
    while True: signal.pause()
worker = work()
one.listen()  # both have it, from the first moment on
while True:
    os.waitpid(worker, 0)
    worker = work()
"""


def test_a_worker_that_waits_for_its_clients_to_leave_is_restarting_from_the_moment_it_takes_no_more(
    tmp_path: Path,
) -> None:
    """As uvicorn's: an event stream would keep it for ever."""

    async def scene(stage: Stage) -> None:
        it = await stage.state("ready")
        worker = int((await stage.line("worker")).split()[1])
        os.kill(worker, signal.SIGTERM)
        await auntil(lambda: it.health.doubt() or it.life.state == "restarting")
        os.kill(worker, signal.SIGUSR1)
        await stage.state("ready")
        assert stage.states[-3:] == [("it", "ready"), ("it", "restarting"), ("it", "ready")]

    play(scene, spec(tmp_path, python(DRAINS), port=free_port(), stop=QUICK))


# Listens by itself, takes nothing, and starts a worker that does whenever it is told to.
LATE = """
import os, signal, socket, time
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
one.bind(("127.0.0.1", int(os.environ["PORT"])))
one.listen()
def start(*_):
    if not (worker := os.fork()):
        while True: one.accept()[0].close()
    os.write(1, b"worker %d\\n" % worker)
    os.waitpid(worker, 0)
signal.signal(signal.SIGUSR1, start)
os.write(1, b"here\\n")
while True: time.sleep(600)
"""


def test_a_worker_that_came_long_after_its_reloader_listened_is_missed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("LOOK_SECONDS", 0.05), ("SURVEY_SECONDS", 0.1), ("OUTAGE_SECONDS", 0.05)):
        monkeypatch.setattr(liveness, name, seconds)

    async def scene(stage: Stage) -> None:
        it = await stage.state("ready")
        assert it.child is not None
        await stage.line("here")
        await asyncio.sleep(0.5)  # some looks, which see nobody but the reloader
        for tries in range(1, 8):
            os.kill(it.child.pid, signal.SIGUSR1)
            await auntil(lambda tries=tries: sum("worker" in line for line in stage.lines()) == tries)
            await asyncio.sleep(0.1 * 2**tries)  # it is seen meanwhile, in one of these
            os.kill(int((await stage.line("worker")).split()[1]), signal.SIGKILL)
            with suppress(AssertionError):
                await stage.state("failing", within=3)
                break
        assert it.life.reason.endswith("its worker has ended")

    play(scene, spec(tmp_path, python(LATE), port=free_port(), stop=QUICK), within=90)


# -- without a reloader


def test_one_that_lives_but_closed_its_socket(tmp_path: Path) -> None:
    port = free_port()
    source = LISTEN.replace("while True:", "signal.signal(signal.SIGUSR1, lambda *_: one.close())\nwhile True:")

    async def scene(stage: Stage) -> None:
        it = await stage.state("ready")
        assert it.child is not None
        os.kill(it.child.pid, signal.SIGUSR1)
        await stage.state("failing")
        assert it.life.reason == f"nothing of it listens on port {port} any more"

    play(scene, spec(tmp_path, python(source), port=port))


# Says its pid in one write: unbuffered (PYTHONUNBUFFERED), what several print at once would come in pieces.
WORKER = """
import os, socket
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
one.bind(("127.0.0.1", int(os.environ["PORT"])))
one.listen()
os.write(1, b"worker %d\\n" % os.getpid())
open(f"{os.environ['DEVPROXY_SERVICE']}.{os.getpid()}", "w").close()
while True: one.accept()[0].close()
"""


def workers(folder: Path, count: int, name: str = "it") -> Service:
    """A service of several workers, each with a socket of its own (SO_REUSEPORT); ready when all of them listen."""
    (folder / "worker.py").write_text(WORKER)
    started = f"{sys.executable} worker.py & " * count
    listening = f"while [ $(ls | grep -c '^{name}[.]') != {count} ]; do sleep 0.05; done; echo all"
    command = f"{started} {listening}; wait; exec sleep 600"
    return spec(folder, command, name, port=free_port(), ready=Ready(log="^all$"), stop=QUICK)


async def kill_a_worker(stage: Stage, name: str) -> None:
    os.kill(int((await stage.line("worker", name)).split()[1]), signal.SIGKILL)


async def another_is_failing(stage: Stage) -> None:
    """Who was to be failing would be by now: the last worker of `other` has died since, and is missed."""
    await stage.state("ready", "other")
    await kill_a_worker(stage, "other")
    await stage.state("failing", "other")


def test_one_of_several_workers_may_die(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("ready")
        await kill_a_worker(stage, "it")
        await another_is_failing(stage)
        assert ("it", "failing") not in stage.states

    play(scene, workers(tmp_path, 2), workers(tmp_path, 1, "other"))


def test_a_child_that_inherited_the_socket_may_end(tmp_path: Path) -> None:
    """Its parent takes the connections, as a server with a pool of forked helpers does."""
    source = """
import os, socket, time
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
one.bind(("127.0.0.1", int(os.environ["PORT"])))
if not (helper := os.fork()):
    time.sleep(600)
one.listen()  # both have it, from the first moment on
print("helper", helper, flush=True)
while True: one.accept()[0].close()
"""

    async def scene(stage: Stage) -> None:
        await stage.state("ready")
        helper = int((await stage.line("helper")).split()[1])
        os.kill(helper, signal.SIGKILL)
        await another_is_failing(stage)
        assert ("it", "failing") not in stage.states

    play(scene, spec(tmp_path, python(source), port=free_port()), workers(tmp_path, 1, "other"))


def test_one_that_does_not_listen_is_never_failing_and_one_that_listens_late_gets_its_address(tmp_path: Path) -> None:
    port = free_port()
    late = f"import time\nprint('here', flush=True)\ntime.sleep(0.5)\n{LISTEN}"

    async def scene(stage: Stage) -> None:
        await stage.state("ready", "worker")
        await stage.state("ready", "late")
        await auntil(lambda: stage["late"].health.addresses == (("127.0.0.1", port),))
        assert outages(stage) == 0

    play(
        scene,
        spec(tmp_path, "sleep 0.1 && sleep 600", "worker"),
        spec(tmp_path, python(late), "late", port=port, ready=Ready(log="here")),
    )


# -- the decision


@pytest.mark.parametrize(
    ("look", "printed", "seconds"),
    [
        (Look(listens=True, died=True, successor=False), "", ABANDONED_SECONDS),
        (Look(listens=False, died=True, successor=False), "complained", ABANDONED_SECONDS),
        (Look(listens=False, died=True, successor=False), "complained ended", ENDED_SECONDS),
        (Look(listens=False, died=True, successor=True), "", 60),
        (Look(listens=True, died=True, successor=True), "", 60),
        (Look(listens=False, died=True, successor=True), "complained", COMPLAINED_SECONDS),
        (Look(listens=False, died=True, successor=True), "complained ended", ENDED_SECONDS),
        (Look(listens=True, died=False, successor=False), "", 60),
        (Look(listens=False, died=False, successor=False), "", CLOSED_SECONDS),
        (Look(listens=False, died=False, successor=False), "complained ended", CLOSED_SECONDS),
    ],
)
def test_how_long_a_gap_may_last(look: Look, printed: str, seconds: float) -> None:
    complained, ended = "complained" in printed, "ended" in printed
    assert patience(look, complained=complained, ended=ended, start_seconds=60) == seconds


def test_the_reason_says_what_was_seen() -> None:
    gone = Look(listens=False, died=False, successor=False)
    assert reason(gone, "8000") == "nothing of it listens on port 8000 any more"


# -- what it rests on


def test_a_holding_tells_how_many_connections_wait_and_whether_it_is_still_held() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        [holding] = holdings([os.getpid()], [port])
        assert (holding.address, holding.family, holding.waiting, is_held(holding)) == ("127.0.0.1", 4, 0, True)
        with socket.create_connection(server.getsockname()):
            assert [one.waiting for one in holdings([os.getpid()], [port])] == [1]
            server.accept()[0].close()
            assert [one.waiting for one in holdings([os.getpid()], [port])] == [0]
        assert holdings([os.getpid()], [1]) == []
    assert not is_held(holding)
