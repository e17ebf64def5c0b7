"""From changed files to what open pages are told."""

import asyncio
import hashlib
import os
import posixpath
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from devproxy.watch import Watcher

# Bundlers empty such a folder and write it file by file, with pauses longer than an editor's.
BUILD_OUTPUT = frozenset({"dist", "build", "out", "output", ".output", "_site", "public", "www", "target"})
BUILD_QUIET_MS = 150

INDEX = "index.html"
SIBLING_SUFFIXES = (".br", ".gz", ".zst")

Entry = tuple[int, int]


class Content:
    """Names what is served now: the same text as long as no file changes, also after a restart of devproxy.

    One for all folders of a session. It is the sum (exclusive or) of one hash a file, so that a change
    costs only the files that changed.
    """

    def __init__(self) -> None:
        self._sum = 0
        self._entries: dict[str, Entry] = {}

    def __call__(self) -> str:
        """The name; "" before any file has been looked at: unknown."""
        return f"{self._sum:016x}" if self._entries else ""

    def look_at(self, paths: Iterable[str]) -> None:
        """Take note of these files as they are now, or that they are gone. Blocks: one stat a file."""
        for path in paths:
            before, now = self._entries.pop(path, None), _stat(path)
            if before is not None:
                self._sum ^= _hash(path, before)
            if now is not None:
                self._entries[path] = now
                self._sum ^= _hash(path, now)


class LiveReload:
    """Tells the pages of one folder when it changes.

    Args: root: the folder, may be missing for now; url_prefix: the path it is served under;
    quiet_ms: how long nothing must change (build output: at least 150); publish: called on the event loop,
    once a burst, with {"kind": "page"} or {"kind": "css", "paths": […]} (URL paths), and "content", the
    version that pages are then up to date with; content: shared by the folders of one session.
    """

    def __init__(
        self,
        root: Path,
        url_prefix: str,
        quiet_ms: int,
        publish: Callable[[dict[str, Any]], None],
        content: Content | None = None,
    ) -> None:
        self._root = root
        self._prefix = url_prefix.rstrip("/")
        self._quiet_ms = quiet_period_ms(root, quiet_ms)
        self._publish = publish
        self._content = Content() if content is None else content
        self._bursts: asyncio.Queue[frozenset[str]] = asyncio.Queue()
        self._has_index = False

    async def run(self, watcher: Watcher | None = None) -> None:
        """Tell until cancelled; watcher: the session's, which somebody else runs (None: one of our own)."""
        if watcher is not None:
            await self._run(watcher)
            return
        own = Watcher(warn=lambda _: None)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(own.run())
            await self._run(own)

    async def _run(self, watcher: Watcher) -> None:
        subscription = watcher.add(self._root, ["**"], self._quiet_ms, self._bursts.put_nowait, gitignored=True)
        try:
            await asyncio.to_thread(self._look_at_all)
            pending: set[str] = set()
            while True:
                pending |= await self._bursts.get()
                if self._is_being_built():
                    continue  # index.html will come, and with it a burst
                changed, pending = frozenset(pending), set()
                if (event := await asyncio.to_thread(self._look_at, changed)) is not None:
                    self._publish({**event, "content": self._content()})
        finally:
            watcher.remove(subscription)

    def _look_at_all(self) -> None:
        self._has_index = (self._root / INDEX).is_file()
        self._content.look_at(list(_files(self._root)))

    def _is_being_built(self) -> bool:
        """Whether there was, or must come, an index.html that is not there now."""
        exists = (self._root / INDEX).is_file()
        self._has_index = self._has_index or exists
        return not exists and (self._has_index or is_build_output(self._root))

    def _look_at(self, changed: frozenset[str]) -> dict[str, Any] | None:
        """Take note of a burst; what to tell of it, None: nothing."""
        self._content.look_at(changed)
        below = os.path.join(os.path.abspath(self._root), "")  # noqa: PTH100, PTH118 (as the watcher spells it)
        kind, names = sort_changes(path.removeprefix(below) for path in changed)
        if kind == "css" and all((self._root / name).is_file() for name in names):
            return {"kind": "css", "paths": [f"{self._prefix}/{quote(name)}" for name in names]}
        return None if kind == "nothing" else {"kind": "page"}


def sort_changes(names: Iterable[str]) -> tuple[str, list[str]]:
    """What a burst of changed files means for a page: "nothing", "css" with the style sheets, or "page".

    A precompressed copy counts as its file; a source map changes nothing on the page.
    """
    originals = {_without_sibling_suffix(name) for name in names}
    relevant = sorted(name for name in originals if not name.endswith(".map"))
    if not relevant:
        return "nothing", []
    if all(posixpath.splitext(name)[1].lower() == ".css" for name in relevant):
        return "css", relevant
    return "page", []


def quiet_period_ms(root: Path, asked_ms: int) -> int:
    """How long nothing must change in a folder before its pages are told."""
    return max(asked_ms, BUILD_QUIET_MS) if is_build_output(root) else asked_ms


def is_build_output(root: Path) -> bool:
    """Whether a folder's name says that a bundler writes it (Angular: dist/NAME/browser)."""
    if root.name == "browser":
        return not BUILD_OUTPUT.isdisjoint((root.parent.name, root.parent.parent.name))
    return root.name in BUILD_OUTPUT


def _without_sibling_suffix(name: str) -> str:
    stem, suffix = posixpath.splitext(name)
    return stem if suffix in SIBLING_SUFFIXES else name


def _files(root: Path) -> Iterable[str]:
    for folder, _, names in os.walk(root):
        yield from (f"{folder}/{name}" for name in names)


def _stat(path: str) -> Entry | None:
    try:
        found = os.stat(path)  # noqa: PTH116 (strings: a burst may be 20,000 files)
    except OSError:  # gone
        return None
    return found.st_mtime_ns, found.st_size


def _hash(path: str, entry: Entry) -> int:
    text = f"{path}\0{entry[0]}\0{entry[1]}".encode(errors="surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())
