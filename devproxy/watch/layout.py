"""Which directories to listen on, so that no inotify watch is spent on node_modules.

The kernel's watches are a shared, bounded resource (inotify(7), fs.inotify.max_user_watches), and a
recursive listener takes one a directory *before* any filter runs. So a tree without ignored
directories is listened on **deep** (one recursive listener), and where one is found, its ancestors
are listened on **shallow** (their own entries only) and their other children deep.
"""

# A burst may be 20,000 paths: strings, of which a Path object each would cost ten times as much.

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from devproxy.watch.gitignore import Ignores, nothing
from devproxy.watch.patterns import IGNORED_DIRECTORIES, LIGHT_DIRECTORIES, is_noise

# Deeper than any source tree; a guard against a recursion that a hostile tree could cause.
MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Root:
    """A directory (or file) that somebody asked about. deep: also what lies further down."""

    path: str
    deep: bool
    ignored: Ignores


@dataclass(slots=True)
class Layout:
    """deep, shallow: directories to listen on; missing: roots that are not there yet."""

    deep: set[str] = field(default_factory=set)
    shallow: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)


def lay_out(roots: Iterable[Root]) -> Layout:
    """Decide where to listen. A missing root is awaited in its nearest existing ancestor."""
    layout = Layout()
    for root in roots:
        if os.path.isdir(root.path):
            _cover_root(root, layout)
        elif os.path.exists(root.path):
            # The directory, not the file: an editor's rename would leave us with the old inode.
            layout.shallow.add(os.path.dirname(root.path))
        else:
            layout.missing.add(root.path)
            layout.shallow.add(_nearest_directory(root.path))
    layout.shallow -= layout.deep
    layout.deep = {path for path in layout.deep if not _has_ancestor_in(path, layout.deep)}
    layout.shallow = {path for path in layout.shallow if not _has_ancestor_in(path, layout.deep)}
    return layout


def walk_files(path: str, ignored: Ignores = nothing) -> Iterator[str]:
    """Every file at or below `path` that is no noise."""
    if os.path.isfile(path):
        yield path
    for folder, names, files in os.walk(path):
        names[:] = [name for name in names if not _is_ignored(name, os.path.join(folder, name), ignored)]
        yield from (os.path.join(folder, name) for name in files if not is_noise((name,)))


def _cover_root(root: Root, layout: Layout) -> None:
    if not root.deep:
        layout.shallow.add(root.path)
    elif _is_clean(root.path, root.ignored, layout, depth=0):
        layout.deep.add(root.path)


def _is_clean(directory: str, ignored: Ignores, layout: Layout, depth: int) -> bool:
    """Whether `directory` holds no ignored one; if it does, cover the clean parts of it."""
    if not os.access(directory, os.R_OK | os.X_OK):
        return False  # inotify would refuse it, and we would poll all the rest
    children, has_ignored = _subdirectories(directory, ignored)
    clean = []
    if depth < MAX_DEPTH:
        clean = [child for child in children if _is_clean(child, ignored, layout, depth + 1)]
        if not has_ignored and len(clean) == len(children):
            return True
    layout.shallow.add(directory)
    layout.deep.update(clean)
    return False


def _subdirectories(directory: str, ignored: Ignores) -> tuple[list[str], bool]:
    wanted: list[str] = []
    has_ignored = False
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name in LIGHT_DIRECTORIES or not entry.is_dir(follow_symlinks=False):
                    continue
                if _is_ignored(entry.name, entry.path, ignored) or _is_venv(entry.path):
                    has_ignored = True
                else:
                    wanted.append(entry.path)
    except OSError:  # gone, or not ours to read: nothing to listen on below it
        return [], True
    return wanted, has_ignored


def _is_ignored(name: str, path: str, ignored: Ignores) -> bool:
    return name in IGNORED_DIRECTORIES or ignored(path, True)


def _is_venv(directory: str) -> bool:
    return os.path.lexists(os.path.join(directory, "pyvenv.cfg"))


def _nearest_directory(path: str) -> str:
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _has_ancestor_in(path: str, paths: set[str]) -> bool:
    while (parent := os.path.dirname(path)) != path:
        if parent in paths:
            return True
        path = parent
    return False
