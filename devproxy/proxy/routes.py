"""Which route a request takes. Pure; matching is on the raw bytes of the path, never normalised."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from devproxy.config.model import Route, Service
from devproxy.proxy.head import RequestHead
from devproxy.proxy.rules import Rules, rules_of
from devproxy.proxy.url import UpstreamUrl, parse_url

_PORT = re.compile(rb":[0-9]*\Z")
_VITE = (b"vite-hmr", b"vite-ping")

# A member of an Accept field that names the type and does not refuse it by q=0. RFC 9110 §12.5.1, §12.4.2.
_MEMBER = rb"(?:\A|,)[ \t]*%b[ \t]*(?:\Z|,|;(?![^,]*\bq=0(?:\.0*)?[ \t]*(?:\Z|[,;])))"


@dataclass(frozen=True, slots=True)
class CompiledRoute:
    """A route ready for matching, and where it leads.

    to: in words; backend: the name of who answers; url: where that is, if it is known before it runs; base: what
    stands in front of every path there; cut: bytes of the prefix to take away; rules: what it changes besides.
    """

    route: Route
    to: str
    backend: str
    prefix: bytes
    pattern: re.Pattern[bytes] | None
    host: bytes
    methods: frozenset[bytes]
    accept: re.Pattern[bytes] | None
    url: UpstreamUrl | None
    base: bytes
    cut: int
    rules: Rules | None

    def takes(self, request: RequestHead, path: bytes) -> bool:
        """Whether this route takes the request."""
        if self.pattern is not None:
            if self.pattern.search(path) is None:
                return False
        elif not under(path, self.prefix):
            return False
        if self.host and host_of(request) != self.host:
            return False
        if self.methods and request.method not in self.methods:
            return False
        return self.accept is None or self.accept.search(request.noted.get(b"accept", b"")) is not None

    def target(self, target: bytes) -> bytes:
        """The target to send upstream: as it came, less the prefix if the route strips it, behind its URL's path."""
        if not self.cut and not self.base:
            return target
        if target == b"*":
            return target
        rest = target[self.cut :]
        return self.base + (rest if rest[:1] == b"/" else b"/" + rest)


def host_of(request: RequestHead) -> bytes:
    """The host that a request names, without its port."""
    return _PORT.sub(b"", request.host.lower())


def under(path: bytes, prefix: bytes) -> bool:
    """Whether `path` is `prefix` or lies below it: /api takes /api and /api/x, not /apix."""
    if not path.startswith(prefix):
        return False
    return prefix[-1:] == b"/" or len(path) == len(prefix) or path[len(prefix) : len(prefix) + 1] == b"/"


class RouteTable:
    """The routes in the order in which they are asked: regex and Accept routes first, then longest prefix.

    Args: services: those that routes lead to, for where they are.
    """

    def __init__(self, routes: Iterable[Route], services: Iterable[Service] = ()) -> None:
        known = {service.group: service for service in reversed(tuple(services))}
        compiled = [_compile(route, known) for route in routes]
        self.routes = sorted(compiled, key=_rank)
        self._roots = [route for route in self.routes if route.prefix == b"/"]

    def match(self, request: RequestHead) -> CompiledRoute | None:
        """The route that takes the request, or None."""
        path, routes = request.target.partition(b"?")[0], self.routes
        if request.upgrade and is_vites(request) and self._roots:
            path, routes = b"/", self._roots
        for route in routes:
            if route.takes(request, path):
                return route
        if path == b"*":  # the server as a whole: whoever has the root speaks for it
            return next((route for route in self._roots if route.takes(request, b"/")), None)
        return None


def is_vites(request: RequestHead) -> bool:
    """Vite's HMR socket: it belongs to the page's server, whatever its path."""
    return bool(request.upgrade) and request.noted.get(b"sec-websocket-protocol") in _VITE


def upstream_of(route: Route, to: str) -> str:
    """The name of one of the upstreams that a route leads to: another one where its certificate is judged in
    another way."""
    if route.tls_ca:
        return f"{to} (tls_ca = {route.tls_ca})"
    return to if route.tls_verify else f"{to} (tls_verify = false)"


def backend_of(route: Route) -> str:
    """The name of what a route leads to: of its upstream, if it is one that the route says nothing of."""
    names = [upstream_of(route, to) for to in route.to]
    if len(names) == 1 and route.probe is None and route.max_requests is None:
        return names[0]
    return " ".join(map(str, (*names, route.balance, route.probe, route.max_requests)))


def url_of(to: str, services: Mapping[str, Service]) -> UpstreamUrl | None:
    """Where one of a route's upstreams is, as far as that is known before it runs."""
    if "://" in to:
        return parse_url(to)
    service = services.get(to)
    if service is None:
        return None
    if service.url is not None:
        return parse_url(service.url)
    return UpstreamUrl("http", "localhost", service.port) if isinstance(service.port, int) else None


def _compile(route: Route, services: Mapping[str, Service]) -> CompiledRoute:
    prefix, url = (route.prefix or "").encode(), url_of(route.to[0], services)
    return CompiledRoute(
        route=route,
        to=", ".join(route.to),
        backend=backend_of(route),
        prefix=prefix,
        pattern=re.compile(route.regex.encode()) if route.regex is not None else None,
        host=(route.host or "").lower().encode(),
        methods=frozenset(method.upper().encode() for method in route.methods),
        accept=re.compile(_MEMBER % re.escape(route.accept.encode()), re.IGNORECASE) if route.accept else None,
        url=url,
        base=url.base.encode() if url is not None else b"",
        cut=len(prefix.rstrip(b"/")) if route.strip_prefix else 0,
        rules=rules_of(route, url),
    )


def _rank(route: CompiledRoute) -> tuple[bool, bool, int, bool, bool]:
    return (route.pattern is None, route.accept is None, -len(route.prefix), not route.host, not route.methods)
