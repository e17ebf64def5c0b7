"""One service: its owner, the only writer of its life.

Events come in by `tell`, the state machine answers with effects, and what comes of them returns as events.
Everything happens in the loop's thread. `prepare` does what can be done before there is a loop, so that
children start while the rest of devproxy is still being imported.
"""

import asyncio
import random
import re
import signal
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from devproxy.config import model
from devproxy.errors import DevproxyError
from devproxy.processes import environment
from devproxy.processes.child import Child, Command, spawn
from devproxy.processes.lifecycle import (
    BecameReady,
    BecameUnready,
    Begin,
    Effect,
    EndTree,
    Event,
    Exit,
    Exited,
    FreePort,
    Life,
    PortFree,
    PortHeld,
    Probe,
    RetryAfter,
    RetryDue,
    Rules,
    Spawn,
    Spawned,
    SpawnFailed,
    step,
)
from devproxy.processes.readiness import Address, NotReady, Subject, wait_ready
from devproxy.processes.reaper import Reaper

GROUP_POLL_SECONDS: Final = 0.01
KILL_SECONDS: Final = 2.0
"""How long the remains of a killed group may take to go; the kernel needs milliseconds."""

JITTER: Final = 0.2


class Source(Protocol):
    """Where one output's bytes go (a Source of devproxy.logs.log)."""

    def feed(self, data: bytes) -> None: ...
    def flush(self) -> None: ...


