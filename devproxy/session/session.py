"""One run of a project.

    launch    the public port is bound, children without dependencies are started     (launch.py; no loop yet)
    main      the gateway listens, services are watched over, the web stack is loaded
    shut down services stop in reverse, then the gateway closes, then the log

Parts of one rank meet here: each is handed a function of another, or hears of it through a topic.
"""

import asyncio
import os
import re
import signal
import time
from collections.abc import Callable, Coroutine
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
from devproxy.logs.records import records_of
from devproxy.processes.lifecycle import Life
from devproxy.processes.reaper import Reaper
from devproxy.processes.service import Service, Surroundings
from devproxy.processes.supervisor import Supervisor
from devproxy.proxy.exchange import Failure
from devproxy.proxy.failures import Outage
from devproxy.proxy.routes import RouteTable
from devproxy.proxy.upstream import Upstream
from devproxy.session import outages, words
from devproxy.session.launch import ENDING_SIGNALS, Launch, terminal_size
from devproxy.session.view import SessionView

if TYPE_CHECKING:
    from devproxy.gateway.asgi import Application

SAVE_QUIET_MS: Final = 30
"""A save is often several writes; this long without another one, it is complete."""

GATEWAY_GRACE_SECONDS: Final = 2.0
RING_EVENTS: Final = 2000

LAST_WORDS_SECONDS: Final = 1.0
"""How long a terminal may take to show the last lines; one that stands still does not keep us."""


class Session:
    """Owns every part of one run; `run` returns when all of it has ended."""

    def __init__(self, launch: Launch) -> None:
        """Take over what `launch` has started."""
        self.config = launch.config
        self.place = launch.place
        self.options = launch.options
        self.started = launch.began
        self.log = launch.log
        self.port = launch.port
        self.origin = launch.origin
        self.keys = Keys()
        self.events: Topic[Event] = Topic(RING_EVENTS)
        self.live: Topic[dict[str, Any]] = Topic(RING_EVENTS)
        self.ended_by: signal.Signals | None = None
        self.upstreams: dict[str, Upstream] = {}
        self.routes = RouteTable(self.config.routes)
        self._launch = launch
        self._reaper = Reaper()
        self._ending: asyncio.Event = asyncio.Event()
        self._hurrying = False
        self._content: Callable[[], str] | None = None
        self._backends = self._make_backends()
        self.supervisor = self._supervisor()
        self.supervisor.prepare(launch.children)
        self.view = SessionView(self)

    def _supervisor(self) -> Supervisor:
        surroundings = Surroundings(
            starter=self._launch.starter,
            reaper=self._reaper,
            printed=self._printed,
            claim=self._launch.claims.claim,
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
                app = partial(_static_app, declared, self.config, self._prefix_of(declared.name), self.content_version)
                backends[declared.name] = Mount(app)
            elif declared.url is not None:
                backends[declared.name] = _fixed_upstream(declared.name, declared.url)
            else:
                backends[declared.name] = self.upstreams[declared.name] = Upstream(declared.name)
        for route in self.config.routes:
            for to in route.to:
                if to not in backends:
                    backends[to] = _fixed_upstream(to, to)
        return backends

    # -- the run

    def run(self, attend: Callable[["Session"], Coroutine[Any, Any, None]]) -> None:
        """Run until somebody ends it. `attend` runs beside it (a terminal's screen) and ends with the log."""
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._main(attend))

    async def _main(self, attend: Callable[["Session"], Coroutine[Any, Any, None]]) -> None:
        loop = asyncio.get_running_loop()
        # Ports are claimed in threads from now on; the log belongs to the loop's.
        self._launch.tell = self._tell_in(loop)
        self._launch.claims.ask_no_more()
        for number in ENDING_SIGNALS:
            loop.add_signal_handler(number, self.end, number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)  # launch held them until now
        control = Mount(self._control_app)
        gateway = self._gateway(control)
        try:
            async with asyncio.TaskGroup() as tasks:
                attending = tasks.create_task(attend(self))
                running = [tasks.create_task(self.supervisor.run())]
                self._reaper.start(loop)
                await gateway.listen(self._launch.sockets)
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
            self._launch.custody.close()
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
        self.supervisor.resize(*terminal_size())

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

    def _tell_in(self, loop: asyncio.AbstractEventLoop) -> Callable[[str], None]:
        def tell(text: str) -> None:
            loop.call_soon_threadsafe(partial(self.log.say, text))

        return tell

    def _tell_pages(self, event: str, **facts: Any) -> None:
        if not self.live.closed:
            self.live.publish({"event": event, **facts})

    async def _printed(self, name: str, pattern: re.Pattern[str], after: int) -> None:
        """Wait until the service prints a line that matches, after the log's line of this number."""
        lines = self.log.topic.subscribe(after)
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
            url = next((declared.url for declared in self.config.services if declared.name == name), None)
            return outages.describe(failure, service=name, life=None, port=None, url=url or name)
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
        if sites and self.config.reload.enabled:
            from devproxy.spa.reload import Content, LiveReload

            self._content = content = Content()
            for declared in sites:
                assert declared.static is not None
                prefix, quiet_ms = self._prefix_of(declared.name), self.config.reload.quiet_ms
                reload = LiveReload(declared.static, prefix, quiet_ms, self._reload, content)
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

    def content_version(self) -> str:
        """The version of the static files that are served now; empty when nobody watches them."""
        return self._content() if self._content is not None else ""

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


def _static_app(declared: Declared, config: Config, prefix: str, content: Callable[[], str]) -> "Application":
    from devproxy.spa.app import StaticApp

    assert declared.static is not None
    inject = config.reload.enabled and config.reload.inject != "never"
    app: Application = StaticApp(declared.static, inject=inject, prefix=prefix, content=content)
    return app
