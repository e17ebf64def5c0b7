"""The log on a terminal: whole lines, and below them the one that is not whole yet. Looked at with a terminal's eyes."""

import fcntl
import os
import pty
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte
import pytest

from devproxy.cli.lines import Lines
from devproxy.cli.prefix import Painter
from devproxy.config.model import Logs
from devproxy.logs.log import Log

COLUMNS = 60


class Window:
    """A terminal, and a log that is shown on it."""

    def __init__(self, master: int, slave: int) -> None:
        self.log = Log(None, "s", Logs())
        self.lines = Lines(slave, Painter(["api", "web"], color=False))
        self._master = master
        self._screen = pyte.Screen(COLUMNS, 24)
        self._stream = pyte.ByteStream(self._screen)

    def feed(self, service: str, data: bytes, *, quiet: bool = False) -> None:
        """A service prints; `quiet`: and nothing follows for a moment."""
        self.log.source(service).feed(data)
        if quiet:
            self.log.source(service).show_unfinished()
        self.lines.write(self.lines.take(self.log))

    @property
    def rows(self) -> list[str]:
        os.set_blocking(self._master, False)
        try:
            while data := os.read(self._master, 65536):
                self._stream.feed(data)
        except BlockingIOError:
            pass
        rows = [row.rstrip() for row in self._screen.display]
        return rows[: self._screen.cursor.y + 1]


@contextmanager
def opened(columns: int = COLUMNS) -> Iterator[Window]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    try:
        yield Window(master, slave)
    finally:
        os.close(master)
        os.close(slave)


@pytest.fixture
def window() -> Iterator[Window]:
    with opened() as window:
        yield window


def test_a_line_without_an_end_stands_in_the_last_row(window: Window) -> None:
    window.feed("api", b"one\nContinue? [y/N] ", quiet=True)
    assert window.rows == ["api      | one", "api      | Continue? [y/N]"]


def test_lines_of_others_go_above_it_and_its_end_does_not_show_it_twice(window: Window) -> None:
    window.feed("api", b"Continue? ", quiet=True)
    window.feed("web", b"a\nb\n")
    assert window.rows == ["web      | a", "web      | b", "api      | Continue?"]
    window.feed("api", b"y\nfine\n")
    assert window.rows == ["web      | a", "web      | b", "api      | Continue? y", "api      | fine", ""]


def test_a_line_that_is_not_quiet_yet_is_not_shown(window: Window) -> None:
    window.feed("api", b"one\nthe beginning of tw")
    assert window.rows == ["api      | one", ""]


def test_of_two_the_later_one_is_shown_and_then_the_other(window: Window) -> None:
    window.feed("api", b"Name: ", quiet=True)
    window.feed("web", b"Password: ", quiet=True)
    assert window.rows == ["web      | Password:"]
    window.feed("web", b"\n")
    assert window.rows == ["web      | Password:", "api      | Name:"]


def test_our_own_talk_goes_above_it(window: Window) -> None:
    window.feed("api", b"Name: ", quiet=True)
    window.lines.write(b"  showing all services\n")
    assert window.rows == ["  showing all services", "api      | Name:"]


def test_a_service_that_is_not_shown_shows_no_beginning_either(window: Window) -> None:
    window.lines.shown = frozenset({"web"})
    window.feed("api", b"Name: ", quiet=True)
    assert window.rows == [""]


@pytest.mark.parametrize("text", ["x" * 200 + "end? ", "漢" * 100 + "end? ", "\x1b[31m" + "é" * 70 + "end? "], ids=len)
def test_one_that_is_too_long_for_a_row_is_shown_by_its_end_and_can_be_taken_back(window: Window, text: str) -> None:
    window.feed("api", text.encode(), quiet=True)
    (row,) = window.rows
    assert row.startswith("api      | …")
    assert row.endswith("end?")
    window.feed("api", b"y\n")
    assert window.rows[0].startswith("api      | " + text.replace("\x1b[31m", "")[0])
    assert "…" not in "".join(window.rows)


def test_a_window_narrower_than_the_prefix_is_survived() -> None:
    with opened(columns=8) as window:
        window.feed("api", b"Continue? ", quiet=True)
        assert window.rows


def test_a_file_gets_whole_lines_only() -> None:
    read, write = os.pipe()
    log = Log(None, "s", Logs())
    lines = Lines(write, Painter(["api"], color=False))
    source = log.source("api")
    source.feed(b"Continue? ")
    source.show_unfinished()
    lines.write(lines.take(log))
    source.feed(b"y\n")
    lines.write(lines.take(log))
    os.close(write)
    with open(read, "rb") as shown:
        assert shown.read() == b"api      | Continue? y\n"


def test_a_reader_that_fell_behind_the_ring_gets_every_line_from_the_files(tmp_path: Path) -> None:
    log = Log(tmp_path / "logs", "s", Logs(ring_lines=10))
    shown = tmp_path / "shown"
    with shown.open("wb") as file:
        lines = Lines(file.fileno(), Painter(["api", "web"], color=False))
        for number in range(300):
            log.source(("api", "web")[number % 2]).feed(b"%d\n" % number)
        while lines.is_behind(log) and lines.catch_up(log):
            pass
        lines.write(lines.take(log))
    assert [int(line.split("|")[1]) for line in shown.read_text().splitlines()] == list(range(300))


def test_lines_that_no_file_has_are_counted(tmp_path: Path) -> None:
    log = Log(None, "s", Logs(ring_lines=10))
    shown = tmp_path / "shown"
    with shown.open("wb") as file:
        lines = Lines(file.fileno(), Painter(["api"], color=False))
        for number in range(30):
            log.source("api").feed(b"%d\n" % number)
        assert not lines.is_behind(log)
        lines.write(lines.take(log))
    first, *rest = shown.read_text().splitlines()
    assert "20 lines not shown" in first
    assert len(rest) == 10
