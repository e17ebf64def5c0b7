"""Who has exited: the one place that waits for children.

SIGCHLD wakes it; it reaps all there is and tells whoever watches the pid. What nobody watches are orphans
that were handed to us (on Linux a session adopts its descendants' orphans): reaped, and forgotten.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from devproxy.processes.lifecycle import Exit

_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37  # prctl(2)


def adopt_orphans() -> None:
    """Have the orphans among our descendants handed to us, not to init (Linux; elsewhere nothing).

    Pid 1 of a container often reaps nobody, and a group whose zombies nobody reaps is never gone.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextmanager
def not_adopting() -> Iterator[None]:
    """Orphans that come to be meanwhile are not handed to us: for what is to outlive the session."""
    if sys.platform != "linux":
        yield
    else:
        import ctypes

        prctl, was = ctypes.CDLL(None).prctl, ctypes.c_int()
        prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(was), 0, 0, 0)
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        try:
            yield
        finally:
            prctl(_PR_SET_CHILD_SUBREAPER, was.value, 0, 0, 0)


class Reaper:
    """Reaps this process's children. One a process; pids may be watched before it starts."""

    def __init__(self) -> None:
        self._watchers: dict[int, Callable[[Exit], None]] = {}

    def watch(self, pid: int, watcher: "Callable[[Exit], None]") -> None:
        """Call `watcher` once, in the loop's thread, when `pid` has exited."""
        self._watchers[pid] = watcher

    def is_watched(self, pid: int) -> bool:
        """Whether somebody waits for its end."""
        return pid in self._watchers

    def start(self, loop: "asyncio.AbstractEventLoop") -> None:
        """Begin; exits of before are found at once."""
        # Not loop.add_signal_handler: uvloop keeps SIGCHLD for its own subprocesses, of which we have none.
        # The loop's wake-up descriptor makes it run Python's handlers all the same.
        signal.signal(signal.SIGCHLD, lambda number, frame: loop.call_soon_threadsafe(self.reap))
        loop.call_soon(self.reap)

    def stop(self) -> None:
        """Wait for children no more."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def reap(self) -> None:
        """Take all exits there are."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            watcher = self._watchers.pop(pid, None)
            if watcher is not None:
                watcher(exit_of(status))


def exit_of(status: int) -> "Exit":
    """A wait status (wait(2)) as an Exit."""
    from devproxy.processes.lifecycle import Exit  # the first children do not wait for the state machine

    code = os.waitstatus_to_exitcode(status)
    return Exit(signal=-code) if code < 0 else Exit(code=code)
