"""devproxy proxy: the config that its words come to."""

import pytest

from devproxy.cli.proxy import checked_url, config_of
from devproxy.errors import UsageError


def test_what_stands_before_other_servers_is_said_of_those_that_it_concerns() -> None:
    routes = ["/api=https://staging.example.test/v2/", "/mail=localhost:1025"]
    config = config_of("https://localhost:8443", routes, 4500, rewrite_origin=True, insecure=True)
    assert [service.url for service in config.services] == [
        "https://localhost:8443",
        "https://staging.example.test/v2",
        "http://localhost:1025",
    ]
    assert [route.tls_verify for route in config.routes] == [False, False, True]
    assert all(route.rewrite_origin for route in config.routes)


def test_nothing_is_rewritten_or_trusted_unasked() -> None:
    [route] = config_of("https://localhost:8443", [], None).routes
    assert (route.rewrite_origin, route.tls_verify) == (False, True)


@pytest.mark.parametrize(
    "text", ["http://", "ftp://localhost:21", "localhost:0", "localhost:99999", "a?b", "u@a:1", "a#b", "https://a b"]
)
def test_what_is_no_address_is_a_mistake(text: str) -> None:
    with pytest.raises(UsageError, match="is not an address"):
        checked_url(text)
