"""Why a request takes the route that it takes, and why no other one. Pure; RouteTable decides, this only tells."""

from dataclasses import dataclass

from devproxy.proxy.head import RequestHead
from devproxy.proxy.routes import CompiledRoute, RouteTable, host_of, is_vites, under


@dataclass(frozen=True, slots=True)
class Lost:
    """A route that does not get the request, and why."""

    route: CompiledRoute
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The route that takes a request (None: no route does), why, and the others in the order of the table."""

    won: CompiledRoute | None
    why: str
    lost: tuple[Lost, ...]


def explain(table: RouteTable, request: RequestHead) -> Choice:
    """The choice that the table makes for a request, with its reasons."""
    won = table.match(request)
    others = [route for route in table.routes if route is not won]
    if won is None:
        return Choice(None, "no route takes it: 404", tuple(Lost(route, refusal(route, request)) for route in others))
    if request.upgrade and is_vites(request) and won.prefix == b"/":
        why = "the socket of Vite's hot reload goes where the page comes from, whatever its path"
        return Choice(won, why, tuple(Lost(route, "the path does not matter here") for route in others))
    lost = tuple(Lost(route, refusal(route, request) or _behind(route, won)) for route in others)
    return Choice(won, _advantage(won), lost)


def refusal(route: CompiledRoute, request: RequestHead) -> str:
    """Why a route does not take a request; empty if it does."""
    path = request.target.partition(b"?")[0]
    if route.pattern is not None and route.pattern.search(path) is None:
        return f"its regex is not found in {_text(path)}"
    if route.pattern is None and not under(path, route.prefix):
        return f"{_text(path)} is not below it"
    if route.host and host_of(request) != route.host:
        return f"only for the host {_text(route.host)}, not {_text(host_of(request))}"
    if route.methods and request.method not in route.methods:
        return f"only for {', '.join(route.route.methods)}, not {_text(request.method)}"
    if route.accept is not None and route.accept.search(request.noted.get(b"accept", b"")) is None:
        return f"only for requests whose Accept field names {route.route.accept}"
    return ""


def _advantage(won: CompiledRoute) -> str:
    conditions = "".join(
        f", and it is for this {name}" for name, given in (("host", won.host), ("method", won.methods)) if given
    )
    if won.pattern is not None:
        return f"its regex is found in the path, and routes with a regex are asked first{conditions}"
    if won.accept is not None:
        return (
            f"the Accept field names {won.route.accept}, and routes with accept are asked before prefixes{conditions}"
        )
    return f"the longest prefix that takes it{conditions}"


def _behind(route: CompiledRoute, won: CompiledRoute) -> str:
    """Why a route that would take the request is asked later than the one that does."""
    if won.pattern is not None and route.pattern is None:
        why = "routes with a regex are asked first"
    elif won.accept is not None and route.accept is None:
        why = "routes with accept are asked first"
    elif len(won.prefix) > len(route.prefix):
        why = f"{_text(won.prefix)} is longer"
    elif won.host and not route.host:
        why = "the other one is for this host alone"
    elif won.methods and not route.methods:
        why = "the other one is for this method alone"
    else:
        why = "it stands further down"
    return f"takes it too, but {why}"


def _text(value: bytes) -> str:
    return value.decode("latin-1")
