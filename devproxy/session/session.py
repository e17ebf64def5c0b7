"""One run of a project.

    launch    the public port is bound, children without dependencies are started     (launch.py; no loop yet)
    main      the gateway listens, services are watched over, the web stack is loaded
    shut down services stop in reverse, then the gateway closes, then the log

Parts of one rank meet here: each is handed a function of another, or hears of it through a topic.
"""

import asyncio
import signal
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from devproxy.config.changes import Changes, compare
from devproxy.config.elsewhere import Used
from devproxy.config.model import Config
from devproxy.config.model import Service as Declared
from devproxy.control.access import Keys
from devproxy.errors import DevproxyError, ServiceFailed
from devproxy.gateway.gateway import Gateway
from devproxy.gateway.mount import Mount
from devproxy.hosts import AllowedHosts
from devproxy.logs.printed import printed
from devproxy.logs.records import Record
from devproxy.processes.beside import Beside, environment_beside
from devproxy.processes.ending import end_adopted
from devproxy.processes.lifecycle import Life
from devproxy.processes.reaper import Reaper
from devproxy.processes.service import Service
from devproxy.processes.supervisor import RESTING, Supervisor
from devproxy.processes.surroundings import Surroundings
from devproxy.proxy.balance import Standing
from devproxy.proxy.routes import RouteTable
from devproxy.session import words
from devproxy.session.backends import Backends
from devproxy.session.failures import LAST_LINES, outage_of
from devproxy.session.front import urls
from devproxy.session.launch import ENDING_SIGNALS, Launch, log_files
from devproxy.session.news import News
from devproxy.session.reloading import Project, Reloading, running_config
from devproxy.session.view import SessionView, control_app
from devproxy.session.watching import Watching

DRAIN_SECONDS: Final = 2.0
"""How long answers that are under way may take to finish before their services are asked to end."""

GATEWAY_GRACE_SECONDS: Final = 2.0
BESIDE_GRACE_SECONDS: Final = 5.0
LINGER_SECONDS: Final = 1.0
"""Who has not ended so long after it was asked to (twice as long at most) is named."""

LAST_WORDS_SECONDS: Final = 1.0
"""How long a terminal may take to show the last lines; one that stands still does not keep us."""


