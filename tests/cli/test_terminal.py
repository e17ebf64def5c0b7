"""The terminal's modes."""

import os
import pty
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from devproxy.cli.attachment import View
from devproxy.cli.terminal import CharacterMode, RawMode


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal that is our stdin, stdout and stderr; yields its other side. (Not a fixture: pytest captures later.)"""
    master, slave = pty.openpty()
    with os.fdopen(slave, "r+b", buffering=0) as tty, monkeypatch.context() as patch:
        for name in ("stdin", "stdout", "stderr"):
            patch.setattr(sys, name, tty)
        yield master
    with suppress(OSError):  # a test has closed it
        os.close(master)


def test_every_key_is_a_byte_and_lines_still_end_and_all_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch) as master:
        before = termios.tcgetattr(master)
        with RawMode():
            os.write(master, b"\x03\r\x1a\x13\x11\x1c\x16")
            assert os.read(sys.stdin.fileno(), 100) == b"\x03\r\x1a\x13\x11\x1c\x16"
            os.write(sys.stdout.fileno(), b"one\n")
            assert os.read(master, 100) == b"one\r\n"
        assert termios.tcgetattr(master) == before


@pytest.mark.parametrize("mode", [CharacterMode, RawMode])
def test_a_window_that_was_closed_meanwhile_is_no_error(
    mode: type[CharacterMode], monkeypatch: pytest.MonkeyPatch
) -> None:
    with terminal(monkeypatch) as master, mode():
        View().say("still here")
        os.close(master)
        view = View()
        view.write(b"nobody sees this")
        view.reset()
        view.say("detached")
