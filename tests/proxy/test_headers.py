"""What a head becomes on its way."""

import pytest

from devproxy.config.model import FieldEdits
from devproxy.proxy.head import RequestHead, parse_request, parse_response
from devproxy.proxy.headers import Hop, edited, own_hops, request_bytes, response_bytes, trailer_bytes

HOP = Hop(peer=b"127.0.0.1", scheme=b"http", port=b"4400", pseudonym=b"devproxy-shop")
TRUSTED = Hop(peer=b"127.0.0.1", scheme=b"http", port=b"4400", pseudonym=b"devproxy-shop", trusted=True)
CLAIMS = (
    "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: shop.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n"
    "Forwarded: for=6.6.6.6\r\n"
)


def asked(fields: str = "", *, host: str = "localhost:4400", line: str = "GET / HTTP/1.1") -> RequestHead:
    return parse_request(f"{line}\r\nHost: {host}\r\n{fields}\r\n".encode("latin-1"))


def lines(head: bytes) -> dict[str, str]:
    """The fields of a head that has none twice."""
    found = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:-2]]
    assert len({name.lower() for name, _ in found}) == len(found), found
    return dict(found)


def test_the_forwarding_fields_say_what_this_gateway_saw() -> None:
    assert lines(request_bytes(asked(), HOP)) == {
        "Host": "localhost:4400",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Host": "localhost:4400",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Port": "4400",
        "Forwarded": 'for=127.0.0.1;host="localhost:4400";proto=http',
        "Via": "1.1 devproxy-shop",
    }


def test_the_forwarding_fields_are_each_requests_own_on_one_connection() -> None:
    hop = Hop(peer=b"127.0.0.1", scheme=b"http", port=b"4400", pseudonym=b"devproxy-shop")
    for host in ("localhost:4400", "shop.localhost:4400", "localhost:4400"):
        assert lines(request_bytes(asked(host=host), hop))["X-Forwarded-Host"] == host
    assert lines(request_bytes(asked("Via: 1.1 other\r\n"), hop))["Via"] == "1.1 other, 1.1 devproxy-shop"
    assert lines(request_bytes(asked(line="GET / HTTP/1.0"), hop))["Via"] == "1.0 devproxy-shop"
    assert lines(request_bytes(asked(), hop))["Via"] == "1.1 devproxy-shop"


def test_what_a_client_claims_is_replaced() -> None:
    assert request_bytes(asked(CLAIMS), HOP) == request_bytes(asked(), HOP)


def test_what_a_client_claims_cannot_be_had_by_naming_ours_in_connection() -> None:
    named = "Connection: X-Forwarded-For, Forwarded, Via, Host\r\n"
    assert request_bytes(asked(CLAIMS + named), HOP) == request_bytes(asked(), HOP)


def test_a_trusted_proxy_is_believed_and_appended_to() -> None:
    said = lines(request_bytes(asked(CLAIMS), TRUSTED))
    assert said["X-Forwarded-For"] == "6.6.6.6, 127.0.0.1"
    assert said["Forwarded"] == 'for=6.6.6.6, for=127.0.0.1;host="localhost:4400";proto=http'
    assert (said["X-Forwarded-Host"], said["X-Forwarded-Proto"], said["X-Forwarded-Port"]) == (
        "shop.example",
        "https",
        "443",
    )


@pytest.mark.parametrize(
    ("host", "port"), [("localhost:81", "81"), ("localhost", "4400"), ("[::1]", "4400"), ("[::1]:81", "81"), ("127.0.0.1:81", "81")]
)  # fmt: skip
def test_the_forwarded_port_is_the_one_that_the_client_used(host: str, port: str) -> None:
    assert lines(request_bytes(asked(host=host), HOP))["X-Forwarded-Port"] == port


def test_an_ipv6_client_is_quoted_as_rfc_7239_has_it() -> None:
    said = lines(request_bytes(asked(), Hop(peer=b"::1", scheme=b"http", port=b"1", pseudonym=b"p")))
    assert said["Forwarded"].startswith('for="[::1]";') and said["X-Forwarded-For"] == "::1"


def test_via_names_the_version_and_keeps_who_was_there_before() -> None:
    head = request_bytes(asked("Via: 1.0 fred, 1.1 p\r\n", line="GET / HTTP/1.0"), HOP)
    assert lines(head)["Via"] == "1.0 fred, 1.1 p, 1.0 devproxy-shop"


