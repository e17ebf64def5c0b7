"""What a route changes of a request, as values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.config.model import FieldEdits, Route
from devproxy.proxy.head import parse_request, parse_response
from devproxy.proxy.headers import Hop
from devproxy.proxy.rules import rules_of, with_query
from devproxy.proxy.url import parse_url

HOP = Hop(peer=b"127.0.0.1", scheme=b"http", port=b"4400", pseudonym=b"devproxy-shop")
URL = parse_url("https://staging.example.test")


def sent(route: Route, method: str = "GET", target: str = "/", fields: str = "") -> str:
    """The bytes that go upstream for a request on that route."""
    rules = rules_of(route, URL)
    assert rules is not None
    request = parse_request(f"{method} {target} HTTP/1.1\r\nHost: localhost:4400\r\n{fields}\r\n".encode())
    return rules.request_bytes(rules.request_head(request), HOP, request.target).decode()


def to(**keys: object) -> Route:
    return Route(to=("x",), prefix="/", **keys)  # type: ignore[arg-type]


def test_a_route_that_changes_nothing_has_no_rules() -> None:
    assert rules_of(to(strip_prefix=True, methods=("GET",), tls_verify=False), URL) is None


def test_the_method_is_another_but_head_and_an_upgrade_stay_what_they_are() -> None:
    route = to(set_method="POST")
    assert sent(route).startswith("POST / HTTP/1.1\r\n")
    assert "Content-Length: 0\r\n" in sent(route)
    assert sent(route, "HEAD").startswith("HEAD / ")
    assert sent(route, fields="Connection: Upgrade\r\nUpgrade: websocket\r\n").startswith("GET / ")


def test_a_body_of_the_requests_own_keeps_its_framing_under_another_method() -> None:
    route = to(set_method="PUT")
    assert "Content-Length: 5\r\n" in sent(route, "POST", fields="Content-Length: 5\r\n")
    chunked = sent(route, "POST", fields="Transfer-Encoding: chunked\r\n")
    assert "Transfer-Encoding: chunked\r\n" in chunked and "Content-Length" not in chunked


@pytest.mark.parametrize("framing", ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"])
def test_a_body_of_the_routes_own_has_its_own_length(framing: str) -> None:
    head, _, body = sent(to(set_body="größe"), "POST", fields=f"{framing}Content-Encoding: gzip\r\n").partition(
        "\r\n\r\n"
    )
    assert body == "größe"
    assert "Content-Length: 7" in head and head.count("Content-Length") == 1
    assert "Transfer-Encoding" not in head and "Content-Encoding" not in head


def test_an_empty_body_is_a_body() -> None:
    assert "Content-Length: 0\r\n" in sent(to(set_body=""), "POST", fields="Content-Length: 5\r\n")


@pytest.mark.parametrize(
    ("target", "becomes"),
    [
        ("/x", "/x?k=a%20b%26&e="),
        ("/x?", "/x?k=a%20b%26&e="),
        ("/x?k=1&a=%2F+&k=2&e", "/x?a=%2F+&k=a%20b%26&e="),
        ("/x?%6b=1&K=2&kk=3", "/x?K=2&kk=3&k=a%20b%26&e="),
        ("/x?a?b&&c", "/x?a?b&&c&k=a%20b%26&e="),
    ],
)
def test_a_parameter_that_is_set_replaces_all_of_its_name_and_no_other_byte(target: str, becomes: str) -> None:
    assert sent(to(set_query={"k": "a b&", "e": ""}), target=target).startswith(f"GET {becomes} HTTP/1.1\r\n")


@given(st.lists(st.sampled_from([b"a=1", b"b", b"k=2", b"%6B=3", b"", b"a=%26k=4"]), min_size=1))
def test_what_is_not_set_keeps_its_bytes_and_its_order(pairs: list[bytes]) -> None:
    query = b"&".join(pairs)
    kept = [pair for pair in pairs if pair not in (b"k=2", b"%6B=3")] if query else []
    assert with_query(b"/x?" + query, frozenset({b"k"}), b"k=9") == b"/x?" + b"&".join([*kept, b"k=9"])


def test_with_rewrite_origin_the_upstream_is_asked_as_if_directly() -> None:
    said = sent(to(rewrite_origin=True), fields="Origin: http://localhost:4400\r\nX-Forwarded-For: 6.6.6.6\r\n")
    assert "\r\nHost: staging.example.test\r\n" in said
    assert "\r\nOrigin: https://staging.example.test\r\n" in said
    assert "orwarded" not in said and "4400" not in said
    assert "\r\nVia: 1.1 devproxy-shop\r\n" in said  # a loop is still found


def test_with_rewrite_origin_a_websocket_comes_from_the_upstreams_own_origin() -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://localhost:4400\r\n"
    said = sent(to(rewrite_origin=True), fields=upgrade)
    assert "\r\nHost: staging.example.test\r\n" in said
    assert "\r\nOrigin: https://staging.example.test\r\n" in said
    assert "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in said


def test_what_the_route_sets_itself_wins_over_rewrite_origin() -> None:
    edits = FieldEdits(set={"host": "other.test", "X-Forwarded-Host": "mine.test"}, remove=("Origin",))
    said = sent(to(rewrite_origin=True, request_headers=edits), fields="Origin: http://localhost:4400\r\n")
    assert "Host: other.test\r\n" in said and "X-Forwarded-Host: mine.test\r\n" in said
    assert "staging" not in said and "Origin" not in said


def test_the_answers_fields_are_edited_after_they_are_rewritten() -> None:
    edits = FieldEdits(set={"Location": "/elsewhere"}, remove=("server",))
    rules = rules_of(to(rewrite_origin=True, response_headers=edits), URL)
    assert rules is not None
    head = "Location: https://staging.example.test/\r\nServer: x\r\nSet-Cookie: a=1; Secure\r\nX-A:1\r\n"
    response = parse_response(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode())
    rules.change_response(response, b"http://localhost")
    assert response.lines == [b"Set-Cookie: a=1", b"X-A: 1", b"Location: /elsewhere"]
