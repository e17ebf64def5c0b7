"""A service's terminal: seen and typed on by who is attached, across its generations."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from devproxy.config.model import Stop
from devproxy.hub.topic import TopicClosed
from devproxy.processes import terminal
from devproxy.processes.child import Command, spawn
from devproxy.processes.terminal import Attached, Terminal
from tests.processes.stage import Stage, play, python, spec
from tests.support import auntil, run
from tests.support.devproxy import is_alive

ASK = """
while True:
    answer = input("name? ")
    print(f"hello {answer}", flush=True)
"""
SIZES = """
import os, signal, time
def say(*_): os.write(1, b"size %d %d\\n" % os.get_terminal_size(0))
signal.signal(signal.SIGWINCH, say)
say()
while True: time.sleep(0.02)  # not pause(): a signal just before it would not end it
"""


class Seen:
    """All that one who is attached sees."""

    def __init__(self, attached: Attached) -> None:
        self._attached = attached
        self.data = b""
        self.said: list[str] = []
        self.is_over = False

    async def shows(self, text: bytes) -> None:
        """Wait until this is to be seen."""
        async with asyncio.timeout(10):
            while text not in self.data:
                await self._next()

    async def tells(self, words: str) -> None:
        """Wait until this is said."""
        async with asyncio.timeout(10):
            while not any(words in one for one in self.said):
                await self._next()

    async def ends(self) -> None:
        async with asyncio.timeout(10):
            while not self.is_over:
                await self._next()

    async def _next(self) -> None:
        try:
            for _, item in (await self._attached.seen.next()).items:
                if isinstance(item, str):
                    self.said.append(item)
                else:
                    self.data += item
        except TopicClosed:
            self.is_over = True


async def asks(stage: Stage, question: bytes = b"name? ") -> None:
    """Wait until the child has asked."""
    await auntil(lambda: stage.log.unfinished_of("it") == question)


def test_what_is_typed_is_read_and_what_is_written_is_seen_and_logged(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with stage.it.terminal.attach() as attached:
            seen = Seen(attached)
            await asks(stage)
            await attached.type(b"you\r")  # as a terminal sends Enter
            await seen.shows(b"hello you\n")
        await stage.line("hello you")

    play(scene, spec(tmp_path, python(ASK)))


def test_a_debuggers_prompt_works(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with stage.it.terminal.attach() as attached:
            seen = Seen(attached)
            await auntil(lambda: stage.log.unfinished_of("it").startswith(b"(Pdb)"))
            await attached.type(b"p 40 + 2\r")
            await seen.shows(b"42\n")
            await attached.type(b"c\r")
            await stage.state("done")
        assert "went on" in stage.lines()

    play(scene, spec(tmp_path, python("breakpoint()\nprint('went on')")))


def test_ctrl_c_is_the_childs(tmp_path: Path) -> None:
    source = """
import os, signal, time
signal.signal(signal.SIGINT, lambda *_: (os.write(1, b"interrupted\\n"), os._exit(0)))
print("here", flush=True)
while True: time.sleep(0.02)
"""

    async def scene(stage: Stage) -> None:
        await stage.line("here")
        with stage.it.terminal.attach() as attached:
            await attached.type(b"\x03")
            await stage.state("done")

    assert play(scene, spec(tmp_path, python(source))).lines()[-1] == "^Cinterrupted"


def test_who_is_attached_stays_so_when_it_restarts(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with stage.it.terminal.attach() as attached:
            seen = Seen(attached)
            for generation in (1, 2, 3):
                await auntil(lambda generation=generation: stage.it.life.generation == generation)
                await asks(stage)
                await attached.type(b"%d\n" % generation)
                await seen.shows(b"hello %d\n" % generation)
                stage.supervisor.ask_restart("it")

    play(scene, spec(tmp_path, python(ASK)))


def test_two_see_the_same_and_both_may_type(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with stage.it.terminal.attach() as one, stage.it.terminal.attach() as other:
            views = Seen(one), Seen(other)
            await asks(stage)
            await one.type(b"one\n")
            await other.type(b"other\n")
            for view in views:
                await view.shows(b"hello one\n")
                await view.shows(b"hello other\n")

    play(scene, spec(tmp_path, python(ASK)))


def test_its_size_is_that_of_who_came_last_and_then_ours_again(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("size 90 30")
        stage.size = (91, 31)
        stage.supervisor.resize()
        await stage.line("size 91 31")
        with stage.it.terminal.attach() as one:
            one.resize(100, 40)
            await stage.line("size 100 40")
            with stage.it.terminal.attach() as other:
                other.resize(120, 50)
                await stage.line("size 120 50")
                stage.size = (92, 32)  # our own window: it is not what is looked at
                stage.supervisor.resize()
                stage.supervisor.ask_restart("it")
                await auntil(lambda: stage.lines().count("size 120 50") > 1)
            await auntil(lambda: stage.lines().count("size 100 40") > 1)
        await stage.line("size 92 32")

    play(scene, spec(tmp_path, python(SIZES)))


def test_who_types_faster_than_it_reads_waits_and_nothing_is_lost(tmp_path: Path) -> None:
    go = tmp_path / "go"
    source = """
