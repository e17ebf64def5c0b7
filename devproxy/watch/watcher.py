"""One watcher for all who want to know about changed files."""

# A burst may be 20,000 paths: strings, of which a Path object each would cost ten times as much.

import asyncio
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from devproxy.watch.gitignore import NAME, Ignores, gitignore_of, nothing
from devproxy.watch.layout import Layout, Root, lay_out, walk_files
from devproxy.watch.patterns import LIGHT_DIRECTORIES, Glob, is_noise, parse_glob
from devproxy.watch.sources import (
    ADDED,
    DELETED,
    GROUP_MS,
    SHORTEST_STEP_MS,
    Change,
    Failure,
    KernelSource,
    PollSource,
)

# A burst that never pauses is handed over anyway, so that a log file written into a served folder
# cannot silence live reload; long enough for a checkout of 20,000 files to stay one burst.
MAX_BURST_SECONDS = 10.0
# Nobody saves this many files by hand: a checkout or a build is under way. Its pauses are longer than an
# editor's, the more so the longer it takes (a busy machine): then the burst's own length is the measure.
MANY_FILES = 5
MANY_QUIET_SECONDS = (0.1, 0.5)
# Directories come and go while we look at them (a build empties its folder); then look again.
SETTLE_SECONDS = 0.05
# A source that is replaced may still hold changes from before the new one listened: watchfiles groups
# for up to 50 ms, and forgets what it holds when it is closed.
DRAIN_SECONDS = 0.06

# What the kernel dates inodes by on Linux: CLOCK_REALTIME_COARSE, which is some milliseconds behind clock_gettime(2).
INODE_CLOCK: Final = 5 if sys.platform == "linux" else time.CLOCK_REALTIME

Callback = Callable[[frozenset[str]], None]
"""Given the paths of a burst."""


