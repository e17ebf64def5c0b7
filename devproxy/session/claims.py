"""Ports for services: free as they are, freed, changed, or refused, by the verdicts of devproxy.ports.

Runs before there is a loop, and later in threads, several at once; it waits on the outside world.
"""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from devproxy.config.model import Service
from devproxy.errors import PortHeld
from devproxy.ports.probe import choose, is_free

if TYPE_CHECKING:
    from devproxy.ports.facts import Judged

OWN_RELEASE_SECONDS: Final = 5.0
"""How long a port that our own child has just held may take to bind again."""

POLL_SECONDS: Final = 0.01
LOWEST_AUTO: Final = 20000

_SEVERITY: Final = ("ours", "neighbour", "stranger", "untouchable")

Choice = Literal["free", "another", "quit"]


@dataclass(frozen=True, slots=True)
class Manners:
    """How to treat a holder that is not ours. ask: None without a terminal; given the service, the port
    and its holders, it says what the user wants. yes: free it without asking; force: with SIGKILL at once."""

    ask: "Callable[[Service, int, list[Judged], bool], Choice] | None" = None
    yes: bool = False
    force: bool = False


class Claims:
    """Which service has which port.

    Args: services: all that have a port; movable: the names of those that may be given another port than they
    usually have; say: tells what was done, from any thread.
    """

    def __init__(
        self,
        root: Path,
        services: Collection[Service],
        movable: Collection[str],
        manners: Manners,
        say: Callable[[str], None],
    ) -> None:
        self._root = root
        self._movable = frozenset(movable)
        self._manners = manners
        self._say = say
        self._fixed = {service.port for service in services if isinstance(service.port, int)}
        self._given: dict[str, int] = {}
        self._giving = threading.Lock()  # two threads must not choose the same port; never held while waiting

    def ask_no_more(self) -> None:
        """From now on decide as without a terminal: it shows the session, and its keys mean something else."""
        self._manners = replace(self._manners, ask=None)

    def claim(self, service: Service, again: bool) -> int | None:
        """See that the service's port binds; return it, or None if it listens nowhere in particular.

        Args: again: its own child has just held it.
        Raises: PortHeld: it is held, and may neither be freed nor changed.
        """
        if service.port is None:
            return None
        port = self._given.get(service.name)
        if port is None:
            port = self._choose_for(service, LOWEST_AUTO) if service.port == "auto" else service.port
        if not is_free(port) and not (again and self._waited_for(port)):
            port = self._settle(service, port)
        self._given[service.name] = port
        return port

    def _choose_for(self, service: Service, lowest: int) -> int:
        """Give it a free port that no other service has, or will have."""
        with self._giving:
            self._given[service.name] = port = choose(lowest, self._fixed | set(self._given.values()))
        return port

    def _waited_for(self, port: int) -> bool:
        deadline = time.monotonic() + OWN_RELEASE_SECONDS
        while time.monotonic() < deadline:
            if is_free(port):
                return True
            time.sleep(POLL_SECONDS)
        return False

    def _settle(self, service: Service, port: int) -> int:
        """Somebody holds it."""
        from devproxy.ports.free import Freed, free  # psutil: 20 ms, only when a port is held
        from devproxy.ports.look import look

        judged = look(port, self._root)
        if not judged:
            return port
        movable = service.name in self._movable
        worst = max((one.verdict for one in judged), key=lambda verdict: _SEVERITY.index(verdict.kind))
        choice = self._choose(service, port, judged, movable)
        if choice == "another":
            other = self._choose_for(service, port + 1)
            self._say(f"{service.name}: port {port} is held by {_names(judged)}; it gets {other} instead")
            return other
        if choice == "quit":
            raise PortHeld(
                f"port {port}, which {service.name} needs, is held by {_names(judged)}: {worst.reason}",
                hint=worst.hint or f"free it with `devproxy kill-port {port}`, or change the service's port",
            )
        outcome = free(port, judged, self._root, force=self._manners.force, tell=self._tell(service, port))
        if not isinstance(outcome, Freed):
            raise PortHeld(
                f"port {port}, which {service.name} needs, could not be freed: {outcome.reason}",
                hint=outcome.hint,
            )
        self._say(f"{service.name}: freed port {port}, which {_names(judged)} held ({worst.reason})")
        return port

    def _tell(self, service: Service, port: int) -> Callable[[str], None]:
        return lambda step: self._say(f"{service.name}: freeing port {port}: {step}")

    def _choose(self, service: Service, port: int, judged: "list[Judged]", movable: bool) -> Choice:
        kinds = {one.verdict.kind for one in judged}
        if kinds == {"ours"}:
            return "free"
        if "untouchable" in kinds:
            return "another" if movable else "quit"
        if self._manners.yes or self._manners.force:
            return "free"
        if self._manners.ask is not None:
            return self._manners.ask(service, port, judged, movable)
        return "another" if movable else "quit"


def _names(judged: "list[Judged]") -> str:
    names = []
    for one in judged:
        process = one.holder.process
        if process is None:
            names.append("a process that cannot be seen")
        else:
            names.append(f"{process.name or 'a process'} (pid {process.pid})")
    return ", ".join(names)
