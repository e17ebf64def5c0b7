"""Where a project's root is, and whether it has a config. Quick: every command asks this first."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "devproxy.toml"
PYPROJECT = "pyproject.toml"


def find_root(start: Path) -> Path:
    """The project that `start` is in: the nearest folder at or above it with a config, else the git
    worktree's root, else `start` itself. Absolute, links resolved.
    """
    here = start.resolve()
    folders = (here, *here.parents)
    for folder in folders:
        if (folder / FILE).is_file() or may_configure(folder / PYPROJECT):
            return folder
    # .git is a file in a linked worktree and in a submodule.
    return next((folder for folder in folders if (folder / ".git").exists()), here)


def has_config(root: Path) -> bool:
    """Whether the project has a config, well-formed or not."""
    return (root / FILE).is_file() or may_configure(root / PYPROJECT)


def default_name(root: Path) -> str:
    """The project's name when nothing says another: its folder's, in characters fit for a header field."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", root.name).strip("-.") or "project"


def may_configure(pyproject: Path) -> bool:
    """Whether a pyproject.toml has [tool.devproxy]; also when it is too broken to say."""
    try:
        text = pyproject.read_bytes()
    except OSError:  # mostly: there is none; one that we may not read is not ours
        return False
    if b"devproxy" not in text:
        return False
    import tomllib  # 15 ms, and most pyproject.toml do not name us

    try:
        return table_of(tomllib.loads(text.decode())) is not None
    except (ValueError, RecursionError):
        return b"[tool.devproxy" in text


def table_of(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    tool = document.get("tool")
    found = tool.get("devproxy") if isinstance(tool, dict) else None
    return found if isinstance(found, dict) else None
