"""What the control API sends: a public contract. Fields are added, never renamed or removed.

Plain dataclasses, so that the session can make them before the web stack is loaded; FastAPI turns them
into JSON and into the OpenAPI description. Every time is RFC 3339 in UTC with microseconds.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

SCHEMA = 1

State = Literal["waiting", "freeing", "starting", "ready", "restarting", "failing", "crashed", "stopped", "done"]


@dataclass(frozen=True, slots=True)
class LastExit:
    """How a service's process ended last. One of code and signal is set."""

    code: int | None
    signal: str | None  # "SIGKILL"
    time: str
    words: str = ""  # "killed by SIGSEGV (11)"


@dataclass(frozen=True, slots=True)
class Listening:
    """An address that a process of a service listens on."""

    address: str
    port: int
    pid: int | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What all processes of a service use together. rss_bytes counts what they share once for each."""

    processes: int
    cpu_percent: float  # over `seconds`; 100 is one core
    seconds: float
    rss_bytes: int
    listens: list[Listening] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service as it is now."""

    name: str
    kind: str
    state: State
    pid: int | None = None
    port: int | None = None
    url: str | None = None
    since: str | None = None  # when it came into this state
    restarts: int = 0
    last_exit: LastExit | None = None
    message: str | None = None  # why it is in this state, for a person
    optional: bool = False
    required: bool = True  # the session is not ready without it
    given_up: bool = False  # it will not become ready by itself, or waits for one that will not
    instance_of: str | None = None  # the declared service, if this is one of its instances
    blocked_by: str | None = None  # the service for which it waits in vain, perhaps through others
    waits_for: list[str] = field(default_factory=list)  # the services that are not there yet
    usage: Usage | None = None  # only where it was asked for: it takes a moment
    retry_in: float | None = None  # seconds until it starts again by a timer


@dataclass(frozen=True, slots=True)
class UpstreamStatus:
    """A service (or one of its instances) or a URL, as something that requests are sent to.

    healthy: what its probe says; None: it has none, or nothing came back yet; answer: what came back last; ejected_for:
    seconds for which it is still left out, after so many failures in a row.
    """

    name: str
    state: str  # of the service; of a URL always ready
    healthy: bool | None = None
    probe: str | None = None  # "HEAD /health every 2 s"
    answer: str | None = None
    latency_ms: float | None = None  # until its probe is answered, smoothed
    requests: int | None = None  # so many it was given so far; None: they are not counted
    in_flight: int | None = None
    failures: int = 0
    ejected_for: float | None = None


@dataclass(frozen=True, slots=True)
class BalancedStatus:
    """Several upstreams that requests are shared among; or one that is probed or limited.

    refused: requests that were answered 503, as `max_requests` left nobody to take them.
    """

    name: str
    balance: str
    state: str
    refused: int
    upstreams: list[UpstreamStatus]


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """`api/status` and `status --json`. Ready: every required service is ready or done."""

    schema: int = field(default=SCHEMA, kw_only=True)  # first, as a reader decides by it
    name: str
    root: str
    pid: int
    url: str
    ready: bool
    urls: list[str] = field(default_factory=list)
    services: list[ServiceStatus] = field(default_factory=list)
    balanced: list[BalancedStatus] = field(default_factory=list)
    session: str = ""  # its id, the first half of a log record's id
    version: str = ""
    started: str | None = None
    stopping: bool = False  # it ends; nothing of it will become ready any more

    def to_json(self) -> dict[str, Any]:
        """The object of the contract."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Health:
    """The one thing a stranger on this machine may know."""

    ready: bool


@dataclass(frozen=True, slots=True)
class Services:
    services: list[ServiceStatus]


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some log records, and where to go on from. dropped: lines that are no longer kept."""

    records: list[dict[str, Any]]
    cursor: str | None
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a service. parent: None for the service's own child, and for who has lost its parent."""

    pid: int
    parent: int | None
    depth: int
    command: str
    started: str
    cpu_percent: float
    rss_bytes: int
    escaped: bool  # it has left the process group


@dataclass(frozen=True, slots=True)
class Blocker:
    """A service that another one waits for, and why that is not there."""

    service: str
    condition: str  # started, ready or exited-ok
    state: str
    message: str | None


@dataclass(frozen=True, slots=True)
class Advice:
    """What one may do next. command: empty if it is nothing to type."""

    what: str
    command: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """`api/services/NAME/why`: all that is known of a service's state.

    processes: parents before their children; source: where its command stands; cause: what started it;
    probe: what tells that it is ready; answer: what that got back so far, while it is asked; lines: log records,
    if it is down.
    """

    schema: int = field(default=SCHEMA, kw_only=True)
    service: ServiceStatus
    processes: list[Process] = field(default_factory=list)
    blockers: list[Blocker] = field(default_factory=list)
    command: str | list[str] | None = None
    static: str | None = None  # the folder that is served instead
    dir: str = ""
    source: str = ""
    reasons: list[str] = field(default_factory=list)
    declared_port: int | str | None = None
    upstream: UpstreamStatus | None = None  # if it is one of several, probed or limited
    cause: str | None = None
    probe: str | None = None
    answer: str | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


Origin = Literal["file", "shell", "service", "devproxy"]


@dataclass(frozen=True, slots=True)
class Assigned:
    """A variable's value, and who gave it. where: the file and line, the table of the config, or why."""

    value: str
    origin: Origin  # a .env file, devproxy's own environment, the service's `env`, devproxy
    where: str


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: the value that counts, and those that it hides, strongest first."""

    name: str
    value: str
    origin: Origin
    where: str
    masked: bool = False
    overridden: list[Assigned] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Environment:
    """What a service's process gets as its environment; only ever sent through the Unix socket.

    pid: the process that has it; None: none runs, and the next one would get this. withheld: the shell's
    variables that it does not get, and why.
    """

    schema: int = field(default=SCHEMA, kw_only=True)
    service: str
    env: dict[str, str]
    pid: int | None = None
    variables: list[Variable] = field(default_factory=list)
    withheld: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A word that is worth one login, and the address to open with it."""

    ticket: str
    url: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was asked for has begun; `pid` is the process that will be gone."""

    pid: int


@dataclass(frozen=True, slots=True)
class Reload:
    """What a reload has begun: names of services, and top-level keys of the config.

    changed: at once, without a restart; later: takes effect at the next `up`.
    """

    schema: int = field(default=SCHEMA, kw_only=True)
    restarted: list[str]
    started: list[str]
    stopped: list[str]
    changed: list[str]
    later: list[str]
