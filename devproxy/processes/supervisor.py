"""All services of a session: who may start when, and how all are stopped.

A service starts when what it depends on is there; the order of stopping is that of starting, reversed.
"""

import asyncio
import signal
from collections.abc import Callable, Iterable, Mapping

from devproxy.config import model
from devproxy.errors import DevproxyError
from devproxy.processes.lifecycle import Begin, Life, RestartAsked, Saved, StopAsked
from devproxy.processes.service import Service
from devproxy.processes.start import Started

RESTING = frozenset({"stopped", "done", "crashed"})


class Supervisor:
    """Owns the services that are ours to run; `run` is their task group.

    Args: services: in the order of their declaration.
    """

    def __init__(self, services: Iterable[Service]) -> None:
        self.services = {service.spec.name: service for service in services}
        self._levels = levels([service.spec for service in self.services.values()])
        self._begun: set[str] = set()
        self._stopping = False
        self._changed = asyncio.Event()

    def prepare(self, early: Mapping[str, Started | DevproxyError]) -> None:
        """Take over what was started before there was a loop, or could not be."""
        self._begun |= early.keys()
        for name, child in early.items():
            self.services[name].prepare(child)

    async def run(self) -> None:
        """Run all services until cancelled."""
        self.notice()
        async with asyncio.TaskGroup() as tasks:
            for service in self.services.values():
                tasks.create_task(service.run(), name=service.spec.name)

    def notice(self) -> None:
        """A life has changed: start what waited for that, wake who waits."""
        self._changed.set()
        if self._stopping:
            return
        for service in self.services.values():
            name = service.spec.name
            if name not in self._begun and service.spec.start == "auto" and self._may_start(service.spec):
                self._begun.add(name)
                service.tell(Begin())

    def _may_start(self, spec: model.Service) -> bool:
        return all(
            satisfies(self.services[name].life, condition)
            for name, condition in spec.depends_on.items()
            if name in self.services
        )

    def waits_for(self, name: str) -> list[str]:
        """What a service that has not begun still waits for, as "db to be ready"."""
        if name in self._begun:
            return []
        words = {"started": "start", "ready": "be ready", "exited-ok": "finish"}
        return [
            f"{other} to {words[condition]}"
            for other, condition in self.services[name].spec.depends_on.items()
            if other in self.services and not satisfies(self.services[other].life, condition)
        ]

    # -- what people ask

    def ask_start(self, name: str) -> None:
        """Start a service; KeyError if there is none."""
        self._begun.add(name)
        self.services[name].tell(Begin())

    def ask_restart(self, name: str) -> None:
        """Restart a service, or start it if it does not run."""
        self._begun.add(name)
        self.services[name].tell(RestartAsked())

    def ask_stop(self, name: str) -> None:
        """Stop a service."""
        self._begun.add(name)
        self.services[name].tell(StopAsked())

    def saved(self, name: str) -> None:
        """A file that the service watches was saved."""
        self.services[name].tell(Saved())

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a change makes `condition` true."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    # -- all at once

    async def stop_all(self) -> None:
        """Stop everything, dependents before what they depend on; returns when all trees are gone."""
        self._stopping = True
        for level in reversed(self._levels):
            for name in reversed(level):
                self.services[name].tell(StopAsked())
            await self.until(lambda level=level: all(self.services[n].life.state == "stopped" for n in level))  # type: ignore[misc]

    def hurry(self) -> None:
        """End every grace period."""
        for service in self.services.values():
            service.hurry()

    def pause(self, number: signal.Signals) -> None:
        """Stop or continue all trees (SIGTSTP is for terminals; SIGSTOP is certain)."""
        for service in self.services.values():
            service.pause(number)

    def resize(self, columns: int, rows: int) -> None:
        """The terminal's window has another size."""
        for service in self.services.values():
            service.resize(columns, rows)

    def still_alive(self) -> list[str]:
        """The services whose trees are not gone yet."""
        return [name for name, service in self.services.items() if service.life.alive]

    @property
    def is_ready(self) -> bool:
        """Whether all that must be up, is."""
        return all(
            service.life.state in ("ready", "done")
            for service in self.services.values()
            if not service.spec.optional and service.spec.start == "auto"
        )

    def failed(self) -> list[str]:
        """The required services that rest without being ready, and will not come back by themselves."""
        return [
            name
            for name, service in self.services.items()
            if not service.spec.optional
            and service.spec.start == "auto"
            and (service.life.state == "failing" or (service.life.state == "crashed" and service.life.backoff is None))
        ]


def satisfies(life: Life, condition: model.Condition) -> bool:
    """Whether a dependency in this life fulfils its condition."""
    if condition == "exited-ok":
        return life.state == "done"
    if condition == "ready":
        return life.state in ("ready", "done")
    return life.state in ("starting", "ready", "failing", "done")


def levels(specs: list[model.Service]) -> list[list[str]]:
    """The names in layers: each depends only on earlier layers. Cycles were refused when the config was read."""
    left = {spec.name: set(spec.depends_on) for spec in specs}
    known = set(left)
    result: list[list[str]] = []
    while left:
        layer = [name for name, needs in left.items() if not (needs & known & set(left))]
        if not layer:
            raise AssertionError(f"a dependency cycle among {sorted(left)}")
        result.append(layer)
        for name in layer:
            del left[name]
    return result
