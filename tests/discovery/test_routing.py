import pytest

from devproxy.discovery.found import Answers, Calls, Found, ProxyRule
from devproxy.discovery.routing import common_prefix, first_segments, routes_of

FRONT = Found(kind="frontend", dir="web", framework="vite", port=5173)


def backend(*paths, port=8000, **answers):
    found = Answers(paths, source="main.py", **answers)
    return Found(kind="backend", dir="api", framework="fastapi", port=port, answers=found)


def table(services, front="web", backends=("api",)):
    routes, notes = routes_of(services, front, backends)
    return {route.label: route.to for route in routes}, notes


def front(*proxies, **calls):
    return Found(kind="frontend", dir="web", framework="vite", proxies=proxies, calls=Calls(**calls))


@pytest.mark.parametrize(
    ("paths", "prefixes"),
    [
        (("/api/a", "/api/b"), ["/api"]),
        (("/api/a", "/health", "/docs"), ["/api"]),
        (("/v1/a", "/v1/b", "/"), ["/v1"]),
        (("/items", "/users/{id}"), ["/items", "/users"]),
        ((), ["/api"]),
        (("/",), ["/api"]),
        (("/{item}",), ["/api"]),
    ],
)
def test_prefixes_come_from_the_paths_the_backend_declares(paths, prefixes):
    routes, _ = table({"web": FRONT, "api": backend(*paths)})
    assert routes == {"/": "web", **dict.fromkeys(prefixes, "api")}


def test_other_paths_beside_api_are_told():
    _, notes = table({"web": FRONT, "api": backend("/api/a", "/token")})
    assert "also answers /token" in notes[0]


def test_a_page_that_calls_api_of_a_backend_without_it_gets_it_stripped():
    routes, _ = routes_of({"web": front(relative_api=True), "api": backend("/items", "/users")}, "web", ["api"])
    assert [(route.prefix, route.strip_prefix) for route in routes] == [("/", False), ("/api", True)]


def test_the_proxy_table_of_the_front_end_comes_first():
    rule = ProxyRule("http://localhost:8000", "vite.config.ts", prefix="/rpc", strip=True)
    routes, _ = routes_of({"web": front(rule), "api": backend("/api/a")}, "web", ["api"])
    assert [(route.prefix, route.to, route.strip_prefix) for route in routes] == [
        ("/", "web", False),
        ("/rpc", "api", True),
    ]


def test_a_proxy_entry_goes_to_the_backend_on_its_port():
    rules = [
        ProxyRule("http://localhost:9001", "f", prefix="/a"),
        ProxyRule("http://127.0.0.1:9002", "f", prefix="/b"),
    ]
    services = {"web": front(*rules), "one": backend(port=9001), "two": backend(port=9002)}
    assert table(services, backends=("one", "two"))[0] == {"/": "web", "/a": "one", "/b": "two"}


def test_a_proxy_entry_to_a_container_name_means_that_service():
    services = {
        "web": front(ProxyRule("http://two:80", "f", prefix="/a")),
        "one": backend(),
        "two": backend(port=1),
    }
    assert table(services, backends=("one", "two"))[0]["/a"] == "two"


def test_a_proxy_entry_to_another_machine_is_left_to_the_dev_server():
    rule = ProxyRule("https://api.example.com", "vite.config.ts", prefix="/ext")
    routes, notes = table({"web": front(rule), "api": backend("/api/a")})
    assert routes == {"/": "web", "/api": "api"}
    assert "left to web" in notes[0]


def test_a_regular_expression_of_the_proxy_table_is_routed():
    rule = ProxyRule("http://localhost:8000", "f", regex="^/v\\d+")
    assert table({"web": front(rule), "api": backend()})[0] == {"/": "web", "~ ^/v\\d+": "api"}


def test_a_lone_backend_owns_the_root():
    assert table({"api": backend("/items")}, front=None)[0] == {"/": "api"}


def test_websockets_outside_of_the_prefix_are_routed():
    services = {"web": FRONT, "api": backend("/api/a", websockets=("/ws/{room}", "/api/live"))}
    assert table(services)[0] == {"/": "web", "/api": "api", "/ws": "api"}


def test_mounted_files_are_routed_unless_the_page_has_such_a_folder():
    services = {"web": FRONT, "api": backend("/api/a", files=("/media", "/assets"))}
    assert table(services)[0] == {"/": "web", "/api": "api", "/media": "api"}


def test_a_second_backend_gets_what_its_paths_have_in_common():
    services = {"web": FRONT, "api": backend("/api/a"), "chat": backend("/api/chat/x", "/api/chat/y")}
    assert table(services, backends=("api", "chat"))[0]["/api/chat"] == "chat"


def test_a_second_backend_without_paths_of_its_own_is_told():
    services = {"web": FRONT, "api": backend("/api/a"), "chat": backend()}
    routes, notes = table(services, backends=("api", "chat"))
    assert "chat" not in routes.values()
    assert "chat has no route" in notes[0]


def test_first_segments_leave_parameters_out():
    assert first_segments(["/{x}", "/a/{x}", "/a", "/health"]) == ["/a"]


@pytest.mark.parametrize(
    ("paths", "common"),
    [(["/a/b/c", "/a/b/d"], "/a/b"), (["/a/{x}"], "/a"), (["/a", "/b"], None), ([], None), (["/"], None)],
)
def test_a_common_prefix_ends_where_paths_part(paths, common):
    assert common_prefix(paths) == common
