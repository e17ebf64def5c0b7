"""The size that the services' terminals get."""

import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devproxy.session.window import window_size


@contextmanager
def terminal(columns: int, rows: int) -> Iterator[int]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    try:
        yield slave
    finally:
        os.close(master)
        os.close(slave)


@pytest.fixture
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Our output goes to a file, and nothing in the environment says how wide it is."""
    with open(os.devnull, "w") as nothing:
        for name in ("stdout", "stderr", "__stdout__"):
            monkeypatch.setattr(sys, name, nothing)
        monkeypatch.delenv("COLUMNS", raising=False)
        monkeypatch.delenv("LINES", raising=False)
        yield


@pytest.mark.usefixtures("no_terminal")
def test_without_a_terminal_it_is_80_by_24_or_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert window_size(["api"]) == (80, 24)
    monkeypatch.setenv("COLUMNS", "132")
    assert window_size(["api"]) == (132, 24)


@pytest.mark.usefixtures("no_terminal")
@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_it_is_our_windows_less_the_prefix(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when COLUMNS, which a shell exported long ago, says otherwise."""
    monkeypatch.setenv("COLUMNS", "132")
    with terminal(120, 50) as tty, os.fdopen(tty, "w", closefd=False) as stream:
        monkeypatch.setattr(sys, name, stream)
        assert window_size(["api"]) == (120 - len("devproxy | "), 50)
        assert window_size(["api", "a-rather-long-name"]) == (120 - len("a-rather-long-name | "), 50)


@pytest.mark.usefixtures("no_terminal")
def test_a_narrow_window_leaves_the_service_some_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(20, 10) as tty, os.fdopen(tty, "w", closefd=False) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert window_size(["api"]) == (40, 10)
    with terminal(0, 0) as tty, os.fdopen(tty, "w", closefd=False) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert window_size(["api"]) == (80, 24)
