"""A bounded view of the project's files. The only file of discovery that touches the disk.

The walk is breadth-first, so that when a limit cuts it short what is near the root has been seen.
Directory links are not followed (loops, and folders outside the project); hidden folders, installed
packages, virtual environments and build output are seen but not entered.
"""

import json
import os
import tomllib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

MAX_DEPTH = 6  # of folders that are listed: source below a service's folder
MANIFEST_DEPTH = 3  # of folders that may hold a service
MAX_ENTRIES = 20_000
MAX_BYTES = 512 * 1024  # read of any one file

NOT_ENTERED = frozenset(
    {
        "node_modules",
        "bower_components",
        "vendor",
        "venv",
        "env",
        "virtualenv",
        "site-packages",
        "__pycache__",
    }
    | {"dist", "build", "out", "target", "coverage", "htmlcov", "tmp", "temp", "logs", "storybook-static"}
)


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder: `path` relative to the root ("." is the root), names of what lies directly in it."""

    path: str
    depth: int
    files: frozenset[str]
    folders: frozenset[str]  # all of them, also those that were not entered


@dataclass(frozen=True, slots=True)
class Tree:
    """What the walk saw. Reading a file through it is bounded; what is broken is noted in `notes`."""

    root: Path
    folders: Mapping[str, Folder]
    notes: list[str] = field(default_factory=list)

    def near_root(self) -> Iterator[Folder]:
        """The folders that may hold a service, nearest first."""
        return (folder for folder in self.folders.values() if folder.depth <= MANIFEST_DEPTH)

    def files(self, *suffixes: str, below: str = ".") -> Iterator[str]:
        """Paths of the files with one of these suffixes, nearest to the root first."""
        for folder in self.folders.values():
            if is_below(folder.path, below):
                for name in sorted(folder.files):
                    if name.endswith(suffixes):
                        yield join(folder.path, name)

    def has(self, path: str) -> bool:
        """Is there such a file? Asks the disk, so it also sees into folders that were not entered."""
        try:
            return (self.root / path).is_file()
        except (OSError, ValueError):
            return False

    def has_folder(self, path: str) -> bool:
        try:
            return (self.root / path).is_dir()
        except (OSError, ValueError):
            return False

    def text(self, path: str) -> str | None:
        """The first `MAX_BYTES` of a file, undecodable bytes replaced; None if it cannot be read."""
        try:
            with (self.root / path).open("rb") as file:
                return file.read(MAX_BYTES).decode("utf-8-sig", errors="replace")
        except (OSError, ValueError) as error:
            self.note(f"{path} cannot be read ({getattr(error, 'strerror', None) or error})")
            return None

    def json(self, path: str) -> dict[str, object] | None:
        """A JSON object, or None (and a note, if the file is there and is none)."""
        text = self.text(path) if self.has(path) else None
        if text is None:
            return None
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            self.note(f"{path} is not valid JSON ({one_line(error)}): ignored")
            return None
        if not isinstance(value, dict):
            self.note(f"{path} is not a JSON object: ignored")
            return None
        return value

    def toml(self, path: str) -> dict[str, object] | None:
        """A TOML document, or None (and a note, if the file is there and is none)."""
        text = self.text(path) if self.has(path) else None
        if text is None:
            return None
        try:
            return tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            self.note(f"{path} is not valid TOML ({one_line(error)}): ignored")
            return None

    def note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def walk(root: Path, *, max_depth: int = MAX_DEPTH, max_entries: int = MAX_ENTRIES) -> Tree:
    """List the folders of a project, nearest to the root first, within the limits.

    Args:     root: the project's root; max_entries: names looked at in all.
    Returns:  a tree; what could not be listed, or was cut off, is in its notes.
    """
    folders: dict[str, Folder] = {}
    tree = Tree(root, folders)
    waiting = deque([(".", 0)])
    budget = max_entries
    while waiting and budget > 0:
        path, depth = waiting.popleft()
        files, subfolders, seen = listing(tree, path, budget)
        budget -= seen
        folders[path] = Folder(path, depth, frozenset(files), frozenset(subfolders))
        if depth < max_depth:
            waiting.extend((join(path, name), depth + 1) for name in sorted(subfolders) if may_enter(name))
    if waiting:
        tree.note(f"the project is large: only its first {max_entries} files and folders were looked at")
    return tree


def listing(tree: Tree, path: str, budget: int) -> tuple[list[str], list[str], int]:
    """Names of the files and of the real (not linked) folders in one folder, and how many were seen."""
    files: list[str] = []
    folders: list[str] = []
    seen = 0
    try:
        with os.scandir(tree.root / path) as entries:
            for entry in entries:
                if (seen := seen + 1) > budget:
                    break
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif entry.is_file():
                    files.append(entry.name)
    except OSError as error:
        tree.note(f"{path} cannot be listed ({error.strerror})")
    return files, folders, seen


def may_enter(name: str) -> bool:
    return not name.startswith(".") and name not in NOT_ENTERED and not name.endswith(".egg-info")


def join(*parts: str) -> str:
    """Join relative posix paths; "." is the root."""
    return str(PurePosixPath(*parts))


def parent(path: str) -> str:
    return str(PurePosixPath(path).parent)


def base_name(path: str) -> str:
    return PurePosixPath(path).name


def is_below(path: str, folder: str) -> bool:
    """Is `path` that folder or inside it?"""
    return folder == "." or path == folder or path.startswith(folder + "/")


def upward(path: str) -> Iterator[str]:
    """The folder itself, its parent, … and the root."""
    while path != ".":
        yield path
        path = parent(path)
    yield "."


def relative(path: str, start: str) -> str:
    """`path` as seen from the folder `start`: "../.venv"."""
    return os.path.relpath(path, start).replace(os.sep, "/")


def spoken(path: str) -> str:
    """The folder in a sentence."""
    return "the root" if path == "." else path


def one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
