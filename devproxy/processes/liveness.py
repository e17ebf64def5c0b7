"""Does a service that became ready still serve?

Its root process may outlive what does the work: a reloader whose worker died of a syntax error waits for the next
save, and uvicorn's keeps the listening socket open meanwhile: connections are accepted by the kernel, and nobody takes
them. So it serves while a process of its tree listens where it did and, when one that listened has died, somebody
takes what arrives there.

Idle, this costs a readlink(2) every LOOK_SECONDS: the processes that listen are watched by pidfd, so that a death is
known at once; and the gateway says when a connection was refused, or ended though nobody asked. Only then, and
every SURVEY_SECONDS, is the whole tree looked at, until it is clear what follows: a reloader's restart is a short gap,
no outage. It begins when a worker lets go of its socket: until its clients have left (event streams never do) it may
live on.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from devproxy.logs.records import Record
from devproxy.logs.tracebacks import last_traceback
from devproxy.ports import family, identity
from devproxy.ports.holdings import Holding, exits, holdings, is_held
from devproxy.ports.table import tree_listeners
from devproxy.processes.readiness import Address, addresses_of
from devproxy.processes.stillborn import says_an_error_ended_it

LOOK_SECONDS: Final = 2.0
"""How often to look, when nothing has died, whether it still listens."""

ACCEPT_SECONDS: Final = 0.01
"""So long may another worker take to accept. Not longer: what is sent into a queue that nobody empties may be run when
its sender has been told that it failed."""

SURVEY_SECONDS: Final = 10.0
"""How often to look who listens now, at first more often: a reloader listens before its worker is there, and who was
never seen is not missed."""

DOUBT_SECONDS: Final = 0.05
OUTAGE_SECONDS: Final = 0.25
"""How often to look while it may be failing, and while it is."""

ABANDONED_SECONDS: Final = 1.0
"""So long after a worker's death, without another process in its place: reloaders start the next one within
milliseconds, and a busy machine takes a tenth of a second for that."""

CLOSED_SECONDS: Final = 3.0
"""So long may one that lives have closed its socket: Vite closes and opens it when its own config is saved."""

COMPLAINED_SECONDS: Final = 2.0
"""So long after a traceback: Django's reloader keeps the broken worker, which waits for the next save."""

ENDED_SECONDS: Final = 0.5
"""So long after its runtime has said that an error ended it (stillborn.py)."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen. listens: somebody has the address, though nobody takes what arrives; died: one who had it has
    died; successor: a process has been started since."""

    listens: bool
    died: bool
    successor: bool


def patience(look: Look, *, complained: bool, ended: bool, start_seconds: float) -> float:
    """How long what was seen may last before it is an outage.

    Args: complained: an error was printed since; ended: its runtime says that one ended what was seen last;
    start_seconds: how long a start may take.
    """
    if ended and (look.died or look.successor):
        return ENDED_SECONDS
    if look.successor:
        return COMPLAINED_SECONDS if complained else start_seconds
    if look.died:
        return ABANDONED_SECONDS
    return start_seconds if look.listens else CLOSED_SECONDS  # it lets its clients finish, or waits for nobody


def reason(look: Look, ports: str) -> str:
    """Why it does not serve, in words."""
    if look.listens:
        return f"nothing takes the connections to port {ports}" + ("; its worker has ended" if look.died else "")
    return f"nothing of it listens on port {ports}" + ("; its worker has ended" if look.died else " any more")


