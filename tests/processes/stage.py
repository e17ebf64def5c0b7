"""A stage for services: all that a session gives them, real, but for the gateway."""

import asyncio
import ctypes
import os
import secrets
import sys
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from devproxy.config import model
from devproxy.config.selection import select
from devproxy.errors import DevproxyError
from devproxy.logs.log import Log
from devproxy.logs.printed import printed
from devproxy.logs.records import Record
from devproxy.paths import runtime_dir, state_home
from devproxy.ports import family
from devproxy.ports.leases import Leases
from devproxy.ports.memory import Memory
from devproxy.processes.ending import end_adopted
from devproxy.processes.environment import MARKER
from devproxy.processes.guarding import GuardLink
from devproxy.processes.lifecycle import Life
from devproxy.processes.reaper import Reaper, adopt_orphans
from devproxy.processes.service import Service
from devproxy.processes.start import Started, Starter, start_early
from devproxy.processes.supervisor import Supervisor
from devproxy.processes.surroundings import Surroundings
from devproxy.session.claims import Claims, Manners
from tests.support import auntil, run

PR_SET_CHILD_SUBREAPER = 36

# Says who it is, then stays. What it is told to ignore comes as its arguments.
STAY = """
import signal, sys
for name in sys.argv[1:]:
    signal.signal(getattr(signal, name), signal.SIG_IGN)
print("here", flush=True)
while True:
    signal.pause()
"""
# Listens on the port of its first argument, else on $PORT.
LISTEN = """
import os, signal, socket, sys
one = socket.create_server(("127.0.0.1", int((sys.argv[1:] or [os.environ["PORT"]])[0])))
print("listening", flush=True)
while True:
    signal.pause()
"""
# Starts STAY (`apart`: in a session of its own), says its pid, and stays (`leave`: ends well). What it started does
# not hear the kernel's SIGHUP, which follows the end of a session's leader.
PARENT = f"""
import subprocess, sys, signal
child = subprocess.Popen([sys.executable, "-c", {STAY!r}, "SIGHUP"], start_new_session="apart" in sys.argv, stdout=subprocess.PIPE)
child.stdout.readline()
print("child", child.pid, flush=True)
while "leave" not in sys.argv:
    signal.pause()
"""


def python(source: str, *arguments: object) -> tuple[str, ...]:
    """The words that run a few lines of Python."""
    return sys.executable, "-c", source, *map(str, arguments)


def spec(folder: Path, command: str | tuple[str, ...], name: str = "it", **fields: Any) -> model.Service:
    """A service's declaration."""
    return model.Service(name=name, kind=fields.pop("kind", "worker"), dir=folder, command=command, **fields)


