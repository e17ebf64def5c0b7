"""`devproxy up` on a terminal, below a shell with job control: keys, Ctrl-C, Ctrl-Z and fg, a closed window."""

import os
import re
import shlex
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from devproxy.processes.child import Child, Command, spawn
from tests.support import free_port, until
from tests.support.devproxy import is_alive

SERVICES = (
    "ticker: echo ticker is here; while :; do sleep 0.05; echo tick; done\nidle: echo idle is here; exec sleep 600\n"
)


class Terminal:
    """An interactive shell on a terminal of its own, all it shows in `text`."""

    def __init__(self, child: Child) -> None:
        self.child = child
        (self._master,) = child.outputs
        os.set_blocking(self._master, True)
        self._shown = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while data := self.child.read(self._master):
            self._shown += data

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._shown.decode("utf-8", "replace"))

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def see(self, text: str) -> None:
        """Wait until it shows `text`."""
        until(lambda: text in self.text, within=20)

    @property
    def is_cooked(self) -> bool:
        """Whether it reads lines and echoes, as before."""
        modes = termios.tcgetattr(self._master)[3]
        return bool(modes & termios.ICANON) and bool(modes & termios.ECHO)

    @property
    def session(self) -> psutil.Process:
        """The devproxy that runs in it."""
        (found,) = [one for one in psutil.Process(self.child.pid).children() if "devproxy" in " ".join(one.cmdline())]
        return found

    def close(self) -> None:
        """Close the window."""
        self.child.close_output(self._master)


@contextmanager
def terminal(project: Path) -> Iterator[Terminal]:
    """A shell with job control, in the project's folder."""
    (project / "Procfile").write_text(SERVICES)
    environment = {**os.environ, "PS1": "$ ", "TERM": "xterm-256color"}
    child = spawn(Command(["sh", "-i"], project, environment))
    shell = Terminal(child)
    try:
        yield shell
    finally:
        if child.outputs:
            shell.close()
        for process in psutil.Process(child.pid).children(recursive=True) if psutil.pid_exists(child.pid) else ():
            process.kill()
        child.signal_group(9)
        os.waitpid(child.pid, 0)


def up(shell: Terminal) -> None:
    """Start devproxy in it, and wait until the block is there."""
    command = shlex.join([sys.executable, "-m", "devproxy", "up", "--port", str(free_port())])
    shell.type(f"{command}; echo status=$?\n")
    shell.see("q quit")


def test_keys_work_without_enter_and_q_gives_the_terminal_back(tmp_path: Path) -> None:
    with terminal(tmp_path) as shell:
        up(shell)
        assert not shell.is_cooked
        shell.type("h")
        shell.see("restart all services, or one")
        shell.type("r2")
        shell.see("idle restarts")
        shell.type("l2")
        shell.see("showing idle")
        shell.type("q")
        shell.see("status=0")
        assert shell.is_cooked


def test_ctrl_c_stops_all_and_ends_by_the_signal(tmp_path: Path) -> None:
    with terminal(tmp_path) as shell:
        up(shell)
        left = shell.session.children(recursive=True)
        shell.type("\x03")
        shell.see("devproxy | stopped")
        until(lambda: shell.is_cooked)
        until(lambda: not any(is_alive(process) for process in left))


def test_ctrl_z_stops_the_whole_tree_and_fg_continues_it(tmp_path: Path) -> None:
    with terminal(tmp_path) as shell:
        up(shell)
        session = shell.session
        shell.type("\x1a")
        until(lambda: session.status() == psutil.STATUS_STOPPED)
        assert shell.is_cooked
        services = [one for one in session.children(recursive=True) if "guard.py" not in " ".join(one.cmdline())]
        assert {one.status() for one in services if is_alive(one)} == {psutil.STATUS_STOPPED}
        shell.type("fg\n")
        until(lambda: session.status() != psutil.STATUS_STOPPED)
        until(lambda: not shell.is_cooked)
        ticks = shell.text.count("tick\n")
        until(lambda: shell.text.count("tick\n") > ticks)
        shell.type("q")
        until(lambda: not is_alive(session))


def test_a_closed_window_ends_everything(tmp_path: Path) -> None:
    with terminal(tmp_path) as shell:
        up(shell)
        session = shell.session
        tree = [session, *session.children(recursive=True)]
        shell.close()
        until(lambda: not any(is_alive(process) for process in tree), within=20)