import os, sys, time, tty
tty.setraw(0)
print("here", flush=True)
while not os.path.exists("go"): time.sleep(0.01)
got = 0
while got < 1_000_000: got += len(os.read(0, 65536))
print("got", got, flush=True)
"""

    async def scene(stage: Stage) -> None:
        await stage.line("here")
        with stage.it.terminal.attach() as attached:
            typing = asyncio.create_task(attached.type(b"x" * 1_000_000))
            await auntil(lambda: stage.it.terminal.is_full)
            assert not typing.done()
            go.touch()
            await stage.line("got 1000000")
            await typing

    play(scene, spec(tmp_path, python(source)))


def test_who_types_to_one_that_never_reads_is_let_go_when_it_ends(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("here")
        with stage.it.terminal.attach() as attached:
            typing = asyncio.create_task(attached.type(b"x" * 1_000_000))
            await auntil(lambda: stage.it.terminal.is_full)
            stage.supervisor.ask_stop("it")
            async with asyncio.timeout(10):
                await typing
            await attached.type(b"nobody is there\n")

    deaf = "import tty, time; tty.setraw(0); print('here', flush=True)\nwhile True: time.sleep(1)"
    play(scene, spec(tmp_path, python(deaf)))


def test_who_reads_slowly_is_told_what_it_missed_and_slows_nobody(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with stage.it.terminal.attach() as attached:
            await stage.state("done")
            batch = attached.seen.take()
            assert batch.gap
            assert sum(len(item) for _, item in batch.items) <= terminal.BEHIND_BYTES

    stage = play(scene, spec(tmp_path, python("for n in range(30_000): print(n, 'x' * 100)")))
    assert stage.log.topic.last == 30_000


def test_nobody_is_told_that_it_waits_while_somebody_is_attached(tmp_path: Path) -> None:
    (tmp_path / "ask.py").write_text(ASK)

    async def scene(stage: Stage) -> None:
        with stage.it.terminal.attach() as attached:
            await asks(stage)
            watch = stage.it._running.outputs._unfinished["stdout"]
            await auntil(lambda: not watch.is_waiting)
            await attached.type(b"you\n")
            await stage.line("name? ")
            assert stage.asked == []
        await auntil(lambda: stage.asked == ["it"])

    play(scene, spec(tmp_path, python(ASK)))


def test_the_end_of_the_session_ends_it(tmp_path: Path) -> None:
    with Terminal(lambda: (80, 24)).attach() as attached:
        attached.resize(80, 24)  # nobody is there
    ended: list[bool] = []

    async def scene(stage: Stage) -> None:
        with stage.it.terminal.attach() as attached:
            await stage.supervisor.stop_all()
            seen = Seen(attached)
            await seen.ends()
            ended.append(seen.is_over)

    play(scene, spec(tmp_path, python(ASK)))
    assert ended == [True]


def test_a_separate_stderr_is_seen_too(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        with stage.it.terminal.attach() as attached:
            seen = Seen(attached)
            await stage.line("here")
            await attached.type(b"go\n")
            await seen.shows(b"out\n")
            await seen.shows(b"err\n")

    play(scene, spec(tmp_path, "echo here; read word; echo out; echo err >&2", stderr="separate"))


# -- one that keeps it open


@pytest.mark.parametrize("stderr", ["merged", "separate"], ids=["the terminal", "the pipe of stderr"])
def test_one_that_keeps_it_open_after_its_parent_does_not_hold_up_a_stop(tmp_path: Path, stderr: str) -> None:
    holder = "import os, sys, time; os.setsid() if os.fork() == 0 else os._exit(0)\n"
    holder += "open('pid', 'w').write(str(os.getpid())); print('holder is here', flush=True)\n"
    holder += "while True: time.sleep(1); print('still', flush=True, file=sys.stderr)"
    (tmp_path / "holder.py").write_text(holder)

    async def scene(stage: Stage) -> None:
        await stage.line("holder is here")
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")
        assert stage.it.child is None

    play(
        scene,
        spec(
            tmp_path,
            ("sh", "-c", f"{python('')[0]} holder.py; exec sleep 600"),
            stderr=stderr,
            stop=Stop(grace_seconds=60),
        ),
    )
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_who_types_is_let_go_when_the_terminal_is_closed_under_a_child_that_lives(tmp_path: Path) -> None:
    deaf = "import tty, time; tty.setraw(0); print('here', flush=True)\nwhile True: time.sleep(1)"
    child = spawn(Command(python(deaf), tmp_path, {"PATH": "/usr/bin:/bin"}))
    it = Terminal(lambda: (80, 24))

    async def scene() -> None:
        it.connect(child)
        await auntil(lambda: b"here" in (child.read(child.master) or b""))
        with it.attach() as attached:
            typing = asyncio.create_task(attached.type(b"x" * 1_000_000))
            await auntil(lambda: it.is_full)
            it.disconnect()
            child.close_output(child.master)
            async with asyncio.timeout(10):
                await typing

    try:
        run(scene())
    finally:
        child.signal_group(signal.SIGKILL)
        os.waitpid(child.pid, 0)
