"""A small session: a real log, real topics, services whose commands take effect at once."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from devproxy.config.model import Logs, Route
from devproxy.control.access import Keys
from devproxy.control.models import (
    Environment,
    Explanation,
    LastExit,
    Listening,
    Reload,
    ServiceStatus,
    SessionStatus,
    State,
    Usage,
)
from devproxy.errors import ConfigError, UsageError
from devproxy.events import Event, StateChanged, rfc3339
from devproxy.hosts import AllowedHosts
from devproxy.hub.topic import Topic
from devproxy.logs.log import Log
from devproxy.processes import environment
from devproxy.processes.environment import Value
from devproxy.processes.terminal import Terminal
from devproxy.proxy.routes import RouteTable
from devproxy.session.environments import describe
from devproxy.session.routing import all_routes, chosen_route

BOOT = "b00t"
PORT = 4400
ORIGIN = f"http://localhost:{PORT}"
ROUTES = RouteTable((Route(to=("web",), prefix="/"), Route(to=("api",), prefix="/api", strip_prefix=True)))


USAGE = Usage(2, 12.4, 0.25, 182 * 2**20, [Listening("127.0.0.1", 8000, 12)])


class SmallSession:
    """Implements devproxy.control.target.Target."""

    boot = BOOT
    port = PORT

    def __init__(self, log_directory: Path | None = None) -> None:
        self.keys = Keys()
        self.log = Log(log_directory, BOOT, Logs())
        self.events: Topic[Event] = Topic(4)
        self.live: Topic[dict[str, Any]] = Topic(16)
        self.terminals = {"web": Terminal(lambda: (80, 24)), "api": Terminal(lambda: (80, 24))}
        self.pid = os.getpid()
        self.was_told_to_stop = False
        self.fails_to_start = False
        self.config_error = ""
        self.services = {
            "web": ServiceStatus("web", "frontend", "ready", 11, 5173, "http://127.0.0.1:5173", rfc3339(1.0)),
            "api": ServiceStatus("api", "backend", "ready", 12, 8000, "http://127.0.0.1:8000", rfc3339(1.0)),
        }

    def greeting(self) -> dict[str, Any]:
        return {"content": "c1", "unready": ["api"]}

    def status(self) -> SessionStatus:
        ready = all(service.state == "ready" for service in self.services.values())
        return SessionStatus("shop", "/home/me/shop", self.pid, ORIGIN, ready, [ORIGIN], list(self.services.values()))

    async def status_with_usage(self) -> SessionStatus:
        return replace(self.status(), services=[replace(one, usage=USAGE) for one in self.services.values()])

    async def explain(self, service: str) -> Explanation:
        now = replace(self.services[service], usage=USAGE)
        return Explanation(now, command="uvicorn main:app", source="devproxy.toml:3", declared_port=8000)

    def plan(self) -> dict[str, Any]:
        return {"services": [], "routes": []}

    def routes(self, url: str | None, *, method: str, accept: str) -> dict[str, Any]:
        if url is None:
            return all_routes(ROUTES, self._where)
        return chosen_route(ROUTES, self._where, AllowedHosts(), url=url, port=4400, method=method, accept=accept)

    def _where(self, to: str) -> tuple[str | None, str | None]:
        found = next(service for service in self.status().services if service.name == to)
        return found.state, found.url

    def metrics(self) -> dict[str, float]:
        return {"log_lines_total": self.log.topic.last}

    def env(self, service: str, *, show_secrets: bool) -> Environment:
        given = {"DEBUG": (Value("1", "service"), Value("0", "file", ".env:1")), "API_KEY": (Value(service, "shell"),)}
        found = environment.Environment(given, {"PORT": "each service has a port of its own"})
        return describe(service, found, f"[services.{service}] env", pid=11, show_secrets=show_secrets)

    def terminal(self, service: str) -> Terminal:
        if service not in self.terminals:
            raise UsageError(f"{service} has no process of its own")
        return self.terminals[service]

    async def start(self, service: str) -> None:
        self.become(service, "crashed" if self.fails_to_start else "ready")

    async def stop(self, service: str) -> None:
        self.become(service, "stopped")

    async def restart(self, service: str) -> None:
        self.become(service, "restarting")
        self.become(service, "crashed" if self.fails_to_start else "ready")

    async def reload(self) -> Reload:
        if self.config_error:
            raise ConfigError([self.config_error])
        await self.restart("api")
        return Reload(restarted=["api"], started=[], stopped=[], changed=["routes"], later=["port"])

    def stop_session(self) -> None:
        self.was_told_to_stop = True

    def become(self, name: str, state: State) -> None:
        """A service is in another state from now on."""
        before, now = self.services[name], time.time()
        last = LastExit(1, None, rfc3339(now)) if state == "crashed" else before.last_exit
        self.services[name] = replace(before, state=state, since=rfc3339(now), last_exit=last)
        if not self.events.closed:
            self.events.publish(StateChanged(name, state, before.state, now))

    def close(self) -> None:
        """End everything that streams."""
        for terminal in self.terminals.values():
            terminal.close()
        self.log.close()
        self.events.close()
        self.live.close()


def asking(app: FastAPI, *, local: bool = False, **headers: str) -> httpx.AsyncClient:
    """A client that calls the application directly; `local` as if through the Unix socket."""

    async def called(scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = {"devproxy_local": local}
        await app(scope, receive, send)

    transport = httpx.ASGITransport(called, raise_app_exceptions=False)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=fields)


class Served(uvicorn.Server):
    """uvicorn that leaves the signals alone and says where it listens."""

    def install_signal_handlers(self) -> None:
        """Ours belong to the test."""

    def capture_signals(self) -> Any:
        from contextlib import nullcontext

        return nullcontext()


def server(app: Any, **where: Any) -> Served:
    """A real server for an application; `local` connections for all."""

    async def local(scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {})["devproxy_local"] = True
        await app(scope, receive, send)

    return Served(uvicorn.Config(local, lifespan="off", log_config=None, timeout_graceful_shutdown=2, **where))


async def first_events(response: httpx.Response, count: int) -> list[dict[str, str]]:
    """The next `count` events (or comments) of an event stream, each as its fields."""
    found: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        found.append(fields)
        fields = {}
        if len(found) == count:
            return found
    return found


@asynccontextmanager
async def streaming(app: FastAPI, path: str, **headers: str) -> AsyncIterator[httpx.Response]:
    """An event stream of a real server on a loopback port."""
    import asyncio
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        served = server(app)
        task = asyncio.create_task(served.serve([listener]))
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            async with (
                httpx.AsyncClient(base_url=base, trust_env=False) as client,
                client.stream("GET", path, headers=headers) as response,
            ):
                yield response
        finally:
            served.should_exit = True
            await task