class Liveness:
    """Watches over one generation of a service that listens.

    Args: pid: its root process; ports: where it listens; start_seconds: how long a start may take; last_line: the
    number of the log's last line; lines: what it has printed after the line of this number.
    """

    def __init__(
        self,
        pid: int,
        ports: frozenset[int],
        *,
        start_seconds: float,
        last_line: Callable[[], int],
        lines: Callable[[int], list[Record]],
    ) -> None:
        self._pid = pid
        self._ports = ports
        self._start_seconds = start_seconds
        self._last_line = last_line
        self._lines = lines
        self._doubt = asyncio.Event()
        self._doubt_line = 0  # the log's last one when it began
        self._held: list[Holding] = []
        self._tree: frozenset[int] = frozenset()
        self._unchanged = 0  # so many looks in a row have found the same: workers may still come
        self._knocked = False
        self._remember(*self._survey())

    def doubt(self) -> None:
        """A connection was refused, or has ended though nobody asked: look now."""
        self._doubt.set()

    async def until_absent(self) -> None:
        """Return when nobody takes what arrives. Cancel: safe at any point."""
        while True:
            await self._until_doubt()
            self._doubt_line = self._last_line()
            look = await self._look()
            if look is not None and look.listens:  # another worker may take a moment to
                await asyncio.sleep(ACCEPT_SECONDS)
                look = await self._look()
            if look is not None:
                return

    async def until_settled(self) -> str | None:
        """Since it was absent: look until it serves (None), or has not served for longer than a restart takes (why).

        Cancel: safe at any point.
        """
        loop, line, seen_line = asyncio.get_running_loop(), self._doubt_line, 0
        seen: tuple[Look, bool, bool] | None = None
        since = loop.time()
        while (look := await self._look()) is not None:
            if seen is None or look != seen[0]:
                seen_line = self._last_line() if look.successor else line
            printed = self._lines(line)
            ended = says_an_error_ended_it([record for record in printed if record.seq > seen_line])
            now = look, bool(last_traceback(printed)), ended
            if now != seen:
                seen, since = now, loop.time()
            if loop.time() - since >= patience(look, complained=now[1], ended=ended, start_seconds=self._start_seconds):
                return reason(look, " and ".join(map(str, sorted(self._ports))))
            await asyncio.sleep(DOUBT_SECONDS)
        return None

    async def until_serving(self) -> list[Holding]:
        """Return where it listens, when it serves again."""
        while await self._look() is not None:  # noqa: ASYNC110 - nothing tells of a listen(2)
            await asyncio.sleep(OUTAGE_SECONDS)
        return self._held

    async def _until_doubt(self) -> None:
        loop = asyncio.get_running_loop()
        survey = loop.time() + min(OUTAGE_SECONDS * 2 ** min(self._unchanged, 10), SURVEY_SECONDS)
        with self._told_of_deaths():
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(min(survey, loop.time() + LOOK_SECONDS)):
                        await self._doubt.wait()
                is_doubtful = not self._unchanged and self._doubt.is_set()
                self._doubt.clear()
                if is_doubtful or loop.time() >= survey or not self._held or not all(map(is_held, self._held)):
                    return

    @contextmanager
    def _told_of_deaths(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        self._doubt.clear()
        fds = [fd for pid in {holding.pid for holding in self._held} if (fd := exits(pid)) is not None]
        for fd in fds:
            loop.add_reader(fd, self._doubt.set)
        try:
            yield
        finally:
            for fd in fds:
                loop.remove_reader(fd)
                os.close(fd)

    async def _look(self) -> Look | None:
        """What is wrong; None: nothing."""
        tree, found = self._survey()
        gone = {holding.pid for holding in self._held} - {holding.pid for holding in found}
        died = any(identity.of(pid) is None for pid in gone)
        if found and (not gone or await self._accepts(found, died=died)):
            self._remember(tree, found)
            return None
        successor = any(pid not in self._tree and identity.of(pid) is not None for pid in tree)
        return Look(bool(found), died, successor)

    def _survey(self) -> tuple[frozenset[int], list[Holding]]:
        tree = frozenset(family.tree(self._pid))
        # What has left the tree since (its parent ended) serves all the same.
        return tree, holdings(tree | {holding.pid for holding in self._held}, self._ports)

    def _remember(self, tree: frozenset[int], found: list[Holding]) -> None:
        self._unchanged = self._unchanged + 1 if (tree, found) == (self._tree, self._held) else 0
        self._tree, self._held, self._knocked = tree, found, False

    async def _accepts(self, found: list[Holding], *, died: bool) -> bool:
        """Whether somebody takes connections. A socket that was there before is not enough: who has it may be the
        reloader that never took any. So one connection is made, and must not be left waiting."""
        before = {holding.socket for holding in self._held}
        shared = [holding for holding in found if holding.socket in before]
        if len(shared) < len(found):
            return True
        if any(holding.waiting is None for holding in shared):
            return not died or len(shared) >= len(self._held)
        if not self._knocked:
            self._knocked = True
            await _knock(shared[0])
            shared = [holding for holding in self._survey()[1] if holding.socket in before]
        return any(holding.waiting == 0 for holding in shared)


async def listening_late(pid: int, port: int | None) -> tuple[Address, ...]:
    """Where it listens, once it does: one that said it was ready before it did."""
    seconds = OUTAGE_SECONDS
    while not (found := tree_listeners(pid)):
        await asyncio.sleep(seconds)
        seconds = min(seconds * 2, LOOK_SECONDS)
    return addresses_of([one for one in found if one.port == port] or found)


async def _knock(holding: Holding) -> None:
    """Make a connection and leave."""
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(loopback.get(holding.address, holding.address), holding.port)
    except OSError:  # a full queue tells the same; a TimeoutError is one
        return
    writer.close()
