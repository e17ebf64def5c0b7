"""What a devproxy config holds. Values only: no reading, no checking, no I/O.

Every time is in seconds unless its name says another unit; every path is absolute.
Defaults here are *the* defaults: docs/configuration.md is checked against them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["frontend", "backend", "fullstack", "static", "worker", "task"]
RestartPolicy = Literal["on-failure", "always", "never"]
Condition = Literal["started", "ready", "exited-ok"]
Balance = Literal["round-robin", "least-latency", "sticky"]

DEFAULT_PORT = 4400


@dataclass(frozen=True, slots=True)
class Ready:
    """When a service may take traffic. At most one of http, port, log, command, started is set.

    None set: a service with a route, or of kind frontend, backend or fullstack, is ready when its
    process tree listens; any other one when it has started.
    """

    http: str | None = None  # path of a GET that must answer `status`
    status: int | None = None  # None: any status below 500
    port: bool = False
    log: str | None = None  # regex searched in the service's lines
    command: str | None = None  # exit status 0 means ready
    started: bool = False
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Stop:
    """How a service is asked to stop, and how long it may take before SIGKILL."""

    signal: str = "TERM"
    grace_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class ReloadSignal:
    """What a service is sent when a watched file changes, instead of being restarted."""

    signal: str


@dataclass(frozen=True, slots=True)
class Probe:
    """What an upstream is asked, from the beginning on, to know whether it is well and how long it takes to answer."""

    path: str = "/"
    method: Literal["HEAD", "GET"] = "HEAD"
    interval_seconds: float = 2.0
    timeout_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class MaxRequests:
    """How many requests an upstream gets; None: all that come. over: what becomes of one more."""

    in_flight: int | None = None
    per_second: int | None = None
    over: Literal["refuse", "next"] = "refuse"


@dataclass(frozen=True, slots=True)
class Service:
    """One thing the user named, or one of several instances of it. Exactly one of command, static and url is set."""

    name: str
    kind: Kind
    dir: Path
    command: str | tuple[str, ...] | None = None  # str: run by sh -c; tuple: no shell
    static: Path | None = None  # a folder served by the gateway
    url: str | None = None  # already runs elsewhere; not ours to start
    port: int | Literal["auto"] | None = None  # None: does not listen
    env: Mapping[str, str] = field(default_factory=dict)
    env_files: tuple[Path, ...] = ()
    log_files: tuple[str, ...] = ()
    depends_on: Mapping[str, Condition] = field(default_factory=dict)
    ready: Ready = Ready()
    watch: tuple[str, ...] = ()  # globs below dir; a change restarts the service
    reload: ReloadSignal | None = None  # or only signals it
    restart: RestartPolicy = "on-failure"
    stop: Stop = Stop()
    start: Literal["auto", "on-demand", "manual"] = "auto"
    optional: bool = False
    profiles: tuple[str, ...] = ()
    instances: int = 1
    balance: Balance = "round-robin"  # how its instances share the requests
    probe: Probe | None = None
    max_requests: MaxRequests | None = None
    stderr: Literal["merged", "separate"] = "merged"
    venv: Path | None = None  # its bin goes first in PATH (found by discovery or beside `dir`)
    instance_of: str = ""  # the declared service, if it has several instances (devproxy.config.instances)

    @property
    def group(self) -> str:
        """The name that the user gave it, which all its instances share."""
        return self.instance_of or self.name


@dataclass(frozen=True, slots=True)
class FieldEdits:
    """Header fields to set and to remove on one leg of a route."""

    set: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """Which requests go where. Exactly one of prefix and regex is set."""

    to: tuple[str, ...]  # service names or URLs; more than one is balanced
    prefix: str | None = None
    regex: str | None = None
    host: str | None = None
    methods: tuple[str, ...] = ()
    accept: str | None = None
    balance: Balance = "round-robin"
    probe: Probe | None = None  # of the upstreams that have none of their own
    max_requests: MaxRequests | None = None  # of the upstreams that have none of their own
    strip_prefix: bool = False
    timeout_seconds: float = 0.0  # without a byte of an answer; 0: no limit of ours
    tls_verify: bool = True
    tls_ca: str = ""  # a file; empty: the system's authorities
    rewrite_origin: bool = False  # Host, Origin, Referer; Location and cookies on the way back
    set_method: str | None = None
    set_query: Mapping[str, str] = field(default_factory=dict)
    set_body: str | None = None
    request_headers: FieldEdits = FieldEdits()
    response_headers: FieldEdits = FieldEdits()


@dataclass(frozen=True, slots=True)
class Hold:
    """How long a request waits for a service that is starting or restarting."""

    document_seconds: float = 2.0
    request_seconds: float = 30.0
    websocket_seconds: float = 10.0
    refused_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Reload:
    """Live reload of static services (and of pages that have none of their own)."""

    enabled: bool = True
    inject: Literal["auto", "always", "never"] = "auto"
    quiet_ms: int = 10  # build output gets at least 150


@dataclass(frozen=True, slots=True)
class Logs:
    segment_mib: int = 8
    segments: int = 10
    ring_lines: int = 10_000


@dataclass(frozen=True, slots=True)
class Capture:
    """What the request inspector keeps besides the facts of each exchange."""

    bodies: bool = False
    frames: bool = False


@dataclass(frozen=True, slots=True)
class Bus:
    """Where topics meet across machines; "" keeps them in memory."""

    url: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole of it. `source` is the file it came from, None if it was discovered."""

    name: str
    root: Path
    source: Path | None = None
    port: int = DEFAULT_PORT
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    routes: tuple[Route, ...] = ()
    hold: Hold = Hold()
    reload: Reload = Reload()
    logs: Logs = Logs()
    capture: Capture = Capture()
    bus: Bus = Bus()

    def service(self, name: str) -> Service:
        """The service of that name; KeyError if there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)
