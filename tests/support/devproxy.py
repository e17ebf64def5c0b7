"""A real `devproxy up` for tests: the installed command in a process of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from devproxy.cli.client import Client
from tests.support import free_port, until
from tests.support.in_process import in_process

COMMAND = (sys.executable, "-m", "devproxy")


class RunningDevproxy:
    """`devproxy up` (or another `command`) in `cwd`, in its own session and process group, all it prints in `output`.

    Leaving the `with` block kills what is left of it, so a failed test leaves nothing behind.

    Args:     arguments: more of the command line, after `up --port PORT`.
              command: what runs a session in the foreground: up, proxy or demo.
              port: the public port; None: one that is free now.
    Owns:     the process, its pipe and the thread that reads it.
    """

    def __init__(
        self,
        cwd: Path,
        *arguments: str,
        port: int | None = None,
        env: dict[str, str] | None = None,
        command: str = "up",
    ) -> None:
        self.cwd = cwd
        self.port = port or free_port()
        self.url = f"http://localhost:{self.port}"
        self.env = {**os.environ, **(env or {})}
        self.process = subprocess.Popen(
            [*COMMAND, command, "--port", str(self.port), *arguments],
            cwd=cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._printed = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        """What it has printed so far, standard output and error as they came."""
        return bytes(self._printed).decode(errors="replace")

    def wait_for(self, text: str, *, within: float = 20) -> str:
        """Wait until it has printed `text`; return all it has printed. Fails at once if it ends without."""

        def printed_or_ended() -> bool:
            return text in self.output or not self._reader.is_alive()

        self._explained(printed_or_ended, f"it never printed {text!r}", within)
        assert text in self.output, f"it ended without printing {text!r}:\n{self.output}"
        return self.output

    def wait_ready(self, *, within: float = 30) -> Self:
        """Wait until the gateway says that every required service is ready."""

        def ready_or_ended() -> bool:
            return self.process.poll() is not None or self._is_ready()

        self._explained(ready_or_ended, "it never became ready", within)
        assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.output}"
        return self

    def services(self) -> dict[str, dict[str, Any]]:
        """Its services by name, as `devproxy status --json` shows them."""
        return {one["name"]: one for one in Client(self.cwd).get("/api/services")["services"]}

    def run(self, *arguments: str) -> str:
        """Run another devproxy command in the same folder; return its standard output."""
        done = in_process(arguments, self.cwd)
        assert done.returncode == 0, f"devproxy {' '.join(arguments)}: {done.returncode}\n{done.stderr}"
        return done.stdout

    def descendants(self) -> list[psutil.Process]:
        """Every live process below it; zombies count as dead."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child for child in psutil.Process(self.pid).children(recursive=True) if is_alive(child)]
        return []

    def send(self, number: signal.Signals) -> None:
        """Signal devproxy alone, as `kill PID` does; its children have groups of their own."""
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGINT, *, within: float = 20) -> int:
        """Ask it to end and wait for it; return its return code (negative: the signal it died by)."""
        self.send(number)
        return self.wait(within=within)

    def wait(self, *, within: float = 20) -> int:
        """Wait until it has ended and all it printed is in `output`; return its return code."""
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {within} s:\n{self.output}") from None
        self._reader.join(within)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self._kill()
        self._reader.join(5)
        if not self._reader.is_alive() and self.process.stdout:
            self.process.stdout.close()
        if error is not None:
            print(f"--- devproxy up printed:\n{self.output}")

    def _read(self) -> None:
        assert self.process.stdout
        while piece := os.read(self.process.stdout.fileno(), 65536):
            self._printed += piece

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/__devproxy/health", timeout=2) as answer:
                return json.load(answer).get("ready") is True
        except (OSError, ValueError):  # not listening yet, or gone in the middle of its answer
            return False

    def _explained(self, condition: Callable[[], bool], problem: str, within: float) -> None:
        try:
            until(condition, within)
        except AssertionError:
            raise AssertionError(f"{problem} within {within} s; it printed:\n{self.output}") from None

    def _kill(self) -> None:
        kill_all([*self.descendants(), psutil.Process(self.pid)])
        self.process.wait(20)


Start = Callable[..., RunningDevproxy]
"""The fixture `devproxy`: start `devproxy up` in a folder."""


def devproxy(cwd: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run one devproxy command to its end, without a terminal."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )


def is_alive(process: psutil.Process | int) -> bool:
    """It, or who has this pid, runs, and is not merely waiting to be reaped."""
    try:
        process = psutil.Process(process) if isinstance(process, int) else process
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def living(folders: Path) -> list[psutil.Process]:
    """Every live process that works with a test's own folders: sessions, their guards, services, commands."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            ours = process.environ().get("DEVPROXY_STATE_DIR") == str(folders / "state")
            if ours and process.pid != os.getpid() and is_alive(process):
                found.append(process)
    return found


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL each of them that has not ended by itself meanwhile."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def assert_none_left(folders: Path) -> None:
    """Wait until nothing of the test's own `folders` runs; fail, and end it, if it stays."""
    with contextlib.suppress(AssertionError):  # the assertion below names what is left
        until(lambda: not living(folders))
    left = living(folders)
    kill_all(left)
    assert left == []
