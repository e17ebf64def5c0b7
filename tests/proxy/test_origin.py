"""Two origins as one: what names the upstream's becomes ours, and the other way round; all else stays."""

import pytest

from devproxy.proxy.head import RequestHead, pair_of, parse_request
from devproxy.proxy.headers import Hop
from devproxy.proxy.origin import OriginRewrite, own_origin
from devproxy.proxy.url import parse_url

OURS = b"http://localhost:4400"
HOP = Hop(peer=b"127.0.0.1", scheme=b"http", port=b"4400", pseudonym=b"devproxy-shop")


def rewrite(url: str = "https://staging.example.test", prefix: bytes = b"") -> OriginRewrite:
    return OriginRewrite(parse_url(url), prefix)


def asked(fields: str) -> RequestHead:
    return parse_request(f"GET / HTTP/1.1\r\nHost: localhost:4400\r\n{fields}\r\n".encode())


def answered(name: str, value: str, by: OriginRewrite, own: bytes = OURS) -> str:
    [(kept, changed)] = by.response_fields([(name.encode(), value.encode())], own)
    assert kept == name.encode()
    return changed.decode()


@pytest.mark.parametrize(
    ("field", "becomes"),
    [
        ("Origin: http://localhost:4400", "https://staging.example.test"),
        ("origin: http://LOCALHOST:4400", "https://staging.example.test"),
        ("Origin: https://localhost:4400", "https://staging.example.test"),  # TLS ended in front of us
        ("Referer: http://localhost:4400/cart?a=//b", "https://staging.example.test/cart?a=//b"),
        ("Referer: http://localhost:4400", "https://staging.example.test"),
        # What is not ours is never made theirs: their CSRF checks are for this.
        ("Origin: https://evil.example", "https://evil.example"),
        ("Origin: http://localhost:4401", "http://localhost:4401"),
        ("Origin: http://localhost:4400.evil.example", "http://localhost:4400.evil.example"),
        ("Origin: null", "null"),
        ("Referer: https://evil.example/http://localhost:4400/", "https://evil.example/http://localhost:4400/"),
        ("X-Other: http://localhost:4400", "http://localhost:4400"),
    ],
)
def test_a_request_names_the_upstreams_origin_where_it_named_ours(field: str, becomes: str) -> None:
    [(_, value)] = rewrite().request_fields([pair_of(field.encode())], b"localhost:4400")
    assert value.decode() == becomes


def test_a_port_that_is_not_the_usual_one_is_named() -> None:
    fields = [(b"Origin", b"http://localhost:4400")]
    [(_, value)] = rewrite("http://127.0.0.1:9000").request_fields(fields, b"LOCALHOST:4400")
    assert value == b"http://127.0.0.1:9000"


STAGING = rewrite()
BELOW = rewrite("https://staging.example.test/v2", b"/api")
BASE = rewrite("https://staging.example.test/v2")


@pytest.mark.parametrize(
    ("by", "value", "becomes"),
    [
        (STAGING, "https://staging.example.test/login?a=b#c", "http://localhost:4400/login?a=b#c"),
        (STAGING, "https://staging.example.test", "http://localhost:4400/"),
        (STAGING, "https://staging.example.test?x", "http://localhost:4400/?x"),
        (STAGING, "HTTPS://Staging.Example.Test:443/x", "http://localhost:4400/x"),
        (STAGING, "//staging.example.test/x", "http://localhost:4400/x"),
        (STAGING, "http://staging.example.test/x", "http://localhost:4400/x"),  # it does not know of its own TLS
        (STAGING, "/login", "/login"),
        (STAGING, "login", "login"),
        (STAGING, "?page=2", "?page=2"),
        (STAGING, "", ""),
        (STAGING, "https://login.example.test/x", "https://login.example.test/x"),
        (STAGING, "https://staging.example.test:8443/x", "https://staging.example.test:8443/x"),
        (STAGING, "https://staging.example.test.evil/x", "https://staging.example.test.evil/x"),
        (STAGING, "https://user@staging.example.test/x", "https://user@staging.example.test/x"),
        (STAGING, "mailto:a@staging.example.test", "mailto:a@staging.example.test"),
        (BELOW, "https://staging.example.test/v2/users", "http://localhost:4400/api/users"),
        (BELOW, "https://staging.example.test/v2", "http://localhost:4400/api"),
        (BELOW, "/v2/users?x", "/api/users?x"),
        (BELOW, "/v2", "/api"),
        (BELOW, "/v20", "/v20"),  # nowhere here
        (BELOW, "https://staging.example.test/other", "https://staging.example.test/other"),
        (BASE, "/v2/users", "/users"),
        (BASE, "/v2", "/"),
        (BASE, "/v2//evil.example/x", "http://localhost:4400//evil.example/x"),  # and not a host of its own
        (rewrite("http://[::1]:9000"), "http://[::1]:9000/x", "http://localhost:4400/x"),
        (rewrite("http://127.0.0.1:9000"), "http://127.0.0.1:9000/x", "http://localhost:4400/x"),
        (rewrite("http://127.0.0.1:9000"), "http://127.0.0.1/x", "http://127.0.0.1/x"),
    ],
)
def test_a_redirect_into_the_upstream_leads_here_and_no_other_is_touched(
    by: OriginRewrite, value: str, becomes: str
) -> None:
    assert answered("Location", value, by) == becomes
    assert answered("content-location", value, by) == becomes


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        ("5; url=https://staging.example.test/v2/x", "5; url=http://localhost:4400/api/x"),
        ('0;URL="https://staging.example.test/v2/x"', '0;URL="http://localhost:4400/api/x"'),
        ("0; /v2/x", "0; /api/x"),
        ("5", "5"),
    ],
)
def test_a_refresh_is_a_redirect_too(value: str, becomes: str) -> None:
    assert answered("Refresh", value, BELOW) == becomes


