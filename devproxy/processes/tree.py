"""A child and all that came of it: its process group, and the descendants that have left the group.

Daemons, and what was started in a session of its own, hear no signal to the group. They are found by the marks in
their environment (marks.py), wherever they have gone; without marks (a cleaned environment, or one that was written
over) by their parents, as long as these live, and from then on because we have seen them.
"""

import os
import sys
from collections.abc import Callable, Collection
from contextlib import suppress
from signal import Signals

from devproxy.ports import family, identity, table
from devproxy.ports.identity import Identity
from devproxy.ports.signals import send
from devproxy.processes import marks
from devproxy.processes.child import Child
from devproxy.processes.marks import Marks


class Tree:
    """What is to be signalled, and to be gone, when a child is. Make it as the child starts.

    Args: service, session: what its environment names; is_child: whether a child of ours was started by us, and is
    no orphan that was handed to us.
    """

    def __init__(
        self, child: Child, *, service: str, session: str, is_child: Callable[[int], bool] = lambda _: True
    ) -> None:
        self.child = child
        self._is_child = is_child
        self._marks = Marks(session, service)
        self._seen: set[Identity] = set()
        self._group_is_gone = False  # from then on its number may be given to others

    def signal(self, number: Signals) -> None:
        """Signal all of it; what has ended meanwhile is no error."""
        escaped = self.escaped()  # before the signal: they may lose their parent by it
        self.signal_group(number)
        for who in escaped:
            with suppress(PermissionError):
                send(who, number)

    def signal_group(self, number: Signals) -> None:
        """Signal what is in the group; what has left it hears nothing."""
        if not self.group_is_gone():
            self.child.signal_group(number)

    def group_is_gone(self) -> bool:
        """Whether nothing of the group is left (zombies in it that nobody has reaped yet count)."""
        self._group_is_gone = self._group_is_gone or self.child.group_is_gone()
        return self._group_is_gone

    def is_gone(self) -> bool:
        """Whether nothing of it is left."""
        return self.group_is_gone() and not self.escaped()

    def escaped(self) -> list[Identity]:
        """Its living descendants outside the group."""
        rows = family.snapshot()
        below = _may_be_below(rows)
        group = None if self._group_is_gone else self.child.pid
        seen = {who.pid for who in self._seen if who.is_alive()}
        inside = {pid for pid in below if rows[pid].pgid == group}
        known = {pid: marks.of(pid) for pid in below - inside}
        ours = inside | seen | {pid for pid, found in known.items() if found == self._marks}
        # One below ours with other marks belongs to a devproxy that one of ours runs, and is for that to end.
        ours |= {pid for pid in family.descendants(rows, *ours) if known.get(pid) is None}
        found = {who for pid in ours - inside if (who := identity.of(pid)) is not None}
        self._seen = found
        return sorted(found, key=lambda who: who.create_time)

    def take_holders(self, ports: Collection[int]) -> bool:
        """Count as its own who listens on these ports, carries no mark, and was handed to us as an orphan.

        A daemon that has cleaned its environment can be known by its port alone. Returns: whether there is one.
        """
        rows = family.snapshot()
        listening = {one.pid for port in ports for one in table.listeners(port) if one.pid is not None}
        for pid in listening & set(family.descendants(rows, os.getpid())):
            line = [pid, *family.ancestors(rows, pid)]
            line = line[: line.index(os.getpid())]
            if not self._is_child(line[-1]) and all(marks.of(one) is None for one in line):
                self._seen |= {who for one in line if (who := identity.of(one)) is not None}
        return bool(self._seen)


def _may_be_below(rows: family.Rows) -> set[int]:
    """Our descendants, for we adopt orphans; where there is no such thing, everybody."""
    if sys.platform == "linux":
        return set(family.descendants(rows, os.getpid()))
    else:
        return set(rows) - {os.getpid()}
