"""Files that matter to a session: those that restart services, those that open pages show, and its config."""

import asyncio
import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from devproxy.config.model import Config
from devproxy.config.root import FILE, PYPROJECT
from devproxy.discovery.procfile import ENV_FILES
from devproxy.discovery.procfile import NAMES as PROCFILES
from devproxy.session.backends import prefix_of

if TYPE_CHECKING:
    from devproxy.spa.reload import Content
    from devproxy.watch import Subscription, Watcher

SAVE_QUIET_MS: Final = 50
"""A save is often several writes; this long without another one, it is complete."""

EDIT_QUIET_MS: Final = 200
"""Nobody waits for a changed config; looking for it this seldom costs an idle session nothing."""

CONFIGS: Final = (FILE, PYPROJECT, *PROCFILES)
"""What a project is read from, by its root: files that editors replace, or that come later."""

ANY_FILE: Final = ("**",)
"""What a service that names no files waits for when it has crashed too often."""

WRITTEN_BY_PROGRAMS: Final = re.compile(
    r".*\.(?:log|out|err|pid|sock|tmp|cache|db|sqlite|sqlite3|db3|rdb|aof|mdb|prof|coverage)"
    r"|.*(?:-journal|-wal|-shm)|\.coverage.*|nohup\.out|core(?:\.\d+)?|.*\.log\.[\w.-]+",
)
"""Names of what programs write by themselves: no save of a person's."""

Watched = tuple[Path, tuple[str, ...]]
Site = tuple[Path, str, int]


class Watching:
    """Watches what a config names; `run` is its task, `adopt` gives it another config.

    Args: saved: told a service's name and the files of a burst; reload: told what open pages must do; edited:
    told which files of the project's config have changed, those with variables of services among them, None if it has
    none to watch; warn: told why changes are
    polled for.
    """

    def __init__(
        self,
        config: Config,
        *,
        saved: Callable[[str, frozenset[str]], None],
        reload: Callable[[dict[str, Any]], None],
        edited: Callable[[frozenset[str]], None] | None,
        warn: Callable[[str], None],
    ) -> None:
        self._config = config
        self._saved = saved
        self._reload = reload
        self._edited = edited
        self._warn = warn
        self._tasks: asyncio.TaskGroup | None = None
        self.watcher: Watcher | None = None  # none before something is watched
        self._awaiting: set[str] = set()  # services that wait for a save, whatever they are watched for
        self._subscriptions: dict[str, tuple[Watched, Subscription]] = {}
        self._env_files: dict[Path, tuple[str, ...]] = {}  # names by folder
        self._env_subscriptions: list[Subscription] = []
        self._sites: tuple[Site, ...] = ()
        self._sites_tasks: list[asyncio.Task[None]] = []
        self._content: Content | None = None

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            if self._edited is not None:
                self._running_watcher().add(self._config.root, CONFIGS, EDIT_QUIET_MS, self._edited, gitignored=True)
            self.adopt(self._config)
            await asyncio.Event().wait()

    def adopt(self, config: Config) -> None:
        """Watch what this config names, from now on."""
        self._config = config
        if self._tasks is None:
            return  # `run` will
        self._watch_services()
        self._watch_env_files(dict(_env_files(config)))
        self._watch_sites(tuple(_sites(config)))

    def await_save(self, name: str, *, awaited: bool) -> None:
        """Whether a service waits for a save: one that names no files is watched only meanwhile."""
        if awaited == (name in self._awaiting):
            return
        (self._awaiting.add if awaited else self._awaiting.discard)(name)
        if self._tasks is not None:
            self._watch_services()

    def content_version(self) -> str:
        """The version of the static files that are served now; empty when nobody watches them."""
        return self._content() if self._content is not None else ""

    def _watch_services(self) -> None:
        wanted = dict(_watched(self._config, self._awaiting))
        for name, (watched, subscription) in tuple(self._subscriptions.items()):
            if wanted.get(name) != watched:
                self._running_watcher().remove(subscription)
                del self._subscriptions[name]
        for name, watched in wanted.items():
            if name not in self._subscriptions:
                unless = WRITTEN_BY_PROGRAMS if watched[1] is ANY_FILE else None
                told = partial(self._saved, name)
                subscription = self._running_watcher().add(*watched, SAVE_QUIET_MS, told, unless=unless)
                self._subscriptions[name] = watched, subscription

    def _watch_env_files(self, wanted: dict[Path, tuple[str, ...]]) -> None:
        if wanted == self._env_files or self._edited is None:
            return
        for subscription in self._env_subscriptions:
            self._running_watcher().remove(subscription)
        self._env_files = wanted
        self._env_subscriptions = [
            self._running_watcher().add(folder, names, EDIT_QUIET_MS, self._edited, gitignored=True)
            for folder, names in wanted.items()
        ]

    def _watch_sites(self, wanted: tuple[Site, ...]) -> None:
        """All or none anew: they share the name of what is served now."""
        if wanted == self._sites:
            return
        for task in self._sites_tasks:
            task.cancel()
        self._sites, self._sites_tasks, self._content = wanted, [], None
        if not wanted:
            return
        from devproxy.spa.reload import Content, LiveReload

        assert self._tasks is not None
        self._content = content = Content()
        for root, prefix, quiet_ms in wanted:
            live = LiveReload(root, prefix, quiet_ms, self._reload, content)
            self._sites_tasks.append(self._tasks.create_task(live.run(self._running_watcher())))

    def _running_watcher(self) -> "Watcher":
        if self.watcher is None:
            from devproxy.watch import Watcher

            assert self._tasks is not None
            self.watcher = Watcher(warn=self._warn)
            self._tasks.create_task(self.watcher.run())
        return self.watcher


def _watched(config: Config, awaiting: Collection[str]) -> "Iterator[tuple[str, Watched]]":
    """What restarts which service."""
    for declared in config.services:
        if declared.command is not None and (declared.watch or declared.name in awaiting):
            yield declared.name, (declared.dir, declared.watch or ANY_FILE)


def _env_files(config: Config) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The files that services are given variables from; without a config also those that would be, once there."""
    ours = [declared for declared in config.services if declared.command is not None]
    files = {file for declared in ours for file in declared.env_files}
    if config.source is None:
        files |= {declared.dir / name for declared in ours for name in ENV_FILES}
    for folder in {file.parent for file in files}:
        yield folder, tuple(sorted(file.name for file in files if file.parent == folder))


def _sites(config: Config) -> Iterator[Site]:
    """The folders whose changes reload pages."""
    for declared in config.services:
        if declared.static is not None and config.reload.enabled:
            yield declared.static, prefix_of(declared.name, config), config.reload.quiet_ms