class Session:
    """Owns every part of one run; `run` returns when all of it has ended."""

    def __init__(self, launch: Launch) -> None:
        """Take over what `launch` has started."""
        self.config = launch.config
        self.place = launch.place
        self.options = launch.options
        self.plan = launch.options.plan
        self.started = launch.began
        self.log = launch.log
        self.port = launch.port
        self.origin = launch.origin
        self.keys = Keys()
        self._news = News(self.log, self.config.root)
        self.events, self.live = self._news.events, self._news.live
        self.ended_by: signal.Signals | None = None
        self.failure: DevproxyError | None = None  # why it ended by itself
        self.routes = RouteTable(self.config.routes, self.config.services)
        self._launch = launch
        self._reaper = Reaper()
        self._ending: asyncio.Event = asyncio.Event()
        self._hurrying = False
        self._beside: Beside | None = None
        reread = launch.options.reread
        self.reloading = Reloading(self, partial(launch.reread, reread) if reread is not None else None)
        self._watching = Watching(
            self.config,
            saved=self._saved,
            reload=self._news.reloaded,
            edited=self.reloading.edited if reread is not None else None,
            warn=lambda sentence: self.log.say(sentence, level="warning"),
        )
        self.content_version = self._watching.content_version
        self.backends = Backends(
            self.config, self.content_version, needed=self._needed, doubted=self._doubted, told=self._told
        )
        self._surroundings = Surroundings(
            starter=launch.starter,
            reaper=self._reaper,
            printed=partial(printed, self.log),
            lines=self._lines,
            claim=launch.claims.claim,
            clear=launch.claims.clear,
            held=launch.claims.held,
            changed=self._changed,
            asked=self._asked,
            answered=self._answered,
            requests=lambda: self._gateway.requests,
        )
        self.supervisor = Supervisor(self._services(self.config, {}), launch.selection)
        self.supervisor.prepare(launch.children)
        self.view = SessionView(self)
        self._control = Mount(partial(control_app, self.view))
        self._gateway = Gateway(
            name=self.config.name,
            routes=self.routes,
            backends=self.backends.by_name,
            control=self._control,
            describe=partial(outage_of, self),
            hold=self.config.hold,
            allowed_hosts=AllowedHosts(self.config.allowed_hosts),
            trusted_proxies=self.config.trusted_proxies,
        )

    def _services(self, config: Config, known: Mapping[str, Service]) -> list[Service]:
        """The services of a config that are ours to run: those we know, declared anew, and others."""
        routed = {name for route in config.routes for name in route.to}
        found = []
        for declared in config.services:
            if declared.command is None:
                continue
            listens = _listens(declared, routed)
            if (service := known.get(declared.name)) is not None:
                service.redeclare(declared, listens=listens)
            found.append(service or Service(declared, self._surroundings, listens=listens))
        return found

    def adopt(self, project: Project, outdated: Collection[str]) -> Changes:
        """Begin to be a session of another config; return what that changes.

        Args: outdated: the services that are to begin anew even if they are declared as before.

        Every new request goes by it. Processes follow: see Supervisor.adopt.

        Raises: DevproxyError: it cannot be; then nothing has changed.
        """
        changes = compare(self.config, project.config).restarting(outdated)
        config = running_config(self.config, project.config)
        selection = self._launch.select(config)
        self.backends.adopt(config)
        self.config, self.plan = config, project.plan
        self.routes = RouteTable(config.routes, config.services)
        self._gateway.adopt(
            self.routes,
            self.backends.by_name,
            config.hold,
            AllowedHosts(config.allowed_hosts),
            config.trusted_proxies,
        )
        self._launch.claims.adopt(config.services, project.movable)
        self._launch.log_files.adopt(log_files(config))
        self._watching.adopt(config)
        services = self._services(config, self.supervisor.services)
        return changes.come_to(self.supervisor.adopt(services, selection, changes.restarts))

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
        for number in ENDING_SIGNALS:
            loop.add_signal_handler(number, self.end, number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)  # launch held them until now
        try:
            async with asyncio.TaskGroup() as tasks:
                attending = tasks.create_task(attend(self))
                running = [tasks.create_task(self.supervisor.run())]
                running.append(tasks.create_task(self._launch.custody.watch(self._reaper)))
                self._reaper.start(loop)
                await self._gateway.listen(self._launch.sockets)
                await self._gateway.listen_locally(str(self.place.socket))
                self.place.socket.chmod(0o600)
                self._announce()
                running.append(tasks.create_task(self.backends.run()))
                running.append(tasks.create_task(self._watching.run()))
                running.append(tasks.create_task(self._launch.log_files.run()))
                running.append(tasks.create_task(self.reloading.run()))
                self._control.preload()
                await self._ending.wait()
                await self._shut_down()
                await asyncio.wait([attending], timeout=LAST_WORDS_SECONDS)
                for task in (attending, *running):
                    task.cancel()
        finally:
            self._reaper.stop()
            await self.backends.close()
            self._launch.custody.close()
            self._launch.leases.close()
            self.log.close()

    def _announce(self) -> None:
        try:
            self.place.announce({"url": self.origin, "name": self.config.name, "started": self.started})
        except OSError as error:  # a full disk is no reason to run nothing
            what = f"{self.place.state} cannot be written ({error.strerror}): devproxy ls will not list this session"
            self.log.say(what, level="warning")

    def end(self, number: signal.Signals | None = None) -> None:
        """Begin to stop everything; the second time, end the grace periods."""
        if self._ending.is_set():
            if not self._hurrying:
                self._hurrying = True
                self.log.say("stopping at once", level="warning")
            self._gateway.hurry()
            self.supervisor.hurry()
            if self._beside is not None:
                self._beside.send(signal.SIGKILL)
            return
        self.ended_by = signal.Signals(number) if number is not None else None
        self._ending.set()

    def _fail(self, failure: DevproxyError) -> None:
        """Stop everything: it makes no sense to go on."""
        if not self._ending.is_set():
            self.failure = failure
            self.end()

    def run_beside(self, words: Sequence[str]) -> Beside:
        """Run a command of the user's; it ends before the services do.

        Raises: MissingProgram: there is no such program.
        """
        self._launch.custody.stand_by()
        environment = environment_beside(self._launch.starter.shell, origin=self.origin, session=self.place.id)
        self._beside = Beside(words, environment, self._reaper)
        return self._beside

    def resize(self) -> None:
        """The terminal's window has another size."""
        self.supervisor.resize()

    @property
    def urls(self) -> list[str]:
        """Where it can be seen."""
        return urls(self.config, self.origin, self.port)

    @property
    def used(self) -> Mapping[str, Used]:
        """The services that somebody else runs, and that are used as they are."""
        return self._launch.claims.used

    @property
    def is_ending(self) -> bool:
        return self._ending.is_set()

    async def _shut_down(self) -> None:
        if self._beside is not None:
            await self._beside.stop(BESIDE_GRACE_SECONDS)
        alive = self.supervisor.still_alive()
        if alive:
            self.log.say(f"stopping {', '.join(reversed(alive))} (Ctrl-C again to stop at once)")
        self.backends.stop()
        await self._gateway.drain(grace=DRAIN_SECONDS)
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(self._tell_who_lingers())
            await self.supervisor.stop_all()
            telling.cancel()
        await end_adopted(self._reaper.is_watched)
        self._launch.log_files.finish()
        self._news.close()
        self.log.say("stopped")
        self.log.topic.close()
        await self._gateway.close(grace=GATEWAY_GRACE_SECONDS)

    async def _tell_who_lingers(self) -> None:
        """Name those whom we wait for, each once."""
        before, told = set[str](), set[str]()
        while True:
            await asyncio.sleep(LINGER_SECONDS)
            lingering = self.supervisor.lingering()
            named = {name: left for name, left in lingering.items() if name in before}
            if named.keys() - told and not self._hurrying:
                self.log.say(words.linger_words(named), level="warning")
            before, told = {*lingering}, {*named}

    # -- what one part tells the others

    def _changed(self, service: Service, before: Life) -> None:
        """A service's life has changed."""
        name, life = service.spec.name, service.life
        state = "stopped" if life.next == "stopped" else life.state
        upstream = self.backends.of_child(name) if self.supervisor.services.get(name) is service else None
        if upstream is not None:
            upstream.become(state, service.health.addresses)
        if life.state in RESTING:
            self._launch.claims.release(name)
        if life.state != before.state:
            self._news.state_changed(name, service.spec.group, before.state, life.state)
        if before.alive and self.supervisor.is_required(name) and (missing := service.missing) is not None:
            self._fail(missing)
        if self.options.exit_on_failure and life.state == "crashed" and self.supervisor.is_required(name):
            self._fail(ServiceFailed(f"{name} {words.death_words(life)}", hint=f"devproxy logs {name} shows its lines"))
        self._watching.await_save(name, awaited=life.awaits == "save")
        told = replace(life, awaits=None) if self.is_ending else life  # then nothing is started again
        sentence, level = words.change_words(
            name, before, told, ready_seconds=service.health.ready_seconds, note=service.health.note
        )
        if sentence:
            self.log.say(sentence, level=level)
            service.terminal.say(sentence)
        elif self.options.verbose and life.state != before.state:
            pid = f" (pid {service.child.pid})" if service.child is not None else ""
            self.log.say(f"{name}: {before.state} → {life.state}{pid}", level="debug")
        self.supervisor.notice()
        if not self.is_ending:
            self._tell_dependents()

    def _tell_dependents(self) -> None:
        """Say who waits in vain, once; requests for such a one are not held any longer."""
        for name in self.supervisor.services:
            waits = self.supervisor.waits_for(name)
            state = "blocked" if any(wait.is_vain for wait in waits) else "waiting"
            upstream = self.backends.of_child(name)
            if waits and upstream is not None and upstream.state != state:
                upstream.become(state)
                if state == "blocked":
                    self.log.say(f"{name} waits for {words.waits_words(waits)}", level="error")

    def _needed(self, name: str) -> None:
        """A request has come for a service that is not ready."""
        for each in self.supervisor.named(name):
            self.supervisor.ask_on_demand(each)

    async def _answered(self, name: str) -> None:
        """Wait until a service owes no answer that it could not be asked for again."""
        if (upstream := self.backends.of_child(name)) is not None:
            await upstream.answered()

    def _doubted(self, name: str) -> None:
        """A service that is ready has refused a connection, or ended one."""
        self.supervisor.services[name].health.doubt()

    def _told(self, upstream: Standing) -> None:
        """An upstream is found not to be well, or well again."""
        self.log.say(*words.health_words(upstream.name, upstream.answer or "", is_well=bool(upstream.is_well)))

    def _asked(self, service: Service) -> None:
        """A service has asked a question, and nobody answers."""
        name = service.spec.name
        self.log.say(f"{name} waits for input: devproxy attach {name}", level="warning")

    def _tell_in(self, loop: asyncio.AbstractEventLoop) -> Callable[[str], None]:
        def tell(text: str) -> None:
            loop.call_soon_threadsafe(partial(self.log.say, text))

        return tell

    def _saved(self, name: str, paths: frozenset[str]) -> None:
        self._news.saved(name, paths)
        self.supervisor.saved(name)

    def _lines(self, name: str, after: int) -> list[Record]:
        """The last lines of a service, after the log's line of this number."""
        return [record for record in self.log.last_lines(name, LAST_LINES) if record.seq > after]


def _listens(declared: Declared, routed: set[str]) -> bool:
    """Whether listening is what makes it ready."""
    return declared.group in routed or declared.kind in ("frontend", "backend", "fullstack")
