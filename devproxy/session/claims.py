"""Ports for services: free as they are, freed, changed, or refused, by the verdicts of devproxy.ports.

Runs before there is a loop, and later in threads, several at once; it waits on the outside world. From its
claim until it rests, a service's port is leased: no other devproxy of this user takes it meanwhile.
"""

import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from devproxy.config.elsewhere import Used
from devproxy.config.model import Service
from devproxy.errors import PortHeld
from devproxy.ports.leases import Leases
from devproxy.ports.memory import Memory
from devproxy.ports.probe import choose, is_free

if TYPE_CHECKING:
    from devproxy.ports.facts import Judged, Verdict

OWN_RELEASE_SECONDS: Final = 5.0
"""How long a port that our own child has just held may take to bind again."""

POLL_SECONDS: Final = 0.01
LOWEST_AUTO: Final = 20000

_SEVERITY: Final = ("ours", "neighbour", "stranger", "untouchable")

ANOTHER_PORT: Final = 'let a free one be chosen: port = "auto"'

Choice = Literal["free", "use", "another", "quit"]


@dataclass(frozen=True, slots=True)
class Manners:
    """How to treat a holder that is not ours. ask: None without a terminal; given the service, the port
    and its holders, it says what the user wants. yes: free it without asking; force: with SIGKILL at once."""

    ask: "Callable[[Service, int, list[Judged], bool], Choice] | None" = None
    yes: bool = False
    force: bool = False


