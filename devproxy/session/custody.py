"""Who ends our children if we cannot: the guard, at once; the record on disk, at the next start (leftovers.py)."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from devproxy.ports import identity, records
from devproxy.ports.identity import Identity
from devproxy.ports.records import ChildRecord
from devproxy.processes import marks
from devproxy.processes.environment import MARKER
from devproxy.processes.guarding import GuardLink

if TYPE_CHECKING:
    import asyncio

    from devproxy.processes.lifecycle import Exit
    from devproxy.processes.reaper import Reaper

GUARD_LIFE_SECONDS: Final = 1.0
"""A guard that dies sooner than this has its successor wait: there would be a new one at every turn of the loop."""

LOOK_SECONDS: Final = 1.0
"""Between two looks for those without a name. A look costs 0.5 ms."""

YOUNG_SECONDS: Final = 5.0
YOUNG_LOOK_SECONDS: Final = 0.1
"""As long as a child is younger than the former: daemons are started at a start."""


class Custody:
    """Tells the guard and the record of each child.

    Args: state: the root's state folder; session: this session's id, which marks its children; say: tells what
    went wrong.
    Owns: the guard; `close` lets it go.
    """

    def __init__(self, state: Path, root: Path, session: str, say: Callable[[str], None]) -> None:
        self._state = state
        self._root = root
        self._session = session
        self._say = say
        self._guard: GuardLink | None = None
        self._guard_since = 0.0
        self._next_guard: asyncio.TimerHandle | None = None
        self._reaper: Reaper | None = None
        self._started = time.monotonic()  # the youngest child
        self._groups: set[int] = set()
        self._nameless: dict[Identity, ChildRecord] = {}
        self._records: dict[int, ChildRecord] = {}
        self._own = identity.of(os.getpid())
        self._boot = identity.boot_id()
        self._complained: set[str] = set()

    def stand_by(self) -> None:
        """Have the guard there: from a child's first moment somebody must know of it, and it also ends what carries
        the session's mark and is no service."""
        if self._guard is None:
            self._start_guard()

    def add(self, group: int, service: str, port: int | None) -> None:
        """A child was started; its pid is its group."""
        self.stand_by()
        self._started = time.monotonic()
        self._groups.add(group)
        if self._guard is not None:
            self._guard.add(group)
        child = identity.of(group)
        if child is not None:  # else it has exited already: nothing to remember
            self._records[group] = self._record(child, service, group, port)
            self._save()

    def remove(self, group: int) -> None:
        """Its tree is gone."""
        self._groups.discard(group)
        if self._guard is not None:
            self._guard.remove(group)
        if self._records.pop(group, None) is not None:
            self._save()

    def close(self) -> None:
        """Let the guard go."""
        if self._next_guard is not None:
            self._next_guard.cancel()
        if self._guard is not None:
            self._guard.close()
            self._guard = None

    # -- the guard

    async def watch(self, reaper: "Reaper") -> None:
        """Notice what nobody tells us: the guard's own end, and who would get away from it.

        A guard that ends before us is told of once, and replaced. A descendant that has left its group and carries
        no mark would be nobody's as soon as its parent is gone, and that may be the moment we are killed.
        """
        import asyncio  # the first children do not wait for it

        self._reaper = reaper
        if self._guard is not None:
            reaper.watch(self._guard.pid, self._guard_has_ended)
        while True:
            self._note(marks.nameless(self._groups, reaper.is_watched))
            is_young = time.monotonic() - self._started < YOUNG_SECONDS
            await asyncio.sleep(YOUNG_LOOK_SECONDS if is_young else LOOK_SECONDS)

    def _note(self, found: list[Identity]) -> None:
        gone = self._nameless.keys() - found
        new = [one for one in found if one not in self._nameless]
        for one in gone:
            del self._nameless[one]
        for one in new:
            self._nameless[one] = self._record(one, "", 0, None)
            if self._guard is not None:
                self._guard.add_process(one)
        if gone or new:
            self._save()

    def _start_guard(self) -> None:
        try:
            self._guard = guard = GuardLink(f"{MARKER}={self._session}", self._groups, self._nameless)
        except OSError as error:
            self._complain(f"no guard can be started ({error.strerror}): kill -9 would leave the services running")
            return
        self._guard_since = time.monotonic()
        if self._reaper is not None:
            self._reaper.watch(guard.pid, self._guard_has_ended)

    def _guard_has_ended(self, _: "Exit") -> None:
        import asyncio

        if self._guard is None:
            return
        self._guard.leave()
        self._guard = None
        self._complain("the guard (it ends the services if devproxy is killed) was killed itself; there is a new one")
        early = GUARD_LIFE_SECONDS - (time.monotonic() - self._guard_since)
        self._next_guard = asyncio.get_running_loop().call_later(max(0.0, early), self.stand_by)

    # -- the record

    def _record(self, who: Identity, service: str, group: int, port: int | None) -> ChildRecord:
        own = self._own or Identity(os.getpid(), 0.0)
        return ChildRecord(
            service=service,
            pid=who.pid,
            create_time=who.create_time,
            boot_id=self._boot,
            pgid=group,
            ports=() if port is None else (port,),
            session_pid=own.pid,
            session_create_time=own.create_time,
            root=str(self._root),
            mark=self._session,
        )

    def _save(self) -> None:
        try:
            records.save(self._state, [*self._records.values(), *self._nameless.values()])
        except OSError as error:
            what = "after a kill -9 the next start would not know its leftovers"
            self._complain(f"{self._state} cannot be written ({error.strerror}): {what}")

    def _complain(self, sentence: str) -> None:
        """Once is enough: it is no news the next time."""
        if sentence not in self._complained:
            self._complained.add(sentence)
            self._say(sentence)
