"""Real holders of ports for tests: a few lines of Python each, in sessions of their own, always reaped."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.support import free_port, until

LISTEN = """
import socket, sys, time, signal, os
port = int(sys.argv[1])
def listen(host, family=socket.AF_INET, both=False, reuse_port=False):
    one = socket.socket(family)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if both else 1)
    one.bind((host, port))
    one.listen()
    return one
def ready():
    os.write(1, b"ready\\n")  # in one write: forked workers say it at the same time
    while True:
        time.sleep(60)
"""
IPV4 = LISTEN + "a = listen('127.0.0.1'); ready()"
IPV6 = LISTEN + "a = listen('::1', socket.AF_INET6); ready()"
WILDCARD = LISTEN + "a = listen('0.0.0.0'); ready()"
DUAL = LISTEN + "a = listen('::', socket.AF_INET6, both=True); ready()"
REUSEPORT = LISTEN + "a = listen('127.0.0.1', reuse_port=True); ready()"
DEAF = LISTEN + "signal.signal(signal.SIGTERM, signal.SIG_IGN); a = listen('127.0.0.1'); ready()"
PREFORK = LISTEN + "a = listen('127.0.0.1'); os.fork(); ready()"
CLIENT = """
import socket, sys, time
one = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
time.sleep(60)
"""
# A reloader that starts its worker again whenever it ends, as werkzeug's does. The worker says "ready".
RELOADER = """
import subprocess, sys
while True:
    subprocess.run([sys.executable, sys.argv[2], sys.argv[1]])
"""
# Starts the script and ends at once: the script's parent is init from then on.
ABANDON = """
import subprocess, sys
child = subprocess.Popen([sys.executable, sys.argv[2], sys.argv[1]], start_new_session=True)
"""


def closed_server(*, reuse: bool) -> int:
    """A port whose server is gone and has closed its connection first: TIME_WAIT is on its side."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        server.bind(("127.0.0.1", free_port()))
        server.listen()
        port: int = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()
            assert client.recv(1) == b""
    return port


class Children:
    """Starts holders and ends them, whatever happened to them meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._popens: list[subprocess.Popen[str]] = []
        self._groups: list[int] = []
        self._count = 0

    def script(self, source: str, name: str = "") -> Path:
        """The source as a file."""
        self._count += 1
        path = self.folder / (name or f"script{self._count}.py")
        path.write_text(source)
        return path

    def start(self, source: str, *arguments: object, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Run the source in a session of its own; return when it, or a child of it, has said "ready"."""
        command = [sys.executable, str(self.script(source)), *map(str, arguments)]
        process = subprocess.Popen(
            command,
            cwd=cwd or self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._popens.append(process)
        assert process.stdout
        said = process.stdout.readline()
        assert said == "ready\n", f"it said {said!r}"
        return process

    def orphan(self, source: str, port: int, *, cwd: Path) -> int:
        """Run the source as a process whose parent is gone; return its pid."""
        script = self.script(source)
        launcher = self.start(ABANDON, port, script, cwd=cwd)
        launcher.wait(10)
        [pid] = until(lambda: [p.pid for p in psutil.process_iter() if runs(p, script)])
        self._groups.append(pid)
        return pid

    def reloader(self, source: str, port: int, *, cwd: Path | None = None) -> tuple[subprocess.Popen[str], int]:
        """A reloader and the pid of its worker, which runs the source."""
        script = self.script(source)
        parent = self.start(RELOADER, port, script, cwd=cwd)
        [worker] = psutil.Process(parent.pid).children()
        return parent, worker.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._popens:
            end_group(process.pid)
            process.wait(10)
            if process.stdout:
                process.stdout.close()
        for group in self._groups:
            end_group(group)


def end_group(pgid: int) -> None:
    """Kill all of a group that a test has made (its members are ours, or it is empty)."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pgid, signal.SIGKILL)


def runs(process: psutil.Process, script: Path) -> bool:
    """Does the process run this script?"""
    with contextlib.suppress(psutil.Error):
        return process.cmdline()[1:2] == [str(script)]
    return False
