"""A real terminal with a shell in it, and what a person sees there."""

import os
import re
import select
import shlex
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyte

from devproxy.processes.child import Child, Command, spawn
from tests.support import free_port, until
from tests.support.devproxy import kill_all

# No shell's loop: a shell may be caught in vfork(2), where it waits for its stopped child and is not stopped.
TICK = "import time\nprint('ticker is here', flush=True)\nwhile True: time.sleep(0.05); print('tick', flush=True)\n"
SERVICES = {
    "ticker": f"{sys.executable} tick.py",
    "idle": "echo idle is here; exec sleep 600",
}
"""None of them has a port: what else runs on this machine is in nobody's way."""


class Terminal:
    """An interactive shell on a terminal of its own, all it shows in `text`."""

    def __init__(self, child: Child) -> None:
        self.child = child
        (self._master,) = child.outputs
        self._shown = bytearray()
        self._closing, self._close = os.pipe()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while self._closing not in select.select([self._master, self._closing], [], [])[0]:
            if (data := self.child.read(self._master)) is None:
                return
            self._shown += data

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self._shown.decode("utf-8", "replace"))

    @property
    def rows(self) -> list[str]:
        """What stands on it, down to the cursor."""
        screen = pyte.Screen(80, 24)
        pyte.ByteStream(screen).feed(bytes(self._shown).replace(b"\n", b"\r\n"))  # its line ends are left alone
        return screen.display[: screen.cursor.y + 1]

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def see(self, text: str) -> None:
        """Wait until it shows `text`."""
        try:
            until(lambda: text in self.text, within=20)
        except AssertionError:
            raise AssertionError(f"{text!r} is not to be seen in:\n{self.text}") from None

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
        """Close the window; again does nothing."""
        if not self.child.outputs:
            return
        os.close(self._close)
        self._reader.join()  # first: it would read from whatever file got the number next
        os.close(self._closing)
        self.child.close_output(self._master)


@contextmanager
def terminal(project: Path, services: Mapping[str, str] = SERVICES) -> Iterator[Terminal]:
    """A shell with job control, in the project's folder. Args: services: what runs there, by name."""
    tables = [f"[services.{name}]\nkind = 'worker'\ncommand = '{line}'\n" for name, line in services.items()]
    (project / "devproxy.toml").write_text("".join(tables))
    (project / "tick.py").write_text(TICK)
    environment = {**os.environ, "PS1": "$ ", "TERM": "xterm-256color"}
    child = spawn(Command(["sh", "-i"], project, environment))
    shell = Terminal(child)
    try:
        yield shell
    finally:
        family = psutil.Process(child.pid).children(recursive=True)  # while nothing makes the shell end
        shell.close()
        kill_all(family)
        child.signal_group(9)
        os.waitpid(child.pid, 0)


def up(shell: Terminal) -> None:
    """Start devproxy in it, and wait until the block is there."""
    command = shlex.join([sys.executable, "-m", "devproxy", "up", "--port", str(free_port())])
    shell.type(f"{command}; echo status=$?\n")
    shell.see("q quit")
