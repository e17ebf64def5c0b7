"""Host and Origin: what is parsed, what is admitted, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.hosts import (
    AllowedHosts,
    BadHost,
    branch_host,
    is_loopback_name,
    origin_allowed,
    same_origin,
    split_host,
)

SPLIT = {
    "localhost": ("localhost", None),
    "LOCALHOST": ("localhost", None),
    "LocalHost:4400": ("localhost", 4400),
    "localhost.": ("localhost.", None),
    "shop.localhost:4400": ("shop.localhost", 4400),
    "127.0.0.1:4400": ("127.0.0.1", 4400),
    "127.1": ("127.1", None),
    "0x7f.1": ("0x7f.1", None),
    "[::1]": ("[::1]", None),
    "[::1]:4400": ("[::1]", 4400),
    "[0:0:0:0:0:0:0:1]:65535": ("[::1]", 65535),
    "[FE80::1]": ("[fe80::1]", None),
    "my_service:1": ("my_service", 1),
    "a" * 63 + ".test": ("a" * 63 + ".test", None),
    "xn--bcher-kva.example": ("xn--bcher-kva.example", None),
}

REFUSED = [
    "",
    " ",
    ".",
    ":",
    ":4400",
    "localhost:",
    "localhost:0",
    "localhost:00080",
    "localhost:65536",
    "localhost:123456",
    "localhost:+80",
    "localhost:8 0",
    "localhost:80:80",
    "localhost:http",
    "localhost:4400/",
    "localhost:4400\n",
    "localhost\n",
    " localhost",
    "localhost ",
    "local host",
    "localhost\t",
    "localhost\x00",
    "localhost,evil.example",
    "localhost/evil",
    "localhost?x",
    "localhost#x",
    "localhost\\evil",
    "user@localhost",
    "user:pw@localhost:4400",
    "http://localhost",
    "a..b",
    "localhost..",
    ".localhost",
    "-a.test",
    "a-.test",
    "local%68ost",
    "*.localhost",
    "::1",
    "[::1",
    "::1]",
    "[]",
    "[::1]4400",
    "[::1]:",
    "[::1]x",
    "[::1%25eth0]",
    "[localhost]",
    "[127.0.0.1]",
    "[1::2::3]",
    "[:::1]",
    "bücher.example",
    "ｌocalhost",
    "localhost:４４００",
    "\N{KELVIN SIGN}ube.test",
    "a" * 64 + ".test",
    ".".join(["a" * 60] * 5),
    "x" * 100_000,
]


@pytest.mark.parametrize(("value", "expected"), SPLIT.items())
def test_an_authority_is_split_into_host_and_port(value: str, expected: tuple[str, int | None]) -> None:
    assert split_host(value) == expected
    assert split_host(value.encode()) == expected


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: ascii(value)[:40])
def test_what_is_not_one_host_and_one_port_is_refused(value: str) -> None:
    with pytest.raises(BadHost):
        split_host(value)
    with pytest.raises(BadHost):
        split_host(value.encode())


@given(st.one_of(st.text(), st.binary(), st.from_regex(r"[a-z.\[\]:0-9@ %-]{0,30}", fullmatch=True)))
def test_hostile_input_ends_in_our_error_or_in_a_host_that_reads_back(value: str | bytes) -> None:
    try:
        host, port = split_host(value)
    except BadHost:
        return
    assert split_host(host if port is None else f"{host}:{port}") == (host, port)
    assert not set(host) & set(" @/\\%,\t\r\n")


LOOPBACK = [
    "localhost",
    "shop.localhost",
    "a.b.localhost",
    "127.0.0.1",
    "127.255.255.254",
    "127.0.1.1",
    "[::1]",
]
NOT_LOOPBACK = [
    "",
    "localhost.",
    ".localhost",
    "a..localhost",
    "notlocalhost",
    "localhost.evil.example",
    "localhost-evil.example",
    "127.0.0.1.nip.io",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "0x7f.1",
    "0177.0.0.1",
    "127.0.0.01",
    "127.0.0.256",
    "127.0.0.1.1",
    "2130706433",
    "128.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "[::]",
    "[::2]",
    "[::ffff:127.0.0.1]",
    "localhost\n",
    "127.0.0.1\n",
    "example.test",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_names_are_admitted_without_configuration(host: str) -> None:
    assert is_loopback_name(host)
    assert AllowedHosts().admits(host)


@pytest.mark.parametrize("host", NOT_LOOPBACK, ids=ascii)
def test_names_that_only_look_like_loopback_are_not(host: str) -> None:
    assert not is_loopback_name(host)
    assert not AllowedHosts(["app.example"]).admits(host)


@pytest.mark.parametrize(
    ("pattern", "admitted", "refused"),
    [
        ("app.test", ["app.test"], ["x.app.test", "app.test.evil", "myapp.test", "app.test.", "test"]),
        ("APP.test", ["app.test"], ["x.app.test"]),
        ("*.example.test", ["a.example.test", "a.b.example.test"], ["example.test", "aexample.test"]),
        (".example.test", ["example.test", "a.example.test", "a.b.example.test"], ["aexample.test"]),
        ("192.168.1.5", ["192.168.1.5"], ["192.168.1.50", "1.192.168.1.5"]),
        ("[fd00::0:1]", ["[fd00::1]"], ["[fd00::2]"]),
        ("fd00::1", ["[fd00::1]"], ["[fd00::2]"]),
    ],
)
def test_a_configured_name_admits_what_it_says(pattern: str, admitted: list[str], refused: list[str]) -> None:
    hosts = AllowedHosts([pattern])
    assert [host for host in admitted if not hosts.admits(host)] == []
    assert [host for host in refused if hosts.admits(host)] == []


@pytest.mark.parametrize(
    "pattern", ["", "*", "*.", ".", "**.a", "a.*", "a b", "http://a", "a:80", "a/b", "bü.de", "a."]
)
def test_a_name_that_could_not_be_meant_is_refused_when_configured(pattern: str) -> None:
    with pytest.raises(BadHost):
        AllowedHosts([pattern])


@pytest.mark.parametrize(
    ("origin", "scheme", "host"),
    [
        ("http://localhost:4400", "http", "localhost:4400"),
        ("HTTP://LOCALHOST:4400", "http", "localhost:4400"),
        ("http://localhost", "http", "localhost:80"),
        ("http://localhost:80", "http", "localhost"),
        ("https://app.test", "https", "app.test:443"),
        ("http://[::1]:4400", "http", "[::1]:4400"),
    ],
)
def test_the_same_scheme_host_and_port_are_the_same_origin(origin: str, scheme: str, host: str) -> None:
    assert same_origin(origin, scheme, host)
    assert same_origin(origin.encode(), scheme, host.encode())


@pytest.mark.parametrize(
    ("origin", "scheme", "host"),
    [
        ("https://localhost:4400", "http", "localhost:4400"),
        ("http://localhost:4401", "http", "localhost:4400"),
        ("http://127.0.0.1:4400", "http", "localhost:4400"),
        ("http://localhost:4400/", "http", "localhost:4400"),
        ("http://localhost:4400 http://evil.example", "http", "localhost:4400"),
        ("localhost:4400", "http", "localhost:4400"),
        ("//localhost:4400", "http", "localhost:4400"),
        ("ftp://localhost:4400", "http", "localhost:4400"),
        ("chrome-extension://localhost", "http", "localhost"),
        ("http://localhost.:4400", "http", "localhost:4400"),
        ("null", "http", "localhost:4400"),
        ("", "http", "localhost:4400"),
        ("http://", "http", ""),
        ("http://localhost:443", "https", "localhost:80"),
    ],
)
def test_another_scheme_host_or_port_is_another_origin(origin: str, scheme: str, host: str) -> None:
    assert not same_origin(origin, scheme, host)


ALLOWED = AllowedHosts(["app.test", "*.lan.test"])


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:4400", "localhost:4400"),
        ("http://127.0.0.1:4400", "localhost:4400"),
        ("http://shop.localhost:4400", "[::1]:4400"),
        ("http://app.test:4400", "localhost:4400"),
        ("http://localhost:4400", "app.test:4400"),
        ("http://tv.lan.test:4400", "app.test:4400"),
        ("https://app.test", "app.test"),  # TLS ended by a tunnel; we saw http
        ("http://localhost", "localhost:80"),
    ],
)
def test_a_page_of_the_gateway_by_any_of_its_names_is_allowed(origin: str, host: str) -> None:
    assert origin_allowed(origin, host, "http", ALLOWED)
    assert origin_allowed(origin.encode(), host.encode(), "http", ALLOWED)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("null", "localhost:4400"),
        ("", "localhost:4400"),
        ("file://", "localhost:4400"),
        ("http://localhost:3000", "localhost:4400"),  # another program on this machine
        ("http://localhost", "localhost:4400"),
        ("http://app.test", "localhost:4400"),
        ("https://app.test", "localhost"),  # 443 is not the 80 that Host means
        ("http://evil.example", "localhost:4400"),
        ("http://evil.example:4400", "localhost:4400"),
        ("http://localhost.evil.example:4400", "localhost:4400"),
        ("http://127.0.0.1.nip.io:4400", "localhost:4400"),
        ("http://localhost.:4400", "localhost:4400"),
        ("http://localhost:4400@evil.example", "localhost:4400"),
        ("http://evil.example@localhost:4400", "localhost:4400"),
        ("http://lan.test:4400", "localhost:4400"),
        ("ws://localhost:4400", "localhost:4400"),
        ("http://localhost:4400, http://evil.example", "localhost:4400"),
        ("http://localhost:4400", ""),
        ("http://localhost:4400", "user@localhost:4400"),
    ],
)
def test_any_other_page_is_refused(origin: str, host: str) -> None:
    assert not origin_allowed(origin, host, "http", ALLOWED)
    assert not origin_allowed(origin.encode(), host.encode(), "http", ALLOWED)


@pytest.mark.parametrize(
    ("branch", "name", "host"),
    [
        ("main", "shop", "main.shop.localhost"),
        ("feature/Login_Form", "My Shop", "feature-login-form.my-shop.localhost"),
        ("fix--#12/", "shop", "fix-12.shop.localhost"),
        ("xn--80ak6aa92e", "shop", "xn-80ak6aa92e.shop.localhost"),  # not somebody's international name
        ("x" * 62 + "/y", "shop", f"{'x' * 62}.shop.localhost"),
        ("", "shop", ""),
        ("ветка", "shop", ""),
        ("main", "!", ""),
    ],
)
def test_a_branch_has_a_loopback_name_that_is_admitted(branch: str, name: str, host: str) -> None:
    assert branch_host(branch, name) == host
    assert not host or AllowedHosts().admits(split_host(f"{host}:4400")[0])


@given(st.text(), st.text(min_size=1))
def test_whatever_a_branch_is_called_its_name_is_a_host_name(branch: str, name: str) -> None:
    host = branch_host(branch, name)
    assert not host or is_loopback_name(split_host(host)[0])
