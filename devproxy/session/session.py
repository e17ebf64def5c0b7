"""One run of a project.

    prepare   the public port is bound, children without dependencies are started     (no loop yet)
    main      the gateway listens, services are watched over, the web stack is loaded
    shut down services stop in reverse, then the gateway closes, then the log

Parts of one rank meet here: each is handed a function of another, or hears of it through a topic.
"""

import asyncio
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from devproxy.config.model import Config
from devproxy.config.model import Service as Declared
from devproxy.control.access import Keys
from devproxy.errors import DevproxyError
from devproxy.events import Event, Reloaded, Saved, StateChanged
from devproxy.gateway.gateway import Backend, Gateway
from devproxy.gateway.mount import Mount
from devproxy.hosts import AllowedHosts
from devproxy.hub.topic import Topic, TopicClosed
from devproxy.logs.levels import last_traceback
from devproxy.logs.log import Log
from devproxy.logs.records import records_of
from devproxy.ports.probe import PortInUse, bind_loopback, choose
from devproxy.processes.lifecycle import Life
from devproxy.processes.reaper import Reaper, adopt_orphans
from devproxy.processes.service import Service, Surroundings
from devproxy.processes.supervisor import Supervisor
from devproxy.proxy.exchange import Failure
from devproxy.proxy.failures import Outage
from devproxy.proxy.routes import RouteTable
from devproxy.proxy.upstream import Upstream
from devproxy.session import outages, words
from devproxy.session.claims import Claims, Manners
from devproxy.session.custody import Custody
from devproxy.session.place import Place
from devproxy.session.view import SessionView

if TYPE_CHECKING:
    from devproxy.gateway.asgi import Application

SAVE_QUIET_MS: Final = 30
"""A save is often several writes; this long without another one, it is complete."""

GATEWAY_GRACE_SECONDS: Final = 2.0
RING_EVENTS: Final = 2000

LAST_WORDS_SECONDS: Final = 1.0
"""How long a terminal may take to show the last lines; one that stands still does not keep us."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line may change. port: the public one; plan: what `api/plan` shows; movable: the
    services that may be given another port than their usual one; verbose: say more in the log."""

    port: int | None = None
    manners: Manners = field(default_factory=Manners)
    plan: dict[str, Any] = field(default_factory=dict)
    movable: frozenset[str] = frozenset()
    verbose: bool = False


