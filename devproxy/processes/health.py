"""May a service take traffic, and where? First its readiness, then its liveness, of one generation after another."""

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Final

from devproxy.config import model
from devproxy.ports import family
from devproxy.ports.table import tree_listeners
from devproxy.processes.child import Command
from devproxy.processes.lifecycle import BecameAbsent, BecameReady, BecameUnready
from devproxy.processes.liveness import Liveness, listening_late
from devproxy.processes.probe_command import Outcome, run_probe
from devproxy.processes.readiness import Address, NotReady, Probe, Readiness, Subject, addresses_of, wait_ready
from devproxy.processes.start import Started
from devproxy.processes.stillborn import REST_SECONDS, Look, is_at_rest, says_an_error_ended_it
from devproxy.processes.surroundings import Surroundings

LOOK_SECONDS: Final = 0.25
"""How often to look, while it starts, whether an error has ended that."""


class Health:
    """What is known of the generation that runs, and the task that finds it out.

    addresses: where it is reached; note: what a person should know of that; ready_seconds: from spawn to ready.

    Args: tell: gets what becomes of it; moved: called when its addresses change while it is ready.
    """

    def __init__(
        self,
        around: Surroundings,
        tell: Callable[[BecameReady | BecameAbsent | BecameUnready], None],
        moved: Callable[[], None],
    ) -> None:
        self.addresses: tuple[Address, ...] = ()
        self.note = ""
        self.ready_seconds: float | None = None
        self._around = around
        self._tell = tell
        self._moved = moved
        self._task: asyncio.Task[None] | None = None
        self._asking: Probe | None = None
        self._liveness: Liveness | None = None
        self._stillborn = ""  # why its start has failed although its process lives

    @property
    def answer(self) -> str | None:
        """What its readiness probe got back so far; None: nobody asks, or nothing yet."""
        return self._asking.failure() if self._asking is not None and self._asking.has_seen else None

    def forget(self) -> None:
        """Another generation begins, of which nothing is known."""
        self.addresses, self.note, self.ready_seconds, self._stillborn = (), "", None, ""

    def watch(
        self, tasks: asyncio.TaskGroup, started: Started, generation: int, spec: model.Service, *, listens: bool
    ) -> None:
        """Begin to find out. Args: listens: listening makes it ready, unless it says otherwise."""
        self._task = tasks.create_task(self._run(started, generation, spec, listens=listens))

    def doubt(self) -> None:
        """What was sent to it came back, or its connections have ended: does it still serve?"""
        if self._liveness is not None:
            self._liveness.doubt()

    def stop(self) -> None:
        """Its end has begun: nobody asks any more."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, started: Started, generation: int, spec: model.Service, *, listens: bool) -> None:
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._until_stillborn(started, generation, spec)) if listens else None
            readiness = await self._until_ready(started, generation, spec, listens=listens)
            if looking is not None:
                looking.cancel()
        self.addresses, self.note = readiness.addresses, readiness.note
        self.ready_seconds = started.child.lived
        self._tell(BecameReady(generation))
        if not self.addresses:
            if not listens:
                return  # nothing tells whether it does its work
            self.addresses = await listening_late(started.child.pid, started.port)
            self._moved()  # requests can reach it now
        await self._watch_over(started, generation, spec)

    async def _until_ready(self, started: Started, generation: int, spec: model.Service, *, listens: bool) -> Readiness:
        def printed(pattern: re.Pattern[str]) -> asyncio.Future[None]:
            return asyncio.ensure_future(self._around.printed(spec.name, pattern, started.first_line))

        def run(command: str) -> asyncio.Future[Outcome]:
            starter = self._around.starter
            line = Command(command, spec.dir, starter.environment(spec, started.port).values)
            return run_probe(line, spec.name, starter.guard, self._around.reaper)

        child = started.child
        subject = Subject(child.pid, started.port, listens, printed, run, lambda: child.lived)
        while True:
            self._asking = probe = Probe(subject)
            try:
                return await wait_ready(spec.ready, subject, probe)
            except NotReady as error:  # failing, for now: a slow one may still come
                self._tell(BecameUnready(generation, self._stillborn or str(error)))
            finally:
                self._asking = None

    async def _until_stillborn(self, started: Started, generation: int, spec: model.Service) -> None:
        """Tell once when an error has ended its start and what is left does nothing (stillborn.py)."""
        since: Look | None = None
        while since is None or asyncio.get_running_loop().time() - since.moment < REST_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
            lines = self._around.lines(spec.name, started.first_line)
            if not says_an_error_ended_it(lines) or tree_listeners(started.child.pid):
                since = None
            else:
                look = _look(started.child.pid, lines[-1].seq)
                since = since if since is not None and is_at_rest(since, look) else look
        where = f" on port {started.port}" if started.port is not None else ""
        self._stillborn = f"nothing of it listens{where}; an error ended its start"
        self._tell(BecameUnready(generation, self._stillborn))

    async def _watch_over(self, started: Started, generation: int, spec: model.Service) -> None:
        """Tell when it restarts by itself, when it fails although its process lives, and when it serves again."""
        self._liveness = liveness = Liveness(
            started.child.pid,
            frozenset(port for _, port in self.addresses),
            start_seconds=spec.ready.timeout_seconds,
            last_line=self._around.starter.last_line,
            lines=partial(self._around.lines, spec.name),
        )
        while True:
            await liveness.until_absent()
            self._tell(BecameAbsent(generation))
            if (why := await liveness.until_settled()) is not None:
                self._tell(BecameUnready(generation, why))
            self.addresses = addresses_of(await liveness.until_serving())
            self._tell(BecameReady(generation))


def _look(pid: int, last_line: int) -> Look:
    from devproxy.processes import vitals  # only a start that seems to have failed needs it

    pids = family.tree(pid)
    return Look(last_line, frozenset(pids), vitals.cpu_seconds(pids), asyncio.get_running_loop().time())
