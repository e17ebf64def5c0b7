"""What is there before the event loop: the log, the public port, and the first children.

Knows neither the loop nor the web stack, which take longer to import than a child takes to start.
The session (session.py) takes everything over.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from devproxy import paths
from devproxy.config.checkout import checkout_of
from devproxy.config.elsewhere import using
from devproxy.config.model import Config, Service
from devproxy.config.selection import Selection, select
from devproxy.errors import DevproxyError
from devproxy.logs.log import Log, Source
from devproxy.logs.tail import LogFiles, Wanted
from devproxy.ports.leases import Leases
from devproxy.ports.memory import Memory
from devproxy.processes.reaper import adopt_orphans
from devproxy.processes.start import Started, Starter, start_early
from devproxy.session.claims import Claims, Manners
from devproxy.session.custody import Custody
from devproxy.session.front import bind_front
from devproxy.session.leftovers import end_leftovers
from devproxy.session.place import Place
from devproxy.session.window import window_size

if TYPE_CHECKING:
    from devproxy.session.reloading import Project

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a polite kill, and the terminal that was closed: all end a session in the same way."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line may change. port: the public one; plan: what `api/plan` shows; movable: the
    services that may be given another port than their usual one; verbose: say more in the log; services, profiles:
    what is to run, by name (none: all that starts by itself); reread: reads the project anew, None if its command
    line says all; exit_on_failure: the crash of a required service ends the session."""

    port: int | None = None
    manners: Manners = field(default_factory=Manners)
    plan: dict[str, Any] = field(default_factory=dict)
    movable: frozenset[str] = frozenset()
    verbose: bool = False
    services: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    reread: "Callable[[], Project] | None" = None
    exit_on_failure: bool = False


class Launch:
    """The start of one run. `start`, then hand it to a Session; or `abandon` it.

    Raises: UsageError: the options name a service or a profile that there is not.
    Owns: the log, the public sockets, the leases and the children, until the session takes them.
    """

    def __init__(self, config: Config, place: Place, options: Options) -> None:
        self.selection = select(config.services, options.services, options.profiles)
        self.config = config
        self.place = place
        self.options = options
        self.began = time.time()
        self.log = Log(place.logs, place.id, config.logs)
        self.log.forget_others({service.name for service in config.services})
        memory = Memory(place.state, config.root)
        # `devproxy proxy` has a place of its own, which it does not come back to.
        linked = place.root == config.root and checkout_of(config.root).is_linked
        self.sockets = bind_front(config.port, memory, asked=options.port, linked=linked, say=self.log.say)
        self.port: int = self.sockets[0].getsockname()[1]
        self.origin = f"http://localhost:{self.port}"
        self.custody = Custody(place.state, config.root, place.id, self.say)
        self.leases = Leases(paths.runtime_dir())
        self.claims = Claims(
            config.root,
            config.services,
            options.movable,
            options.manners,
            self.say,
            leases=self.leases,
            memory=memory,
            linked=linked,
        )
        self.tell: Callable[[str], None] = self.log.say  # the session has it told in its loop
        self.starter = Starter(
            session=place.id,
            origin=self.origin,
            shell=dict(os.environ),
            size=partial(window_size, [service.name for service in config.services]),
            guard=self.custody,
            source=self.log.source,
            last_line=lambda: self.log.topic.last,
            starting=partial(self.log.marks.add, "restart"),
        )
        self.children: dict[str, Started | DevproxyError] = {}
        # Before the children start: what they append from then on is theirs.
        self.log_files = LogFiles(log_files(config), partial(Source, self.log), self._warn)

    def select(self, config: Config) -> Selection:
        """What is to run of another config; what the command line named and is gone from it is left out.

        Raises: UsageError: none of the services that it named is left.
        """
        names = {declared.name for declared in config.services}
        profiles = {profile for declared in config.services for profile in declared.profiles}
        named, chosen = self.options.services, self.options.profiles
        return select(config.services, names.intersection(named) or named, profiles.intersection(chosen))

    def say(self, text: str) -> None:
        """A line of devproxy's own, from whatever thread."""
        self.tell(text)

    def _warn(self, text: str) -> None:
        self.log.say(text, level="warning")

    def start(self) -> None:
        """Say what is being done, claim the ports, then start what can be started at once.

        Raises: PortHeld: a service's port cannot be had; nothing was started.
        """
        self.log.say(self._intent())
        for missing in self.options.plan.get("missing", ()):
            self.log.say(f"{missing['what']} is missing; to mend it: {missing['command']}", level="warning")
        for note in self.options.plan.get("notes", ()):
            self.log.say(note)
        adopt_orphans()
        end_leftovers(self.place.state, self.config.root, self.log.say)
        self.claims.claim_all(each for each in self._wanted() if each.command is not None)
        self.config = using(self.config, self.claims.used)
        start_early(self._wanted(), self.claims.claim, self.starter, self.children)

    def _wanted(self) -> list[Service]:
        return [each for each in self.config.services if each.name in self.selection.wanted]

    def reread(self, reader: "Callable[[], Project]") -> "Project":
        """The project as it is now, by its reader; what is used as it is, and still there, stays so."""
        from devproxy.ports.table import listening_ports

        project, there = reader(), listening_ports()
        used = {name: one for name, one in self.claims.used.items() if one.port in there}
        return replace(project, config=using(project.config, used))

    def _intent(self) -> str:
        """What is being done, in a sentence."""
        where = f" (from {self.config.source.name})" if self.config.source is not None else ""
        ours = [declared for declared in self.config.services if declared.url is None]
        if ours:
            starting = _names(one for one in ours if one.static is not None or one.name in self.selection.wanted)
            starting = f"starting {starting or 'nothing yet'} behind {self.origin}"
            return f"{self.config.name}{where}: {starting}{self._left_out()}"
        urls = ", ".join(declared.url for declared in self.config.services if declared.url is not None)
        return f"{self.config.name}{where}: {self.origin} stands in front of {urls}"

    def _left_out(self) -> str:
        wanted, on_demand = self.selection.wanted, self.selection.on_demand
        left = [one for one in self.config.services if one.command is not None and one.name not in wanted]
        later = _names(one for one in left if one.name in on_demand)
        never = _names(one for one in left if one.name not in on_demand)
        words = f"; with the first request: {later}" if later else ""
        return words + (f"; left out: {never} (see devproxy start)" if never else "")

    @staticmethod
    def hold_signals() -> None:
        """Keep the signals that end a session pending until it can end: its loop takes them (Session.run).

        Not before the children have been started: they would inherit the mask (signal(7)).
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)

    @property
    def started(self) -> list[Started]:
        """The children that were started."""
        return [child for child in self.children.values() if isinstance(child, Started)]

    def abandon(self) -> None:
        """Give up: what was started is ended by the guard."""
        self.custody.close()
        self.leases.close()
        for sock in self.sockets:
            sock.close()
        self.log.close()


def log_files(config: Config) -> list[Wanted]:
    """The files that the services log into."""
    return [(declared.name, declared.dir, declared.log_files) for declared in config.services if declared.log_files]


def _names(services: Iterable[Service]) -> str:
    """Their names, one a declaration: "api, worker (3)"."""
    counts = Counter(service.group for service in services)
    return ", ".join(name if count == 1 else f"{name} ({count})" for name, count in counts.items())
