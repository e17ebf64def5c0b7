"""All services of a session: who may start when, and how all are stopped.

A service that is wanted starts when what it depends on is there; the order of stopping is that of starting, reversed.
"""

import asyncio
import signal
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial

from devproxy.config.selection import Selection
from devproxy.errors import DevproxyError
from devproxy.processes.dependencies import Wait, has_given_up, levels, satisfies, waits, with_needs
from devproxy.processes.lifecycle import Begin, Life, RestartAsked, Saved, StopAsked, Wanted
from devproxy.processes.service import Service
from devproxy.processes.start import Started

RESTING = frozenset({"stopped", "done", "crashed"})


class Supervisor:
    """Owns the services that are ours to run; `run` is their task group.

    Args: services: in the order of their declaration; selection: which of them are to run. The others are stopped
    until somebody starts them.
    """

    def __init__(self, services: Iterable[Service], selection: Selection) -> None:
        self.services = {service.spec.name: service for service in services}
        self._specs = {name: service.spec for name, service in self.services.items()}
        self._levels = levels([*self._specs.values()])
        self._selection = selection
        self._wanted = {name for name in self.services if name in selection.wanted}
        self._waiting: set[str] = set()  # wanted, but what they depend on is not there yet
        self._stopping = False
        self._changed = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._running: dict[Service, asyncio.Task[None]] = {}
        self._outdated: dict[str, int] = {}  # generations that are about to end: nobody may count on them
        self._leaving: list[Service] = []  # no longer among the services, and not gone yet

    def prepare(self, early: Mapping[str, Started | DevproxyError]) -> None:
        """Take over what was started before there was a loop, or could not be."""
        for name, service in self.services.items():
            if name in early:
                service.prepare(early[name])
            elif name in self._wanted:
                self._waiting.add(name)
            elif name not in self._selection.on_demand:
                service.leave_out()

    async def run(self) -> None:
        """Run all services until cancelled."""
        self.notice()
        async with asyncio.TaskGroup() as self._tasks:
            for service in self._all():
                self._attend(service)
            await asyncio.Event().wait()  # even if there are none: a reload may bring some

    def _attend(self, service: Service) -> None:
        if self._tasks is not None:  # else `run` will
            self._running[service] = self._tasks.create_task(service.run(), name=service.spec.name)

    def adopt(self, services: Sequence[Service], selection: Selection, restarts: Collection[str]) -> list[str]:
        """From now on these are the services; those that stay have been redeclared.

        Who is not among them is stopped. Who is selected now and was not before begins, and who runs and is among
        `restarts` begins anew, when what it depends on is there; none of them before every process that ends now is
        gone, for ports may change hands.

        Returns: who begins, and who begins anew.
        """
        listed = {service.spec.name: service for service in services}
        new = [name for name, service in listed.items() if self.services.get(name) is not service]
        leaving = [service for name, service in self.services.items() if listed.get(name) is not service]
        again = [name for name in restarts if _is_up(listed[name].life)]
        are_gone = _end_of([*self._leaving, *leaving, *(listed[name] for name in again)])
        selected = selection.wanted & ({*new} | listed.keys() - self._selection.wanted)
        begin = [name for name in listed if name in selected and not _is_up(listed[name].life)]
        self.services, self._selection = listed, selection
        self._specs = {name: service.spec for name, service in listed.items()}
        self._levels = levels([*self._specs.values()])
        self._wanted = {name for name in self._wanted if name in listed and name not in new} | selected
        self._waiting &= self._wanted
        for service in leaving:
            self._leaving.append(service)
            service.tell(StopAsked())
        for name in (*new, *restarts):
            listed[name].gate = partial(self._may_claim, name, are_gone)
        for name in again:
            self._outdated[name] = listed[name].life.generation
            self._waiting.add(name)
            listed[name].tell(RestartAsked())
        for name in new:
            self._outdated.pop(name, None)
            if name not in begin and name not in selection.on_demand:
                listed[name].leave_out()
            self._attend(listed[name])
        for name in begin:
            self._waiting.add(name)
            listed[name].tell(Wanted())
        self.notice()
        return [*begin, *again]

    async def _may_claim(self, name: str, are_gone: Callable[[], bool]) -> None:
        await self.until(lambda: are_gone() and name not in self._waiting)

    def _see_off(self) -> None:
        for service in tuple(self._leaving):
            if service.life.state == "stopped":
                self._leaving.remove(service)
                service.terminal.close()
                self._running.pop(service).cancel()

    def notice(self) -> None:
        """A life has changed: start what waited for that, wake who waits."""
        self._changed.set()
        self._see_off()
        if self._stopping:
            return
        for name in self.services:
            if name in self._waiting and self._may_start(name):
                self._waiting.discard(name)
                self.services[name].tell(Begin())

    def _may_start(self, name: str) -> bool:
        return all(
            satisfies(life := self.services[needed].life, condition) and self._outdated.get(needed) != life.generation
            for needed, condition in self._specs[name].depends_on.items()
            if needed in self.services
        )

    def waits_for(self, name: str) -> tuple[Wait, ...]:
        """What a service that has not begun still waits for."""
        return waits(name, self._specs, self._lives()) if name in self._waiting else ()

    def _lives(self) -> dict[str, Life]:
        return {name: service.life for name, service in self.services.items()}

    def named(self, name: str) -> list[str]:
        """The service of that name, or the instances of one that has several."""
        return [one for one, spec in self._specs.items() if name in (one, spec.instance_of)]

    # -- what people ask

    def ask_start(self, name: str) -> None:
        """Start a service, and before it what it depends on; asked again, it waits for that no longer.

        While all is being stopped nothing starts any more: that would never come to an end.

        Raises: KeyError: there is none of that name.
        """
        if self._stopping:
            return
        if name in self._waiting:
            self._waiting.discard(name)
            self.services[name].tell(Begin())
            self._changed.set()
            return
        for each in with_needs([name], self._specs):
            life = self.services[each].life
            self._wanted.add(each)
            if each != name and (life.alive or life.state == "done" or each in self._waiting):
                continue
            if life.alive or self._may_start(each):
                self.services[each].tell(Begin())
            else:
                self._waiting.add(each)
                self.services[each].tell(Wanted())

    def ask_on_demand(self, name: str) -> None:
        """A request for a service waits: start it, if that is what it was waiting for."""
        if self.is_on_demand(name):
            self.ask_start(name)

    def is_on_demand(self, name: str) -> bool:
        """Whether a service waits for its first request."""
        if name not in self._selection.on_demand or name in self._wanted:
            return False
        return self.services[name].life.state == "waiting"

    def ask_restart(self, name: str) -> None:
        """Restart a service; start it if it does not run. One that waits for its dependencies goes on waiting."""
        if self._stopping or name in self._waiting:
            return
        if self.services[name].life.alive or self._may_start(name):
            self._wanted.add(name)
            self.services[name].tell(RestartAsked())
        else:
            self.ask_start(name)

    def restart_all(self) -> None:
        """Restart all that runs, or should; what was stopped, is done, or was never started stays so."""
        for name, service in self.services.items():
            if name in self._wanted and service.life.state not in ("stopped", "done"):
                self.ask_restart(name)

    def ask_stop(self, name: str) -> None:
        """Stop a service. The session is ready without it only if it was not to run in the first place."""
        self._waiting.discard(name)
        if name not in self._selection.wanted:
            self._wanted.discard(name)
        self.services[name].tell(StopAsked())

    def saved(self, name: str) -> None:
        """A file that the service watches was saved."""
        if not self._stopping:
            self.services[name].tell(Saved())

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a change makes `condition` true."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    # -- all at once

    async def stop_all(self) -> None:
        """Stop everything, dependents before what they depend on; returns when all trees are gone.

        Ends what is attached to their terminals.
        """
        self._stopping = True
        for level in reversed(self._levels):
            for name in reversed(level):
                self.services[name].tell(StopAsked())
            await self.until(partial(self._are_stopped, level))
        await self.until(lambda: not self._leaving)
        for service in self.services.values():
            service.terminal.close()

    def _are_stopped(self, names: Iterable[str]) -> bool:
        return all(self.services[name].life.state == "stopped" for name in names)

    def hurry(self) -> None:
        """End every grace period."""
        for service in self._all():
            service.hurry()

    def pause(self, number: signal.Signals) -> None:
        """Stop or continue all trees (SIGTSTP is for terminals; SIGSTOP is certain)."""
        for service in self._all():
            service.pause(number)

    def resize(self) -> None:
        """The terminal's window has another size."""
        for service in self._all():
            service.terminal.resize()

    def still_alive(self) -> list[str]:
        """The services whose trees are not gone yet."""
        return [service.spec.name for service in self._all() if service.life.alive]

    def lingering(self) -> dict[str, float]:
        """Who has been asked to end and has not yet, with the seconds until it is killed."""
        asked = (service for service in self._all() if service.life.alive and service.life.next == "stopped")
        return {service.spec.name: service.grace_left for service in asked}

    def _all(self) -> list[Service]:
        return [*self.services.values(), *self._leaving]

    def is_required(self, name: str) -> bool:
        """Whether the session is not ready without it."""
        return name in self._wanted and not self._specs[name].optional

    @property
    def is_ready(self) -> bool:
        """Whether all that must be up, is."""
        return all(
            service.life.state in ("ready", "done") for name, service in self.services.items() if self.is_required(name)
        )

    def has_given_up(self, name: str) -> bool:
        """Whether a service will not become ready by itself, or waits for one that will not."""
        life = self.services[name].life
        return has_given_up(life) or any(wait.is_vain for wait in self.waits_for(name))

    def failed(self) -> list[str]:
        """The required services that will not become ready by themselves."""
        return [name for name in self.services if self.is_required(name) and self.has_given_up(name)]


def _is_up(life: Life) -> bool:
    """Whether it runs, or would, if it could."""
    return life.state not in ("stopped", "waiting") and life.next != "stopped"


def _end_of(services: Collection[Service]) -> Callable[[], bool]:
    """Whether the processes that these have now are gone."""
    ending = [(service, service.life.generation) for service in services]
    return lambda: not any(one.life.alive and one.life.generation == generation for one, generation in ending)
