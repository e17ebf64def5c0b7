"""Starting a service's child. Knows no event loop: the first children start before there is one."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from devproxy.config import model
from devproxy.errors import DevproxyError, PortHeld
from devproxy.processes.child import Child, Command, spawn
from devproxy.processes.environment import Environment, build


class Source(Protocol):
    """Where one output's bytes go (a Source of devproxy.logs.log)."""

    def feed(self, data: bytes) -> None: ...
    def flush(self) -> None: ...
    @property
    def is_unfinished(self) -> bool: ...
    @property
    def unfinished(self) -> bytes: ...
    def show_unfinished(self) -> None: ...


class Guard(Protocol):
    """Who ends the groups if we cannot. stand_by: a child is about to be started."""

    def stand_by(self) -> None: ...
    def add(self, group: int, service: str, port: int | None) -> None: ...
    def remove(self, group: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Started:
    """A child, and what it was started with. first_line: the log's last line before it."""

    child: Child
    port: int | None
    environment: Environment
    sources: Mapping[str, Source]
    first_line: int


@dataclass(frozen=True, slots=True)
class Starter:
    """What all children of a session share.

    session: its id; origin: the gateway's URL; shell: the environment devproxy runs in; size: columns and
    rows of the children's terminals; source: the log's way in, by service and stream; last_line: the
    number of the log's last line; starting: told each service's name just before its child is started.
    """

    session: str
    origin: str
    shell: Mapping[str, str]
    size: Callable[[], tuple[int, int]]
    guard: Guard
    source: Callable[[str, str], Source]
    last_line: Callable[[], int]
    starting: Callable[[str], None]

    def environment(self, spec: model.Service, port: int | None) -> Environment:
        """The environment of a service's child.

        Raises: ConfigError: a `.env` file is broken.
        """
        return build(spec, self.shell, origin=self.origin, session=self.session, port=port, tty=spec.stderr == "merged")

    def start(self, spec: model.Service, port: int | None) -> Started:
        """Start a service's child.

        Raises: ConfigError, MissingProgram, ServiceFailed: it cannot be started.
        """
        assert spec.command is not None
        environment, first_line = self.environment(spec, port), self.last_line()
        self.guard.stand_by()
        self.starting(spec.name)
        child = spawn(Command(spec.command, spec.dir, environment.values, spec.stderr == "separate", self.size()))
        self.guard.add(child.pid, spec.name, port)
        sources = {stream: self.source(spec.name, stream) for stream in child.outputs.values()}
        return Started(child, port, environment, sources, first_line)


def start_early(
    specs: Iterable[model.Service],
    claim: Callable[[model.Service, bool], int | None],
    starter: Starter,
    children: dict[str, Started | DevproxyError],
) -> None:
    """Start, before there is a loop, what depends on nothing; `children` gets each child, or why there is none.

    Args: specs: of the services that are to run.

    Raises: PortHeld: by `claim`, for a service that is not optional; what was started before stays in `children`.
    """
    for spec in specs:
        if spec.command is None or spec.depends_on:
            continue
        try:
            children[spec.name] = starter.start(spec, claim(spec, False))
        except DevproxyError as error:
            if isinstance(error, PortHeld) and not spec.optional:
                raise
            children[spec.name] = error
