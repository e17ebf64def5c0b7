"""A child and all that came of it: its process group, and the descendants that have left the group.

Daemons, and what was started in a session of its own, hear no signal to the group; when their parent is gone,
nothing but their environment says whose they are. Every child is started with the session's and the service's
name in it.
"""

import os
import signal
import sys
from contextlib import suppress

from devproxy.ports import family, identity
from devproxy.ports.identity import Identity
from devproxy.ports.signals import send
from devproxy.processes.child import Child
from devproxy.processes.environment import MARKER, SERVICE


class Tree:
    """What is to be signalled, and to be gone, when a child is.

    Args: service, session: what its environment names.
    """

    def __init__(self, child: Child, *, service: str, session: str) -> None:
        self._child = child
        self._marks = session, service

    def signal(self, number: signal.Signals) -> None:
        """Signal all of it; what has ended meanwhile is no error."""
        escaped = self.escaped()  # before the signal: they may lose their parent by it
        self._child.signal_group(number)
        for who in escaped:
            with suppress(PermissionError):
                send(who, number)

    def is_gone(self) -> bool:
        """Whether nothing of it is left (zombies in the group that nobody has reaped yet count)."""
        return self._child.group_is_gone() and not self.escaped()

    def escaped(self) -> list[Identity]:
        """Its living descendants outside the group."""
        candidates = [pid for pid in _may_be_below() if _group_of(pid) not in (self._child.pid, None)]
        return [who for pid in candidates if _marks_of(pid) == self._marks and (who := identity.of(pid)) is not None]


def _may_be_below() -> list[int]:
    """Our descendants, for we adopt orphans; where there is no such thing, everybody."""
    if sys.platform == "linux":
        return family.tree(os.getpid())[1:]
    else:
        return [pid for pid in family.snapshot() if pid != os.getpid()]


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _marks_of(pid: int) -> tuple[str | None, str | None]:
    """The session and the service that a process was started for; None where its environment cannot be read."""
    import psutil  # 17 ms, when the first service ends

    try:
        environment = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return None, None
    return environment.get(MARKER), environment.get(SERVICE)
