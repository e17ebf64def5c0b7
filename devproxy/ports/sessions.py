"""Which devproxy sessions run now, and for which roots. By connecting, for a crash leaves every file behind."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from devproxy import paths
from devproxy.ports.facts import LiveSession

FILE = "session.json"
CONNECT_SECONDS = 0.5  # a socket of this machine answers at once, or its backlog is full


def running(state_home: Path, root: Path) -> tuple[LiveSession, ...]:
    """The sessions of this user that answer.

    Args: root: this project's, to tell its own session from the others.
    """
    return tuple(_running(state_home, f"-{paths.root_hash(root)}"))


def _running(state_home: Path, ending: str) -> Iterator[LiveSession]:
    for file in sorted(state_home.glob(f"*/{FILE}")):
        try:
            said = json.loads(file.read_bytes())
            pid, address, root = int(said["pid"]), str(said["socket"]), str(said.get("root", ""))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # torn, or of another version: then it is judged by what else is known
        if _answers(address):
            known = root if os.path.isdir(root) else ""  # noqa: PTH112 (raises nothing). `devproxy proxy` has none
            yield LiveSession(pid, known, is_this_root=file.parent.name.endswith(ending))


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(CONNECT_SECONDS)
        try:
            probe.connect(address)
        except OSError:
            return False
        return True