class Subscription:
    """One subscriber: its globs, and the burst that is being collected for it.

    Returned by `Watcher.add`; the only use for it is `Watcher.remove`.
    """

    def __init__(
        self,
        directory: Path,
        globs: Sequence[str],
        quiet_ms: int,
        callback: Callback,
        hold: Callable[[], bool],
        *,
        gitignored: bool,
        unless: re.Pattern[str] | None,
    ) -> None:
        self._directory = os.path.abspath(directory)
        self._globs = tuple(parse_glob(glob) for glob in globs)
        self.quiet_ms = quiet_ms
        self._quiet = quiet_ms / 1000
        self._callback = callback
        self._hold = hold
        self._gitignored = gitignored
        self._unless = unless
        self._pending: set[str] = set()
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._targets: tuple[tuple[str, str, Glob, Ignores], ...] = ()
        self._since_ns = time.clock_gettime_ns(INODE_CLOCK)

    def refresh(self) -> list[Root]:
        """Read .gitignore again and resolve the globs' roots; return the roots to listen on."""
        targets: list[tuple[str, str, Glob, Ignores]] = []
        roots = []
        for glob in self._globs:
            named = os.path.normpath(os.path.join(self._directory, glob.root))
            # FSEvents reports resolved paths; the subscriber is told the path as it named it.
            real, ignored = os.path.realpath(named), nothing
            if not self._gitignored:
                gitignore = gitignore_of(real, os.path.realpath(self._directory))
                ignored = gitignore.ignores
                roots += [Root(os.path.join(parent, NAME), False, nothing) for parent in gitignore.parents]
            targets.append((real, named, glob, ignored))
            roots.append(Root(real, glob.deep, ignored))
        self._targets = tuple(targets)
        return roots

    def match(self, path: str) -> str | None:
        """The path as the subscriber names it, or None if it is not for this subscriber."""
        if self._unless is not None and self._unless.fullmatch(path, path.rfind("/") + 1):
            return None
        for real, named, glob, ignored in self._targets:
            below = _below(path, real)
            if below is None or is_noise(below.split("/") if below else ()) or not glob.matches(below):
                continue
            if not below or not ignored(path, False):  # a glob that names the file itself means it
                return os.path.join(named, below) if below else named
        return None

    def is_news(self, path: str) -> bool:
        """Whether a change that an older source tells of came after the subscription."""
        return _changed_ns(path) >= self._since_ns

    def arrived(self, paths: set[str]) -> None:
        """Add to the burst; it is handed over after the quiet period."""
        loop = asyncio.get_running_loop()
        if not self._pending:
            self._deadline = loop.time() + MAX_BURST_SECONDS
        self._pending |= paths
        self._wait_for_quiet(loop)

    def cancel(self) -> None:
        """Forget the burst."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pending = set()

    def _wait_for_quiet(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        quiet, now = self._quiet, loop.time()
        if len(self._pending) > MANY_FILES:
            least, most = MANY_QUIET_SECONDS
            age = now - (self._deadline - MAX_BURST_SECONDS)
            quiet = max(quiet, least, min(age / 4, most))
        self._timer = loop.call_at(min(now + quiet, self._deadline), self._hand_over)

    def _hand_over(self) -> None:
        loop = asyncio.get_running_loop()
        if self._hold() and loop.time() < self._deadline:
            self._wait_for_quiet(loop)
            return
        burst, self._pending, self._timer = frozenset(self._pending), set(), None
        self._callback(burst)


Listened = frozenset[Subscription]
"""Those who were there before a source was opened: all that it tells is news to them."""


class Watcher:
    """Tells subscribers which files changed, once a burst.

    Args: warn: is told, at most once, why changes are polled for instead of listened to;
    poll: poll from the start (folders shared into a container or a virtual machine tell nothing).
    Cancel: `run` ends its threads before it returns; a burst in the making is dropped.
    """

    def __init__(self, *, warn: Callable[[str], None], poll: bool = False) -> None:
        self._warn = warn
        self._polling = poll
        self._subscriptions: tuple[Subscription, ...] = ()
        self._roots: list[Root] = []
        self._layout = Layout()
        self._sources: list[KernelSource | PollSource] = []
        self._again = asyncio.Event()
        self._appeared: dict[str, Listened] = {}
        self._running = False
        self.started = asyncio.Event()  # set once changes are seen; cleared when a subscriber is added

    def add(
        self,
        directory: Path,
        globs: Sequence[str],
        quiet_ms: int,
        callback: Callback,
        *,
        gitignored: bool = False,
        unless: re.Pattern[str] | None = None,
    ) -> Subscription:
        """Subscribe to files below `directory`; the callback runs on the event loop, once a burst.

        What changed before is not told. A root that does not exist is waited for. gitignored: files that .gitignore
        names count, too; unless: those whose names match do not.
        Callable before and while `run` runs.
        """
        subscription = Subscription(
            directory,
            globs,
            quiet_ms,
            callback,
            lambda: not self.started.is_set(),
            gitignored=gitignored,
            unless=unless,
        )
        self._subscriptions = (*self._subscriptions, subscription)
        self.started.clear()
        self._again.set()
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """End a subscription; its callback is not called any more."""
        self._subscriptions = tuple(each for each in self._subscriptions if each is not subscription)
        subscription.cancel()
        self._again.set()

    async def run(self) -> None:
        """Listen until cancelled."""
        self._running = True
        try:
            while True:
                self.started.clear()
                self._again.clear()
                appeared, self._appeared = self._appeared, {}
                if not await self._listen():
                    self._appeared = appeared | self._appeared
                    await asyncio.sleep(SETTLE_SECONDS)
                    continue
                if appeared:
                    self._deliver(await asyncio.to_thread(self._sort_appeared, appeared))
                if not self._again.is_set():
                    self.started.set()
                await self._again.wait()
        finally:
            self._running = False
            self._close(self._sources)
            for subscription in self._subscriptions:
                subscription.cancel()

    async def _listen(self) -> bool:
        """Open sources for what is there now, then close the former ones; False: look again."""
        self._roots = await asyncio.to_thread(self._refresh)
        self._layout = await asyncio.to_thread(lay_out, self._roots)
        former, self._sources = self._sources, []
        try:
            failures = await self._open()
            if "refused" in failures:
                self._close(self._sources)
                self._sources = []
                failures = await self._open()
            if former:
                await asyncio.sleep(DRAIN_SECONDS)
        finally:
            self._close(former)
        return not failures

    async def _open(self) -> set[Failure]:
        """Open the sources of the layout; return why some could not be opened."""
        answers: asyncio.Queue[Failure | None] = asyncio.Queue()
        for make in self._makers(answers):
            self._sources.append(make())
        return {failure for _ in self._sources if (failure := await answers.get()) is not None}

    def _makers(self, answers: asyncio.Queue[Failure | None]) -> list[Callable[[], KernelSource | PollSource]]:
        loop, listened = asyncio.get_running_loop(), frozenset(self._subscriptions)

        def opened(failure: Failure | None, message: str) -> None:
            loop.call_soon_threadsafe(self._opened, answers, failure, message)

        def changed(changes: list[Change]) -> None:
            loop.call_soon_threadsafe(self._arrived, *self._sort(changes, listened), listened)

        if self._polling:
            roots = self._roots
            return [lambda: PollSource(roots, opened=opened, changed=changed)] if roots else []
        makers: list[Callable[[], KernelSource | PollSource]] = []
        deep, shallow, step_ms = self._layout.deep, self._layout.shallow, self._step_ms()
        if deep:
            makers.append(lambda: KernelSource(deep, recursive=True, step_ms=step_ms, opened=opened, changed=changed))
        if shallow:
            makers.append(
                lambda: KernelSource(shallow, recursive=False, step_ms=step_ms, opened=opened, changed=changed)
            )
        return makers

    def _step_ms(self) -> int:
        """How often to look: half of the quiet period that the most impatient subscriber waits for anyway."""
        quiet_ms = min((each.quiet_ms for each in self._subscriptions), default=2 * GROUP_MS)
        return max(SHORTEST_STEP_MS, min(quiet_ms // 2, GROUP_MS))

    def _opened(self, answers: asyncio.Queue[Failure | None], failure: Failure | None, message: str) -> None:
        if failure == "refused" and not self._polling:
            self._polling = True
            self._again.set()
            self._warn(
                f"cannot listen for file changes ({message}); looking once a second instead. "
                "Raise fs.inotify.max_user_watches (or fs.inotify.max_user_instances) with sysctl"
            )
        answers.put_nowait(failure)

    # From here: on a source's thread, reading only what is replaced as a whole.

    def _refresh(self) -> list[Root]:
        return [root for subscription in self._subscriptions for root in subscription.refresh()]

    def _sort(self, changes: list[Change], listened: Listened) -> tuple[dict[Subscription, set[str]], set[str]]:
        """Who is to be told what; and the paths because of which the layout must be made anew."""
        paths: dict[str, str] = {}  # and what was told of: itself, or the directory that it came with
        moved: set[str] = set()
        for change, path in changes:
            if self._changes_layout(change, path):
                moved.add(path)
            if change == DELETED or not os.path.isdir(path):
                paths[path] = path
            elif change == ADDED and not self._is_noise(path):
                # A new directory's first files may be older than the watch on it.
                paths.update(dict.fromkeys(walk_files(path), path))
        return self._for_whom(paths, listened), moved

    def _sort_appeared(self, appeared: Mapping[str, Listened]) -> dict[Subscription, set[str]]:
        """What is in the places because of which the layout was made anew: all of it counts as changed."""
        found: dict[Subscription, set[str]] = {}
        for path, listened in appeared.items():
            for subscription, hits in self._for_whom(dict.fromkeys(walk_files(path), path), listened).items():
                found.setdefault(subscription, set()).update(hits)
        return found

    def _for_whom(self, paths: Mapping[str, str], listened: Listened) -> dict[Subscription, set[str]]:
        found: dict[Subscription, set[str]] = {}
        for subscription in self._subscriptions:
            hits = {
                hit
                for path, told in paths.items()
                if (hit := subscription.match(path)) is not None
                and (subscription in listened or subscription.is_news(told))
            }
            if hits:
                found[subscription] = hits
        return found

    def _changes_layout(self, change: int, path: str) -> bool:
        layout = self._layout
        if os.path.basename(path) == NAME and not self._is_noise(os.path.dirname(path)):
            return True
        if change == ADDED:
            if any(missing == path or missing.startswith(path + "/") for missing in layout.missing):
                return True
            if not os.path.isdir(path):
                return False
            if os.path.dirname(path) in layout.shallow:
                return not self._is_noise(path)
            return os.path.basename(path) not in LIGHT_DIRECTORIES and self._is_noise(path)
        return change == DELETED and (path in layout.deep or path in layout.shallow)

    def _is_noise(self, path: str) -> bool:
        """Whether a directory is of no interest to anybody."""
        for root in self._roots:
            below = _below(path, root.path)
            if below is not None and not (below and (is_noise((*below.split("/"), "x")) or root.ignored(path, True))):
                return False
            if root.path.startswith(path + "/"):
                return False
        return True

    # Back on the event loop.

    def _arrived(self, found: dict[Subscription, set[str]], moved: set[str], listened: Listened) -> None:
        if not self._running:
            return
        if moved:
            # Bursts wait until the new places have been looked at, or a page would reload twice.
            self._appeared |= dict.fromkeys(moved, listened)
            self.started.clear()
            self._again.set()
        self._deliver(found)

    def _deliver(self, found: dict[Subscription, set[str]]) -> None:
        for subscription, paths in found.items():
            if subscription in self._subscriptions:
                subscription.arrived(paths)

    @staticmethod
    def _close(sources: Iterable[KernelSource | PollSource]) -> None:
        for source in sources:
            source.close()


def _below(path: str, root: str) -> str | None:
    """`path` relative to `root`, "" for the root itself, None if it lies elsewhere."""
    if path == root:
        return ""
    prefix = root if root.endswith("/") else root + "/"
    return path[len(prefix) :] if path.startswith(prefix) else None


def _changed_ns(path: str) -> int:
    """When a file was changed, moved or, if it is gone, what held it."""
    while True:
        try:
            return os.lstat(path).st_ctime_ns
        except OSError:
            path = os.path.dirname(path)
