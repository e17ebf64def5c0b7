"""Opening an address in a browser."""

import os
import signal
from pathlib import Path

import psutil
import pytest

from devproxy.cli.browser import open_url
from devproxy.ports import family
from tests.processes.stage import adopting
from tests.support import until


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that is the user's browser; what it is to do stands in the file."""
    program = tmp_path / "browser"
    program.touch(mode=0o755)
    for name in ("SSH_CONNECTION", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BROWSER", str(program))
    return program


def test_it_gets_the_address_and_its_status_counts(browser: Path, tmp_path: Path) -> None:
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    assert open_url("http://localhost:4400/?a=1&b='2'")
    assert (tmp_path / "opened").read_text() == "http://localhost:4400/?a=1&b='2'\n"
    browser.write_text("#!/bin/sh\nexit 3\n")
    assert not open_url("http://localhost:4400")


def test_a_browser_that_starts_for_it_is_no_descendant_of_a_session(browser: Path, tmp_path: Path) -> None:
    """Else it would end with the session, which adopts and ends all that its own leave behind."""
    browser.write_text(f"#!/bin/sh\nsleep 600 & echo $! > {tmp_path}/pid\n")
    with adopting():
        assert open_url("http://localhost:4400")
        pid = int(until(lambda: (tmp_path / "pid").read_text()))
        try:
            assert psutil.Process(pid).is_running()
            assert pid not in family.descendants(family.snapshot(), os.getpid())
        finally:
            os.kill(pid, signal.SIGKILL)
