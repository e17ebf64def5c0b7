"""Which requests go to which service. Pure: what was found in, routes with their reasons out.

The page's owner gets `/`. A backend gets what the front end's own proxy table names; without one, what its
source says it answers; without that, `/api`. Requests that a dev server's table sends elsewhere (another
machine, a rewritten path) are left to the dev server.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from devproxy.discovery.api_url import named_paths, port_of
from devproxy.discovery.found import Found, ProxyRule
from devproxy.discovery.plan import PlannedRoute
from devproxy.discovery.tree import spoken

LOOPBACK = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1"})
NOT_PREFIXES = frozenset(
    {"/docs", "/redoc", "/openapi.json", "/favicon.ico"}
    | {"/health", "/healthz", "/healthcheck", "/ping", "/ready", "/status", "/metrics"}
)
# A front end is likely to have files of its own there.
FRONTEND_FILES = frozenset({"/", "/assets", "/static"})
MAX_PREFIXES = 12

Routes = dict[str, PlannedRoute]  # by label


def routes_of(
    services: Mapping[str, Found], front: str | None, backends: Sequence[str]
) -> tuple[tuple[PlannedRoute, ...], list[str]]:
    """(routes, notes) of the services by their names.

    Args: front: who owns the page, None if nobody but a backend does; backends: the main one first.
    """
    routes: Routes = {}
    notes: list[str] = []
    if front is None:
        if backends:
            add(routes, PlannedRoute(backends[0], "/", reason="the only one with pages or an API"))
        others = backends[1:]
    else:
        add(routes, PlannedRoute(front, "/", reason=f"{front} serves the page"))
        from_proxies(routes, notes, services, front, backends)
        if backends and not any(route.to == backends[0] for route in routes.values()):
            from_source(routes, notes, backends[0], services[backends[0]], services[front])
        if backends:
            from_variables(routes, backends[0], services[backends[0]], services[front])
        others = backends[1:]
    for name in others:
        if not any(route.to == name for route in routes.values()):
            from_own_paths(routes, notes, name, services[name])
    if front is not None:
        for name in backends:
            from_sockets(routes, name, services[name])
    return tuple(routes.values()), notes


def add(routes: Routes, route: PlannedRoute) -> None:
    """The first route of a prefix stays."""
    routes.setdefault(route.label, route)


def from_proxies(
    routes: Routes, notes: list[str], services: Mapping[str, Found], front: str, backends: Sequence[str]
) -> None:
    """Routes for the entries of the front end's own proxy table."""
    for rule in services[front].proxies:
        to = target_service(rule, services, backends)
        if to is None:
            where = rule.target or "a computed target"
            notes.append(f"{rule.source} sends {rule.prefix or rule.regex} to {where}: left to {front}")
        else:
            reason = f"server.proxy in {rule.source}"
            add(routes, PlannedRoute(to, rule.prefix, rule.regex, rule.strip, reason))


def target_service(rule: ProxyRule, services: Mapping[str, Found], backends: Sequence[str]) -> str | None:
    """The backend a proxy entry means: by port, by name, else the main one; None if it means none of ours."""
    try:
        host = urlsplit(rule.target).hostname or ""
    except ValueError:
        return None
    if not backends or ("." in host and host not in LOOPBACK):
        return None
    by_port = [name for name in backends if services[name].port == port_of(rule.target)]
    by_name = [name for name in backends if host in (name, services[name].dir)]
    if by_port or by_name:
        return (by_port or by_name)[0]
    # One backend alone may listen on another port than its code says; of several, none is meant.
    return backends[0] if len(backends) == 1 or host not in LOOPBACK else None


