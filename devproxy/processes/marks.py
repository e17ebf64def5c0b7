"""Whose a process is, by the names in its environment: every child is started with its session's and its service's."""

import math
import os
import sys
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from devproxy.ports import family, identity
from devproxy.ports.identity import Identity
from devproxy.processes.environment import MARKER, SERVICE


class Marks(NamedTuple):
    """The session and the service that a process was started for."""

    session: str
    service: str


def of(pid: int) -> Marks | None:
    """A process's marks; None: it has none, or its environment cannot be read."""
    environment = _environment(pid)
    if MARKER not in environment:
        return None
    return Marks(environment[MARKER], environment.get(SERVICE, ""))


def marked(sessions: Mapping[str, float]) -> dict[Identity, Marks]:
    """The living processes that carry a mark of one of these sessions, as far as we may look.

    Args: sessions: when each was created (Identity.create_time): nobody who is older was started by it.
    """
    found: dict[Identity, Marks] = {}
    for pid in family.snapshot():
        who = identity.of(pid)  # before its marks: a pid given away in between would have two owners
        if who is None or pid == os.getpid() or who.create_time < min(sessions.values(), default=math.inf):
            continue
        marks = of(pid)
        if marks is not None and who.create_time >= sessions.get(marks.session, math.inf) and who.is_alive():
            found[who] = marks
    return found


def nameless(groups: Collection[int], is_ours: Callable[[int], bool]) -> list[Identity]:
    """Our living descendants outside these groups that carry no mark: it was cleaned away, or written over.

    Args: is_ours: whether a process is one that somebody else minds. Empty where orphans are not handed to us.
    """
    if sys.platform != "linux":
        return []
    found = [
        identity.of(pid)
        for pid in family.tree(os.getpid())[1:]
        if not is_ours(pid) and _group_of(pid) not in groups and of(pid) is None
    ]
    return [who for who in found if who is not None]


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


if sys.platform == "linux":

    def _environment(pid: int) -> dict[str, str]:
        """proc_pid_environ(5). Not psutil's: the import takes longer than most services need to end."""
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:  # hot: read for every process
                words = file.read().split(b"\0")
        except OSError:
            return {}
        names = (os.fsdecode(word).partition("=") for word in words)
        return {name: value for name, equals, value in names if equals}

else:

    def _environment(pid: int) -> dict[str, str]:
        import psutil

        try:
            return psutil.Process(pid).environ()
        except (psutil.Error, OSError):
            return {}