class Stage:
    """Services that run, what they printed, and every state that they were in."""

    def __init__(self, *specs: model.Service, root: Path = Path("/")) -> None:
        self.session = secrets.token_hex(4)
        self.log = Log(None, self.session, model.Logs())
        self.reaper = Reaper()
        self.states: list[tuple[str, str]] = []
        self.lines_at: dict[tuple[str, str], list[str]] = {}  # what a service had printed as a state began
        self.size = (90, 30)  # of the window
        self.asked: list[str] = []  # the services that were said to wait for input
        self.watchers: list[Callable[[], None]] = []
        self.requests: Callable[[], int] = lambda: 0  # how many the gateway has had
        self._link = GuardLink(f"{MARKER}={self.session}")
        self._not_ours = {self._link.pid, *family.children(os.getpid())}  # what other tests have started
        self._leases, memory = Leases(runtime_dir()), Memory(state_home(), root)
        movable = [each.name for each in specs if each.port == "auto"]
        self._claims = claims = Claims(
            root, specs, movable, Manners(), self.log.say, leases=self._leases, memory=memory
        )
        selection = select(specs)
        self._specs, self._claim = [each for each in specs if each.name in selection.wanted], claims.claim
        self._starter = Starter(
            session=self.session,
            origin="http://localhost:4400",
            shell=dict(os.environ),
            size=lambda: self.size,
            guard=self,
            source=self.log.source,
            starting=lambda name: None,
            last_line=lambda: self.log.topic.last,
        )
        self._around = Surroundings(
            self._starter,
            self.reaper,
            partial(printed, self.log),
            self._lines,
            claims.claim,
            claims.clear,
            claims.held,
            self._changed,
            self._asked,
            lambda: self.requests(),
            self._answered,
        )
        services = [Service(each, self._around, listens=each.port is not None) for each in specs]
        self.supervisor = Supervisor(services, selection)

    def prepare(self) -> None:
        """Start what depends on nothing, before there is a loop."""
        early: dict[str, Started | DevproxyError] = {}
        start_early(self._specs, self._claim, self._starter, early)
        self.supervisor.prepare(early)

    def adopt(self, *specs: model.Service, restarts: Collection[str] = ()) -> list[str]:
        """Other declarations, as a session has them after a reload."""
        self._claims.adopt(specs, ())
        services = []
        for each in specs:
            listens = each.port is not None
            service = self.supervisor.services.get(each.name) or Service(each, self._around, listens=listens)
            service.redeclare(each, listens=listens)
            services.append(service)
        return self.supervisor.adopt(services, select(specs), restarts)

    def __getitem__(self, name: str) -> Service:
        return self.supervisor.services[name]

    @property
    def it(self) -> Service:
        return self["it"]

    def lines(self, name: str = "it") -> list[str]:
        """What a service has printed."""
        return [record.text for record in self.log.last_lines(name, 10_000)]

    async def state(self, state: str, name: str = "it", within: float = 20) -> Service:
        """Wait until a service is in this state."""
        await auntil(lambda: self[name].life.state == state, within)
        return self[name]

    async def line(self, start: str, name: str = "it", within: float = 20) -> str:
        """Wait until a service has printed a line that begins so; return it."""
        try:
            await auntil(lambda: any(one.startswith(start) for one in self.lines(name)), within)
        except AssertionError:
            raise AssertionError(f"{name} never printed {start!r}, but: {self.lines(name)}") from None
        return [one for one in self.lines(name) if one.startswith(start)][-1]

    # -- a Guard

    def stand_by(self) -> None: ...

    def add(self, group: int, service: str, port: int | None) -> None:
        self._link.add(group)

    def remove(self, group: int) -> None:
        self._link.remove(group)

    # -- what a session does

    def _changed(self, service: Service, before: Life) -> None:
        name, state = service.spec.name, service.life.state
        if state != before.state:
            self.states.append((name, state))
            self.lines_at[name, state] = self.lines(name)
        for watcher in self.watchers:
            watcher()
        self.supervisor.notice()

    async def _answered(self, name: str) -> None:
        """There is no gateway here, and so nobody waits for an answer."""

    def _asked(self, service: Service) -> None:
        self.asked.append(service.spec.name)

    def _lines(self, name: str, after: int) -> list[Record]:
        return [record for record in self.log.last_lines(name, 200) if record.seq > after]

    async def play(self, scene: Callable[["Stage"], Coroutine[Any, Any, None]]) -> None:
        self.reaper.start(asyncio.get_running_loop())
        running = asyncio.create_task(self.supervisor.run())
        try:
            await scene(self)
            assert not running.done(), running.exception()
        finally:
            self.supervisor.hurry()
            await self.supervisor.stop_all()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await end_adopted(lambda pid: pid in self._not_ours or self.reaper.is_watched(pid))
            self.reaper.stop()

    def close(self) -> None:
        self._link.close()
        self._leases.close()
        self.log.close()


def play(
    scene: Callable[[Stage], Coroutine[Any, Any, None]],
    *specs: model.Service,
    root: Path = Path("/"),
    within: float = 50,
) -> Stage:
    """Start the services, play the scene, stop them; the stage that is left tells what happened."""
    stage = Stage(*specs, root=root)
    try:
        with adopting():
            stage.prepare()
            run(stage.play(scene), within)
    finally:
        stage.close()
    return stage


@contextmanager
def adopting() -> Iterator[None]:
    """Adopt orphans as a session does; other tests' orphans shall go to init."""
    adopt_orphans()
    try:
        yield
    finally:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