class Guard(Protocol):
    """Who ends the groups if we cannot."""

    def add(self, group: int, service: str, port: int | None) -> None: ...
    def remove(self, group: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all services of a session share.

    shell: the environment devproxy runs in; origin: the gateway's URL; size: columns and rows of the
    children's terminals; claim: sees that a service's port binds and returns the port it gets, raising
    DevproxyError if it cannot (`again`: its own child has just held it); changed: called after each
    change of a life, with the life of before.
    """

    session: str
    origin: str
    shell: Mapping[str, str]
    size: Callable[[], tuple[int, int]]
    reaper: Reaper
    guard: Guard
    source: Callable[[str, str], Source]
    printed: Callable[[str, re.Pattern[str]], "Coroutine[Any, Any, None]"]
    claim: Callable[[model.Service, bool], int | None]
    changed: Callable[["Service", Life], None]


class Service:
    """A service and its life.

    Owns: its child. `run` is its task; cancelling it ends the child at once (stop it first).
    """

    def __init__(self, spec: model.Service, surroundings: Surroundings, *, listens: bool) -> None:
        self.spec = spec
        self.port: int | None = None
        self.addresses: tuple[Address, ...] = ()
        self.note = ""
        self.since = time.time()  # when its state began
        self.ready_seconds: float | None = None  # from spawn to ready, of this generation
        self.restarts = 0
        self.exited = 0.0  # when its process ended last
        self.environment: dict[str, str] = {}  # of the child started last
        self.child: Child | None = None
        self.life = Life(
            Rules(
                restart=spec.restart,
                finite=spec.kind == "task",
                watched=bool(spec.watch),
            )
        )
        self._around = surroundings
        self._listens = listens
        self._inbox: asyncio.Queue[Event] = asyncio.Queue()
        self._later: list[Callable[[], None]] = []  # what waits for the loop
        self._tasks: asyncio.TaskGroup | None = None
        self._probe: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._sources: dict[str, Source] = {}
        self._gone = asyncio.Event()
        self._grace_ends = 0.0

    # -- what others may say

    def tell(self, event: Event) -> None:
        """Something happened; it is handled in turn."""
        self._inbox.put_nowait(event)

    @property
    def is_idle(self) -> bool:
        """Whether everything it was told has been handled."""
        return self._inbox.empty()

    def prepare(self) -> None:
        """Start it now, before there is a loop; `run` takes over from here."""
        self.tell(Begin())
        while not self._inbox.empty():
            self._handle(self._inbox.get_nowait())

    def hurry(self) -> None:
        """End the grace period: kill what is being stopped."""
        if self.child is not None and self.life.next is not None:
            self.child.signal_group(signal.SIGKILL)

    def pause(self, number: signal.Signals) -> None:
        """Pass a job-control signal on to the whole group."""
        if self.child is not None:
            self.child.signal_group(number)

    def resize(self, columns: int, rows: int) -> None:
        """The terminal's window has another size."""
        if self.child is not None:
            self.child.resize(columns, rows)

    async def run(self) -> None:
        """Own the service until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                if self.child is not None:
                    self._adopt(self.child)
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
        if (child := self.child) is not None:
            child.signal_group(signal.SIGKILL)
            self._close_outputs(child)

    # -- the machine

    def _handle(self, event: Event) -> None:
        before = self.life
        self.life, effects = step(before, event)
        if self.life.state != before.state:
            self.since = time.time()
        if self.life != before:
            self._around.changed(self, before)
        for effect in effects:
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case FreePort(attempt):
                self._free_port(attempt)
            case Spawn(generation):
                self._spawn(generation)
            case Probe(generation):
                self._when_running(lambda: self._start_probe(generation))
            case EndTree():
                self._when_running(lambda: self._begin(self._end_tree()))
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
        assert self._tasks is not None
        self._probe = self._tasks.create_task(self._wait_ready(generation))

    def _retry_after(self, seconds: float, generation: int) -> None:
        spread = seconds * random.uniform(1 - JITTER, 1 + JITTER)
        self._retry = asyncio.get_running_loop().call_later(spread, self.tell, RetryDue(generation))

    # -- its port

    def _free_port(self, attempt: int) -> None:
        if self._tasks is None:
            self.port = self._around.claim(self.spec, False)
            self.tell(PortFree(attempt))
        else:
            self._begin(self._claim_in_thread(attempt))

    async def _claim_in_thread(self, attempt: int) -> None:
        """In a thread: finding out who holds a port, and waiting for it, takes a while."""
        try:
            self.port = await asyncio.to_thread(self._around.claim, self.spec, self.life.generation > 0)
        except DevproxyError as error:
            self.tell(PortHeld(attempt, error.message))
        else:
            self.tell(PortFree(attempt))

    # -- its child

    def _spawn(self, generation: int) -> None:
        spec, around = self.spec, self._around
        assert spec.command is not None
        values = environment.build(
            spec,
            around.shell,
            origin=around.origin,
            session=around.session,
            port=self.port,
            tty=spec.stderr == "merged",
        )
        self.environment = values
        self.addresses, self.note, self.ready_seconds = (), "", None
        if generation > 1:
            self.restarts += 1
        command = Command(spec.command, spec.dir, values, spec.stderr == "separate", around.size())
        try:
            child = spawn(command)
        except DevproxyError as error:
            self.tell(SpawnFailed(generation, error.message))
            return
        self.child = child
        around.guard.add(child.pid, spec.name, self.port)
        self._sources = {stream: around.source(spec.name, stream) for stream in child.outputs.values()}
        around.reaper.watch(child.pid, lambda exit_: self._on_exit(child, generation, exit_))
        if self._tasks is not None:
            self._adopt(child)
        self.tell(Spawned(generation))

    def _adopt(self, child: Child) -> None:
        """Read what it prints, from now on."""
        self._gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        for fd in child.outputs:
            loop.add_reader(fd, self._readable, child, fd)

    def _readable(self, child: Child, fd: int) -> None:
        data = child.read(fd)
        if data is None:
            self._close_output(child, fd)
        elif data:
            self._sources[child.outputs[fd]].feed(data)

    def _close_output(self, child: Child, fd: int) -> None:
        asyncio.get_running_loop().remove_reader(fd)
        if (stream := child.outputs.get(fd)) is not None:
            self._sources[stream].flush()
            child.close_output(fd)

    def _close_outputs(self, child: Child) -> None:
        child.drain(lambda stream, data: self._sources[stream].feed(data))
        for fd in tuple(child.outputs):
            self._close_output(child, fd)

    def _on_exit(self, child: Child, generation: int, exit_: Exit) -> None:
        """The leader has exited: what it printed last is read before anybody hears of it."""
        lived, self.exited = child.lived, time.time()
        child.drain(lambda stream, data: self._sources[stream].feed(data))
        if self._probe is not None:
            self._probe.cancel()
        self._when_running(lambda: self._begin(self._bury(child, generation, exit_, lived)))

    async def _bury(self, child: Child, generation: int, exit_: Exit, lived: float) -> None:
        """See the rest of the tree off; then it has exited."""
        loop = asyncio.get_running_loop()
        if self.life.next is not None:
            await self._group_goes(child, self._grace_ends)
        if not child.group_is_gone():
            child.signal_group(signal.SIGKILL)
            await self._group_goes(child, loop.time() + KILL_SECONDS)
        self._close_outputs(child)
        self._around.guard.remove(child.pid)
        self.child = None
        self.addresses = ()
        self._gone.set()
        self.tell(Exited(generation, exit_, lived))

    async def _group_goes(self, child: Child, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        while not child.group_is_gone() and loop.time() < deadline:
            await asyncio.sleep(GROUP_POLL_SECONDS)
            self._around.reaper.reap()

    async def _end_tree(self) -> None:
        """Ask the group to end; kill it when its grace period is over."""
        child = self.child
        if child is None:
            return
        stop = self.spec.stop
        self._grace_ends = asyncio.get_running_loop().time() + stop.grace_seconds
        child.signal_group(signal.Signals[f"SIG{stop.signal.removeprefix('SIG')}"])
        child.signal_group(signal.SIGCONT)  # a stopped process hears nothing
        try:
            async with asyncio.timeout(stop.grace_seconds):
                await self._gone.wait()
        except TimeoutError:
            child.signal_group(signal.SIGKILL)

    async def _wait_ready(self, generation: int) -> None:
        child = self.child
        if child is None:
            return
        subject = Subject(child.pid, self.port, self._listens, self._printed, self._run_command)
        try:
            readiness = await wait_ready(self.spec.ready, subject)
        except NotReady as error:
            self.tell(BecameUnready(generation, str(error)))
            return
        self.addresses, self.note = readiness.addresses, readiness.note
        self.ready_seconds = child.lived
        self.tell(BecameReady(generation))

    def _printed(self, pattern: re.Pattern[str]) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self._around.printed(self.spec.name, pattern))

    def _run_command(self, command: str) -> "asyncio.Future[Exit]":
        """Run a probe's command; its output is nobody's."""
        done: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        values = environment.build(
            self.spec,
            self._around.shell,
            origin=self._around.origin,
            session=self._around.session,
            port=self.port,
        )
        probe = spawn(Command(f"exec >/dev/null 2>&1\n{command}", self.spec.dir, values))

        def ended(exit_: Exit) -> None:
            for fd in tuple(probe.outputs):
                probe.close_output(fd)
            if not done.done():
                done.set_result(exit_)

        self._around.reaper.watch(probe.pid, ended)
        return done
