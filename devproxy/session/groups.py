"""Which upstreams share a name, and how each is probed and limited: worked out from the config. Pure."""

from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from devproxy.config.model import Balance, Config, MaxRequests, Probe, Route, Service
from devproxy.proxy.health import CONNECT
from devproxy.proxy.routes import backend_of, upstream_of


@dataclass(frozen=True, slots=True)
class Part:
    """An upstream in a group: its name, what it is asked, as which host (None: its address), and its limit."""

    name: str
    probe: Probe | None = None
    host: str | None = None
    limit: MaxRequests | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Several upstreams behind one name; or one, if it is probed or limited."""

    name: str
    balance: Balance
    parts: tuple[Part, ...]


def groups_of(config: Config) -> dict[str, Group]:
    """The groups, by the names that routes lead to."""
    found = {}
    for name in dict.fromkeys(service.group for service in config.services):
        instances = [service for service in config.services if service.group == name]
        first = instances[0]
        if len(instances) > 1 or first.probe is not None or first.max_requests is not None:
            parts = tuple(_of_service(service, None) for service in instances)
            found[name] = _group(name, first.balance, parts)
    for route in config.routes:
        if (key := backend_of(route)) != upstream_of(route, route.to[0]):
            parts = tuple(part for to in route.to for part in _parts(to, route, config))
            found[key] = _group(", ".join(route.to), route.balance, parts)
    return found


def watched(config: Config) -> list[Part]:
    """The services that are not ours to run: each is looked at, whether it is in a group or not, as its routes do."""
    parts = []
    for service in config.services:
        if service.url is not None:
            part = _of_service(service, None)
            names = [upstream_of(route, service.name) for route in config.routes if service.name in route.to]
            parts += [replace(part, name=name) for name in dict.fromkeys(names or [part.name])]
    return parts


def _group(name: str, balance: Balance, parts: tuple[Part, ...]) -> Group:
    if balance == "least-latency":
        parts = tuple(replace(part, probe=Probe()) if part.probe in (None, CONNECT) else part for part in parts)
    return Group(name, balance, parts)


def _parts(to: str, route: Route, config: Config) -> list[Part]:
    services = [service for service in config.services if service.group == to]
    if services:
        return [_of_service(service, route) for service in services]
    return [Part(upstream_of(route, to), route.probe or CONNECT, urlsplit(to).netloc, route.max_requests)]


def _of_service(service: Service, route: Route | None) -> Part:
    """A service's own words count; where it says nothing, the route's."""
    probe = service.probe or (route.probe if route is not None else None)
    limit = service.max_requests or (route.max_requests if route is not None else None)
    name = upstream_of(route, service.name) if route is not None else service.name
    if service.url is None:
        return Part(name, probe, None, limit)
    return Part(name, probe or CONNECT, urlsplit(service.url).netloc, limit)
