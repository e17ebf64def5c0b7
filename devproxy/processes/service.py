"""One service: its owner, the only writer of its life.

Events come in by `tell`, the state machine answers with effects, and what comes of them returns as events.
Everything happens in the loop's thread. The first children are started before there is a loop (start.py):
`prepare` takes such a one over.
"""

import asyncio
import random
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from devproxy.config import model
from devproxy.errors import DevproxyError, MissingProgram
from devproxy.logs.records import Record
from devproxy.processes import claiming, missing
from devproxy.processes.child import Child
from devproxy.processes.environment import Environment
from devproxy.processes.health import Health
from devproxy.processes.lifecycle import (
    AwaitPort,
    Begin,
    Effect,
    EndTree,
    Event,
    Exit,
    Exited,
    FreePort,
    Life,
    PortFree,
    PortReleased,
    Probe,
    Reload,
    RestartAsked,
    RetryAfter,
    RetryDue,
    Rules,
    Saved,
    Spawn,
    Spawned,
    SpawnFailed,
    StopAsked,
    step,
)
from devproxy.processes.outputs import Outputs
from devproxy.processes.pace import Pace
from devproxy.processes.readiness import is_declared
from devproxy.processes.running import Running
from devproxy.processes.start import Started
from devproxy.processes.surroundings import Surroundings
from devproxy.processes.terminal import Terminal
from devproxy.processes.tree import Tree

JITTER: Final = 0.2

CAUSES: Final = (Begin, RestartAsked, Saved, RetryDue, PortReleased)
"""The events that have a child started."""


