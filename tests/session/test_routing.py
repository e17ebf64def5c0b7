"""Which route a URL takes, as scripts get it."""

from pathlib import Path
from typing import Any

import pytest

from devproxy.config.model import FieldEdits, Route, Service
from devproxy.errors import UsageError
from devproxy.hosts import AllowedHosts
from devproxy.proxy.routes import RouteTable
from devproxy.session.routing import all_routes, chosen_route

STAGING = "https://staging.example.test/v2"
TABLE = RouteTable(
    (
        Route(to=("web",), prefix="/"),
        Route(to=("api",), prefix="/api", strip_prefix=True, methods=("GET",)),
        Route(to=(STAGING,), prefix="/far", strip_prefix=True, set_method="POST", set_query={"key": "hush"}, set_body="b"),
        Route(to=("admin",), prefix="/", host="admin.localhost", request_headers=FieldEdits(set={"Authorization": "hush"})),
    ),
    (Service("api", "backend", Path("/shop"), command="x", port=8000),),
)  # fmt: skip


def where(to: str) -> tuple[str | None, str | None]:
    return {"api": ("ready", "http://127.0.0.1:8001"), "web": ("starting", None)}.get(to, (None, None))


def chosen(url: str, method: str = "GET", accept: str = "*/*") -> dict[str, Any]:
    return chosen_route(TABLE, where, AllowedHosts(["app.test"]), url=url, port=4400, method=method, accept=accept)


@pytest.mark.parametrize(
    ("url", "to", "sent"),
    [
        ("/api/a%2Fb//c?x=/api", "api", "http://127.0.0.1:8001/a%2Fb//c?x=/api"),
        ("http://localhost:4400/api#x", "api", "http://127.0.0.1:8001/"),
        ("http://app.test/far/x?a", STAGING, f"{STAGING}/x?a&key=hush"),
        ("http://localhost", "web", None),
        ("HTTP://Admin.Localhost:4400?x", "admin", None),
        ("/ü b", "web", None),
        ("ws://localhost:4400/api/live", "api", "http://127.0.0.1:8001/live"),
    ],
)
def test_a_url_or_a_path_has_its_route_and_what_the_upstream_gets(url: str, to: str, sent: str | None) -> None:
    found = chosen(url)
    assert (found["match"]["to"], found["service"]["name"], found["upstream"]["url"]) == (to, to, sent)
    assert len(found["lost"]) == len(TABLE.routes) - 1


def test_the_answer_has_request_reason_state_and_what_is_sent() -> None:
    found = chosen("/far/x", "PUT")
    assert found["request"] == {"method": "PUT", "host": "localhost:4400", "target": "/far/x"}
    assert found["why"] == "the longest prefix that takes it"
    assert found["upstream"] == {"method": "POST", "target": "/v2/x?key=hush", "url": f"{STAGING}/x?key=hush"}
    assert chosen("/api")["service"] == {"name": "api", "state": "ready", "url": "http://127.0.0.1:8001"}
    assert chosen("/x")["service"] == {"name": "web", "state": "starting", "url": None}


def test_method_and_accept_are_the_requests() -> None:
    found = chosen("/api/x", "DELETE")
    assert found["match"]["to"] == "web"
    assert {"only for GET, not DELETE"} <= {lost["why"] for lost in found["lost"]}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://evil.test/api", "The host “evil.test” is not served here: 403"),
        ("/__devproxy/api/status", "/__devproxy is devproxy's own; no route is asked"),
    ],
)
def test_what_comes_to_no_route_says_so(url: str, why: str) -> None:
    found = chosen(url)
    assert (found["match"], found["why"], found["lost"]) == (None, why, [])


@pytest.mark.parametrize(
    ("url", "method"),
    [("", "GET"), ("api", "GET"), ("localhost:4400/x", "GET"), ("ftp://x/", "GET"), ("/x", "CONNECT"), ("/x", "G T"), ("/x", "GET\r\nX"), ("http://a\nb/", "GET")],
)  # fmt: skip
def test_what_is_no_request_is_a_mistake_of_the_caller(url: str, method: str) -> None:
    with pytest.raises(UsageError):
        chosen(url, method)


def test_all_routes_stand_in_the_order_in_which_they_are_asked_with_their_states() -> None:
    found = all_routes(TABLE, where)["routes"]
    assert [(route["to"], route["state"]) for route in found] == [
        ("api", "ready"),
        (STAGING, None),
        ("admin", None),
        ("web", "starting"),
    ]


def test_values_that_may_be_secret_are_not_told() -> None:
    assert "hush" not in str(all_routes(TABLE, where))
