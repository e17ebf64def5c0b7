"""ports.json: which ports a root was given, so that it gets them again and its siblings get others.

Only what was chosen is kept, never what a config or a convention says. A file that is torn, or of a later
version, reads as empty: then another port is chosen.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

FILE = "ports.json"
SCHEMA = 1
PUBLIC = "devproxy"  # the gateway's port; no service may have this name


class Memory:
    """The ports of one root.

    Args: state: its state folder; root: the project.
    """

    def __init__(self, state: Path, root: Path) -> None:
        self._state = state
        self._root = root
        self._known = _read(state / FILE).get(str(root), {})

    def recall(self, name: str) -> int | None:
        """The port that the service of this name (or PUBLIC) was given last."""
        return self._known.get(name)

    def keep(self, name: str, port: int) -> None:
        """Remember the port. A state folder that is full or read-only costs the memory, not the session."""
        if self._known.get(name) == port:
            return
        self._known = {**self._known, name: port}
        try:
            fd, fresh = tempfile.mkstemp(dir=self._state, prefix=f".{FILE}.")
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                json.dump({"schema": SCHEMA, "root": str(self._root), "ports": self._known}, file)
            Path(fresh).replace(self._state / FILE)
        except OSError:
            return

    def of_others(self) -> frozenset[int]:
        """What the other roots of this user have been given and still exist."""
        found: set[int] = set()
        for file in self._state.parent.glob(f"*/{FILE}"):
            if file.parent != self._state:
                for root, ports in _read(file).items():
                    if os.path.isdir(root):  # noqa: PTH112 (raises nothing)
                        found |= set(ports.values())
        return frozenset(found)


def _read(file: Path) -> Mapping[str, dict[str, int]]:
    """The ports by root (one, or none)."""
    try:
        found = json.loads(file.read_bytes())
        if found["schema"] != SCHEMA:
            return {}
        return {str(found["root"]): {str(name): int(port) for name, port in found["ports"].items()}}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
