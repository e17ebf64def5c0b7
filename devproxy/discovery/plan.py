"""The plan: what would run, where, on which port, with which routes, and why. Values only."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devproxy.config.instances import collapse, ports
from devproxy.config.model import Config, Kind, Route, Service
from devproxy.discovery.found import Missing


@dataclass(frozen=True, slots=True)
class Planned:
    """One service of the plan. `dir`, `static`, `venv` and `env_files` are relative to the root.

    `assigned`: devproxy may choose another port than `port`, because it passes it on as PORT.
    Values of `env` may hold `{origin}`: the gateway's origin, known only when the session runs.
    """

    name: str
    kind: Kind
    dir: str
    framework: str | None = None
    command: str | tuple[str, ...] | None = None
    static: str | None = None
    url: str | None = None
    port: int | None = None
    assigned: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    env_files: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    venv: str | None = None
    reasons: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "kind": self.kind,
            "dir": self.dir,
            "framework": self.framework,
            "command": list(self.command) if isinstance(self.command, tuple) else self.command,
            "static": self.static,
            "url": self.url,
            "port": self.port,
            "assigned": self.assigned,
            "env": dict(self.env),
            "watch": list(self.watch),
            "reasons": list(self.reasons),
        }

    def service(self, root: Path) -> Service:
        """The same as a config service of the project at `root`."""
        return Service(
            name=self.name,
            kind=self.kind,
            dir=within(root, self.dir),
            command=self.command,
            static=within(root, self.static) if self.static is not None else None,
            url=self.url,
            port=self.port,
            env=dict(self.env),
            env_files=tuple(within(root, path) for path in self.env_files),
            watch=self.watch,
            venv=within(root, self.venv) if self.venv is not None else None,
        )


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """Which requests go to which service (or URL), and why. One of prefix and regex is set."""

    to: str
    prefix: str | None = None
    regex: str | None = None
    strip_prefix: bool = False
    reason: str = ""

    @property
    def label(self) -> str:
        return self.prefix if self.prefix is not None else f"~ {self.regex}"

    def to_json(self) -> dict[str, object]:
        where = {"prefix": self.prefix} if self.prefix is not None else {"regex": self.regex}
        return {**where, "to": self.to, "strip_prefix": self.strip_prefix, "reason": self.reason}

    def route(self) -> Route:
        return Route(to=(self.to,), prefix=self.prefix, regex=self.regex, strip_prefix=self.strip_prefix)


@dataclass(frozen=True, slots=True)
class Plan:
    """What devproxy would do here. `notes` are worth knowing, `missing` must be mended first."""

    name: str
    root: Path
    services: tuple[Planned, ...]
    routes: tuple[PlannedRoute, ...] = ()
    missing: tuple[Missing, ...] = ()
    notes: tuple[str, ...] = ()
    source: str | None = None  # the config file it was read from; None: discovered

    def config(self) -> Config:
        """The plan as the config that a session runs."""
        return Config(
            name=self.name,
            root=self.root,
            services=tuple(planned.service(self.root) for planned in self.services),
            routes=tuple(planned.route() for planned in self.routes),
        )

    def to_json(self) -> dict[str, object]:
        """The plan as `devproxy plan --json` prints it; the keys are a contract."""
        return {
            "schema": 1,
            "name": self.name,
            "root": str(self.root),
            "source": self.source,
            "services": [planned.to_json() for planned in self.services],
            "routes": [route.to_json() for route in self.routes],
            "missing": [{"what": missing.what, "command": missing.command} for missing in self.missing],
            "notes": list(self.notes),
        }

    @classmethod
    def from_config(cls, config: Config) -> "Plan":
        """The plan that a config file spells out, in the same words."""
        source = config.source.name if config.source is not None else "config"
        config = collapse(config)
        return cls(
            name=config.name,
            root=config.root,
            services=tuple(from_service(service, config.root, source) for service in config.services),
            routes=tuple(
                PlannedRoute(" ".join(route.to), route.prefix, route.regex, route.strip_prefix, source)
                for route in config.routes
            ),
            source=source,
        )


def from_service(service: Service, root: Path, source: str) -> Planned:
    command = service.command if isinstance(service.command, str) else " ".join(service.command or ())
    return Planned(
        name=service.name,
        kind=service.kind,
        dir=seen_from(root, service.dir),
        command=service.command,
        static=seen_from(root, service.static) if service.static is not None else None,
        url=service.url,
        port=service.port if isinstance(service.port, int) else None,
        assigned=service.port == "auto" or "$PORT" in command,
        env=service.env,
        env_files=tuple(seen_from(root, path) for path in service.env_files),
        watch=service.watch,
        venv=seen_from(root, service.venv) if service.venv is not None else None,
        reasons=(f"{source}: [services.{service.name}]", *_instances(service)),
    )


def _instances(service: Service) -> tuple[str, ...]:
    if service.instances == 1:
        return ()
    known = ports(service)
    where = f", ports {known[0]} to {known[-1]}" if known else ""
    return (f"{service.instances} instances, {service.name}.1 to {service.name}.{service.instances}{where}",)


def within(root: Path, path: str) -> Path:
    return root if path == "." else root / path


def seen_from(root: Path, path: Path) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")
