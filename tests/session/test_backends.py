"""What routes lead to, and what stays of it when the config is another."""

from dataclasses import replace
from pathlib import Path

import pytest

from devproxy.config.model import Config, Reload, Route, Service
from devproxy.errors import DevproxyError
from devproxy.proxy.balance import Balanced
from devproxy.proxy.routes import backend_of
from devproxy.proxy.tls import TlsUpstream
from devproxy.proxy.upstream import Upstream
from devproxy.session.backends import Backends
from tests.support import run

API = Service("api", "backend", Path("/shop"), command="run")
WEB = Service("web", "static", Path("/shop"), static=Path("/shop/dist"))
MAIL = Service("mail", "backend", Path("/shop"), url="http://127.0.0.1:9000")


def config(*services: Service, **keys: object) -> Config:
    return replace(Config("shop", Path("/shop"), services=services), **keys)


def adopted(before: Config, after: Config) -> tuple[Backends, dict[str, object]]:
    """Backends that have adopted another config, and those that they had before."""
    backends = Backends(before, str, needed=print)
    had = dict(backends.by_name)
    backends.adopt(after)
    return backends, had


def test_what_does_not_differ_stays() -> None:
    routes = (Route(to=("api",), prefix="/api"), Route(to=("web",), prefix="/"))
    backends, had = adopted(config(API, WEB, MAIL), config(replace(API, command="other"), WEB, MAIL, routes=routes))
    assert backends.by_name == had


@pytest.mark.parametrize(
    "after",
    [
        config(replace(WEB, static=Path("/shop/build"))),
        config(WEB, routes=(Route(to=("web",), prefix="/app"),)),
        config(WEB, reload=Reload(enabled=False)),
        config(WEB, reload=Reload(inject="never")),
    ],
    ids=["another folder", "another prefix", "no live reload", "no script"],
)
def test_a_folder_is_made_anew_where_its_pages_differ(after: Config) -> None:
    backends, had = adopted(config(WEB), after)
    assert backends.by_name["web"] is not had["web"]


def test_a_url_that_only_a_route_names_is_led_to() -> None:
    backends, _ = adopted(config(), config(routes=(Route(to=("http://localhost:9000",), prefix="/"),)))
    upstream = backends.by_name["http://localhost:9000"]
    assert isinstance(upstream, Upstream)
    assert upstream.addresses == (("127.0.0.1", 9000), ("::1", 9000))


class Held:
    """A request that waits for its service."""

    woken = 0

    def wake(self) -> None:
        self.woken += 1

    def end_stream(self) -> None: ...


def test_who_waits_for_a_service_that_is_gone_is_told() -> None:
    backends = Backends(config(API), str, needed=print)
    upstream, held = backends.of_child("api"), Held()
    assert upstream is not None
    upstream.wait(held)
    backends.adopt(config())
    assert (upstream.state, held.woken) == ("over", 1)
    assert backends.of_child("api") is None
    run(backends.close())


def test_a_refused_config_changes_nothing() -> None:
    backends = Backends(config(API, WEB), str, needed=print)
    had = dict(backends.by_name)
    with pytest.raises(DevproxyError, match="has no host"):
        backends.adopt(config(routes=(Route(to=("http://:1",), prefix="/"),)))
    assert backends.by_name == had


def test_an_upstream_that_routes_trust_differently_has_one_name_and_is_watched_as_they_trust_it() -> None:
    url = "https://localhost:9443/v2"
    staging = Service("staging", "backend", Path("/shop"), url=url)
    strict, lax = (Route(to=("staging",), prefix=f"/{verify}", tls_verify=verify) for verify in (True, False))
    backends = Backends(config(staging, routes=(lax,)), str, print)
    found = backends.by_name["staging (tls_verify = false)"]
    assert isinstance(found, TlsUpstream) and found.name == "staging"
    watched = backends.standing("staging")
    assert watched is not None and watched.upstream is found
    backends.adopt(config(staging, routes=(lax, strict)))
    assert backends.by_name["staging (tls_verify = false)"] is found
    assert backends.by_name["staging"] is not found


def test_a_group_of_tls_upstreams_is_made_of_those_that_its_route_trusts() -> None:
    route = Route(to=("https://localhost:1", "https://localhost:2"), prefix="/", tls_verify=False)
    backends = Backends(config(routes=(route,)), str, print)
    group = backends.by_name[backend_of(route)]
    assert isinstance(group, Balanced)
    assert all(isinstance(member.upstream, TlsUpstream) for member in group.members)
    assert [member.name for member in group.members] == list(route.to)
