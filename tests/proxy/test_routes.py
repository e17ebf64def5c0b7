"""Which route a request takes."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.config.model import Route, Service
from devproxy.proxy.head import RequestHead, parse_request
from devproxy.proxy.routes import CompiledRoute, RouteTable, under


def asked(target: str = "/", fields: str = "", *, method: str = "GET", host: str = "localhost:4400") -> RequestHead:
    return parse_request(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode("latin-1"))


def taken(table: RouteTable, request: RequestHead) -> CompiledRoute:
    route = table.match(request)
    assert route is not None
    return route


TABLE = RouteTable(
    (
        Route(to=("web",), prefix="/"),
        Route(to=("api",), prefix="/api"),
        Route(to=("deep",), prefix="/api/v1"),
        Route(to=("files",), prefix="/files/"),
        Route(to=("version",), regex=r"^/api/v\d+/status"),
        Route(to=("writer",), prefix="/api", methods=("POST", "put")),
        Route(to=("shop",), prefix="/", host="Shop.localhost"),
        Route(to=("feed",), prefix="/feed", accept="application/xml"),
    )
)


@pytest.mark.parametrize(
    ("target", "to"),
    [
        ("/", "web"), ("/x", "web"), ("/apix", "web"), ("/api", "api"), ("/api/", "api"), ("/api?x", "api"), ("/api/v1", "deep"), ("/api/v1x", "api"),
        ("/api/v1/a", "deep"), ("/files", "web"), ("/files/", "files"), ("/files/a", "files"), ("/api/v1/status", "version"), ("/API", "web"),
        # matched as the bytes they are: what a server makes of them is its own affair
        ("//api", "web"), ("/%61pi", "web"), ("/x/../api", "web"), ("/api/../x", "api"), ("/api%2fx", "web"), ("/api;a", "web"), ("/x?/api", "web"),
    ],
)  # fmt: skip
def test_regex_first_then_the_longest_prefix_on_whole_segments(target: str, to: str) -> None:
    assert taken(TABLE, asked(target)).to == to


@pytest.mark.parametrize(("method", "to"), [("POST", "writer"), ("PUT", "writer"), ("GET", "api"), ("DELETE", "api")])
def test_a_route_for_methods_takes_only_these(method: str, to: str) -> None:
    assert taken(TABLE, asked("/api/x", method=method)).to == to


@pytest.mark.parametrize(
    ("host", "to"), [("shop.localhost:4400", "shop"), ("SHOP.localhost", "shop"), ("localhost", "web"), ("a.shop.localhost", "web"), ("xshop.localhost", "web")]
)  # fmt: skip
def test_a_route_for_a_host_takes_it_on_any_port(host: str, to: str) -> None:
    assert taken(TABLE, asked(host=host)).to == to


def test_a_route_for_an_accept_takes_only_what_asks_for_it() -> None:
    assert taken(TABLE, asked("/feed", "Accept: text/html, application/xml;q=0.9\r\n")).to == "feed"
    assert taken(TABLE, asked("/feed", "Accept: text/html\r\n")).to == "web"
    assert taken(TABLE, asked("/feed")).to == "web"


@pytest.mark.parametrize(
    ("accept", "to"),
    [
        ("text/html", "page"), ("TEXT/HTML;q=0.9", "page"), ("application/json, text/html", "page"), ("application/json,text/html ;level=1,*/*", "page"),
        ("*/*", "api"), ("text/html;q=0", "api"), ("text/html;q=0.000, */*", "api"), ("text/html;q=0.001", "page"), ("text/htmlx", "api"), ("xtext/html", "api"),
        ("application/json;q=0, text/html", "page"), ("text/html;level=1;q=0", "api"), ("", "api"),
    ],
)  # fmt: skip
def test_a_page_and_an_api_on_one_path_are_told_apart_by_what_is_accepted(accept: str, to: str) -> None:
    table = RouteTable((Route(to=("api",), prefix="/users"), Route(to=("page",), prefix="/", accept="text/html")))
    assert taken(table, asked("/users", f"Accept: {accept}\r\n")).to == to


@pytest.mark.parametrize(
    ("regex", "taken_paths", "others"),
    [
        # As they stand in the proxy tables of Vite (a key that begins with ^) and of CRA's setupProxy.
        ("^/api/.*", ["/api/", "/api/x?y"], ["/api", "/x/api/"]),
        (r"^/(api|auth)(/|$)", ["/api", "/auth/x", "/auth?a"], ["/apis", "/authx"]),
        (r"^\/api\/v[0-9]+\/(?!internal)", ["/api/v2/users"], ["/api/v2/internal", "/api/vx/"]),
        (r".*\.json$", ["/data/a.json", "/a.json?v=1"], ["/a.jsonp", "/x?a.json"]),
        (r"^/(?!(src|@vite|node_modules)(/|$)).+\..+", ["/logo.svg"], ["/src/a.ts", "/@vite/client.js"]),
        (r"^/[\w-]+/graphql\b", ["/shop-1/graphql", "/a/graphql/x"], ["/a/graphqlx"]),
    ],
)
def test_regex_keys_of_other_tools_mean_what_they_mean_there(
    regex: str, taken_paths: list[str], others: list[str]
) -> None:
    table = RouteTable((Route(to=("web",), prefix="/"), Route(to=("api",), regex=regex)))
    assert [taken(table, asked(path)).to for path in taken_paths] == ["api"] * len(taken_paths)
    assert [taken(table, asked(path)).to for path in others] == ["web"] * len(others)


def test_regexes_are_asked_in_the_order_of_the_file() -> None:
    table = RouteTable((Route(to=("first",), regex="^/a"), Route(to=("second",), regex="^/a/b")))
    assert taken(table, asked("/a/b")).to == "first"


def test_a_websockets_path_is_routed_as_any_other() -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
    assert taken(TABLE, asked("/api/v1/live?x", upgrade)).to == "deep"


def test_the_path_of_a_services_url_stands_in_front_of_every_path() -> None:
    mail = Service("mail", "backend", Path("/shop"), url="http://localhost:9000/v2")
    table = RouteTable((Route(to=("mail",), prefix="/mail", strip_prefix=True),), (mail,))
    assert taken(table, asked("/mail/a")).target(b"/mail/a?b") == b"/v2/a?b"


def test_a_service_that_runs_here_is_itself_at_its_port_for_rewrite_origin() -> None:
    web = Service("web", "frontend", Path("/shop"), command="x", port=5173)
    table = RouteTable((Route(to=("web",), prefix="/", rewrite_origin=True),), (web,))
    rules = table.routes[0].rules
    assert rules is not None and rules.request is not None
    assert rules.request.set == {"Host": "localhost:5173"}


def test_vites_hmr_socket_goes_to_the_pages_server_whatever_its_path() -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: {}\r\n"
    assert taken(TABLE, asked("/api", upgrade.format("vite-hmr"))).to == "web"
    assert taken(TABLE, asked("/api", upgrade.format("graphql-ws"))).to == "api"
    assert taken(TABLE, asked("/api", "Sec-WebSocket-Protocol: vite-hmr\r\n")).to == "api"


def test_no_route_is_none() -> None:
    table = RouteTable((Route(to=("api",), prefix="/api"),))
    assert table.match(asked("/")) is None
    assert table.match(asked("*", method="OPTIONS")) is None


def test_the_server_as_a_whole_is_whoever_has_the_root() -> None:
    route = TABLE.match(asked("*", method="OPTIONS"))
    assert route is not None and route.prefix == b"/" and route.target(b"*") == b"*"


@pytest.mark.parametrize(
    ("prefix", "target", "sent"),
    [("/api", "/api", b"/"), ("/api", "/api/", b"/"), ("/api", "/api?x", b"/?x"), ("/api", "/api/a//b%2f?x", b"/a//b%2f?x"), ("/api", "/api//a", b"//a"),
     ("/api/", "/api/a", b"/a"), ("/", "/a", b"/a")],
)  # fmt: skip
def test_a_stripped_prefix_leaves_a_path_of_the_same_bytes(prefix: str, target: str, sent: bytes) -> None:
    table = RouteTable((Route(to=("api",), prefix=prefix, strip_prefix=True),))
    assert taken(table, asked(target)).target(target.encode()) == sent


def test_without_strip_prefix_the_target_is_untouched() -> None:
    assert taken(TABLE, asked("/api/a?b")).target(b"/api/a?b") == b"/api/a?b"


@given(st.text("/ab", min_size=1).map("/".__add__), st.text("/ab").map("/".__add__))
def test_a_path_is_under_a_prefix_by_whole_segments_only(path: str, prefix: str) -> None:
    expected = path == prefix or path.startswith(prefix.removesuffix("/") + "/" if prefix != "/" else "/")
    assert under(path.encode(), prefix.encode()) == expected
