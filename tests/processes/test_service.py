"""One service and its owner: what it prints, how it becomes ready, restarts, and stops."""

import asyncio
import itertools
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from devproxy.config.model import Ready, ReloadSignal, Stop
from devproxy.paths import make_state_dir
from devproxy.ports import identity, records
from devproxy.ports.probe import is_free
from devproxy.ports.records import ChildRecord
from devproxy.processes import liveness
from devproxy.processes.lifecycle import Begin, RestartAsked, Saved
from tests.processes.stage import LISTEN, PARENT, STAY, Stage, play, python, spec
from tests.support import auntil, free_port, run, until
from tests.support.devproxy import is_alive

DEAF = python(STAY, "SIGTERM", "SIGINT", "SIGHUP")
WAIT_FOR_FILE = "while [ ! -e go ]; do sleep 0.01; done; "


# -- what it prints


def test_a_line_is_in_the_log_as_soon_as_it_is_printed(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("here")
        assert stage.it.life.alive

    play(scene, spec(tmp_path, python(STAY)))


def test_lines_are_whole_however_they_are_written(tmp_path: Path) -> None:
    source = (
        "import os, time\nfor part in (b'o', b'ne\\ntw', b'o\\nthr', b'ee'):\n    os.write(1, part); time.sleep(0.01)"
    )

    async def scene(stage: Stage) -> None:
        await stage.state("done")

    assert play(scene, spec(tmp_path, python(source))).lines() == ["one", "two", "three"]


def test_a_megabyte_arrives_whole_and_in_order(tmp_path: Path) -> None:
    source = "for n in range(9_000): print(n, 'x' * 100)"

    async def scene(stage: Stage) -> None:
        await stage.state("done")

    lines = play(scene, spec(tmp_path, python(source))).lines()
    assert [int(line.split()[0]) for line in lines] == list(range(9_000))


def test_nothing_is_lost_of_one_that_is_slowed_because_of_requests(tmp_path: Path) -> None:
    source = "import sys\nfor n in range(20_000): print(n, 'x' * 100, file=sys.stdout if n % 2 else sys.stderr)"

    async def scene(stage: Stage) -> None:
        stage.requests = itertools.count(1).__next__  # another one whenever somebody looks
        await stage.state("done")
        assert stage.log.topic.last >= 20_000

    stage = play(scene, spec(tmp_path, python(source)))
    numbers = [int(line.split()[0]) for line in stage.lines()]
    assert len(numbers) > 9_000  # as many as memory keeps
    assert numbers == list(range(20_000))[-len(numbers) :]


def test_one_that_is_slowed_is_stopped_as_ever(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        stage.requests = itertools.count(1).__next__
        await stage.line("chatter")
        await auntil(lambda: stage.log.topic.last > 50_000)
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")

    play(scene, spec(tmp_path, "yes chatter"))


def test_one_that_never_stops_printing_keeps_us_from_nobody_else(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("chatter", "chatty")
        (tmp_path / "go").touch()
        await stage.state("done", "other")
        stage.supervisor.ask_stop("chatty")
        await stage.state("stopped", "chatty")

    play(
        scene,
        spec(tmp_path, "yes chatter >&2", "chatty", stderr="separate"),
        spec(tmp_path, f"{WAIT_FOR_FILE} true", "other"),
    )


def test_its_last_words_are_in_the_log_before_it_is_said_to_have_crashed(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("crashed")

    stage = play(scene, spec(tmp_path, "echo why; printf 'no line end'; exit 3", restart="never"))
    assert stage.lines_at["it", "crashed"] == ["why", "no line end"]
    assert stage.it.life.exit is not None and stage.it.life.exit.code == 3


def test_stderr_may_be_a_stream_of_its_own(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("done")

    stage = play(scene, spec(tmp_path, "echo out; echo err >&2", stderr="separate"))
    assert {(one.stream, one.text) for one in stage.log.last_lines("it", 9)} == {("stdout", "out"), ("stderr", "err")}


def test_one_that_prints_into_files_only_is_not_hung_up_on(tmp_path: Path) -> None:
    """Nothing of it has the terminal open: closing our side would send it SIGHUP."""
    port = free_port()
    (tmp_path / "listen.py").write_text(LISTEN)

    async def scene(stage: Stage) -> None:
        await stage.state("ready")
        assert stage.it.life.alive
        assert (tmp_path / "log").read_text() == "listening\n"

    command = f"exec {sys.executable} listen.py </dev/null >log 2>&1"
    stage = play(scene, spec(tmp_path, command, port=port))
    assert ("it", "crashed") not in stage.states


def test_the_window_may_change_its_size(tmp_path: Path) -> None:
    source = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b'%d %d\\n' % os.get_terminal_size(0)))\n"
        "print('first', *os.get_terminal_size(0), flush=True)\nwhile True: time.sleep(0.02)"
    )

    async def scene(stage: Stage) -> None:
        await stage.line("first 90 30")
        stage.size = (70, 20)
        stage.it.terminal.resize()
        await stage.line("70 20")

    play(scene, spec(tmp_path, python(source)))


# -- ready


def test_it_is_ready_when_it_listens_and_says_where_and_how_soon(tmp_path: Path) -> None:
    port = free_port()

    async def scene(stage: Stage) -> None:
        it = await stage.state("ready")
        assert it.health.addresses == (("127.0.0.1", port),)
        assert it.health.ready_seconds is not None and 0 < it.health.ready_seconds < 10

    stage = play(scene, spec(tmp_path, python(LISTEN), port=port))
    assert [state for _, state in stage.states] == ["freeing", "starting", "ready", "stopped"]


def test_it_is_told_its_port_and_may_listen_on_another_which_is_said(tmp_path: Path) -> None:
    port, other = free_port(), free_port()

    async def scene(stage: Stage) -> None:
        it = await stage.state("ready")
        assert it.environment is not None and it.environment.values["PORT"] == str(port)
        assert it.health.addresses == (("127.0.0.1", other),)
        assert it.health.note == f"listens on {other}, not on {port}"

    play(scene, spec(tmp_path, python(LISTEN, other), port=port))


def test_a_line_printed_before_anybody_looked_still_makes_it_ready(tmp_path: Path) -> None:
    """It was started before there was a loop, and said it while devproxy was still being imported."""

    async def scene(stage: Stage) -> None:
        await stage.state("ready")

    ready = Ready(log="^I am up$")
    command = "echo I am up; touch said; sleep 600"
    stage = Stage(spec(tmp_path, command, ready=ready))
    stage.prepare()
    until((tmp_path / "said").exists)
    try:
        run(stage.play(scene))
    finally:
        stage.close()


def test_a_line_of_an_earlier_generation_does_not_make_it_ready(tmp_path: Path) -> None:
    ready = Ready(log="up", timeout_seconds=0.4)

    async def scene(stage: Stage) -> None:
        await stage.state("ready")
        stage.supervisor.ask_restart("it")
        await stage.state("failing")

    play(scene, spec(tmp_path, "[ -e before ] || echo up; touch before; sleep 600", ready=ready))


def test_one_that_is_late_is_failing_with_the_reason_and_ready_when_it_comes(tmp_path: Path) -> None:
    ready = Ready(log="up", timeout_seconds=0.2)

    async def scene(stage: Stage) -> None:
        await stage.state("failing")
        assert stage.it.life.reason.startswith("no line matched /up/ for ")
        (tmp_path / "go").touch()
        await stage.state("ready")
        assert stage.it.life.reason == ""

    play(scene, spec(tmp_path, f"{WAIT_FOR_FILE} echo up; sleep 600", ready=ready))


def test_one_that_listens_on_a_unix_socket_only_is_ready_as_it_declares_and_never_failing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no address to watch, nor to send requests to; without a declaration, the reason says what was missed."""
    source = """
import os, signal, socket, sys
one = socket.socket(socket.AF_UNIX)
one.bind(sys.argv[1])
one.listen()
print("listening", flush=True)
signal.pause()
"""
    for name in ("LOOK_SECONDS", "CLOSED_SECONDS"):  # who is watched for a port that it has not is failing at once
        monkeypatch.setattr(liveness, name, 0.05)
    asks = "import socket; socket.socket(socket.AF_UNIX).connect('asked')"

    async def scene(stage: Stage) -> None:
        for name in ("told", "asked"):
            await stage.state("ready", name)
            assert stage[name].health.addresses == ()
        await stage.state("failing", "silent")
        assert stage["silent"].life.reason.startswith("nothing of its tree listens on ")
        assert {stage[name].life.state for name in ("told", "asked")} == {"ready"}

    stage = play(
        scene,
        spec(tmp_path, python(source, "told"), "told", port=free_port(), ready=Ready(log="^listening$")),
        spec(
            tmp_path,
            python(source, "asked"),
            "asked",
            port=free_port(),
            ready=Ready(command=f'{sys.executable} -c "{asks}"'),
        ),
        spec(
            tmp_path,
            python(source, "silent"),
            "silent",
            port=free_port(),
            ready=Ready(timeout_seconds=1),
        ),
    )
    assert ("told", "failing") not in stage.states


def test_a_command_asks_in_the_services_folder_and_environment(tmp_path: Path) -> None:
    ready = Ready(command='[ "$MODE" = test ] && touch asked && [ -e go ]')

    async def scene(stage: Stage) -> None:
        await auntil((tmp_path / "asked").exists)
        assert stage.it.life.state == "starting"
        (tmp_path / "go").touch()
        await stage.state("ready")

    play(scene, spec(tmp_path, "sleep 600", ready=ready, env={"MODE": "test"}))


def test_a_command_that_fails_is_told_with_its_last_line(tmp_path: Path) -> None:
    command = "echo trying; printf '\\033[31mno response\\033[0m\\n\\n' >&2; exit 3"

    async def scene(stage: Stage) -> None:
        await stage.state("failing")
        assert "exited with 3 for" in stage.it.life.reason
        assert stage.it.life.reason.endswith("s: no response")
        assert stage.lines() == []  # what a probe prints is not the service's

    play(scene, spec(tmp_path, "sleep 600", ready=Ready(command=command, timeout_seconds=1)))


def test_a_command_is_heard_beside_much_output_of_both(tmp_path: Path) -> None:
    """More than a pipe or a terminal holds: who does not read it would wait for ever."""
    command = "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done; [ -e go ]"

    async def scene(stage: Stage) -> None:
        await stage.line("chatter")
        (tmp_path / "go").touch()
        await stage.state("ready")

    play(scene, spec(tmp_path, "while :; do echo chatter; done", ready=Ready(command=command)))


def test_services_that_start_together_are_ready_each_for_itself(tmp_path: Path) -> None:
    """One's line, one's listener and one's exit status are not taken for the others'."""
    port = free_port()

    async def scene(stage: Stage) -> None:
        for name in ("prints", "listens", "asked"):
            await stage.state("ready", name)
        assert {stage[name].life.state for name in ("silent", "deaf", "sick")} == {"starting"}
        assert stage["listens"].health.addresses == (("127.0.0.1", port),)

    play(
        scene,
        spec(tmp_path, "sleep 600", "silent", ready=Ready(log="up")),
        spec(tmp_path, "echo up; sleep 600", "prints", ready=Ready(log="up")),
        spec(tmp_path, "sleep 600", "deaf", ready=Ready(port=True), kind="backend"),
        spec(tmp_path, python(LISTEN, port), "listens", ready=Ready(port=True), kind="backend"),
        spec(tmp_path, "sleep 600", "sick", ready=Ready(command='[ "$SICK" = 0 ]'), env={"SICK": "1"}),
        spec(tmp_path, "sleep 600", "asked", ready=Ready(command='[ "$SICK" = 0 ]'), env={"SICK": "0"}),
    )


def test_one_whose_line_never_comes_keeps_others_waiting_until_it_is_done(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("working", "seed")
        assert stage["api"].life.state == "waiting"
        (tmp_path / "go").touch()
        await stage.state("ready", "api")

    stage = play(
        scene,
        spec(tmp_path, f"echo working; {WAIT_FOR_FILE} true", "seed", ready=Ready(log="never")),
        spec(tmp_path, "sleep 600", "api", depends_on={"seed": "ready"}),
    )
    assert ("seed", "ready") not in stage.states
    assert stage.states.index(("seed", "done")) < stage.states.index(("api", "starting"))


def test_a_command_that_hangs_is_ended_with_the_wait(tmp_path: Path) -> None:
    """Else there would be one more of them at each attempt."""
    ready = Ready(command="echo $$ >> asked; sleep 600 & wait", timeout_seconds=0.2)

    async def scene(stage: Stage) -> None:
        asked = tmp_path / "asked"
        await stage.state("failing")
        await auntil(lambda: len(asked.read_text().split()) > 1)
        first = int(asked.read_text().split()[0])
        await auntil(lambda: not is_alive(first))
        assert stage.it.life.alive

    play(scene, spec(tmp_path, "sleep 600", ready=ready))


def test_a_dead_one_is_not_asked_any_more(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("crashed")
        await auntil(lambda: not any("ready" in str(task.get_coro()) for task in asyncio.all_tasks()))

    play(scene, spec(tmp_path, "exit 1", ready=Ready(command="false"), restart="never"))


# -- its end


def test_it_is_asked_by_the_signal_that_it_wants(tmp_path: Path) -> None:
    source = "import signal, sys; signal.signal(signal.SIGQUIT, lambda *_: sys.exit('asked')); print('here', flush=True); signal.pause()"

    async def scene(stage: Stage) -> None:
        await stage.line("here")
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")

    assert "asked" in play(scene, spec(tmp_path, python(source), stop=Stop("QUIT"))).lines()


def test_one_that_ignores_the_signal_is_killed_after_its_grace(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("here")
        began = time.monotonic()
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")
        assert time.monotonic() - began >= 0.3

    stage = play(scene, spec(tmp_path, DEAF, stop=Stop(grace_seconds=0.3)))
    assert stage.it.life.exit is not None and stage.it.life.exit.signal == signal.SIGKILL


@pytest.mark.parametrize("how", [(), ("apart",)], ids=["in the group", "in a session of its own"])
def test_stopped_means_that_its_descendants_are_gone(tmp_path: Path, how: tuple[str, ...]) -> None:
    async def scene(stage: Stage) -> None:
        pid = int((await stage.line("child ")).split()[1])
        assert is_alive(pid)
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")
        assert not is_alive(pid)

    play(scene, spec(tmp_path, python(PARENT, *how), stop=Stop(grace_seconds=60)))


def test_descendants_have_the_same_grace(tmp_path: Path) -> None:
    """The leader is gone at once; what is left may still write its goodbye."""
    source = """
import signal, sys, time
def end(*_):
    time.sleep(0.3)
    open("goodbye", "w").close()
    sys.exit()
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
print("slow one", flush=True)
while True: signal.pause()
"""
    (tmp_path / "slow.py").write_text(source)
    leader = "import subprocess, sys, signal; subprocess.Popen([sys.executable, 'slow.py']); signal.pause()"

    async def scene(stage: Stage) -> None:
        await stage.line("slow one")
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")

    play(scene, spec(tmp_path, python(leader)))
    assert (tmp_path / "goodbye").exists()


@pytest.mark.parametrize("apart", [False, True], ids=["in the group", "in a session of its own"])
def test_deaf_descendants_of_a_leader_that_ended_well_are_killed_after_the_grace(tmp_path: Path, apart: bool) -> None:
    leader = f"""
import signal, subprocess, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
child = subprocess.Popen([sys.executable, "-c", {STAY!r}, "SIGTERM", "SIGHUP"], stdout=subprocess.PIPE, start_new_session={apart})
child.stdout.readline()
print("child", child.pid, flush=True)
signal.pause()
"""

    async def scene(stage: Stage) -> None:
        pid = int((await stage.line("child ")).split()[1])
        began = time.monotonic()
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")
        assert time.monotonic() - began >= 0.3
        assert not is_alive(pid)

    play(scene, spec(tmp_path, python(leader), stop=Stop(grace_seconds=0.3)))


def test_a_second_request_ends_the_grace(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("here")
        stage.supervisor.ask_stop("it")
        await auntil(lambda: stage.it.life.next == "stopped")
        stage.it.hurry()
        await stage.state("stopped")

    play(scene, spec(tmp_path, DEAF, stop=Stop(grace_seconds=600)))


def test_who_was_hurried_gives_no_grace_any_more(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("here")
        stage.it.hurry()
        assert stage.it.life.alive
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")

    play(scene, spec(tmp_path, DEAF, stop=Stop(grace_seconds=600)))


def test_a_suspended_one_can_be_stopped(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("here")
        stage.it.pause(signal.SIGSTOP)
        assert stage.it.child is not None
        process = psutil.Process(stage.it.child.pid)
        await auntil(lambda: process.status() == psutil.STATUS_STOPPED)
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")

    play(scene, spec(tmp_path, python(STAY), stop=Stop(grace_seconds=60)))


def test_a_suspended_one_continues(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        pid = int((await stage.line("child ")).split()[1])
        for number, state in ((signal.SIGSTOP, psutil.STATUS_STOPPED), (signal.SIGCONT, psutil.STATUS_SLEEPING)):
            stage.it.pause(number)
            await auntil(lambda state=state: psutil.Process(pid).status() == state)

    play(scene, spec(tmp_path, python(PARENT, "apart")))


def test_stopped_means_that_its_port_binds(tmp_path: Path) -> None:
    """Also with a client connected, which leaves the port in TIME_WAIT."""
    port = free_port()

    async def scene(stage: Stage) -> None:
        await stage.state("ready")
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")
        assert is_free(port)
        writer.close()

    play(scene, spec(tmp_path, python(LISTEN), port=port))


def test_one_that_has_done_its_work_may_leave_a_daemon_until_the_session_ends(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("done")
        assert is_alive(int(stage.lines()[0].split()[1]))

    stage = play(scene, spec(tmp_path, python(PARENT, "apart", "leave")))
    assert not is_alive(int(stage.lines()[0].split()[1]))


@pytest.mark.parametrize("how", ["stop", "restart", "start"])
def test_the_daemon_of_one_that_is_done_makes_way_when_it_is_asked_to(tmp_path: Path, how: str) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("done")
        first = int(stage.lines()[0].split()[1])
        getattr(stage.supervisor, f"ask_{how}")("it")
        await auntil(lambda: stage.it.life.generation == 2 or stage.it.life.state == "stopped")
        assert not is_alive(first)
        if how != "stop":
            await auntil(lambda: stage.it.life.state == "done" and len(stage.lines()) == 2)

    play(scene, spec(tmp_path, python(PARENT, "apart", "leave")))


def test_daemons_are_stopped_in_their_turn_too(tmp_path: Path) -> None:
    """`web` needs the database that the task has started: until it has ended, the database lives."""
    goodbye = "import os, signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(print('db lives', os.path.exists('/proc/' + sys.argv[1]), flush=True))); print('here', flush=True); signal.pause()"

    async def scene(stage: Stage) -> None:
        await stage.line("child ", "db")
        await stage.line("here", "web")
        await stage.supervisor.stop_all()

    web = f'exec {sys.executable} -c "$GOODBYE" $(cat db)'
    stage = play(
        scene,
        spec(
            tmp_path,
            f'{sys.executable} -c "$PARENT" apart leave | tee db.txt; cut -d" " -f2 db.txt > db',
            "db",
            env={"PARENT": PARENT},
        ),
        spec(tmp_path, web, "web", env={"GOODBYE": goodbye}, depends_on={"db": "exited-ok"}),
    )
    assert "db lives True" in stage.lines("web")
    assert not is_alive(int((tmp_path / "db").read_text()))


def test_a_stopped_one_says_who_has_its_port_if_that_does_not_bind(tmp_path: Path) -> None:
    """The port may have been taken by somebody else meanwhile."""
    port, listening = free_port(), []

    async def scene(stage: Stage) -> None:
        await stage.line("here")
        listening.append(socket.create_server(("127.0.0.1", port)))
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")

    stage = play(scene, spec(tmp_path, python(STAY), port=port, ready=Ready(started=True)))
    listening[0].close()
    assert re.match(rf"port {port} is still held by .* \(pid {os.getpid()}\)", stage.it.life.reason)


def test_a_nameless_daemon_on_its_port_is_ended_with_it(tmp_path: Path) -> None:
    """It has cleaned its environment, left the group and lost its parent."""
    port = free_port()
    daemon = "import os, signal, socket; one = socket.create_server(('127.0.0.1', int(os.environ['PORT']))); open('up', 'w').close(); signal.pause()"
    command = f'(setsid env -i PORT=$PORT {sys.executable} -c "$DAEMON" &) ; sleep 600'

    async def scene(stage: Stage) -> None:
        await auntil((tmp_path / "up").exists)
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")
        assert is_free(port)

    stage = play(scene, spec(tmp_path, command, port=port, env={"DAEMON": daemon}, ready=Ready(started=True)))
    assert stage.it.life.reason == ""


def test_the_remains_of_a_crashed_one_are_gone_before_it_starts_again(tmp_path: Path) -> None:
    command = f'{sys.executable} -c "$PARENT" apart leave; exit 1'

    async def scene(stage: Stage) -> None:
        await stage.state("crashed")
        assert not is_alive(int(stage.lines()[0].split()[1]))

    play(scene, spec(tmp_path, command, env={"PARENT": PARENT}, restart="never"))


# -- again


def test_a_crash_is_followed_by_another_start_after_a_pause(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        crashed: list[tuple[float, float, float | None]] = []  # as it happens, however late we are to look

        def watch() -> None:
            if stage.it.life.state == "crashed":
                crashed.append((time.monotonic(), stage.it.life.backoff, stage.it.retry_in))

        stage.watchers.append(watch)
        await stage.line("second")
        died, backoff, retry_in = crashed[0]
        assert backoff == 0.5
        assert retry_in is not None and 0.35 <= retry_in <= 0.6
        assert time.monotonic() - died >= 0.35
        assert stage.it.restarts == 1

    play(scene, spec(tmp_path, "[ -e once ] && echo second && sleep 600; touch once; exit 1"))


def test_the_pause_is_spread_so_that_who_died_together_does_not_start_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[float, float]] = []
    monkeypatch.setattr(random, "uniform", lambda low, high: (asked.append((low, high)), 60.0)[1])

    async def scene(stage: Stage) -> None:
        await stage.state("crashed")
        assert stage.it.life.backoff == 0.5
        assert stage.it.retry_in is not None and stage.it.retry_in > 0.5

    play(scene, spec(tmp_path, "exit 1"))
    assert asked == [(0.8, 1.2)]


def test_one_that_dies_again_and_again_waits_for_a_save(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await auntil(lambda: stage.it.life.deaths == 3)
        assert stage.it.life.state == "crashed"
        assert stage.it.retry_in is None
        (tmp_path / "fixed").touch()
        stage.supervisor.saved("it")
        await stage.line("fixed")

    stage = play(scene, spec(tmp_path, "[ -e fixed ] && echo fixed && sleep 600; exit 1"))
    assert stage.it.restarts == 3


def test_what_had_it_started_last_is_known(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        for generation, cause, ask in (
            (1, Begin, lambda: stage.supervisor.saved("it")),
            (2, Saved, lambda: stage.supervisor.ask_restart("it")),
            (3, RestartAsked, lambda: None),
        ):
            await auntil(lambda count=generation: len(stage.lines()) == count)
            assert isinstance(stage.it.cause, cause)
            ask()

    play(scene, spec(tmp_path, python(STAY)))


def test_a_reload_signals_the_process_and_only_it(tmp_path: Path) -> None:
    source = """
import os, signal, subprocess, sys
def hear(*_):
    print("heard", os.getpid(), flush=True)
signal.signal(signal.SIGHUP, hear)
if "child" not in sys.argv:
    subprocess.Popen([sys.executable, "server.py", "child"])
else:
    print("both are here", os.getppid(), flush=True)
while True: signal.pause()
"""
    (tmp_path / "server.py").write_text(source)

    async def scene(stage: Stage) -> None:
        pid = (await stage.line("both are here")).split()[-1]
        stage.supervisor.saved("it")
        await stage.line("heard")
        stage.supervisor.saved("it")
        await auntil(lambda: stage.lines().count(f"heard {pid}") == 2)
        assert [line for line in stage.lines() if line.startswith("heard")] == [f"heard {pid}"] * 2
        assert (stage.it.life.state, stage.it.restarts, stage.it.life.reloads) == ("ready", 0, 2)

    play(scene, spec(tmp_path, f"{sys.executable} server.py", watch=("*.py",), reload=ReloadSignal("HUP")))


# -- its port is taken

# Waits until somebody listens on $WANTED, then tries to, as a language of no renown would say it.
TOO_LATE = """
import os, socket, sys, time
while not socket.socket().connect_ex(("127.0.0.1", int(os.environ["WANTED"]))) == 0: time.sleep(0.01)
try: socket.create_server(("127.0.0.1", int(os.environ["WANTED"])))
except OSError: sys.exit(os.environ.get("COMPLAINT", "cannot serve"))
"""


@pytest.mark.parametrize("complaint", ["cannot serve", "[Errno 98] Address already in use"])
def test_one_whose_port_was_taken_burns_no_retries_and_starts_when_it_is_free(tmp_path: Path, complaint: str) -> None:
    port = free_port()

    async def scene(stage: Stage) -> None:
        await stage.state("starting")
        taker = socket.create_server(("127.0.0.1", port))
        await stage.state("crashed")
        life = stage.it.life
        assert re.match(rf"port {port}, which it needs, is held by python[\w.]* \(pid {os.getpid()}\)", life.reason)
        assert (life.awaits, life.deaths, stage.it.restarts) == ("port", 0, 0)
        (tmp_path / "go").touch()
        taker.close()
        await stage.state("ready")
        assert stage.it.restarts == 1

    command = (sys.executable, "-c", f"import os\nif not os.path.exists('go'):{indented(TOO_LATE)}\n{LISTEN}")
    play(scene, spec(tmp_path, command, port=port, env={"WANTED": str(port), "COMPLAINT": complaint}))


def test_a_port_that_it_was_not_given_is_found_in_what_it_says(tmp_path: Path) -> None:
    given, wanted = free_port(), free_port()

    async def scene(stage: Stage) -> None:
        await stage.state("starting")
        with socket.create_server(("127.0.0.1", wanted)):
            await stage.state("crashed")
        assert f"port {wanted}, which it needs, is held by" in stage.it.life.reason
        assert f"it was given {given} as $PORT" in stage.it.life.reason
        assert stage.it.life.contested == wanted

    complaint = f"Error: listen EADDRINUSE: address already in use :::{wanted}"
    play(scene, spec(tmp_path, python(TOO_LATE), port=given, env={"WANTED": str(wanted), "COMPLAINT": complaint}))


def test_a_taker_that_is_ours_is_ended_and_it_starts_again(tmp_path: Path) -> None:
    """What an earlier session of this project has left behind, and was slow to listen."""
    port = free_port()

    async def scene(stage: Stage) -> None:
        await stage.state("starting")
        state = make_state_dir(tmp_path)
        with subprocess.Popen(python(LISTEN, port), cwd=tmp_path, start_new_session=True) as taker:
            stage.reaper.watch(taker.pid, lambda _: None)  # no orphan of this session
            who = identity.of(taker.pid)
            assert who is not None
            gone = 2**22 - 1, 1.0
            records.save(
                state, [ChildRecord("it", taker.pid, who.create_time, identity.boot_id(), taker.pid, (port,), *gone)]
            )
            await stage.state("ready")
        assert (stage.it.restarts, stage.it.life.deaths) == (1, 0)
        said = [record.text for record in stage.log.last_lines("devproxy", 9)]
        assert any(f"freed port {port}, which python" in line for line in said)

    first = f"import os\nif not os.path.exists('again'):\n open('again', 'w').close(){indented(TOO_LATE)}\n{LISTEN}"
    play(scene, spec(tmp_path, python(first), port=port, env={"WANTED": str(port)}), root=tmp_path)


def test_one_whose_port_may_be_another_gets_another(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        it = await stage.state("starting")
        port = it.port
        with socket.create_server(("127.0.0.1", port or 0)):
            (tmp_path / "go").touch()
            await stage.state("ready")
            assert it.port not in (None, port)
            assert (it.restarts, it.life.deaths) == (1, 0)

    command = f"{WAIT_FOR_FILE} exec {sys.executable} listen.py"
    (tmp_path / "listen.py").write_text(LISTEN)
    play(scene, spec(tmp_path, command, port="auto"))


def test_a_crash_for_another_reason_is_a_crash(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("crashed")
        assert (stage.it.life.awaits, stage.it.life.deaths) == ("timer", 1)

    play(scene, spec(tmp_path, "echo EADDRINUSE :3; exit 1", port=free_port()))


def indented(source: str) -> str:
    return source.replace("\n", "\n ")


def test_there_are_never_two_live_copies(tmp_path: Path) -> None:
    """However often it is asked to restart, and although it takes its time to end."""
    source = """
import os, signal, sys, time
def journal(what):
    with open("journal", "a") as file:
        file.write(f"{what}\\n")
def end(*_):
    journal("asked")
    time.sleep(0.05)
    journal("end")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
journal("begin")
print("here", os.getpid(), flush=True)
while True: signal.pause()
"""

    def journal() -> list[str]:
        return (tmp_path / "journal").read_text().split()

    async def scene(stage: Stage) -> None:
        for count in range(1, 5):
            await auntil(lambda count=count: len(stage.lines()) == count)
            stage.supervisor.saved("it")
            stage.supervisor.ask_restart("it")
            await auntil(lambda count=count: journal().count("asked") == count)
            stage.supervisor.saved("it")
        await auntil(lambda: len(stage.lines()) == 5)
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")

    play(scene, spec(tmp_path, python(source)))
    assert journal() == ["begin", "asked", "end"] * 5


def test_a_restart_does_not_find_its_own_port_taken(tmp_path: Path) -> None:
    port = free_port()

    async def scene(stage: Stage) -> None:
        for generation in (1, 2, 3):
            await auntil(lambda g=generation: stage.it.life.generation == g and stage.it.life.state == "ready")
            stage.supervisor.ask_restart("it")
        await auntil(lambda: stage.it.life.generation == 4 and stage.it.life.state == "ready")

    stage = play(scene, spec(tmp_path, python(LISTEN), port=port))
    assert "crashed" not in {state for _, state in stage.states}


def test_one_that_was_stopped_before_it_may_claim_its_port_does_not_claim_it(tmp_path: Path) -> None:
    """Seeing to a port may end who holds it: not for a service that nobody wants any more."""
    opened, claimed = asyncio.Event(), list[object]()

    async def scene(stage: Stage) -> None:
        it = await stage.state("ready")
        it.gate = opened.wait
        it._around = replace(it._around, claim=lambda spec, again: claimed.append(spec))
        stage.supervisor.ask_restart("it")
        await auntil(lambda: it.life.state == "restarting" and not it.life.alive)
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")
        opened.set()
        await auntil(lambda: not any("_claim" in str(task.get_coro()) for task in asyncio.all_tasks()))
        assert claimed == []

    play(scene, spec(tmp_path, python(STAY)))


def test_a_missing_program_is_a_crash_that_says_so_and_is_not_tried_again(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        it = await stage.state("crashed")
        assert it.life.awaits == "save"
        assert it.life.reason == (
            "no-such-program is not installed, or not in PATH (install no-such-program, or correct the command)"
        )
        assert it.life.backoff is None

    play(scene, spec(tmp_path, "no-such-program --port $PORT"))


def test_a_missing_folder_is_a_crash_that_says_so(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        it = await stage.state("crashed")
        assert re.match(r"the folder .*/gone does not exist", it.life.reason)

    play(scene, spec(tmp_path / "gone", "true"))


def test_why_it_failed_is_not_why_it_crashed(tmp_path: Path) -> None:
    """The reason of an earlier failing must not be told as that of the crash."""

    async def scene(stage: Stage) -> None:
        await stage.state("failing")
        (tmp_path / "go").touch()
        await stage.state("crashed")
        assert stage.it.life.reason == ""

    ready = Ready(log="never", timeout_seconds=0.1)
    play(scene, spec(tmp_path, f"{WAIT_FOR_FILE} exit 5", ready=ready, restart="never"))


def test_a_session_that_fails_ends_the_child_at_once(tmp_path: Path) -> None:
    """Its task is cancelled, without a stop before."""
    stage = Stage(spec(tmp_path, DEAF, stop=Stop(grace_seconds=600)))

    wrong: list[object] = []

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: wrong.append(context))
        stage.reaper.start(loop)
        running = asyncio.create_task(stage.supervisor.run())
        await stage.line("here")
        assert stage.it.child is not None
        pid = stage.it.child.pid
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await auntil(lambda: not psutil.pid_exists(pid))  # it is reaped
        assert wrong == []  # hearing of it so late did no harm
        assert stage.it.child.outputs == {}

    stage.prepare()
    try:
        run(scene())
    finally:
        stage.reaper.stop()
        stage.close()
