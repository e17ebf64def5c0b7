"""Why a request takes its route: the reasons agree with what the table does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.config.model import Route
from devproxy.proxy.explain import explain, refusal
from devproxy.proxy.head import RequestHead, parse_request
from devproxy.proxy.routes import RouteTable

TABLE = RouteTable(
    (
        Route(to=("web",), prefix="/"),
        Route(to=("api",), prefix="/api"),
        Route(to=("writer",), prefix="/api", methods=("POST", "PUT")),
        Route(to=("admin",), prefix="/api", host="admin.localhost"),
        Route(to=("version",), regex="^/api/v[0-9]+"),
        Route(to=("digits",), regex="[0-9]"),
        Route(to=("page",), prefix="/api", accept="text/html"),
        Route(to=("twin",), prefix="/api", methods=("PUT",)),
    )
)


def asked(target: str = "/", fields: str = "", *, method: str = "GET", host: str = "localhost") -> RequestHead:
    return parse_request(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode())


def told(request: RequestHead) -> dict[str, str]:
    """What is said of each route, by where it leads."""
    choice = explain(TABLE, request)
    said = {lost.route.to: lost.why for lost in choice.lost}
    return said | {choice.won.to: choice.why} if choice.won is not None else said


@pytest.mark.parametrize(
    ("request_", "to", "why"),
    [
        (asked("/api"), "api", "the longest prefix that takes it"),
        (asked("/api"), "web", "takes it too, but /api is longer"),
        (asked("/api"), "writer", "only for POST, PUT, not GET"),
        (asked("/api"), "admin", "only for the host admin.localhost, not localhost"),
        (asked("/api"), "page", "only for requests whose Accept field names text/html"),
        (asked("/api"), "version", "its regex is not found in /api"),
        (asked("/apis"), "api", "/apis is not below it"),
        (asked("/api", method="PUT"), "writer", "the longest prefix that takes it, and it is for this method"),
        (asked("/api", method="PUT"), "api", "takes it too, but the other one is for this method alone"),
        (asked("/api", method="PUT"), "twin", "takes it too, but it stands further down"),
        (asked("/api", host="admin.localhost:1"), "admin", "the longest prefix that takes it, and it is for this host"),
        (asked("/api", host="admin.localhost"), "api", "takes it too, but the other one is for this host alone"),
        (asked("/api/v1"), "version", "its regex is found in the path, and routes with a regex are asked first"),
        (asked("/api/v1"), "digits", "takes it too, but it stands further down"),
        (asked("/api/v1"), "api", "takes it too, but routes with a regex are asked first"),
        (asked("/api", "Accept: text/html\r\n"), "page", "the Accept field names text/html, and routes with accept are asked before prefixes"),
        (asked("/api", "Accept: text/html\r\n"), "api", "takes it too, but routes with accept are asked first"),
    ],
)  # fmt: skip
def test_it_tells(request_: RequestHead, to: str, why: str) -> None:
    assert told(request_)[to] == why


def test_vites_socket_has_a_reason_of_its_own() -> None:
    socket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: vite-hmr\r\n"
    assert told(asked("/api", socket))["web"].startswith("the socket of Vite's hot reload")


def test_where_no_route_takes_it_each_says_why() -> None:
    table = RouteTable((Route(to=("api",), prefix="/api"),))
    choice = explain(table, asked("/x"))
    assert (choice.won, choice.why) == (None, "no route takes it: 404")
    assert [lost.why for lost in choice.lost] == ["/x is not below it"]


ROUTE = st.builds(
    Route,
    to=st.just(("x",)),
    prefix=st.sampled_from(["/", "/a", "/a/", "/a/b"]),
    host=st.sampled_from([None, "a.localhost"]),
    methods=st.sampled_from([(), ("GET",), ("POST",)]),
    accept=st.sampled_from([None, "text/html"]),
)
PATTERN = st.builds(Route, to=st.just(("x",)), regex=st.sampled_from(["^/a", "b$", "."]))


@given(
    st.lists(st.one_of(ROUTE, PATTERN), max_size=5),
    st.sampled_from(["/", "/a", "/a/", "/a/b?c", "/ab"]),
    st.sampled_from(["localhost", "a.localhost:1"]),
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(["", "Accept: text/html\r\n"]),
)
def test_the_reasons_agree_with_the_table(
    routes: list[Route], target: str, host: str, method: str, fields: str
) -> None:
    table, request = RouteTable(routes), asked(target, fields, host=host, method=method)
    choice = explain(table, request)
    assert choice.won is table.match(request)
    for route in table.routes:
        assert route.takes(request, request.target.partition(b"?")[0]) == (refusal(route, request) == "")
    takers = [lost for lost in choice.lost if lost.why.startswith("takes it too")]
    assert len(choice.lost) == len(table.routes) - (choice.won is not None)
    assert choice.won is not None or not takers