class Service:
    """A service and its life.

    Owns: its child. `run` is its task; cancelling it ends the child at once (stop it first).
    """

    def __init__(self, spec: model.Service, surroundings: Surroundings, *, listens: bool) -> None:
        self.spec = spec
        self.listens = listens  # that makes it ready, unless it says otherwise
        self.life = Life(_rules(spec))
        self.since = time.time()  # when its state began
        self.restarts = 0
        self.exited = 0.0  # when its process ended last
        self.cause: Event | None = None  # what had it started last
        self.port: int | None = None
        self.gate: Callable[[], Coroutine[Any, Any, None]] | None = None  # awaited before it claims its port
        self.environment: Environment | None = None  # of the child started last
        self.first_line = 0  # of that child: every line after this one
        self.terminal = Terminal(surroundings.starter.size)
        self.health = Health(surroundings, self.tell, lambda: surroundings.changed(self, self.life))
        self._around = surroundings
        self._inbox: asyncio.Queue[Event] = asyncio.Queue()
        self._later: list[Callable[[], None]] = []  # what waits for the loop
        self._tasks: asyncio.TaskGroup | None = None
        self._running: Running | None = None  # when its child has done its work: what that has left behind
        self._retry: asyncio.TimerHandle | None = None
        self._hurried = False
        self._early: Started | DevproxyError | None = None  # started before there was a loop
        self._refusal: DevproxyError | None = None  # why the last child could not be started

    # -- what others may say

    def tell(self, event: Event) -> None:
        """Something happened; it is handled in turn."""
        self._inbox.put_nowait(event)

    @property
    def child(self) -> Child | None:
        """The child that runs."""
        return self._running.child if self._running is not None and not self._running.is_buried else None

    @property
    def retry_in(self) -> float | None:
        """Seconds until it starts again by a timer; None: it waits for none."""
        if self.life.awaits != "timer" or self._retry is None:
            return self.life.backoff
        return max(0.0, round(self._retry.when() - asyncio.get_running_loop().time(), 1))

    @property
    def missing(self) -> MissingProgram | None:
        """What its very first start has failed of, if that is a program that is not there."""
        return missing.program(self.spec.name, self.life, self._refusal, self._printed)

    @property
    def is_idle(self) -> bool:
        """Whether everything it was told has been handled."""
        return self._inbox.empty()

    def next_environment(self) -> Environment:
        """What its next child would get. Raises: ConfigError: a `.env` file is broken."""
        return self._around.starter.environment(self.spec, self.port)

    def is_outdated(self) -> bool:
        """Whether its next child would get another environment than the one that runs. Raises: ConfigError."""
        if self.child is None or self.environment is None:
            return False
        return self.environment.values != self.next_environment().values

    def prepare(self, early: Started | DevproxyError) -> None:
        """It was started before there was a loop, or could not be; `run` takes over from here."""
        self._early = early
        self._settle(Begin())

    def leave_out(self) -> None:
        """It is not to run for now; said before there is a loop."""
        self._settle(StopAsked())

    def _settle(self, event: Event) -> None:
        self.tell(event)
        while not self._inbox.empty():
            self._handle(self._inbox.get_nowait())

    def redeclare(self, spec: model.Service, *, listens: bool) -> None:
        """From now on it is declared so; a process that runs goes on as it was started, until it is restarted."""
        self.spec, self.listens = spec, listens
        self.life = replace(self.life, rules=_rules(spec))

    def hurry(self) -> None:
        """End the grace period: kill what is being stopped, and give no grace to what is stopped from now on."""
        self._hurried = True
        if self._running is not None and self.life.next is not None:
            self._running.hurry()

    @property
    def grace_left(self) -> float:
        """Seconds until it is killed, if it has been asked to end."""
        return self._running.grace_left if self._running is not None else 0.0

    def pause(self, number: signal.Signals) -> None:
        """Pass a job-control signal on to the whole tree."""
        if self._running is not None:
            self._running.signal(number)

    async def run(self) -> None:
        """Own the service until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                if self._running is not None:
                    self._running.outputs.read()
                later, self._later = self._later, []
                for act in later:
                    act()
                while True:
                    self._handle(await self._inbox.get())
        finally:
            self._abandon()

    def _abandon(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        if self._running is not None:
            self._running.signal(signal.SIGKILL)
            self._running.outputs.close()
        self._tasks = None  # an exit that is heard of later begins nothing

    # -- the machine

    def _handle(self, event: Event) -> None:
        before = self.life
        self.life, effects = step(before, event)
        if effects and isinstance(event, CAUSES) and not isinstance(effects[0], Reload):
            self.cause = event
        if self.life.state != before.state:
            self.since = time.time()
        if self.life != before:
            self._around.changed(self, before)
        for effect in effects:
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case FreePort(attempt, contested):
                self._free_port(attempt, contested)
            case AwaitPort(attempt, port):
                self._when_running(lambda: self._begin(self._await_port(attempt, port)))
            case Spawn(generation):
                self._spawn(generation)
            case Probe(generation):
                self._when_running(lambda: self._start_probe(generation))
            case Reload():
                self._signal_to_reload()
            case EndTree(generation):
                self._when_running(lambda: self._begin(self._end_tree(generation)))
            case RetryAfter(seconds, generation):
                self._when_running(lambda: self._retry_after(seconds, generation))

    def _when_running(self, act: Callable[[], None]) -> None:
        """Now if there is a loop, else as soon as there is one."""
        if self._tasks is None:
            self._later.append(act)
        else:
            act()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._tasks is not None
        self._tasks.create_task(work)

    def _start_probe(self, generation: int) -> None:
        if self.life.rules.finite and not is_declared(self.spec.ready):
            return  # a task is there for its end: it is done, or it has failed
        assert self._tasks is not None
        if self._running is not None and not self._running.is_buried:
            self.health.watch(self._tasks, self._running.started, generation, self.spec, listens=self.listens)

    def _retry_after(self, seconds: float, generation: int) -> None:
        spread = seconds * random.uniform(1 - JITTER, 1 + JITTER)
        self._retry = asyncio.get_running_loop().call_later(spread, self.tell, RetryDue(generation))

    # -- its port

    def _free_port(self, attempt: int, contested: int | None) -> None:
        if self._early is not None:
            self.port = self._early.port if isinstance(self._early, Started) else None
            self.tell(PortFree(attempt))
        else:
            self._begin(self._claim(attempt, contested))

    async def _claim(self, attempt: int, contested: int | None) -> None:
        if self.gate is not None:
            await self.gate()
            if self.life.state not in ("freeing", "restarting"):
                return  # somebody stopped it meanwhile
        again = self.life.generation > 0 and contested is None
        claimed = claiming.claim(self.spec, attempt, self._around, had=self.port, again=again, contested=contested)
        self.port, answer = await claimed
        self.tell(answer)

    async def _await_port(self, attempt: int, port: int) -> None:
        if await claiming.released(port, lambda: self.life.attempt == attempt and self.life.awaits == "port"):
            self.tell(PortReleased(attempt))

    # -- its child

    def _spawn(self, generation: int) -> None:
        self.health.forget()
        if generation > 1:
            self.restarts += 1
        early, self._early = self._early, None
        try:
            started = self._around.starter.start(self.spec, self.port) if early is None else early
        except DevproxyError as error:
            started = error
        self._refusal = started if isinstance(started, DevproxyError) else None
        if isinstance(started, DevproxyError):
            self.tell(SpawnFailed(generation, started.in_words))
            return
        child, around = started.child, self._around
        tree = Tree(child, service=self.spec.name, session=around.starter.session, is_child=around.reaper.is_watched)
        outputs = Outputs(child, started.sources, self.terminal, self._asks, Pace(around.requests))
        self._running = running = Running(started, tree, outputs, around.held)
        self.environment, self.first_line = started.environment, started.first_line
        around.reaper.watch(child.pid, lambda exit_: self._on_exit(running, generation, exit_))
        if self._tasks is not None:
            running.outputs.read()
        self.tell(Spawned(generation))

    def _asks(self) -> None:
        if not self.terminal.is_attached:
            self._around.asked(self)

    def _signal_to_reload(self) -> None:
        """The process that we started, and only it: what it has started itself is its own business."""
        reload = self.spec.reload
        if self.child is not None and reload is not None:
            self.child.signal_leader(signal.Signals[f"SIG{reload.signal}"])

    # -- its end

    async def _end_tree(self, generation: int) -> None:
        """Ask the tree to end; kill it when its grace period is over."""
        running = self._running
        if running is None:
            return
        self.health.stop()
        if not running.is_buried and not self._hurried:
            await self._around.answered(self.spec.name)
            if self._running is not running:
                return  # it has ended by itself, and the next one may live already
        running.ask_to_end(self.spec.stop, at_once=self._hurried)
        if not running.is_buried:
            await running.kill_after_grace()
            return
        left = await self._see_off(running)  # nobody but us does: its child was done before
        self._forget(running)
        self.tell(Exited(generation, self.life.exit or Exit(), 0.0, left=left))

    def _on_exit(self, running: Running, generation: int, exit_: Exit) -> None:
        """The leader has exited: what it printed last is read before anybody hears of it."""
        running.child.has_exited = True
        lived, self.exited = running.child.lived, time.time()
        running.outputs.drain()
        self.health.stop()
        self._when_running(lambda: self._begin(self._bury(running, generation, exit_, lived)))

    async def _bury(self, running: Running, generation: int, exit_: Exit, lived: float) -> None:
        """See the rest of the tree off; then it has exited."""
        stays, left = False, ""
        if self._may_leave_something(exit_):
            stays = await running.end_group()
        if not self._may_leave_something(exit_):  # it may have been asked to end only now
            stays, left = False, await self._see_off(running)
        self.health.stop()  # it may have begun only now, if the child died at once
        self.health.addresses = ()
        if not stays:
            self._forget(running)
        self._around.starter.guard.remove(running.child.pid)
        running.bury()
        contested = claiming.taken(self.life, exit_, lived, self.port, self._printed)
        self.tell(Exited(generation, exit_, lived, contested, stays, left))

    def _may_leave_something(self, exit_: Exit) -> bool:
        """It has done its work: perhaps to start a daemon, which stays until somebody asks it to end."""
        rests = self.spec.restart != "always" and not self.life.rules.serves
        return self.life.next is None and exit_.ok and rests

    async def _see_off(self, running: Running) -> str:
        ports = {port for port in (self.port, *(port for _, port in self.health.addresses)) if port is not None}
        return await running.see_off(ports, lambda: self.life.next)

    def _forget(self, running: Running) -> None:
        running.outputs.close()
        self._running = None

    def _printed(self) -> list[Record]:
        """What its last child has printed."""
        return self._around.lines(self.spec.name, self.first_line)


def _rules(spec: model.Service) -> Rules:
    return Rules(
        restart=spec.restart,
        finite=spec.kind == "task",
        serves=spec.kind not in ("worker", "task"),
        watched=bool(spec.watch),
        reload=spec.reload.signal if spec.reload is not None else None,
    )
