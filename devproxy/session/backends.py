"""What routes lead to: made from the config, and made anew only where the config differs."""

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from devproxy.config.model import Config
from devproxy.gateway.gateway import Backend
from devproxy.gateway.mount import Mount
from devproxy.proxy.balance import Balanced, Member, Standing
from devproxy.proxy.health import Probing
from devproxy.proxy.hold import OVER
from devproxy.proxy.routes import upstream_of
from devproxy.proxy.tls import TlsUpstream, Trust
from devproxy.proxy.upstream import Upstream
from devproxy.proxy.url import parse_url
from devproxy.session.groups import Asked, Group, Part, asked_in, groups_of

if TYPE_CHECKING:
    from devproxy.gateway.asgi import Application

Recipe = tuple[str, object, object, object]
"""What a backend is made from: two that are alike make the same one."""


class Backends:
    """The backends of a session, by the names that routes lead to; `run` is the task that probes them.

    Args: content: the version of the static files that are served now; needed: told the name of a service of ours
    for each request that finds it not ready; doubted: when something speaks against its readiness; told: told of each
    upstream whose probe finds it not well, or well again.
    Owns: the backends; `close` ends them (but for the folders that are served then: the gateway does).
    """

    def __init__(
        self,
        config: Config,
        content: Callable[[], str],
        needed: Callable[[str], None],
        doubted: Callable[[str], None] = lambda name: None,
        told: Callable[[Standing], None] = lambda standing: None,
    ) -> None:
        self._content = content
        self._needed = needed
        self._doubted = doubted
        self._probing = Probing(told)
        self._own: dict[str, tuple[Recipe, Backend]] = {}  # each service's (or instance's), and each URL's
        self._standings: dict[Asked, Standing] = {}
        self._members: dict[Part, Member] = {}
        self._groups: dict[str, tuple[Group, Balanced]] = {}
        self._retired: list[Backend] = []
        self._stopped = False
        self.by_name: dict[str, Backend] = {}
        self.adopt(config)

    def adopt(self, config: Config) -> None:
        """From now on those of this config. What is no longer used ends what it has begun, but for event streams.

        Raises: DevproxyError: a URL of a route has no host; then nothing has changed.
        """
        own = {name: self._own_of(name, recipe) for name, recipe in _recipes(config).items()}
        groups = groups_of(config)
        asked = asked_in(config, groups.values())
        standings = {one: self._standing_of(one, own[one.name][1]) for one in asked}
        parts = dict.fromkeys(part for group in groups.values() for part in group.parts)
        members = {part: self._member_of(part, standings[part.asked]) for part in parts}
        made = {key: self._group_of(key, group, members, config) for key, group in groups.items()}
        before = (*self._groups.values(), *self._own.values())
        self._own, self._standings, self._members, self._groups = own, standings, members, made
        self.by_name = {name: backend for name, (_, backend) in (*own.items(), *made.items())}
        used = {id(backend) for _, backend in (*made.values(), *own.values())}
        for _, backend in before:
            if id(backend) not in used:
                self._retire(backend)
        self._probing.adopt(standings.values())

    async def run(self) -> None:
        """Probe them, until cancelled."""
        await self._probing.run()

    def of_child(self, name: str) -> Upstream | None:
        """The upstream of a service that is ours to run; None: there is none (any more: see `stop`)."""
        _, found = self._own.get(name, (None, None))
        return found if isinstance(found, Upstream) and not self._stopped else None

    def stop(self) -> None:
        """Nothing is forwarded any more, whatever becomes ready: who waits is answered, event streams end."""
        self._stopped = True
        for _, backend in (*self._own.values(), *self._groups.values()):
            if isinstance(backend, Upstream):
                backend.become(OVER)

    @property
    def groups(self) -> list[Balanced]:
        """Those that stand before several upstreams, or before one that is probed or limited."""
        return [group for _, group in self._groups.values()]

    def behind(self, name: str) -> list[str]:
        """The upstreams of the group of that name."""
        return [member.name for group in self.groups if group.name == name for member in group.members]

    def standing(self, name: str) -> Standing | None:
        """How an upstream does; None: nothing is known but its service's state."""
        return next((one for one in self._standings.values() if one.name == name), None)

    def member(self, name: str) -> Member | None:
        """An upstream of that name in a group; None: it is in none."""
        return next((member for member in self._members.values() if member.name == name), None)

    async def close(self) -> None:
        """End the connections to all upstreams, and what is no longer used."""
        for backend in (*self.by_name.values(), *(backend for _, backend in self._own.values()), *self._retired):
            if isinstance(backend, Upstream):
                await backend.close()
        for backend in self._retired:
            if isinstance(backend, Mount):
                await backend.close()

    def _retire(self, backend: Backend) -> None:
        self._retired.append(backend)
        if isinstance(backend, Balanced):
            backend.leave_members()
        if isinstance(backend, Upstream):
            backend.become(OVER)  # who is held by it waits for nobody

    def _own_of(self, name: str, recipe: Recipe) -> tuple[Recipe, Backend]:
        known = self._own.get(name)
        return known if known is not None and known[0] == recipe else (recipe, self._make(name, recipe))

    def _standing_of(self, asked: Asked, upstream: Backend) -> Standing:
        assert isinstance(upstream, Upstream)  # a folder is in no group
        known = self._standings.get(asked)
        if known is not None and known.upstream is upstream:
            return known
        return Standing(upstream, probe=asked.probe, host=asked.host)

    def _member_of(self, part: Part, standing: Standing) -> Member:
        known = self._members.get(part)
        return known if known is not None and known.standing is standing else Member(standing, limit=part.limit)

    def _group_of(
        self, key: str, group: Group, members: Mapping[Part, Member], config: Config
    ) -> tuple[Group, Balanced]:
        known, parts = self._groups.get(key), tuple(members[part] for part in group.parts)
        if known is not None and known[0] == group and all(map(operator.is_, known[1].members, parts)):
            return known
        needed = partial(self._all_needed, [member.name for member in parts])
        return group, Balanced(group.name, parts, balance=group.balance, cookie=str(config.root), needed=needed)

    def _all_needed(self, names: Iterable[str]) -> None:
        for name in names:
            self._needed(name)

    def _make(self, name: str, recipe: Recipe) -> Backend:
        match recipe:
            case ("folder", Path() as root, str() as prefix, bool() as inject):
                return Mount(partial(_static_app, root, prefix, inject, self._content))
            case ("url", str() as url, Trust() as trust, str() as to):
                return _fixed_upstream(to, url, trust)
        return Upstream(name, needed=partial(self._needed, name), doubted=partial(self._doubted, name))


