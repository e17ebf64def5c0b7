"""Lines that have no end: shown soon, never twice, and known as questions."""

import asyncio
import time
from pathlib import Path

import pytest

from devproxy.config.model import Logs
from devproxy.logs.log import Log, Source
from devproxy.processes import unfinished
from devproxy.processes.unfinished import Unfinished, asks
from tests.processes.stage import Stage, play, python, spec
from tests.support import auntil, run


@pytest.mark.parametrize(
    "line",
    [
        "Continue? [y/N] ", "Overwrite? ", "(Pdb) ", "(Pdb++) ", "ipdb> ", ">>> ", "Name: ", "Password for me: ",
        "Ok to proceed? (y) ", "Port 3000 is in use. Use another? (Y/n)", "? Pick one › ", "\x1b[1mRemove it\x1b[0m [y/N/q]: ",
        "Press any key to continue . . . ", "Enter your name", "irb(main):001:0> ", "(gdb) ", "? Project name: » ",
    ],
)  # fmt: skip
def test_what_asks_is_a_question(line: str) -> None:
    assert asks(line)


@pytest.mark.parametrize(
    "line",
    [
        "", "....", "Compiling ...", "Installing dependencies", " 45%|####      ", "[=====>    ]", "[####] 12/40 (3/10 files)",
        "===>", "Building (debug)", "12.3 MB/s", "transforming (120) src/a.js", "tests/test_a.py ..F..", "75% done", "Enterprise edition",
        "--->", "[info] ",
    ],
)  # fmt: skip
def test_what_works_or_counts_is_none(line: str) -> None:
    assert not asks(line)


class Watched:
    """A source that is watched, what is shown of it, and how often it was said to ask."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.log = Log(None, "s", Logs())
        self.source: Source = self.log.source("api")
        self.asked = 0
        self.unfinished = Unfinished(self.source, loop, self._ask)

    def _ask(self) -> None:
        self.asked += 1

    def feed(self, data: bytes) -> None:
        self.source.feed(data)
        self.unfinished.fed(data)

    @property
    def shown(self) -> bytes:
        return self.log.unfinished.get(("api", "stdout"), b"")

    @property
    def lines(self) -> list[str]:
        return [one.text for one in self.log.last_lines("api", 99)]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions are said to be unanswered at once."""
    monkeypatch.setattr(unfinished, "ANSWER_SECONDS", 0.05)


def test_a_question_is_shown_until_it_is_answered_and_is_one_line_in_the_log() -> None:
    async def scene() -> None:
        it = Watched(asyncio.get_running_loop())
        it.feed(b"Continue? [y/N] ")
        assert it.shown == b""
        await auntil(lambda: it.shown == b"Continue? [y/N] ")
        it.feed(b"y")
        await auntil(lambda: it.shown == b"Continue? [y/N] y")
        it.feed(b"\r\nfine\n")
        assert it.shown == b""
        assert it.lines == ["Continue? [y/N] y", "fine"]

    run(scene())


def test_what_is_written_slowly_is_not_broken_into_lines() -> None:
    async def scene() -> None:
        it = Watched(asyncio.get_running_loop())
        for piece in (b"on", b"e li", b"ne\ntw"):
            it.feed(piece)
            await auntil(lambda: it.shown != b"" and it.source.unfinished == it.shown)
        it.feed(b"o\n")
        assert it.lines == ["one line", "two"]

    run(scene())


def test_a_progress_bar_is_shown_in_its_last_state_and_asks_nothing(soon: None) -> None:
    async def scene() -> None:
        it = Watched(asyncio.get_running_loop())
        for percent in (10, 20, 30):
            it.feed(b"\r %d%% |###   " % percent)
        await auntil(lambda: it.shown == b" 30% |###   ")
        await auntil(lambda: not it.unfinished.is_waiting)
        it.feed(b"\r\x1b[Kdone\n")
        assert (it.shown, it.lines, it.asked) == (b"", ["done"], 0)

    run(scene())


def test_a_line_that_was_wiped_is_no_longer_shown() -> None:
    async def scene() -> None:
        it = Watched(asyncio.get_running_loop())
        it.feed(b"Continue? ")
        await auntil(lambda: it.shown)
        it.feed(b"\r\x1b[K")
        await auntil(lambda: not it.shown)

    run(scene())


def test_an_unanswered_question_is_told_once(soon: None) -> None:
    async def scene() -> None:
        it = Watched(asyncio.get_running_loop())
        it.feed(b"Name: ")
        await auntil(lambda: it.asked == 1)
        it.feed(b"x\bName: ")  # the same line
        await auntil(lambda: it.unfinished.is_waiting)
        await auntil(lambda: not it.unfinished.is_waiting)
        assert it.asked == 1
        it.feed(b"\nAge: ")
        await auntil(lambda: it.asked == 2)

    run(scene())


def test_whole_lines_cost_no_timer() -> None:
    async def scene() -> None:
        it = Watched(asyncio.get_running_loop())
        it.feed(b"one\ntwo\n")
        assert not it.unfinished.is_waiting
        it.feed(b"three")
        assert it.unfinished.is_waiting
        it.unfinished.stop()
        assert not it.unfinished.is_waiting

    run(scene())


# -- of a real child


def test_a_prompt_of_a_child_is_there_within_50_ms(tmp_path: Path) -> None:
    """The best of several, since the machine may be busy."""
    source = """
import sys, time
for number in range(20):
    sys.stdin.readline()
    print(f"{number} {time.monotonic()}? ", end="", flush=True)
sys.stdin.readline()
"""

    async def scene(stage: Stage) -> None:
        await auntil(lambda: stage.it.child is not None)
        seen = stage.log.begun.subscribe()
        took = []
        for number in range(20):
            assert stage.it.child is not None
            stage.it.child.write(b"\n")
            while not (text := stage.log.unfinished.get(("it", "stdout"), b"")).startswith(b"%d " % number):
                await seen.next()
            took.append(time.monotonic() - float(text.decode().split()[1].rstrip("?")))
        assert min(took) < 0.05

    play(scene, spec(tmp_path, python(source)))
