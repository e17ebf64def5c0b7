"""What routes lead to, and what stays of it when the config is another."""

from dataclasses import replace
from pathlib import Path

import pytest

from devproxy.config.model import Config, Reload, Route, Service
from devproxy.errors import DevproxyError
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