def _recipes(config: Config) -> dict[str, Recipe]:
    """Every upstream and folder: the services', and the URLs that stand in routes."""
    inject = config.reload.enabled and config.reload.inject != "never"
    found: dict[str, Recipe] = {}
    for declared in config.services:
        if declared.static is not None:
            found[declared.name] = ("folder", declared.static, prefix_of(declared.name, config), inject)
        elif declared.url is not None:
            found[declared.name] = ("url", declared.url, Trust(), declared.name)
        else:
            found[declared.name] = ("child", None, None, None)
    urls = {declared.name: declared.url for declared in config.services if declared.url is not None}
    for route in config.routes:
        for to in route.to:
            if url := to if "://" in to else urls.get(to):
                trust = Trust(route.tls_verify, route.tls_ca)
                found.setdefault(upstream_of(route, to), ("url", url, trust, to))
    return found


def prefix_of(name: str, config: Config) -> str:
    """The path that a folder is served under."""
    prefixes = [route.prefix for route in config.routes if name in route.to and route.prefix]
    return min(prefixes, key=len, default="/")


def _fixed_upstream(name: str, text: str, trust: Trust) -> Upstream:
    """An upstream that runs elsewhere: always taken to be ready, as there is nobody who would tell of a start."""
    url = parse_url(text)
    if url.scheme == "https":
        return TlsUpstream(name, url, trust)
    return Upstream(name, state="ready", addresses=url.addresses)


def _static_app(root: Path, prefix: str, inject: bool, content: Callable[[], str]) -> "Application":
    from devproxy.spa.app import StaticApp

    app: Application = StaticApp(root, inject=inject, prefix=prefix, content=content)
    return app
