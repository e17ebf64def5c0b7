"""One session a root: the lock that says so, and where its clients find it.

A lock on an open file cannot be left behind by a crash (flock(2)); session.json and the socket can, and
whoever takes the lock replaces them.
"""

import fcntl
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devproxy.errors import DevproxyError
from devproxy.events import rfc3339
from devproxy.paths import make_state_dir, socket_path, state_dir

SESSION_FILE = "session.json"


class AlreadyRunning(DevproxyError):
    """Another session runs in this root."""

    exit_code = 0


def is_taken(root: Path) -> bool:
    """Whether a session has this root, also one that does not answer yet, or no more."""
    try:
        lock = os.open(state_dir(root) / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


class Place:
    """This session's hold on its root.

    Owns: the lock, session.json and the control socket's path; `leave` gives them up.
    """

    def __init__(self, root: Path) -> None:
        """Take the root.

        Raises: AlreadyRunning: another session has it; DevproxyError: the state folder cannot be used.
        """
        self.root = root
        self.state = make_state_dir(root)
        self.logs = self.state / "logs"
        self.id = secrets.token_hex(4)
        self.socket = socket_path(root)
        self._lock = os.open(self.state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise AlreadyRunning(f"devproxy already runs in {root}") from None
        self.socket.unlink(missing_ok=True)

    def announce(self, facts: dict[str, Any]) -> None:
        """Write session.json: for scripts, and for people who look. Raises: OSError."""
        path = self.state / SESSION_FILE
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        known = {"id": self.id, "pid": os.getpid(), "root": str(self.root), "socket": str(self.socket)}
        fresh.write_text(json.dumps({**known, **facts}))
        fresh.replace(path)

    def leave(self) -> None:
        """Give the root up."""
        self.socket.unlink(missing_ok=True)
        (self.state / SESSION_FILE).unlink(missing_ok=True)
        os.close(self._lock)


@dataclass(frozen=True, slots=True)
class Announced:
    """What a session.json says. It may be a crash's: only who answers at the socket is alive.

    root: what the state folder is of; for `devproxy proxy` that is no folder. since: RFC 3339.
    """

    root: Path
    socket: Path
    pid: int
    name: str
    url: str
    since: str


def announced(state_home: Path) -> list[Announced]:
    """The sessions that have written down where they are, the dead ones too; what cannot be read is left out."""
    found = []
    for file in sorted(state_home.glob(f"*/{SESSION_FILE}")):
        try:
            said = json.loads(file.read_bytes())
            root, socket, pid = Path(said["root"]), Path(said["socket"]), int(said["pid"])
            name, url, since = str(said["name"]), str(said["url"]), rfc3339(float(said["started"]))
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            continue  # torn, or another version's
        found.append(Announced(root, socket, pid, name, url, since))
    return found
