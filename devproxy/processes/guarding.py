"""The session's end of the guard (guard.py is the other)."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


class GuardLink:
    """Starts the guard and tells it which process groups to end if this process is killed.

    Args: mark: the assignment that all descendants have in their environment, those outside the groups too.
    Owns: the pipe; `close` lets the guard go (it ends the groups that are still named, and who carries the mark).
    """

    def __init__(self, mark: str) -> None:
        read, self._write = os.pipe()
        script = Path(__file__).with_name("guard.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script), mark],
            stdin=read,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(read)
        self.pid = self._process.pid

    def add(self, group: int) -> None:
        """From now on, end this group if we are gone."""
        self._tell(f"+{group}\n")

    def remove(self, group: int) -> None:
        """The group is gone."""
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        with suppress(BrokenPipeError):  # somebody killed the guard: nothing of ours depends on it while we live
            os.write(self._write, line.encode())

    def close(self) -> None:
        """Let the guard end, and wait for it."""
        os.close(self._write)
        self._process.wait()
