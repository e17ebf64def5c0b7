"""What services' processes are and do: read from the system when somebody asks, and only then.

Blocks for some milliseconds a process: in a loop, call it in a thread. What ends while we look is left out.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import psutil

from devproxy.ports import family
from devproxy.ports.table import Listener, tree_listeners
from devproxy.processes.environment import MARKER, SERVICE

HUNDRED: Final = 100.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One process as it was. parent: the pid above it in the same tree; None: nobody's any more, or the root."""

    pid: int
    parent: int | None
    depth: int
    command: str
    started: float  # seconds since the epoch
    cpu_seconds: float
    rss_bytes: int
    escaped: bool  # it has left the process group of the service's child


@dataclass(frozen=True, slots=True)
class Survey:
    """The processes of each service, parents before their children, and what they listen on."""

    moment: float  # monotonic
    processes: Mapping[str, tuple[Seen, ...]]
    listeners: Mapping[str, tuple[Listener, ...]]

    def cpu_percent(self, before: "Survey", service: str) -> dict[int, float]:
        """The CPU that each of a service's processes has used since an earlier survey: 100 is one core."""
        earlier = {one.pid: one.cpu_seconds for one in before.processes.get(service, ())}
        elapsed = self.moment - before.moment
        return {
            one.pid: max(0.0, one.cpu_seconds - earlier.get(one.pid, 0.0)) / elapsed * HUNDRED
            for one in self.processes.get(service, ())
        }


def survey(children: Mapping[str, int], session: str, own_pid: int, *, listeners: bool = True) -> Survey:
    """Look at all processes of services.

    Args: children: the child's pid by service; session: the mark that finds who has left the tree; own_pid: the
    session's process, below which all of them are; listeners: whether to find out what they listen on, too.
    """
    rows = family.snapshot()
    trees = _trees(children, session, own_pid, rows)
    return Survey(
        time.monotonic(),
        {name: tuple(_seen(pids, children[name], rows)) for name, pids in trees.items()},
        {name: tuple(_listeners(pids, rows)) for name, pids in trees.items()} if listeners else {},
    )


def cpu_seconds(pids: Iterable[int]) -> float:
    """The CPU that these processes have used, all together."""
    total = 0.0
    for pid in pids:
        with suppress(psutil.Error, OSError):  # it has ended meanwhile
            spent = psutil.Process(pid).cpu_times()
            total += spent.user + spent.system
    return total


def _trees(children: Mapping[str, int], session: str, own_pid: int, rows: family.Rows) -> dict[str, set[int]]:
    """The pids of each service: below its child, in the child's group, or marked as the service's."""
    trees = {name: {pid, *family.descendants(rows, pid)} & rows.keys() for name, pid in children.items()}
    for name, group in children.items():
        for pid in family.members(rows, group):
            trees[name] |= {pid, *family.descendants(rows, pid)}
    known = set().union(*trees.values())
    for pid in family.descendants(rows, own_pid):
        if pid not in known and (name := _service_of(pid, session)) in trees:
            trees[name].add(pid)
    return trees


def _service_of(pid: int, session: str) -> str:
    try:
        marks = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return ""
    return marks.get(SERVICE, "") if marks.get(MARKER) == session else ""


def _seen(pids: Collection[int], child: int, rows: family.Rows) -> Iterator[Seen]:
    """The processes as a tree is listed: each with what is below it, the child's own tree first."""
    below: dict[int | None, list[int]] = {}
    for pid in sorted(pids, key=lambda pid: (pid != child, pid), reverse=True):
        below.setdefault(rows[pid].ppid if rows[pid].ppid in pids else None, []).append(pid)
    waiting: list[tuple[int, int | None, int]] = [(pid, None, 0) for pid in below.get(None, ())]
    while waiting:
        pid, parent, depth = waiting.pop()
        if (one := _look(pid, parent, depth, escaped=rows[pid].pgid != child)) is not None:
            yield one
        waiting += [(one, pid, depth + 1) for one in below.get(pid, ())]


def _look(pid: int, parent: int | None, depth: int, *, escaped: bool) -> Seen | None:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            spent = process.cpu_times()
            return Seen(
                pid,
                parent,
                depth,
                command=" ".join(process.cmdline()) or process.name(),
                started=process.create_time(),
                cpu_seconds=spent.user + spent.system,
                rss_bytes=process.memory_info().rss,
                escaped=escaped,
            )
    except (psutil.Error, OSError):  # ended meanwhile, or runs as somebody else by now
        return None


def _listeners(pids: Collection[int], rows: family.Rows) -> list[Listener]:
    tops = [pid for pid in pids if rows[pid].ppid not in pids]
    found = {one for top in tops for one in tree_listeners(top) if one.pid in pids}
    return sorted(found, key=lambda one: (one.port, one.family, one.address, one.pid or 0))
