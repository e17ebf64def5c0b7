"""Who is whose parent, at this moment. Zombies are not in it: they hold nothing.

snapshot()            every process with its parent and its process group
descendants(rows, p)  those below p (or below several), parents first
ancestors(rows, p)    those above p, nearest first
"""

import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

if sys.platform == "darwin":
    from devproxy.ports import family_darwin as system
else:
    from devproxy.ports import family_linux as system


class Row(NamedTuple):
    """Where a process stands."""

    ppid: int
    pgid: int


Rows = Mapping[int, Row]


def snapshot() -> dict[int, Row]:
    """Every living process that can be seen. It is out of date at once: signal identities, not pids."""
    return {pid: Row(*row) for pid, row in system.snapshot().items()}


def tree(pid: int) -> list[int]:
    """The process and its descendants, parents first; fast enough to be asked every 50 ms."""
    listed = system.listed_tree(pid)
    return [pid, *descendants(snapshot(), pid)] if listed is None else listed


def children(pid: int) -> list[int]:
    """Its children. Cheap, but one that ends meanwhile may hide another: not for a last look."""
    return system.children(pid)


def descendants(rows: Rows, *pids: int) -> list[int]:
    """The pids below these, parents before their children."""
    children: dict[int, list[int]] = {}
    for child, row in rows.items():
        children.setdefault(row.ppid, []).append(child)
    found = list(pids)
    for parent in found:  # grows while it is walked: breadth first
        found.extend(child for child in children.pop(parent, ()) if child != parent and child not in pids)
    return found[len(pids) :]


def ancestors(rows: Rows, pid: int) -> list[int]:
    """The pids above this one that can be seen, nearest first; pid 1 is the last one."""
    found: list[int] = []
    while (row := rows.get(pid)) is not None and row.ppid > 0 and row.ppid not in found:
        found.append(pid := row.ppid)
    return found


def members(rows: Rows, pgid: int) -> list[int]:
    """The pids in a process group."""
    return [pid for pid, row in rows.items() if row.pgid == pgid]


def own(rows: Rows) -> tuple[frozenset[int], frozenset[int]]:
    """Our own pid and those of our ancestors, and the process groups that these are in."""
    pids = frozenset({os.getpid(), os.getppid(), *ancestors(rows, os.getpid())})
    return pids, frozenset({os.getpgrp(), *(rows[pid].pgid for pid in pids if pid in rows)})
