"""Which process has which listening socket by which descriptor: cheap to ask again.

holdings(pids, ports)   the listening sockets of these processes on these ports, and how many connections wait there
is_held(holding)        whether the process still has that socket; a zombie has none
exits(pid)              a descriptor that becomes readable when the process ends; None where there is no such thing
"""

import os
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

if sys.platform == "darwin":
    from devproxy.ports import holdings_darwin as system
else:
    from devproxy.ports import holdings_linux as system


@dataclass(frozen=True, slots=True)
class Holding:
    """One descriptor of a listening socket. waiting: connections that nobody has accepted yet; None: not known."""

    pid: int
    fd: int
    socket: str  # tells the sockets of one address apart
    port: int
    address: str
    family: int
    waiting: int | None = field(compare=False)


def holdings(pids: Iterable[int], ports: Collection[int]) -> list[Holding]:
    """What these processes listen on, of these ports; those that are gone have nothing."""
    return [Holding(*one) for one in system.holdings(pids, ports)]


def is_held(holding: Holding) -> bool:
    """Whether the process still has that very socket."""
    return system.is_held(holding.pid, holding.fd, holding.socket)


def exits(pid: int) -> int | None:
    """A descriptor that is readable once the process has ended; the caller closes it."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # gone already, or a kernel or sandbox without pidfds
        return None
