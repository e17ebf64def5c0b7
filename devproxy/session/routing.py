"""The routes, and which one a URL takes and why, as the control API and `devproxy routes` tell it. Pure."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from devproxy.config.routes import CONTROL_PREFIX
from devproxy.errors import UsageError
from devproxy.gateway.checks import check_host
from devproxy.hosts import AllowedHosts
from devproxy.proxy.choice import BEST_FIRST
from devproxy.proxy.explain import explain
from devproxy.proxy.head import BadHead, RequestHead, parse_request
from devproxy.proxy.headers import Hop
from devproxy.proxy.routes import CompiledRoute, RouteTable, under

VISIBLE = "".join(map(chr, range(0x21, 0x7F)))

_URL = re.compile(r"(?:(https?|wss?)://([^/?#]*))?(/[^#]*|\?[^#]*)?(?:#.*)?", re.IGNORECASE | re.DOTALL)

Where = Callable[[str], tuple[str | None, str | None]]
"""The state of what a route leads to, and the URL where it is; None: not known."""


def all_routes(table: RouteTable, where: Where) -> dict[str, Any]:
    """Every route in the order in which they are asked, each with the state of its target."""
    return {"schema": 1, "routes": [{**to_json(route), "state": _where(route, where)[0]} for route in table.routes]}


def _where(route: CompiledRoute, where: Where) -> tuple[str | None, str | None]:
    """Of several upstreams the state is that of the best, and none is the one."""
    found = [where(to) for to in route.route.to]
    states = [state for state, _ in found if state is not None]
    return (min(states, key=BEST_FIRST.index, default=None), found[0][1] if len(found) == 1 else None)


def chosen_route(
    table: RouteTable, where: Where, hosts: AllowedHosts, *, url: str, port: int, method: str, accept: str
) -> dict[str, Any]:
    """Which route takes a request for a URL, or for a path at our own port.

    Raises: UsageError: it is no request that a browser could send.
    """
    request = asked(url, port=port, method=method, accept=accept)
    answer = all_routes(table, where) | {
        "request": {"method": method, "host": request.host.decode("latin-1"), "target": request.target.decode()},
        "match": None,
        "why": _not_routed(request, hosts),
        "upstream": None,
        "service": None,
        "lost": [],
    }
    if answer["why"]:
        return answer
    choice = explain(table, request)
    answer["why"] = choice.why
    answer["lost"] = [{"route": to_json(lost.route), "why": lost.why} for lost in choice.lost]
    if choice.won is not None:
        answer["match"] = to_json(choice.won)
        state, address = _where(choice.won, where)
        answer["service"] = {"name": choice.won.to, "state": state, "url": address}
        answer["upstream"] = _upstream(choice.won, request, address)
    return answer


def _not_routed(request: RequestHead, hosts: AllowedHosts) -> str:
    """What happens to a request before any route is asked; empty: nothing does."""
    if (refusal := check_host(request.host, hosts)) is not None:
        return f"{refusal.title}: {refusal.status}"
    if under(request.target.partition(b"?")[0], CONTROL_PREFIX.encode()):
        return f"{CONTROL_PREFIX} is devproxy's own; no route is asked"
    return ""


def _upstream(route: CompiledRoute, request: RequestHead, address: str | None) -> dict[str, Any]:
    """What the upstream is sent."""
    method, target = request.method, route.target(request.target)
    if route.rules is not None:
        changed, hop = route.rules.request_head(request), Hop(peer=b"", scheme=b"http", port=b"", pseudonym=b"")
        method, target, *_ = route.rules.request_bytes(changed, hop, target).split(b" ", 2)
    is_known = route.url is not None and address is None and len(route.route.to) == 1
    origin = route.url.origin if is_known and route.url is not None else _origin(address)
    return {"method": method.decode(), "target": target.decode(), "url": origin and origin + target.decode()}


def _origin(address: str | None) -> str | None:
    match = re.match(r"https?://[^/]*", address) if address is not None else None
    return match[0] if match is not None else None


def asked(url: str, *, port: int, method: str, accept: str) -> RequestHead:
    """The request that a browser would send."""
    match = _URL.fullmatch(url)
    scheme, host, rest = match.groups() if match is not None and url else (None, None, None)
    if match is None or not (scheme or rest):
        raise UsageError(f"{url!r} is neither a URL nor a path", hint=f"such as /api or http://localhost:{port}/api")
    target = quote(rest or "/", safe=VISIBLE)
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n" if scheme and scheme.lower().startswith("ws") else ""
    fields = f"Host: {host or f'localhost:{port}'}\r\nAccept: {accept}\r\n{upgrade}"
    head = f"{method} {target if target[0] == '/' else f'/{target}'} HTTP/1.1\r\n{fields}\r\n"
    if any(not char.isprintable() for char in f"{host}{method}{accept}"):
        raise UsageError("a method, a host and a media type have no control characters")
    try:
        return parse_request(head.encode("latin-1", "replace"))
    except BadHead as error:
        raise UsageError(f"that is no request: {error.reason}") from error


def to_json(route: CompiledRoute) -> dict[str, Any]:
    """A route as scripts get it. Values of fields and of a body may be secrets: their names are enough."""
    given = route.route
    edits = {"request_headers": given.request_headers, "response_headers": given.response_headers}
    return {
        "prefix": given.prefix,
        "regex": given.regex,
        "to": given.to[0] if len(given.to) == 1 else list(given.to),
        "host": given.host,
        "methods": list(given.methods),
        "accept": given.accept,
        "strip_prefix": given.strip_prefix,
        "timeout_seconds": given.timeout_seconds,
        "tls_verify": given.tls_verify,
        "tls_ca": given.tls_ca,
        "rewrite_origin": given.rewrite_origin,
        "set_method": given.set_method,
        "set_query": list(given.set_query),
        "set_body": given.set_body is not None,
        **{name: {"set": list(edit.set), "remove": list(edit.remove)} for name, edit in edits.items()},
    }
