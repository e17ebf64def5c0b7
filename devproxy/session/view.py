"""The session as the control API sees it."""

import asyncio
import gc
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from devproxy import __version__
from devproxy.config.model import Service as Declared
from devproxy.control.access import Keys
from devproxy.control.models import Environment, Explanation, LastExit, Reload, ServiceStatus, SessionStatus, State
from devproxy.errors import UsageError
from devproxy.events import Event, rfc3339
from devproxy.hosts import AllowedHosts
from devproxy.hub.topic import Topic
from devproxy.logs.log import Log
from devproxy.ports.table import listening_ports
from devproxy.processes.service import Service
from devproxy.processes.terminal import Terminal
from devproxy.proxy.choice import BEST_FIRST
from devproxy.session import why
from devproxy.session.environments import declared_in, describe
from devproxy.session.routing import all_routes, chosen_route
from devproxy.session.upstreams import balanced_status
from devproxy.session.words import exit_label, exit_words, next_words, signal_name, used_words, waits_words

if TYPE_CHECKING:
    from devproxy.gateway.asgi import Application
    from devproxy.session.session import Session


WELL: Final = {True: "ready", False: "failing"}
"""The state of an upstream that runs elsewhere, by what its probe says."""


class SessionView:
    """A devproxy.control.target.Target. Answers from what the session knows; owns nothing."""

    def __init__(self, session: "Session") -> None:
        self._session = session

    @property
    def boot(self) -> str:
        return self._session.place.id

    @property
    def port(self) -> int:
        return self._session.port

    @property
    def keys(self) -> Keys:
        return self._session.keys

    @property
    def log(self) -> Log:
        return self._session.log

    @property
    def log_directory(self) -> Path:
        return self._session.place.logs

    @property
    def events(self) -> Topic[Event]:
        return self._session.events

    @property
    def live(self) -> Topic[dict[str, Any]]:
        return self._session.live

    def greeting(self) -> dict[str, Any]:
        session = self._session
        services = session.supervisor.services.values()
        ready = {service.spec.group for service in services if service.life.state == "ready"}
        unready = dict.fromkeys(service.spec.group for service in services if service.spec.group not in ready)
        return {"content": session.content_version(), "unready": list(unready)}

    def status(self) -> SessionStatus:
        session = self._session
        services = [self.service(declared) for declared in session.config.services]
        return SessionStatus(
            name=session.config.name,
            root=str(session.config.root),
            pid=os.getpid(),
            url=session.origin,
            ready=session.supervisor.is_ready and not session.is_ending,
            urls=session.urls,
            services=services,
            balanced=[balanced_status(group, asyncio.get_running_loop().time()) for group in session.backends.groups],
            session=session.place.id,
            version=__version__,
            started=rfc3339(session.started),
            stopping=session.is_ending,
        )

    def service(self, declared: Declared) -> ServiceStatus:
        """One service as it is now."""
        service = self._session.supervisor.services.get(declared.name)
        if service is None:
            return self._not_ours(declared)
        life = service.life
        host, port = service.health.addresses[0] if service.health.addresses else ("", service.port)
        name = f"[{host}]" if ":" in host else host
        waits = self._session.supervisor.waits_for(declared.name)
        return ServiceStatus(
            name=declared.name,
            kind=declared.kind,
            state=life.state,
            pid=service.child.pid if service.child is not None else None,
            port=port,
            url=f"http://{name}:{port}" if host else None,
            since=rfc3339(service.since),
            restarts=service.restarts,
            last_exit=_last_exit(service),
            message=self._message(service),
            optional=declared.optional,
            required=self._session.supervisor.is_required(declared.name),
            given_up=self._session.supervisor.has_given_up(declared.name),
            waits_for=[wait.service for wait in waits],
            instance_of=declared.instance_of or None,
            blocked_by=next((wait.culprit for wait in waits if wait.is_vain), None),
            retry_in=service.retry_in,
        )

    def _not_ours(self, declared: Declared) -> ServiceStatus:
        """A folder, or what runs elsewhere: taken to be ready, unless we know better. The session waits for neither."""
        session, message = self._session, None
        state: State = "ready"
        port = session.port if declared.static is not None else urlsplit(declared.url or "").port
        if (used := session.used.get(declared.name)) is not None:
            is_there = used.port in listening_ports()
            state, message = ("ready" if is_there else "failing"), used_words(used.port, is_there=is_there)
        elif (upstream := session.backends.standing(declared.name)) is not None and upstream.is_well is False:
            state, message = "failing", upstream.answer
        since = rfc3339(session.started)
        return ServiceStatus(
            declared.name,
            declared.kind,
            state,
            port=port,
            url=declared.url,
            since=since,
            message=message,
            required=False,
        )

    def _message(self, service: Service) -> str | None:
        life, name = service.life, service.spec.name
        if waits := self._session.supervisor.waits_for(name):
            return f"waits for {waits_words(waits)}"
        if self._session.supervisor.is_on_demand(name):
            return "starts with the first request for it"
        if life.state == "stopped" and not life.generation:
            return f"not started; devproxy start {name} starts it"
        if life.state in ("crashed", "failing"):
            why = life.reason or (exit_words(life.exit) if life.exit is not None else "")
            return why if life.awaits is None else f"{why}; {next_words(life)}"
        if life.state == "stopped" and life.reason:
            return life.reason
        return service.health.note or None

    async def status_with_usage(self) -> SessionStatus:
        return await why.with_usage(self._session, self.status())

    async def explain(self, service: str) -> Explanation:
        supervisor = self._session.supervisor
        instances = [supervisor.services[name] for name in supervisor.named(service)]
        unready = (one.spec.name for one in instances if one.life.state != "ready")
        first = instances[0].spec.name if instances else service
        return await why.explain(self._session, next(unready, first))

    def plan(self) -> dict[str, Any]:
        return self._session.plan

    def routes(self, url: str | None, *, method: str, accept: str) -> dict[str, Any]:
        session = self._session
        if url is None:
            return all_routes(session.routes, self._where)
        hosts = AllowedHosts(session.config.allowed_hosts)
        return chosen_route(
            session.routes, self._where, hosts, url=url, port=session.port, method=method, accept=accept
        )

    def _where(self, to: str) -> tuple[str | None, str | None]:
        """The state of what a route leads to, and where it is; of several instances, those of the best one."""
        found = [self.service(declared) for declared in self._session.config.services if declared.group == to]
        if found:
            best = min(found, key=lambda one: BEST_FIRST.index(one.state))
            return best.state, best.url
        upstream = self._session.backends.standing(to)
        return (None if upstream is None or upstream.is_well is None else WELL[upstream.is_well]), None

    def metrics(self) -> dict[str, float]:
        services = self._session.supervisor.services.values()
        return {
            "devproxy_services": len(services),
            "devproxy_services_ready": sum(service.life.state == "ready" for service in services),
            "devproxy_restarts_total": sum(service.restarts for service in services),
            "devproxy_log_lines_total": self._session.log.topic.last,
            "devproxy_uptime_seconds": datetime.now(UTC).timestamp() - self._session.started,
        }

    def env(self, service: str, *, show_secrets: bool) -> Environment:
        session = self._session
        found = self._instances(service)[0]
        pid, environment = (found.child.pid, found.environment) if found.child is not None else (None, None)
        environment = environment or found.next_environment()
        declared = declared_in(session.config, found.spec)
        return describe(found.spec.name, environment, declared, pid=pid, show_secrets=show_secrets)

    def terminal(self, service: str) -> Terminal:
        return self._running(service).terminal

    async def start(self, service: str) -> None:
        await self._ask(service, self._session.supervisor.ask_start)

    async def stop(self, service: str) -> None:
        await self._ask(service, self._session.supervisor.ask_stop)

    async def restart(self, service: str) -> None:
        await self._ask(service, self._session.supervisor.ask_restart)

    async def _ask(self, service: str, ask: Callable[[str], None]) -> None:
        """Ask, and return once the service's life shows it, and those of what it depends on."""
        for each in self._instances(service):
            ask(each.spec.name)
        services = self._session.supervisor.services
        while not all(each.is_idle for each in services.values()):  # noqa: ASYNC110 - not a wait on time: turns of the loop
            await asyncio.sleep(0)  # their tasks handle what they were told in the loop's next turns

    async def reload(self) -> Reload:
        changes = await self._session.reloading.reload()
        return Reload(
            restarted=list(changes.restarts),
            started=list(changes.starts),
            stopped=list(changes.stops),
            changed=list(changes.swaps),
            later=list(changes.later),
        )

    def _instances(self, service: str) -> list[Service]:
        """The service of that name, or its instances. Raises: UsageError: it is not ours to run."""
        supervisor = self._session.supervisor
        found = [supervisor.services[name] for name in supervisor.named(service)]
        if not found:
            if (used := self._session.used.get(service)) is not None:
                what = f"devproxy did not start {service}, but uses what listened on port {used.port} before"
                raise UsageError(what, hint=f"to have it started: devproxy kill-port {used.port} && devproxy reload")
            raise UsageError(f"{service} has no process of its own", hint="it is a folder, or runs elsewhere")
        return found

    def _running(self, service: str) -> Service:
        """The one service of that name. Raises: UsageError: it has no process, or several."""
        found = self._instances(service)
        if len(found) > 1:
            names = ", ".join(one.spec.name for one in found)
            raise UsageError(f"{service} has {len(found)} instances", hint=f"name one of them: {names}")
        return found[0]

    def stop_session(self) -> None:
        self._session.end()


def control_app(view: SessionView) -> "Application":
    """The control API of a session. Slow: it loads the web stack."""
    from devproxy.control.app import create_app

    app: Application = create_app(view)
    # All that is there now stays. To look through it for garbage stopped the loop for 35 ms each time (2026-11).
    gc.freeze()
    return app


def _last_exit(service: Service) -> LastExit | None:
    exit_ = service.life.exit
    if exit_ is None:
        return None
    name = signal_name(exit_.signal) if exit_.signal is not None else None
    return LastExit(exit_.code, name, rfc3339(service.exited), exit_label(exit_))
