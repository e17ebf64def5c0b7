"""LISTEN sockets and who has them. Clients' sockets never appear among them.

listeners(port)       everybody who listens on it; one entry a process, so that the workers that
                      share one socket are all seen
tree_listeners(pid)   what a process and its descendants listen on; fast enough to be asked every 50 ms
listening_ports()     the port numbers alone
connections(port)     what else keeps a port from being bound: for an answer when nobody listens
"""

import sys
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Listener:
    """One process that listens on one address. pid None: a process that we may not look into."""

    port: int
    address: str
    family: int  # 4 or 6
    pid: int | None
    uid: int | None = field(default=None, compare=False)  # who opened the socket; None where the system does not say


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection whose near end is this port. pid None: of a process that we may not look into, or of none."""

    pid: int | None
    uid: int | None
    is_over: bool  # TIME_WAIT: no process has it any more, the kernel keeps it for a minute


if sys.platform == "darwin":
    from devproxy.ports import table_darwin as system
else:
    from devproxy.ports import table_linux as system


def listeners(port: int | None = None) -> list[Listener]:
    """Who listens on this port, or on any; ordered by port, address and pid."""
    return _ordered(system.listeners(port))


def tree_listeners(pid: int) -> list[Listener]:
    """What this process and its descendants listen on; empty when it is gone."""
    return _ordered(system.tree_listeners(pid))


def listening_ports() -> set[int]:
    """Every port that somebody listens on, whoever it is."""
    return system.listening_ports()


def connections(port: int) -> list[Connection]:
    """Connections that keep the port although nobody listens: one that went out from it, or was accepted on it."""
    return [Connection(*one) for one in sorted(system.connections(port), key=lambda one: (one[2], one[0] or 0))]


def _ordered(found: set[tuple[int, str, int, int | None, int | None]]) -> list[Listener]:
    return [Listener(*one) for one in sorted(found, key=lambda one: (one[0], one[2], one[1], one[3] or 0))]