def from_source(routes: Routes, notes: list[str], name: str, backend: Found, front: Found) -> None:
    """Routes for what the backend's source declares."""
    prefixes = first_segments(backend.answers.paths)
    source = backend.answers.source
    if "/api" in prefixes:
        add(routes, PlannedRoute(name, "/api", reason=f"paths declared in {source}"))
        if others := [prefix for prefix in prefixes if prefix != "/api"]:
            listed = " ".join(others[:MAX_PREFIXES])
            notes.append(f"{name} also answers {listed}: add routes if the page calls them")
    elif len(prefixes) == 1:
        add(routes, PlannedRoute(name, prefixes[0], reason=f"all paths declared in {source} start with it"))
    elif prefixes and front.calls.relative_api:
        reason = f"the page calls /api, and {source} declares its paths without it"
        add(routes, PlannedRoute(name, "/api", strip_prefix=True, reason=reason))
    elif 0 < len(prefixes) <= MAX_PREFIXES:
        for prefix in prefixes:
            add(routes, PlannedRoute(name, prefix, reason=f"declared in {source}"))
        notes.append(f"{name} has no common prefix: a page of {spoken(front.dir)} with one of its paths is hidden")
    else:
        add(routes, PlannedRoute(name, "/api", reason="the usual prefix; the source does not tell another"))
    for mount in backend.answers.files:
        if mount not in FRONTEND_FILES and not covered(routes, name, mount):
            add(routes, PlannedRoute(name, mount, reason=f"files mounted in {source}"))


def from_variables(routes: Routes, name: str, backend: Found, front: Found) -> None:
    """A route for the path of the API's URL in the page's code: `http://localhost:8000/v1`."""
    if any(route.strip_prefix for route in routes.values()):
        return  # then the URL is rewritten to the stripped prefix instead
    for path in named_paths(front.calls, frozenset({backend.port or 0})):
        segment = first_segment(path)
        if segment and not covered(routes, name, path):
            add(routes, PlannedRoute(name, segment, reason=f"the page in {spoken(front.dir)} calls {path}"))


def from_own_paths(routes: Routes, notes: list[str], name: str, backend: Found) -> None:
    """One route for a further backend: what all its paths have in common, if nobody has that yet."""
    paths = [path for path in backend.answers.paths if path != "/" and first_segment(path) not in NOT_PREFIXES]
    prefix = common_prefix(paths)
    if prefix is None or prefix in routes:
        notes.append(f"{name} has no route: nothing says which paths are its own; add a route for it")
    else:
        add(
            routes,
            PlannedRoute(name, prefix, reason=f"common to the paths declared in {backend.answers.source}"),
        )


def from_sockets(routes: Routes, name: str, backend: Found) -> None:
    """WebSocket paths outside of the backend's prefixes; a page never owns one."""
    for path in backend.answers.websockets:
        segment = first_segment(path)
        if segment and not covered(routes, name, path) and segment not in routes:
            add(routes, PlannedRoute(name, segment, reason=f"WebSocket {path} in {backend.answers.source}"))


def covered(routes: Routes, name: str, path: str) -> bool:
    return any(
        route.to == name and route.prefix and (path + "/").startswith(route.prefix.rstrip("/") + "/")
        for route in routes.values()
    )


def first_segments(paths: Sequence[str]) -> list[str]:
    """The distinct first segments, in order; without documentation and health paths."""
    segments = dict.fromkeys(first_segment(path) for path in paths)
    return [segment for segment in segments if segment and segment not in NOT_PREFIXES]


def first_segment(path: str) -> str | None:
    """ "/api" of "/api/items"; None if it is a parameter or there is none."""
    segment = path.strip("/").partition("/")[0]
    return f"/{segment}" if segment and is_literal(segment) else None


def common_prefix(paths: Sequence[str]) -> str | None:
    """The segments that all paths start with; None if there are none."""
    split = [path.strip("/").split("/") for path in paths]
    common: list[str] = []
    for segments in zip(*split, strict=False):
        if len(set(segments)) > 1 or not is_literal(segments[0]):
            break
        common.append(segments[0])
    return "/" + "/".join(common) if common and common[0] else None


def is_literal(segment: str) -> bool:
    return not any(mark in segment for mark in "{}:*()[]<>?\\ ")
