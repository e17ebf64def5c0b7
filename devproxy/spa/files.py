"""Opens files that lie below a root, and nothing else.

Links are followed as long as they stay below the root. The path is resolved first and then walked
again from the root's own descriptor with O_NOFOLLOW: a link that is swapped in between ends the walk
(openat(2)). A FIFO or a device is never opened: stat comes before open, O_NONBLOCK for the moment between.
"""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from devproxy.spa.paths import is_hidden
from devproxy.spa.requests import Validators

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


@dataclass(slots=True)
class OpenFile:
    """A regular file below the root, open for reading. Owns: the descriptor; `close` it."""

    descriptor: int
    size: int
    modified_ns: int
    parts: tuple[str, ...]  # where it was asked for

    @property
    def modified(self) -> int:
        return self.modified_ns // 1_000_000_000

    def validators(self, variant: str = "") -> Validators:
        """ETag and date; variant: what makes these bytes differ from the file's own ("br")."""
        suffix = f"-{variant}" if variant else ""
        return Validators(f'"{self.modified_ns:x}-{self.size:x}{suffix}"', self.modified)

    def read(self, size: int, offset: int) -> bytes:
        """`size` bytes from `offset`; fewer only at the end of the file."""
        chunks = []
        while size > 0 and (chunk := os.pread(self.descriptor, size, offset)):
            chunks.append(chunk)
            size -= len(chunk)
            offset += len(chunk)
        return b"".join(chunks)

    def close(self) -> None:
        os.close(self.descriptor)


def open_below(root: Path, parts: Sequence[str]) -> OpenFile | Literal["directory"] | None:
    """Open root/parts. "directory": it is one; None: there is nothing that may be served.

    Blocks for as long as a few system calls take.
    """
    try:
        base = os.path.realpath(root, strict=True)
        resolved = os.path.realpath("/".join((base, *parts)), strict=True)
        below = _parts_below(resolved, base)
        return None if below is None else _walk(base, below, tuple(parts))
    except (OSError, ValueError):  # missing, a loop, not ours to read, too long a name, a NUL
        return None


def _parts_below(resolved: str, base: str) -> list[str] | None:
    """What a resolved path is relative to the root; None if it lies elsewhere or is a dotfile."""
    if resolved == base:
        return []
    prefix = base if base.endswith("/") else base + "/"
    if not resolved.startswith(prefix):
        return None
    below = resolved[len(prefix) :].split("/")
    hidden = any(is_hidden(name, first=position == 0) for position, name in enumerate(below))
    return None if hidden else below


def _walk(base: str, below: list[str], asked: tuple[str, ...]) -> OpenFile | Literal["directory"] | None:
    current = os.open(base, _FLAGS | os.O_DIRECTORY)
    try:
        for name in below:
            found = os.stat(name, dir_fd=current, follow_symlinks=False)
            if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
                return None
            following = os.open(name, _FLAGS, dir_fd=current)
            os.close(current)
            current = following
        found = os.fstat(current)
        if stat.S_ISDIR(found.st_mode):
            return "directory"
        if not stat.S_ISREG(found.st_mode):
            return None
        opened = OpenFile(current, found.st_size, found.st_mtime_ns, asked)
        current = -1
        return opened
    finally:
        if current >= 0:
            os.close(current)