@pytest.mark.parametrize(
    ("by", "value", "becomes"),
    [
        (STAGING, "sid=a=b; Domain=.example.test; Path=/; HttpOnly", "sid=a=b; Path=/; HttpOnly"),
        (STAGING, "sid=1;domain=staging.example.test;secure", "sid=1"),
        (STAGING, "sid=1; Secure; SameSite=None; Partitioned", "sid=1; SameSite=Lax"),
        (STAGING, "sid=1; SameSite=Strict; Max-Age=5", "sid=1; SameSite=Strict; Max-Age=5"),
        (STAGING, "Domain=x; Path=/", "Domain=x; Path=/"),  # its name, and not an attribute
        (STAGING, "__Host-sid=1; Secure; SameSite=None; Path=/", "__Host-sid=1; Secure; SameSite=None; Path=/"),
        (STAGING, "__secure-sid=1; Secure; Domain=a", "__secure-sid=1; Secure"),
        (BELOW, "sid=1; Path=/v2/auth", "sid=1; Path=/api/auth"),
        (BELOW, "sid=1; path=/v2", "sid=1; Path=/api"),
        (BELOW, "sid=1; Path=/", "sid=1; Path=/"),
        (BELOW, "sid=1; Path=/other", "sid=1; Path=/other"),
        (BASE, "sid=1; Path=/V2/A", "sid=1; Path=/V2/A"),
        (BASE, "sid=1; Path=/v2/A", "sid=1; Path=/A"),
    ],
)
def test_a_cookie_is_one_that_browsers_take_from_us(by: OriginRewrite, value: str, becomes: str) -> None:
    assert answered("Set-Cookie", value, by) == becomes


def test_over_tls_a_cookie_stays_secure() -> None:
    value = "sid=1; Secure; SameSite=None; Partitioned; Domain=a"
    assert answered("Set-Cookie", value, STAGING, b"https://app.test") == "sid=1; Secure; SameSite=None; Partitioned"


def test_several_cookies_stay_several_and_in_order() -> None:
    fields = [(b"Set-Cookie", b"a=1; Domain=x"), (b"X-Other", b"1"), (b"set-cookie", b"b=2")]
    assert STAGING.response_fields(fields, OURS) == [
        (b"Set-Cookie", b"a=1"),
        (b"X-Other", b"1"),
        (b"set-cookie", b"b=2"),
    ]


def test_our_origin_is_what_the_client_sees_and_a_trusted_proxy_says() -> None:
    said = asked("X-Forwarded-Proto: https\r\nX-Forwarded-Host: app.test\r\n")
    assert own_origin(said, HOP) == OURS
    trusted = Hop(HOP.peer, HOP.scheme, HOP.port, HOP.pseudonym, trusted=True)
    assert own_origin(said, trusted) == b"https://app.test"
    assert own_origin(asked("X-Forwarded-Proto: javascript\r\n"), trusted) == OURS
