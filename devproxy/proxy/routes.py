"""Which route a request takes. Pure; matching is on the raw bytes of the path, never normalised."""

import re
from dataclasses import dataclass

from devproxy.config.model import FieldEdits, Route
from devproxy.proxy.head import RequestHead

_PORT = re.compile(rb":[0-9]*\Z")
_VITE = (b"vite-hmr", b"vite-ping")


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """A route ready for matching, and where it leads. to: in words; backend: the name of who answers."""

    route: Route
    to: str
    backend: str
    prefix: bytes
    pattern: re.Pattern[bytes] | None
    host: bytes
    methods: frozenset[bytes]
    accept: bytes
    request_edits: FieldEdits | None  # None: there are none
    response_edits: FieldEdits | None

    def takes(self, request: RequestHead, path: bytes) -> bool:
        """Whether this route takes the request."""
        if self.pattern is not None:
            if self.pattern.search(path) is None:
                return False
        elif not under(path, self.prefix):
            return False
        if self.host and _PORT.sub(b"", request.host.lower()) != self.host:
            return False
        if self.methods and request.method not in self.methods:
            return False
        return not self.accept or self.accept in request.noted.get(b"accept", b"")

    def target(self, target: bytes) -> bytes:
        """The target to send upstream: as it came, less the prefix if the route strips it."""
        if not self.route.strip_prefix or self.pattern is not None:
            return target
        rest = target[len(self.prefix.rstrip(b"/")) :]
        return rest if rest[:1] == b"/" else b"/" + rest


def under(path: bytes, prefix: bytes) -> bool:
    """Whether `path` is `prefix` or lies below it: /api takes /api and /api/x, not /apix."""
    if not path.startswith(prefix):
        return False
    return prefix[-1:] == b"/" or len(path) == len(prefix) or path[len(prefix) : len(prefix) + 1] == b"/"


class RouteTable:
    """The routes in the order in which they are asked: regex and Accept routes first, then longest prefix."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        compiled = [_compile(route) for route in routes]
        self.routes = sorted(compiled, key=_rank)
        self._roots = [route for route in self.routes if route.prefix == b"/"]

    def match(self, request: RequestHead) -> CompiledRoute | None:
        """The route that takes the request, or None."""
        path, routes = request.target.partition(b"?")[0], self.routes
        if request.upgrade and request.noted.get(b"sec-websocket-protocol") in _VITE and self._roots:
            path, routes = b"/", self._roots  # Vite's HMR socket belongs to the page's server, whatever its path
        for route in routes:
            if route.takes(request, path):
                return route
        return None


def upstream_of(route: Route, to: str) -> str:
    """The name of one of the upstreams that a route leads to."""
    return to


def backend_of(route: Route) -> str:
    """The name of what a route leads to: of its upstream, if it is one that the route says nothing of."""
    names = [upstream_of(route, to) for to in route.to]
    if len(names) == 1 and route.probe is None and route.max_requests is None:
        return names[0]
    return " ".join(map(str, (*names, route.balance, route.probe, route.max_requests)))


def _compile(route: Route) -> CompiledRoute:
    return CompiledRoute(
        route=route,
        to=", ".join(route.to),
        backend=backend_of(route),
        prefix=(route.prefix or "").encode(),
        pattern=re.compile(route.regex.encode()) if route.regex is not None else None,
        host=(route.host or "").lower().encode(),
        methods=frozenset(method.upper().encode() for method in route.methods),
        accept=(route.accept or "").encode(),
        request_edits=_edits(route.request_headers),
        response_edits=_edits(route.response_headers),
    )


def _edits(edits: FieldEdits) -> FieldEdits | None:
    return edits if edits.set or edits.remove else None


def _rank(route: CompiledRoute) -> tuple[bool, bool, int, bool, bool]:
    return (route.pattern is None, not route.accept, -len(route.prefix), not route.host, not route.methods)
