"""Which upstreams share a name, and how each is probed and limited: worked out from the config. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from devproxy.config.model import Balance, Config, MaxRequests, Probe, Route, Service
from devproxy.proxy.health import CONNECT
from devproxy.proxy.routes import backend_of, upstream_of
from devproxy.proxy.url import parse_url


@dataclass(frozen=True, slots=True)
class Asked:
    """An upstream and what it is asked (None: nothing), as which host (None: its address)."""

    name: str
    probe: Probe | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """An upstream in a group, and how many requests it gets there."""

    asked: Asked
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
            probe = _usual_probe(first.balance)
            found[name] = Group(name, first.balance, tuple(_of_service(one, one.name, probe) for one in instances))
    for route in config.routes:
        if (key := backend_of(route)) != upstream_of(route, route.to[0]):
            parts = tuple(part for to in route.to for part in _parts(to, route, config))
            found[key] = Group(", ".join(route.to), route.balance, parts)
    return found


def asked_in(config: Config, groups: Iterable[Group]) -> list[Asked]:
    """All upstreams that somebody wants to know of: those in groups, and each service that is not ours to run, as its
    routes lead to it."""
    asked = dict.fromkeys(part.asked for group in groups for part in group.parts)
    known = {one.name for one in asked}
    for service in config.services:
        if service.url is not None:
            one = _of_service(service, service.name, None).asked
            names = [upstream_of(route, service.name) for route in config.routes if service.name in route.to]
            asked |= dict.fromkeys(replace(one, name=name) for name in names or [one.name] if name not in known)
    return list(asked)


def _usual_probe(balance: Balance) -> Probe | None:
    """What is asked where nobody says: who is to be measured has to be asked."""
    return Probe() if balance == "least-latency" else None


def _parts(to: str, route: Route, config: Config) -> list[Part]:
    probe = route.probe or _usual_probe(route.balance)
    services = [service for service in config.services if service.group == to]
    if not services:
        return [Part(_at(to, upstream_of(route, to), probe), route.max_requests)]
    names = [upstream_of(route, one.name) if one.url is not None else one.name for one in services]
    return [_of_service(one, name, probe, route.max_requests) for one, name in zip(services, names, strict=True)]


def _of_service(service: Service, name: str, probe: Probe | None, limit: MaxRequests | None = None) -> Part:
    """Args: probe, limit: those that count where the service says nothing."""
    probe = service.probe or probe
    asked = _at(service.url, name, probe) if service.url is not None else Asked(name, probe)
    return Part(asked, service.max_requests or limit)


def _at(text: str, name: str, probe: Probe | None) -> Asked:
    """What is asked of a URL, below its own path."""
    url = parse_url(text)
    return Asked(name, replace(probe, path=url.base + probe.path) if probe is not None else CONNECT, url.authority)
