"""What services' processes are and do, of real ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devproxy.processes.vitals import Survey, survey
from tests.processes.stage import LISTEN, Stage, play, python, spec
from tests.support import auntil, free_port

# Starts a child that listens, one in a session of its own, and one whose parent is gone; says their pids, and stays.
FAMILY = f"""
import os, signal, subprocess, sys
stay = "import signal; print(1, flush=True); signal.pause()"
def start(source, *words, **how):
    child = subprocess.Popen([sys.executable, "-c", source, *words], stdout=subprocess.PIPE, **how)
    child.stdout.readline()
    return child.pid
def orphan():
    read, write = os.pipe()
    if (middle := os.fork()) == 0:
        os.setsid()
        os.write(write, str(start(stay)).encode())
        os._exit(0)
    os.waitpid(middle, 0)
    return int(os.read(read, 20))
print("family", start({LISTEN!r}, sys.argv[1]), start(stay, start_new_session=True), orphan(), flush=True)
signal.pause()
"""
SPIN = """
print("spins", flush=True)
while True:
    pass
"""


def look(stage: Stage, *names: str) -> Survey:
    children = {name: child.pid for name in names if (child := stage[name].child) is not None}
    return survey(children, stage.session, os.getpid())


def test_a_services_processes_are_its_tree_and_who_has_left_it(tmp_path: Path) -> None:
    port = free_port()

    async def scene(stage: Stage) -> None:
        await stage.line("here", "other")
        listener, apart, orphan = map(int, (await stage.line("family")).split()[1:])
        child = stage.it.child
        assert child is not None
        await auntil(lambda: orphan in {one.pid for one in look(stage, "it", "other").processes["it"]})
        found = look(stage, "it", "other")
        assert [(one.pid, one.parent, one.depth, one.escaped) for one in found.processes["it"]] == [
            (child.pid, None, 0, False),
            (listener, child.pid, 1, False),
            (apart, child.pid, 1, True),
            (orphan, None, 0, True),
        ]
        assert [one.pid for one in found.processes["other"]] == [stage["other"].child.pid]
        assert [(one.address, one.port, one.pid) for one in found.listeners["it"]] == [("127.0.0.1", port, listener)]
        assert found.listeners["other"] == ()
        root = found.processes["it"][0]
        assert sys.executable in root.command
        assert root.rss_bytes > 2**20
        assert abs(root.started - stage.it.since) < 60

    stay = python("import signal; print('here', flush=True); signal.pause()")
    play(scene, spec(tmp_path, python(FAMILY, port)), spec(tmp_path, stay, "other"))


def test_who_spins_uses_cpu_and_who_waits_does_not(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("spins", "it")
        await stage.line("here", "idle")
        before = look(stage, "it", "idle")

        def has_spent() -> bool:
            now = look(stage, "it", "idle")
            return sum(now.cpu_percent(before, "it").values()) > 5  # of a core that others may want, too

        await auntil(has_spent)
        after = look(stage, "it", "idle")
        assert sum(after.cpu_percent(before, "it").values()) > sum(after.cpu_percent(before, "idle").values())

    stay = python("import signal; print('here', flush=True); signal.pause()")
    play(scene, spec(tmp_path, python(SPIN)), spec(tmp_path, stay, "idle"))


def test_a_process_that_has_ended_is_left_out() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie, until it is reaped
    assert survey({"it": child.pid}, "session", os.getpid()).processes["it"] == ()
    child.wait()
    assert survey({"it": child.pid}, "session", os.getpid()).processes["it"] == ()


@pytest.mark.parametrize("listeners", [True, False])
def test_addresses_are_looked_for_only_if_they_are_wanted(listeners: bool) -> None:
    found = survey({"it": os.getpid()}, "session", os.getpid(), listeners=listeners)
    assert ("it" in found.listeners) == listeners