def test_own_entries_in_via_are_counted_and_nobody_elses() -> None:
    via = "Via: 1.1 devproxy-shop, 1.1 other,1.0 devproxy-shop\r\nVia: 1.1 devproxy-shop, 1.1 devproxy-shopping\r\n"
    assert own_hops(asked(via), b"devproxy-shop") == 3
    assert own_hops(asked(), b"devproxy-shop") == 0


def test_the_request_goes_on_as_http11_with_its_own_framing_only() -> None:
    assert b" HTTP/1.1\r\n" in request_bytes(asked(line="GET / HTTP/1.0"), HOP)
    chunked = lines(request_bytes(asked("Transfer-Encoding: Chunked\r\n", line="POST / HTTP/1.1"), HOP))
    assert chunked["Transfer-Encoding"] == "chunked" and "Content-Length" not in chunked
    assert lines(request_bytes(asked("Content-Length: 007\r\n"), HOP))["Content-Length"] == "7"
    assert lines(request_bytes(asked("Content-Length: 0\r\n"), HOP))["Content-Length"] == "0"


@pytest.mark.parametrize(
    ("te", "passed"), [("trailers", True), ("gzip, Trailers", True), ("gzip", False), ("trailers;q=1", False)]
)
def test_of_te_only_trailers_passes(te: str, passed: bool) -> None:
    said = lines(request_bytes(asked(f"Connection: TE\r\nTE: {te}\r\n"), HOP))
    assert (said.get("TE"), said.get("Connection")) == (("trailers", "TE") if passed else (None, None))


def test_an_upgrade_keeps_its_fields_and_value() -> None:
    said = lines(
        request_bytes(
            asked(
                "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: k\r\nOrigin: http://localhost:4400\r\n"
            ),
            HOP,
        )
    )
    assert (said["Connection"], said["Upgrade"], said["Sec-WebSocket-Key"]) == ("Upgrade", "WebSocket", "k")
    assert said["Origin"] == "http://localhost:4400"


def test_the_routes_target_replaces_the_requests() -> None:
    assert request_bytes(asked(), HOP, target=b"/y?z").startswith(b"GET /y?z HTTP/1.1\r\n")


def test_edits_remove_and_replace_whatever_the_case() -> None:
    edits = FieldEdits(set={"X-a": "new", "X-New": "1"}, remove=("x-B",))
    assert edited([(b"x-A", b"1"), (b"X-B", b"2"), (b"X-A", b"3"), (b"X-C", b"4")], edits) == [
        (b"X-C", b"4"),
        (b"X-a", b"new"),
        (b"X-New", b"1"),
    ]
    assert b"X-New: 1\r\n" in request_bytes(asked(), HOP, edits=edits)


def test_a_routes_edits_win_over_what_we_say_ourselves_and_nothing_is_there_twice() -> None:
    edits = FieldEdits(
        set={"Host": "api.internal", "X-Forwarded-Proto": "https"}, remove=("X-Forwarded-Port", "Forwarded")
    )
    said = lines(request_bytes(asked(CLAIMS), HOP, edits=edits))
    assert (
        said["Host"] == "api.internal"
        and said["X-Forwarded-Proto"] == "https"
        and said["X-Forwarded-For"] == "127.0.0.1"
    )
    assert "X-Forwarded-Port" not in said and "Forwarded" not in said and said["Via"] == "1.1 devproxy-shop"


def test_trailers_that_frame_route_or_vouch_go_no_further() -> None:
    kept = [(b"X-Sum", b"1"), (b"Server-Timing", b"a")]
    forbidden = [
        b"Content-Length",
        b"transfer-encoding",
        b"Host",
        b"X-Forwarded-For",
        b"Forwarded",
        b"Via",
        b"Connection",
    ]
    assert trailer_bytes([*kept, *((name, b"1") for name in forbidden)]) == b"X-Sum: 1\r\nServer-Timing: a\r\n\r\n"
    assert trailer_bytes([]) == b"\r\n"


@pytest.mark.parametrize(
    ("keep_alive", "http10", "connection"), [(True, False, b""), (True, True, b"Connection: keep-alive\r\n"), (False, False, b"Connection: close\r\n")]
)  # fmt: skip
def test_the_answers_connection_field_is_ours(keep_alive: bool, http10: bool, connection: bytes) -> None:
    answer = parse_response(b"HTTP/1.0 404 Not There\r\nConnection: close, X-A\r\nX-A: 1\r\nDate: 2\r\n\r\n")
    head = response_bytes(answer, keep_alive=keep_alive, http10=http10, framing=b"Content-Length: 3\r\n")
    assert head == b"HTTP/1.1 404 Not There\r\nDate: 2\r\nContent-Length: 3\r\n" + connection + b"\r\n"
