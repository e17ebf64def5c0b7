"""One service: its owner, the only writer of its life.

Events come in by `tell`, the state machine answers with effects, and what comes of them returns as events.
Everything happens in the loop's thread. The first children are started before there is a loop (start.py):
`prepare` takes such a one over.
"""

import asyncio
import random
import re
import signal
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from devproxy.config import model
from devproxy.errors import DevproxyError, MissingProgram
from devproxy.errors import PortHeld as HeldError
from devproxy.logs.records import Record
from devproxy.logs.tracebacks import last_traceback
from devproxy.ports.probe import is_free
from devproxy.ports.table import listening_ports
from devproxy.processes import ending
from devproxy.processes.child import Child, Command
from devproxy.processes.contested import ports_in_use
from devproxy.processes.environment import Environment
from devproxy.processes.lifecycle import (
    NOT_RUNNABLE,
    STABLE_SECONDS,
    AwaitPort,
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
from devproxy.processes.liveness import Liveness, listening_late
from devproxy.processes.missing import not_found
from devproxy.processes.probe_command import Outcome, run_probe
from devproxy.processes.readiness import Address, NotReady, Readiness, Subject, addresses_of, is_declared, wait_ready
from devproxy.processes.readiness import Probe as Probing
from devproxy.processes.reaper import Reaper
from devproxy.processes.start import Source, Started, Starter
from devproxy.processes.terminal import Terminal
from devproxy.processes.tree import Tree
from devproxy.processes.unfinished import Unfinished

JITTER: Final = 0.2

CAUSES: Final = (Begin, RestartAsked, Saved, RetryDue, PortReleased)
"""The events that have a child started."""

NOT_FOUND: Final = 127
"""A shell's exit code for a command that it could not find."""

PORT_POLL_SECONDS: Final = 1.0
"""How often to look whether a port is released: nothing tells us, and nobody waits for it eagerly."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all services of a session share.

    printed: waits until a service prints a line that matches, past the log's line of this number; lines: what it
    has printed since, or the last of it; claim: sees that a service's port binds and returns the port it gets,
    raising DevproxyError if it cannot (`again`: its own child has just held it); clear: sees that another port
    binds, which it insists on; held: says who has the ports of a service that has stopped, and that do not bind;
    changed: called after each change of a life, with the life of before; asked: called when a service seems to
    wait for an answer that nobody gives it.
    """

    starter: Starter
    reaper: Reaper
    printed: Callable[[str, re.Pattern[str], int], "Coroutine[Any, Any, None]"]
    lines: Callable[[str, int], list[Record]]
    claim: Callable[[model.Service, bool], int | None]
    clear: Callable[[model.Service, int], None]
    held: Callable[[Collection[int]], str]
    changed: Callable[["Service", Life], None]
    asked: Callable[["Service"], None]


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
        self.cause: Event | None = None  # what had it started last
        self.environment: Environment | None = None  # of the child started last
        self.child: Child | None = None
        self.terminal = Terminal(surroundings.starter.size)
        self._tree: Tree | None = None  # of the child; when it has done its work, what it has left behind
        self.gate: Callable[[], Coroutine[Any, Any, None]] | None = None  # awaited before it claims its port
        self.life = Life(_rules(spec))
        self._around = surroundings
        self._listens = listens
        self._inbox: asyncio.Queue[Event] = asyncio.Queue()
        self._later: list[Callable[[], None]] = []  # what waits for the loop
        self._tasks: asyncio.TaskGroup | None = None
        self._probe: asyncio.Task[None] | None = None
        self._asking: Probing | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._sources: Mapping[str, Source] = {}
        self._unfinished: Mapping[str, Unfinished] = {}  # by stream, while a child runs
        self._gone = asyncio.Event()
        self._grace_ends = 0.0
        self._hurried = False
        self.first_line = 0  # of this generation: every line after this one
        self._early: Started | DevproxyError | None = None  # started before there was a loop
        self._refusal: DevproxyError | None = None  # why the last child could not be started

    # -- what others may say

    def tell(self, event: Event) -> None:
        """Something happened; it is handled in turn."""
        self._inbox.put_nowait(event)

    @property
    def listens(self) -> bool:
        """Whether listening is what makes it ready, unless it says otherwise."""
        return self._listens

    @property
    def answer(self) -> str | None:
        """What its readiness probe got back so far; None: nobody asks, or nothing yet."""
        return self._asking.failure() if self._asking is not None and self._asking.has_seen else None

    @property
    def retry_in(self) -> float | None:
        """Seconds until it starts again by a timer; None: it waits for none."""
        if self.life.awaits != "timer" or self._retry is None:
            return self.life.backoff
        return max(0.0, round(self._retry.when() - asyncio.get_running_loop().time(), 1))

    @property
    def missing(self) -> MissingProgram | None:
        """What its very first start has failed of, if that is a program that is not there."""
        life, name = self.life, self.spec.name
        if life.state != "crashed" or life.generation != 1 or life.was_ready or life.exit is None:
            return None
        if self._refusal is not None:
            found = self._refusal if isinstance(self._refusal, MissingProgram) else None
            return found and MissingProgram(f"{name} cannot start: {found.message}", hint=found.hint)
        if life.exit.code != NOT_FOUND:
            return None
        line = not_found(record.plain for record in self._around.lines(name, self.first_line))
        hint = "install what is missing (npm install, pip install …), or correct the command"
        return MissingProgram(f"{name} cannot start: {line}", hint=hint) if line is not None else None

    @property
    def is_idle(self) -> bool:
        """Whether everything it was told has been handled."""
        return self._inbox.empty()

    def next_environment(self) -> Environment:
        """What its next child would get. Raises: ConfigError: a `.env` file is broken."""
        return self._around.starter.environment(self.spec, self.port)

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
        self.spec, self._listens = spec, listens
        self.life = replace(self.life, rules=_rules(spec))

    def hurry(self) -> None:
        """End the grace period: kill what is being stopped, and give no grace to what is stopped from now on."""
        self._hurried = True
        self._grace_ends = 0.0
        if self._tree is not None and self.life.next is not None:
            self._tree.signal(signal.SIGKILL)

    def pause(self, number: signal.Signals) -> None:
        """Pass a job-control signal on to the whole tree."""
        if self._tree is not None:
            self._tree.signal(number)

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
        if self._tree is not None:
            self._tree.signal(signal.SIGKILL)
            self._close_outputs(self._tree.child)
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
        self._probe = self._tasks.create_task(self._wait_ready(generation))

    def _stop_probing(self) -> None:
        if self._probe is not None:
            self._probe.cancel()

    def _retry_after(self, seconds: float, generation: int) -> None:
        spread = seconds * random.uniform(1 - JITTER, 1 + JITTER)
        self._retry = asyncio.get_running_loop().call_later(spread, self.tell, RetryDue(generation))

    # -- its port

    def _free_port(self, attempt: int, contested: int | None) -> None:
        if self._early is not None:
            self.port = self._early.port if isinstance(self._early, Started) else None
            self.tell(PortFree(attempt))
        else:
            self._begin(self._claim_in_thread(attempt, contested))

    async def _claim_in_thread(self, attempt: int, contested: int | None) -> None:
        """In a thread: finding out who holds a port, and waiting for it, takes a while."""
        if self.gate is not None:
            await self.gate()
            if self.life.state not in ("freeing", "restarting"):
                return  # somebody stopped it meanwhile
        again = self.life.generation > 0 and contested is None
        insisted_on = contested if contested != self.port else None  # it was given another one
        try:
            self.port = await asyncio.to_thread(self._around.claim, self.spec, again)
            if insisted_on is not None:
                await asyncio.to_thread(self._around.clear, self.spec, insisted_on)
        except DevproxyError as error:
            self.tell(PortHeld(attempt, _in_words(error), error.port if isinstance(error, HeldError) else None))
        else:
            self.tell(PortFree(attempt))

    async def _await_port(self, attempt: int, port: int) -> None:
        """Looks at the table of sockets first: binding the port, even for a moment, could keep others from it."""
        while self.life.attempt == attempt and self.life.awaits == "port":
            await asyncio.sleep(PORT_POLL_SECONDS)
            if port not in listening_ports() and is_free(port):
                self.tell(PortReleased(attempt))
                return

    def _contested(self, exit_: Exit, lived: float) -> int | None:
        """The port that it could not have, if it died of that: the child and all that came of it are gone, and yet
        somebody listens on the port it was given, or on one that it complained about."""
        life = self.life
        if exit_.ok or exit_.code in NOT_RUNNABLE:
            return None  # it did not come to want a port
        if life.next is not None or life.was_ready or lived >= STABLE_SECONDS:
            return None
        named = ports_in_use(record.plain for record in self._around.lines(self.spec.name, self.first_line))
        wanted = named if self.port is None else [self.port, *named]
        return next((port for port in wanted if not is_free(port)), None)

    # -- its child

    def _spawn(self, generation: int) -> None:
        self.addresses, self.note, self.ready_seconds = (), "", None
        if generation > 1:
            self.restarts += 1
        early, self._early = self._early, None
        try:
            started = self._around.starter.start(self.spec, self.port) if early is None else early
        except DevproxyError as error:
            started = error
        self._refusal = started if isinstance(started, DevproxyError) else None
        if isinstance(started, DevproxyError):
            self.tell(SpawnFailed(generation, _in_words(started)))
            return
        self.child = child = started.child
        session, is_child = self._around.starter.session, self._around.reaper.is_watched
        self._tree = Tree(child, service=self.spec.name, session=session, is_child=is_child)
        self._grace_ends = 0.0  # who has not been asked to end has none
        self.environment, self._sources, self.first_line = started.environment, started.sources, started.first_line
        self._around.reaper.watch(child.pid, lambda exit_: self._on_exit(child, generation, exit_))
        if self._tasks is not None:
            self._adopt(child)
        self.tell(Spawned(generation))

    def _adopt(self, child: Child) -> None:
        """Read what it prints, from now on."""
        self._gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.terminal.connect(child)
        self._unfinished = {stream: Unfinished(source, loop, self._asks) for stream, source in self._sources.items()}
        for fd, stream in child.outputs.items():
            loop.add_reader(fd, self._readable, child, fd)
            self._unfinished[stream].fed(b"")  # before there was a loop, perhaps

    def _readable(self, child: Child, fd: int) -> None:
        data = child.read(fd)
        if data is None:
            self._stop_reading(child, fd)
        elif data:
            self._take(child.outputs[fd], data)

    def _take(self, stream: str, data: bytes) -> None:
        """It has printed this."""
        self._sources[stream].feed(data)
        if stream in self._unfinished:  # else there is no loop yet
            self._unfinished[stream].fed(data)
        self.terminal.wrote(data)

    def _asks(self) -> None:
        if not self.terminal.is_attached:
            self._around.asked(self)

    def _stop_reading(self, child: Child, fd: int) -> None:
        """Its end of file. Not closed yet: that would hang up on a child that prints into files (SIGHUP, pty(7))."""
        asyncio.get_running_loop().remove_reader(fd)
        self._unfinished[child.outputs[fd]].stop()
        self._sources[child.outputs[fd]].flush()

    def _close_outputs(self, child: Child) -> None:
        self.terminal.disconnect()
        child.drain(self._take)
        for fd in tuple(child.outputs):
            self._stop_reading(child, fd)
            child.close_output(fd)

    def _on_exit(self, child: Child, generation: int, exit_: Exit) -> None:
        """The leader has exited: what it printed last is read before anybody hears of it."""
        child.has_exited = True
        lived, self.exited = child.lived, time.time()
        child.drain(self._take)
        self._stop_probing()
        self._when_running(lambda: self._begin(self._bury(child, generation, exit_, lived)))

    async def _bury(self, child: Child, generation: int, exit_: Exit, lived: float) -> None:
        """See the rest of the tree off; then it has exited."""
        tree, stays, left = self._tree, False, ""
        assert tree is not None
        if self._may_leave_something(exit_):
            await ending.end_group(tree)
            stays = bool(tree.escaped())
        if not self._may_leave_something(exit_):  # it may have been asked to end only now
            stays, left = False, await self._see_off(tree)
        self._stop_probing()  # it may have begun only now, if the child died at once
        if not stays:
            self._forget(tree)
        self._around.starter.guard.remove(child.pid)
        self.child = None
        self.addresses = ()
        self._gone.set()
        self.tell(Exited(generation, exit_, lived, self._contested(exit_, lived), stays, left))

    def _may_leave_something(self, exit_: Exit) -> bool:
        """It has done its work: perhaps to start a daemon, which stays until somebody asks it to end."""
        rests = self.spec.restart != "always" and not self.life.rules.serves
        return self.life.next is None and exit_.ok and rests

    async def _see_off(self, tree: Tree) -> str:
        """End what is left of it and wait until its ports bind; say what is left all the same."""
        ports = {port for port in (self.port, *(port for _, port in self.addresses)) if port is not None}
        left = await ending.end(tree, lambda: self._grace_ends)
        patience = ending.RELEASE_SECONDS if self.life.next is not None else 0.0
        if left or await ending.release(tree, ports, lambda: self._grace_ends, patience):
            return left
        if self.life.next != "stopped":
            return ""  # who starts again claims its port, and will hear who holds it
        return await asyncio.to_thread(self._around.held, ports)

    def _signal_to_reload(self) -> None:
        """The process that we started, and only it: what it has started itself is its own business."""
        reload = self.spec.reload
        if self.child is not None and reload is not None:
            self.child.signal_leader(signal.Signals[f"SIG{reload.signal}"])

    def _forget(self, tree: Tree) -> None:
        self._close_outputs(tree.child)
        self._tree = None

    async def _end_tree(self, generation: int) -> None:
        """Ask the tree to end; kill it when its grace period is over."""
        tree, stop, loop = self._tree, self.spec.stop, asyncio.get_running_loop()
        if tree is None:
            return
        self._stop_probing()
        self._grace_ends = 0.0 if self._hurried else loop.time() + stop.grace_seconds
        tree.signal(signal.Signals[f"SIG{stop.signal.removeprefix('SIG')}"])
        tree.signal(signal.SIGCONT)  # a stopped process hears nothing
        if self.child is None:  # it was done, and nobody but us sees off what it has left behind
            left = await self._see_off(tree)
            self._forget(tree)
            self.tell(Exited(generation, self.life.exit or Exit(), 0.0, left=left))
            return
        try:
            async with asyncio.timeout_at(self._grace_ends):
                await self._gone.wait()
        except TimeoutError:
            if tree is self._tree:  # else the next one may live already, and carries the same marks
                tree.signal(signal.SIGKILL)

    async def _wait_ready(self, generation: int) -> None:
        child = self.child
        if child is None:
            return
        subject = Subject(child.pid, self.port, self._listens, self._printed, self._run_command, lambda: child.lived)
        while (readiness := await self._probed(subject, generation)) is None:
            pass  # failing, for now: a slow one may still come
        self.addresses, self.note = readiness.addresses, readiness.note
        self.ready_seconds = child.lived
        self.tell(BecameReady(generation))
        await self._watch_over(child, generation)

    async def _watch_over(self, child: Child, generation: int) -> None:
        """Tell when it fails although its process lives, and when it serves again."""
        if not self.addresses:
            if not self._listens:
                return  # nothing tells whether it does its work
            self.addresses = await listening_late(child.pid, self.port)
            self._around.changed(self, self.life)  # requests can reach it now
        liveness = Liveness(
            child.pid,
            frozenset(port for _, port in self.addresses),
            start_seconds=self.spec.ready.timeout_seconds,
            last_line=self._around.starter.last_line,
            complained=lambda after: bool(last_traceback(self._around.lines(self.spec.name, after))),
        )
        while True:
            self.tell(BecameUnready(generation, await liveness.until_failing()))
            self.addresses = addresses_of(await liveness.until_serving())
            self.tell(BecameReady(generation))

    async def _probed(self, subject: Subject, generation: int) -> Readiness | None:
        self._asking = probe = Probing(subject)
        try:
            return await wait_ready(self.spec.ready, subject, probe)
        except NotReady as error:
            self.tell(BecameUnready(generation, str(error)))
            return None
        finally:
            self._asking = None

    def _printed(self, pattern: re.Pattern[str]) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self._around.printed(self.spec.name, pattern, self.first_line))

    def _run_command(self, command: str) -> "asyncio.Future[Outcome]":
        starter = self._around.starter
        line = Command(command, self.spec.dir, starter.environment(self.spec, self.port).values)
        return run_probe(line, self.spec.name, starter.guard, self._around.reaper)


def _rules(spec: model.Service) -> Rules:
    return Rules(
        restart=spec.restart,
        finite=spec.kind == "task",
        serves=spec.kind not in ("worker", "task"),
        watched=bool(spec.watch),
        reload=spec.reload.signal if spec.reload is not None else None,
    )


def _in_words(error: DevproxyError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
