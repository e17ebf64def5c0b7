"""LISTEN sockets and who has them. Clients' sockets never appear here.

listeners(port)       everybody who listens on it; one entry a process, so that the workers that
                      share one socket are all seen
tree_listeners(pid)   what a process and its descendants listen on; fast enough to be asked every 50 ms
listening_ports()     the port numbers alone
"""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Listener:
    """One process that listens on one address. pid None: a process that we may not look into."""

    port: int
    address: str
    family: int  # 4 or 6
    pid: int | None


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


def _ordered(found: set[tuple[int, str, int, int | None]]) -> list[Listener]:
    return [Listener(*one) for one in sorted(found, key=lambda one: (one[0], one[2], one[1], one[3] or 0))]
