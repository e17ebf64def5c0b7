"""What routes lead to: made from the config, and made anew only where the config differs."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from devproxy.config.model import Config
from devproxy.errors import DevproxyError
from devproxy.gateway.gateway import Backend
from devproxy.gateway.mount import Mount
from devproxy.proxy.balance import Balanced
from devproxy.proxy.hold import OVER
from devproxy.proxy.upstream import Upstream

if TYPE_CHECKING:
    from devproxy.gateway.asgi import Application

Recipe = tuple[str, object, object, object]
"""What a backend is made from: two that are alike make the same one."""


class Backends:
    """The backends of a session, by the names that routes lead to.

    Args: content: the version of the static files that are served now; needed: told the name of a service of ours
    for each request that finds it not ready; doubted: when something speaks against its readiness.
    Owns: the backends; `close` ends them (but for the folders that are served then: the gateway does).
    """

    def __init__(
        self,
        config: Config,
        content: Callable[[], str],
        needed: Callable[[str], None],
        doubted: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._content = content
        self._needed = needed
        self._doubted = doubted
        self._recipes: dict[str, Recipe] = {}
        self._retired: list[Backend] = []
        self.by_name: dict[str, Backend] = {}
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """From now on those of this config. What is no longer used ends what it has begun, but for event streams.

        Raises: DevproxyError: a URL of a route has no host; then nothing has changed.
        """
        recipes = _recipes(config)
        kept = {name: made for name, made in self.by_name.items() if recipes.get(name) == self._recipes[name]}
        made: dict[str, Backend] = {}
        for name, recipe in recipes.items():  # those of a group's members come before its own
            made[name] = kept.get(name) or self._make(name, recipe, made)
        for name, backend in self.by_name.items():
            if name not in kept:
                self._retired.append(backend)
                if isinstance(backend, Upstream):
                    backend.become(OVER)  # who is held by it waits for nobody
        self.by_name, self._recipes = made, recipes

    def of_child(self, name: str) -> Upstream | None:
        """The upstream of a service that is ours to run."""
        found = self.by_name.get(name)
        return found if isinstance(found, Upstream) else None

    async def close(self) -> None:
        """End the connections to all upstreams, and what is no longer used."""
        for backend in (*self.by_name.values(), *self._retired):
            if isinstance(backend, Upstream):
                await backend.close()
        for backend in self._retired:
            if isinstance(backend, Mount):
                await backend.close()

    def _make(self, name: str, recipe: Recipe, made: Mapping[str, Backend]) -> Backend:
        match recipe:
            case ("instance", _, _, _):
                return Upstream(name, doubted=partial(self._doubted, name))
            case ("group", tuple() as names, _, _):
                members = [member for one in names if isinstance(member := made[one], Upstream)]
                return Balanced(name, members, needed=partial(self._needed, name))
            case ("folder", Path() as root, str() as prefix, bool() as inject):
                return Mount(partial(_static_app, root, prefix, inject, self._content))
            case ("url", str() as url, _, _):
                return _fixed_upstream(name, url)
        return Upstream(name, needed=partial(self._needed, name), doubted=partial(self._doubted, name))


def _recipes(config: Config) -> dict[str, Recipe]:
    """Every name that may be led to: the services', and the URLs that stand in routes."""
    inject = config.reload.enabled and config.reload.inject != "never"
    found: dict[str, Recipe] = {}
    for declared in config.services:
        if declared.static is not None:
            found[declared.name] = ("folder", declared.static, prefix_of(declared.name, config), inject)
        elif declared.url is not None:
            found[declared.name] = ("url", declared.url, None, None)
        elif declared.instance_of:
            found[declared.name] = ("instance", None, None, None)
        else:
            found[declared.name] = ("child", None, None, None)
    for group in dict.fromkeys(declared.instance_of for declared in config.services if declared.instance_of):
        names = tuple(declared.name for declared in config.services if declared.instance_of == group)
        found[group] = ("group", names, None, None)
    for route in config.routes:
        for to in route.to:
            found.setdefault(to, ("url", to, None, None))
    return found


def prefix_of(name: str, config: Config) -> str:
    """The path that a folder is served under."""
    prefixes = [route.prefix for route in config.routes if name in route.to and route.prefix]
    return min(prefixes, key=len, default="/")


def _fixed_upstream(name: str, url: str) -> Upstream:
    """An upstream that runs elsewhere: always taken to be ready."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if not parts.hostname:
        raise DevproxyError(f"{url} has no host", hint="write it as http://127.0.0.1:9000")
    port = parts.port or 80
    hosts = ("127.0.0.1", "::1") if parts.hostname == "localhost" else (parts.hostname,)
    return Upstream(name, state="ready", addresses=tuple((host, port) for host in hosts))


def _static_app(root: Path, prefix: str, inject: bool, content: Callable[[], str]) -> "Application":
    from devproxy.spa.app import StaticApp

    app: Application = StaticApp(root, inject=inject, prefix=prefix, content=content)
    return app