class Session:
    """Owns every part of one run; `run` returns when all of it has ended."""

    def __init__(self, config: Config, place: Place, options: Options) -> None:
        self.config = config
        self.place = place
        self.options = options
        self.started = time.time()
        self.keys = Keys()
        self.log = Log(place.logs, place.id, config.logs)
        self.events: Topic[Event] = Topic(RING_EVENTS)
        self.live: Topic[dict[str, Any]] = Topic(RING_EVENTS)
        self.ended_by: signal.Signals | None = None
        self.upstreams: dict[str, Upstream] = {}
        self._sockets = self._bind(options.port or config.port)
        self.port: int = self._sockets[0].getsockname()[1]
        self.origin = f"http://localhost:{self.port}"
        self._reaper = Reaper()
        self._custody = Custody(place.state, config.root)
        self._ending: asyncio.Event = asyncio.Event()
        self._hurrying = False
        self.routes = RouteTable(config.routes)
        self.supervisor = self._supervisor()
        self._backends = self._make_backends()
        self.view = SessionView(self)

    # -- before there is a loop

    def _bind(self, port: int) -> list[socket.socket]:
        """The public port on both loopback families; another one if it is held: never a question, never a kill."""
        try:
            return bind_loopback(port)
        except PortInUse:
            other = choose(port + 1)
            self.log.say(f"port {port} is in use; this session is on {other}", level="warning")
            return bind_loopback(other)

    def _supervisor(self) -> Supervisor:
        claims = Claims(self.config.root, self.options.movable, self.options.manners, self.log.say)
        surroundings = Surroundings(
            session=self.place.id,
            origin=self.origin,
            shell=dict(os.environ),
            size=_terminal_size,
            reaper=self._reaper,
            guard=self._custody,
            source=self.log.source,
            printed=self._printed,
            claim=claims.claim,
            changed=self._changed,
        )
        routed = {name for route in self.config.routes for name in route.to}
        return Supervisor(
            Service(declared, surroundings, listens=_listens(declared, routed))
            for declared in self.config.services
            if declared.command is not None
        )

    def _make_backends(self) -> dict[str, Backend]:
        backends: dict[str, Backend] = {}
        for declared in self.config.services:
            if declared.static is not None:
                backends[declared.name] = Mount(partial(_static_app, declared, self.config))
            elif declared.url is not None:
                backends[declared.name] = _fixed_upstream(declared.name, declared.url)
            else:
                backends[declared.name] = self.upstreams[declared.name] = Upstream(declared.name)
        for route in self.config.routes:
            for to in route.to:
                if to not in backends:
                    backends[to] = _fixed_upstream(to, to)
        return backends

    def prepare(self) -> None:
        """Say what is being done, then start what can be started at once.

        Raises: PortHeld: a service's port cannot be had.
        """
        names = [declared.name for declared in self.config.services]
        where = f" (from {self.config.source.name})" if self.config.source is not None else ""
        self.log.say(f"{self.config.name}{where}: starting {', '.join(names)} behind {self.origin}")
        for missing in self.options.plan.get("missing", ()):
            self.log.say(f"{missing['what']} is missing; to mend it: {missing['command']}", level="warning")
        for note in self.options.plan.get("notes", ()):
            self.log.say(note)
        adopt_orphans()
        self._custody.end_leftovers(self.log.say)
        self.supervisor.prepare()

    def abandon(self) -> None:
        """Give up before `run`: what was started is ended by the guard."""
        self._custody.close()
        for sock in self._sockets:
            sock.close()
        self.log.close()

    # -- the run

    def run(self, attend: Callable[["Session"], Coroutine[Any, Any, None]]) -> None:
        """Run until somebody ends it. `attend` runs beside it (a terminal's screen) and ends with the log."""
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._main(attend))

    async def _main(self, attend: Callable[["Session"], Coroutine[Any, Any, None]]) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.end, number)
        control = Mount(self._control_app)
        gateway = self._gateway(control)
        try:
            async with asyncio.TaskGroup() as tasks:
                attending = tasks.create_task(attend(self))
                running = [tasks.create_task(self.supervisor.run())]
                self._reaper.start(loop)
                await gateway.listen(self._sockets)
                await gateway.listen_locally(str(self.place.socket))
                self.place.socket.chmod(0o600)
                self.place.announce({"url": self.origin, "name": self.config.name, "started": self.started})
                running += self._watch(tasks)
                control.preload()
                await self._ending.wait()
                await self._shut_down(gateway)
                await asyncio.wait([attending], timeout=LAST_WORDS_SECONDS)
                for task in (attending, *running):
                    task.cancel()
        finally:
            self._reaper.stop()
            for upstream in self._backends.values():
                if isinstance(upstream, Upstream):
                    await upstream.close()
            self._custody.close()
            self.log.close()

    def _gateway(self, control: Mount) -> Gateway:
        return Gateway(
            name=self.config.name,
            routes=self.routes,
            backends=self._backends,
            control=control,
            describe=self._describe,
            hold=self.config.hold,
            allowed_hosts=AllowedHosts(self.config.allowed_hosts),
            trusted_proxies=self.config.trusted_proxies,
        )

    def _control_app(self) -> "Application":
        from devproxy.control.app import create_app

        app: Application = create_app(self.view)
        return app

    def end(self, number: signal.Signals | None = None) -> None:
        """Begin to stop everything; the second time, end the grace periods."""
        if self._ending.is_set():
            if not self._hurrying:
                self._hurrying = True
                self.log.say("stopping at once", level="warning")
            self.supervisor.hurry()
            return
        self.ended_by = signal.Signals(number) if number is not None else None
        self._ending.set()

    def resize(self) -> None:
        """The terminal's window has another size."""
        self.supervisor.resize(*_terminal_size())

    @property
    def is_ending(self) -> bool:
        return self._ending.is_set()

    async def _shut_down(self, gateway: Gateway) -> None:
        alive = self.supervisor.still_alive()
        if alive:
            self.log.say(f"stopping {', '.join(reversed(alive))} (Ctrl-C again to stop at once)")
        await self.supervisor.stop_all()
        self.events.close()
        self.live.close()
        self.log.say("stopped")
        self.log.topic.close()
        await gateway.close(grace=GATEWAY_GRACE_SECONDS)

    # -- what one part tells the others

    def _changed(self, service: Service, before: Life) -> None:
        """A service's life has changed."""
        name, life = service.spec.name, service.life
        state = "stopped" if life.next == "stopped" else life.state
        self.upstreams[name].become(state, service.addresses)
        if life.state != before.state:
            self._happened(StateChanged(name, life.state, before.state, time.time()))
            if life.state == "ready":
                self._tell_pages("ready", service=name)
            elif before.state == "ready":
                self._tell_pages("down", service=name, state=life.state)
        sentence, level = words.change_words(name, before, life, ready_seconds=service.ready_seconds, note=service.note)
        if sentence:
            self.log.say(sentence, level=level)
        elif self.options.verbose and life.state != before.state:
            pid = f" (pid {service.child.pid})" if service.child is not None else ""
            self.log.say(f"{name}: {before.state} → {life.state}{pid}", level="debug")
        self.supervisor.notice()

    def _happened(self, event: Event) -> None:
        if not self.events.closed:  # at the very end nobody listens any more
            self.events.publish(event)

    def _tell_pages(self, event: str, **facts: Any) -> None:
        if not self.live.closed:
            self.live.publish({"event": event, **facts})

    async def _printed(self, name: str, pattern: re.Pattern[str]) -> None:
        """Wait until the service prints a line that matches."""
        lines = self.log.topic.subscribe()
        try:
            while True:
                for _, chunk in (await lines.next()).items:
                    if chunk.service == name and any(pattern.search(one.plain) for one in records_of(chunk)):
                        return
        except TopicClosed:
            await asyncio.get_running_loop().create_future()  # the session ends, and this wait with it
        finally:
            lines.close()

    def _describe(self, name: str, failure: Failure) -> Outage:
        service = self.supervisor.services.get(name)
        if service is None:
            return outages.describe(failure, service=name, life=None, port=None)
        records = self.log.last_lines(name, outages.LINES)
        return outages.describe(
            failure,
            service=name,
            life=service.life,
            port=service.port,
            waits_for=self.supervisor.waits_for(name),
            lines=[record.text for record in records],
            traceback=[record.text for record in last_traceback(self.log.last_lines(name, 200))],
        )

    # -- files

    def _watch(self, tasks: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Watch what restarts services and reloads pages. Nothing is imported when nothing is watched."""
        watched = [service for service in self.supervisor.services.values() if service.spec.watch]
        sites = [declared for declared in self.config.services if declared.static is not None]
        if not watched and not (sites and self.config.reload.enabled):
            return []
        from devproxy.watch import Watcher

        watcher = Watcher(warn=lambda sentence: self.log.say(sentence, level="warning"))
        for service in watched:
            watcher.add(service.spec.dir, service.spec.watch, SAVE_QUIET_MS, partial(self._saved, service))
        started = [tasks.create_task(watcher.run())]
        if self.config.reload.enabled:
            from devproxy.spa.reload import LiveReload

            for declared in sites:
                assert declared.static is not None
                reload = LiveReload(
                    declared.static, self._prefix_of(declared.name), self.config.reload.quiet_ms, self._reload
                )
                started.append(tasks.create_task(reload.run(watcher)))
        return started

    def _saved(self, service: Service, paths: frozenset[Path]) -> None:
        name = service.spec.name
        shown = sorted(os.path.relpath(path, self.config.root) for path in paths)
        self.log.say(f"{name}: {shown[0]}{f' and {len(shown) - 1} more' if len(shown) > 1 else ''} saved")
        self._happened(Saved(tuple(shown), (name,), time.time()))
        self.supervisor.saved(name)

    def _reload(self, change: dict[str, Any]) -> None:
        self._tell_pages("reload", **change)
        self._happened(Reloaded(tuple(change.get("paths", ())), time.time()))

    def _prefix_of(self, name: str) -> str:
        prefixes = [route.prefix for route in self.config.routes if name in route.to and route.prefix]
        return min(prefixes, key=len, default="/")


def _listens(declared: Declared, routed: set[str]) -> bool:
    """Whether listening is what makes it ready."""
    return declared.name in routed or declared.kind in ("frontend", "backend", "fullstack")


def _fixed_upstream(name: str, url: str) -> Upstream:
    """An upstream that runs elsewhere: always taken to be ready."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if not parts.hostname:
        raise DevproxyError(f"{url} has no host", hint="write it as http://127.0.0.1:9000")
    port = parts.port or 80
    hosts = ("127.0.0.1", "::1") if parts.hostname == "localhost" else (parts.hostname,)
    return Upstream(name, state="ready", addresses=tuple((host, port) for host in hosts))


def _static_app(declared: Declared, config: Config) -> "Application":
    from devproxy.spa.app import StaticApp

    assert declared.static is not None
    inject = config.reload.enabled and config.reload.inject != "never"
    app: Application = StaticApp(declared.static, inject=inject)
    return app


def _terminal_size() -> tuple[int, int]:
    """Columns and rows for the children's terminals: ours, less the prefix."""
    columns, rows = shutil.get_terminal_size((100, 24))
    return max(40, columns - 12), rows
