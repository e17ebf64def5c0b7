"""The same process, or another one that was given its pid.

A creation time is not a wall-clock time: on Linux it counts from boot (a clock that is set would
otherwise make every process a stranger), on macOS the kernel notes it once. Compare, do not display.
"""

import sys
from dataclasses import dataclass

if sys.platform == "darwin":
    from devproxy.ports import identity_darwin as system
else:
    from devproxy.ports import identity_linux as system

SAME_SECONDS = 0.001  # both sides come from the same kernel value; only its way through JSON differs


@dataclass(frozen=True, slots=True)
class Identity:
    """A pid and when the kernel created it: unique until the next boot."""

    pid: int
    create_time: float

    def is_alive(self) -> bool:
        """True while this very process runs. A zombie is dead, and so is one whose pid was reused."""
        now = system.create_time(self.pid)
        return now is not None and abs(now - self.create_time) < SAME_SECONDS


def of(pid: int) -> Identity | None:
    """The identity of the process that has this pid now; None when it is gone or a zombie."""
    created = system.create_time(pid)
    return None if created is None else Identity(pid, created)


def boot_id() -> str:
    """A word that differs after every boot: a pid and its creation time are worth nothing across one."""
    return system.boot_id()