class Claims:
    """Which service has which port.

    used: the services, by name, whose holder is used as it is; they are not to be started.

    Args: services: all that have a port; movable: the names of those that may be given another port than they
    usually have; say: tells what was done, from any thread; linked: this is a linked worktree, which leaves the
    usual ports to the primary one.
    """

    def __init__(
        self,
        root: Path,
        services: Collection[Service],
        movable: Collection[str],
        manners: Manners,
        say: Callable[[str], None],
        *,
        leases: Leases,
        memory: Memory,
        linked: bool = False,
    ) -> None:
        self._root = root
        self._movable = frozenset(movable)
        self._manners = manners
        self._say = say
        self._leases = leases
        self._memory = memory
        self._linked = linked
        self._declared = {service.name: service.port for service in services}
        self._fixed = {port for port in self._declared.values() if isinstance(port, int)}
        self._given: dict[str, int] = {}
        self.used: dict[str, Used] = {}
        self._giving = threading.Lock()  # two threads must not choose the same port; never held while waiting

    def adopt(self, services: Collection[Service], movable: Collection[str]) -> None:
        """From now on these services; who has another port in its declaration, or is gone, gives up what it has."""
        before, self._declared = self._declared, {service.name: service.port for service in services}
        self.used = {one.name: self.used[one.name] for one in services if one.url is not None and one.name in self.used}
        with self._giving:
            self._movable = frozenset(movable)
            self._fixed = {port for port in self._declared.values() if isinstance(port, int)}
            for name in tuple(self._given):
                if name not in self._declared or self._declared[name] != before.get(name):
                    self._leases.give_back(self._given.pop(name))

    def claim_all(self, services: Iterable[Service]) -> None:
        """Claim the ports of these, so that one that is held is told before anything is started, and nobody is asked
        any more from then on: the terminal shows the session, and its keys mean something else.

        An optional one is no reason to start nothing: it is told of when its turn comes, if nobody can be asked now.

        Raises: PortHeld: by `claim`.
        """
        for service in services:
            if service.optional and self._manners.ask is None:
                continue
            try:
                self.claim(service, again=False)
            except PortHeld:
                if not service.optional:
                    raise
        self._manners = replace(self._manners, ask=None)

    def claim(self, service: Service, again: bool) -> int | None:
        """See that the service's port binds; return it, or None if it listens nowhere in particular, or is used.

        Args: again: its own child has just held it.
        Raises: PortHeld: it is held, and may neither be freed nor changed.
        """
        if service.port is None:
            return None
        port = wanted = self._given.get(service.name) or self._preferred(service)
        try:
            if not self._leases.take(wanted):
                port = self._instead(service, wanted)
            elif not is_free(wanted) and not (again and self._waited_for(wanted)):
                port = self._settle(service, wanted)
        except PortHeld:
            self._leases.give_back(wanted)
            raise
        if port != wanted or service.name in self.used:
            self._leases.give_back(wanted)
        if service.name in self.used:
            return None
        self._given[service.name] = port
        if port != service.port:
            self._memory.keep(service.name, port)
        return port

    def held(self, ports: Collection[int]) -> str:
        """Who has these ports, which a service of ours should have left; empty if nobody does."""
        from devproxy.ports.look import look

        found = [(port, judged) for port in sorted(ports) if (judged := look(port, self._root))]
        return "; ".join(f"port {port} is still held by {_names(judged)}" for port, judged in found)

    def release(self, name: str) -> None:
        """The service rests: others may have its port. It is claimed anew before the service starts again."""
        if (port := self._given.get(name)) is not None:
            self._leases.give_back(port)

    def _preferred(self, service: Service) -> int:
        """Its port if nobody is in the way: the usual one, or what it had before."""
        usual = service.port
        if isinstance(usual, int) and not (self._linked and service.name in self._movable):
            return usual
        known = self._memory.recall(service.name)
        if known is not None and known not in self._fixed | set(self._given.values()):
            return known
        return self._choose_for(service, usual + 1 if isinstance(usual, int) else LOWEST_AUTO)

    def clear(self, service: Service, port: int) -> None:
        """See that a port binds which is not the service's, but which it insists on.

        Raises: PortHeld: it is held by somebody who is not ours.
        """
        if is_free(port):
            return
        from devproxy.ports.look import look

        judged = look(port, self._root)
        if any(one.verdict.kind != "ours" for one in judged):
            given = self._given.get(service.name)
            meant = f" (it was given {given} as $PORT)" if given is not None else ""
            raise self._held(service, port, judged, f"set the service's port to {port}{meant}")
        if judged:
            self._free(service, port, judged)

    def _choose_for(self, service: Service, lowest: int) -> int:
        """Give it a free port: the one that it had before, or one that nobody has, or will have."""
        with self._giving:
            taken = self._fixed | set(self._given.values())
            known = self._memory.recall(service.name)
            if known is not None and known not in taken and is_free(known) and self._leases.take(known):
                port = known
            else:
                taken |= self._memory.of_others()
                while not self._leases.take(port := choose(lowest, taken)):
                    taken.add(port)
            self._given[service.name] = port
        return port

    def _instead(self, service: Service, port: int) -> int:
        """Another devproxy has just taken the port, and is about to use it."""
        owner = self._leases.owner(port)
        who = f"another devproxy{f' (pid {owner})' if owner else ''}, which starts there"
        if service.name not in self._movable:
            raise PortHeld(f"port {port}, which {service.name} needs, is taken by {who}", hint=_hint(port))
        other = self._choose_for(service, port + 1)
        self._say(f"{service.name}: port {port} is taken by {who}; it gets {other} instead")
        return other

    def _waited_for(self, port: int) -> bool:
        deadline = time.monotonic() + OWN_RELEASE_SECONDS
        while time.monotonic() < deadline:
            if is_free(port):
                return True
            time.sleep(POLL_SECONDS)
        return False

    def _settle(self, service: Service, port: int) -> int:
        """Somebody holds it."""
        from devproxy.ports.look import look  # psutil: 20 ms, only when a port is held

        judged = look(port, self._root)
        if not judged:
            return port
        movable = service.name in self._movable
        choice = self._choose(service, port, judged, movable)
        if choice == "another":
            other = self._choose_for(service, port + 1)
            self._say(f"{service.name}: port {port} {_is_held(judged)}; it gets {other} instead")
            return other
        if choice == "use":
            self.used[service.name] = Used(service, port)
            self._say(f"{service.name}: port {port} {_is_held(judged)}, which is used as it is")
            return port
        if choice == "quit":
            raise self._held(service, port, judged)
        self._free(service, port, judged)
        return port

    def _held(self, service: Service, port: int, judged: "list[Judged]", otherwise: str = ANOTHER_PORT) -> PortHeld:
        worst = _worst(judged)
        return PortHeld(
            f"port {port}, which {service.name} needs, {_is_held(judged)}: {worst.reason}",
            hint=worst.hint or _hint(port, otherwise),
            port=port,
        )

    def _free(self, service: Service, port: int, judged: "list[Judged]") -> None:
        from devproxy.ports.free import Freed, free  # psutil: 20 ms, only when a port is held

        outcome = free(port, judged, self._root, force=self._manners.force, tell=self._tell(service, port))
        if not isinstance(outcome, Freed):
            raise PortHeld(
                f"port {port}, which {service.name} needs, could not be freed: {outcome.reason}",
                hint=outcome.hint,
                port=port,
            )
        self._say(f"{service.name}: freed port {port}, which {_names(judged)} held ({_worst(judged).reason})")

    def _tell(self, service: Service, port: int) -> Callable[[str], None]:
        return lambda step: self._say(f"{service.name}: freeing port {port}: {step}")

    def _choose(self, service: Service, port: int, judged: "list[Judged]", movable: bool) -> Choice:
        kinds = {one.verdict.kind for one in judged}
        if kinds == {"ours"}:
            return "free"
        if "untouchable" in kinds:
            return "another" if movable else "quit"
        if service.port == "auto":
            return "another"  # one is as good as another: nothing to ask, and nobody to end
        if self._manners.yes or self._manners.force:
            return "free"
        if self._manners.ask is not None:
            return self._manners.ask(service, port, judged, movable)
        return "another" if movable else "quit"


def _hint(port: int, otherwise: str = ANOTHER_PORT) -> str:
    return f"free it with `devproxy kill-port {port}`, or {otherwise}"


def _worst(judged: "list[Judged]") -> "Verdict":
    return max((one.verdict for one in judged), key=lambda verdict: _SEVERITY.index(verdict.kind))


def _is_held(judged: "list[Judged]") -> str:
    if all(one.holder.hold == "closed" for one in judged):
        return "is not free yet"
    return f"is held by {_names(judged)}"


def _names(judged: "list[Judged]") -> str:
    names = []
    for one in judged:
        process = one.holder.process
        if process is None:
            names.append("a process that cannot be seen")
        else:
            names.append(f"{process.name or 'a process'} (pid {process.pid})")
    return ", ".join(names)
