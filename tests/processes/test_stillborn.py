"""A start that an error has ended although the process lives; and starts that only take their time."""

import sys
from pathlib import Path

import pytest

from devproxy.config.model import Logs, Stop
from devproxy.logs.log import Log
from devproxy.logs.records import Record
from devproxy.processes.stillborn import LINES_AFTER, REST_SECONDS, WORKING, Look, is_at_rest, says_an_error_ended_it
from tests.processes.reloaders import APP, MANAGE, SERVER_JS, URLS, answers, outages, save_until, watches
from tests.processes.stage import LISTEN, Stage, play, python, spec
from tests.support import free_port

QUICK = Stop(grace_seconds=0.5)

TRACEBACK = """Traceback (most recent call last):
  File "/shop/main.py", line 1, in <module>
    1 / 0
ZeroDivisionError: division by zero"""
NODES = """/shop/server.js:1
throw new Error("no")
^

Error: no
    at Object.<anonymous> (/shop/server.js:1:7)
"""


# -- reloaders that are broken at their very first start


def broken_from_the_beginning(port: int, words: tuple[str, ...], file: Path, fixed: str) -> None:
    """Failing, with a reason; ready when the file is fixed, by the same process."""

    async def scene(stage: Stage) -> None:
        it = await stage.state("failing", within=30)
        assert it.life.reason == f"nothing of it listens on port {port}; an error ended its start"
        assert stage.supervisor.has_given_up("it")
        if "runserver" in words:
            await watches(stage, starts=1)
        await save_until(lambda: it.life.state == "ready", file, fixed)
        assert await answers(port, "VERSION")
        assert (outages(stage), it.restarts, it.life.reason) == (1, 0, "")

    file.write_text("const broken = (\n" if file.suffix == ".js" else "def broken(:\n")
    play(scene, spec(file.parent, words, port=port, stop=QUICK), within=90)


def test_uvicorns_reloader(tmp_path: Path) -> None:
    port = free_port()
    words = (sys.executable, "-m", "uvicorn", "main:app", "--reload", "--port", str(port))
    broken_from_the_beginning(port, words, tmp_path / "main.py", APP)


@pytest.mark.node
def test_node_watch(tmp_path: Path) -> None:
    port = free_port()
    broken_from_the_beginning(port, ("node", "--watch", "server.js"), tmp_path / "server.js", SERVER_JS)


def test_djangos_runserver(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "manage.py").write_text(MANAGE)
    words = (sys.executable, "manage.py", "runserver", f"127.0.0.1:{port}")
    broken_from_the_beginning(port, words, tmp_path / "urls.py", URLS)


# -- starts that take their time


def test_a_slow_start_is_no_failed_one_whatever_it_prints(tmp_path: Path) -> None:
    """Each takes longer than a failed one is given, and each lacks one thing of a failed one."""
    slow = REST_SECONDS + 1
    sources = {
        "silent": f"import time; time.sleep({slow})",
        "handled": f"import time; print({TRACEBACK!r}); time.sleep({slow})",
        "talks": f"""
import time
print("Process SpawnProcess-1:\\n" {TRACEBACK!r})
for n in range(10):
    print("waiting for the database")
    time.sleep({slow / 10})
""",
        # A watching compiler, and the server that found nothing compiled yet.
        "compiles": f"""
import subprocess, sys, time
compilers = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
print({NODES!r}, "Node.js v20.20.2", sep="\\n")
time.sleep({slow})
for compiler in compilers: compiler.kill(), compiler.wait()
""",
    }
    specs = [spec(tmp_path, python(source + LISTEN), name, port=free_port()) for name, source in sources.items()]

    async def scene(stage: Stage) -> None:
        for name in sources:
            await stage.state("ready", name, within=30)

    stage = play(scene, *specs, within=60)
    assert outages(stage) == 0


# -- the decision


def printed(text: str) -> list[Record]:
    log = Log(None, "session", Logs())
    log.source("it").feed(text.encode() + b"\n")
    return log.last_lines("it", 200)


@pytest.mark.parametrize(
    "text",
    [
        f"Process SpawnProcess-1:\n{TRACEBACK}",
        f"Process SpawnProcess-1:\n{TRACEBACK}\nINFO:     Stopping reloader process [1]",
        f"Exception in thread django-main-thread:\n{TRACEBACK}",
        f"Exception in thread django-main-thread (wrapper):\n{TRACEBACK}",
        f"{NODES}\nNode.js v20.20.2\nFailed running 'server.js'",
        f"{NODES}\nNode.js v22.1.0\n[nodemon] app crashed - waiting for file changes before starting...",
        'ERROR:    Error loading ASGI app. Could not import module "main".',
        f"ERROR:    {TRACEBACK}\n\nERROR:    Application startup failed. Exiting.",
    ],
)
def test_that_an_error_ended_it_is_seen_in_its_lines(text: str) -> None:
    assert says_an_error_ended_it(printed(f"INFO:     Will watch for changes\n{text}"))


@pytest.mark.parametrize(
    "text",
    [
        "starting",
        TRACEBACK,
        NODES,
        f"Exception in thread metrics:\n{TRACEBACK}",
        f"Process SpawnProcess-1:\n{TRACEBACK}\n{TRACEBACK}",
        f"Process SpawnProcess-1:\n{TRACEBACK}" + "\nstarting again" * (LINES_AFTER + 1),
        "Node.js v20.20.2" + "\nstarting" * LINES_AFTER,
    ],
)
def test_other_lines_do_not_say_so(text: str) -> None:
    assert not says_an_error_ended_it(printed(text))


BEFORE = Look(7, frozenset({1, 2}), 1.0, 100.0)


@pytest.mark.parametrize(
    ("now", "rests"),
    [
        (Look(7, frozenset({1, 2}), 1.0, 102.0), True),
        (Look(7, frozenset({1, 2}), 1.0 + WORKING, 102.0), True),
        (Look(7, frozenset({1, 2}), 1.0 + WORKING * 3, 102.0), False),
        (Look(8, frozenset({1, 2}), 1.0, 102.0), False),
        (Look(7, frozenset({1, 3}), 1.0, 102.0), False),
        (Look(7, frozenset({1}), 0.5, 102.0), False),
    ],
)
def test_at_rest_is_who_neither_prints_nor_works_nor_starts_or_ends_a_process(now: Look, rests: bool) -> None:
    assert is_at_rest(BEFORE, now) is rests
