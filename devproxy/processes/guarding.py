"""The session's end of the guard (guard.py is the other)."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from devproxy.ports import identity
from devproxy.ports.identity import Identity


class GuardLink:
    """Starts the guard and tells it what to end if this process is killed.

    Args: mark: the assignment that all descendants have in their environment, those outside the groups too; groups,
    processes: what it is to know from its first moment on (see `add` and `add_process`).
    Owns: the pipe; `close` lets the guard go (it ends what is still named, and who carries the mark).
    """

    def __init__(self, mark: str, groups: Iterable[int] = (), processes: Iterable[Identity] = ()) -> None:
        read, self._write = os.pipe()
        # A guard that stands still (SIGSTOP) must not make us stand still: see _tell.
        os.set_blocking(self._write, False)
        for line in (*map(_group, groups), *map(_process, processes)):
            os.write(self._write, line)  # the pipe holds some thousands of them
        script, we = Path(__file__).with_name("guard.py"), identity.of(os.getpid())
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(script), mark, repr(we.create_time if we is not None else 0.0)],
                stdin=read,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        except OSError:
            os.close(self._write)
            raise
        finally:
            os.close(read)
        self.pid = self._process.pid

    def add(self, group: int) -> None:
        """From now on, end this group if we are gone."""
        self._tell(_group(group))

    def remove(self, group: int) -> None:
        """The group is gone."""
        self._tell(b"-%d\n" % group)

    def add_process(self, who: Identity) -> None:
        """From now on, end this process too, should it still be the same."""
        self._tell(_process(who))

    def _tell(self, line: bytes) -> None:
        try:
            os.write(self._write, line)  # whole or not at all: pipe(7), PIPE_BUF
        except BrokenPipeError:
            pass  # somebody killed it: who watches its end starts another
        except BlockingIOError:
            os.kill(self.pid, signal.SIGKILL)  # it does not read; it is replaced in the same way

    def leave(self) -> None:
        """Forget the guard, which has ended, and was reaped."""
        os.close(self._write)
        self._process.returncode = 0

    def close(self) -> None:
        """Let the guard end, and wait for it."""
        os.close(self._write)
        os.kill(self.pid, signal.SIGCONT)  # should somebody have stopped it; not reaped, so the pid is still its own
        self._process.wait()


def _group(group: int) -> bytes:
    return b"+%d\n" % group


def _process(who: Identity) -> bytes:
    return f"@{who.pid} {who.create_time!r}\n".encode()
