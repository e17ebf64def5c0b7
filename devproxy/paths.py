"""Where devproxy keeps what it must remember. Nothing is ever written into the repo.

State (session.json, children.json, logs/, gateway port) lives under the user's state directory
(XDG Base Directory: $XDG_STATE_HOME, else ~/.local/state; on macOS ~/Library/Application Support),
one folder a project root, mode 0700. The control socket lives in the runtime directory.
"""

import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path

from devproxy.errors import DevproxyError


def state_home() -> Path:
    """The folder that holds one state folder a project root. DEVPROXY_STATE_DIR overrides it."""
    if override := os.environ.get("DEVPROXY_STATE_DIR"):
        return Path(override)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "devproxy"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "devproxy"


def state_dir(root: Path) -> Path:
    """The state folder of a project root: its name for people, a hash of its path for uniqueness."""
    return state_home() / f"{root.name or 'root'}-{root_hash(root)}"


def make_state_dir(root: Path) -> Path:
    """`state_dir`, made if need be, readable by this user only.

    Raises: DevproxyError: it cannot be made or written; the message names it.
    """
    path = state_dir(root)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise DevproxyError(
            f"the state directory {path} cannot be used: {error.strerror}",
            hint="set DEVPROXY_STATE_DIR to a folder that you may write",
        ) from error
    return path


def socket_path(root: Path) -> Path:
    """Where the session of this root listens for its clients.

    A hashed name in the runtime directory: a socket's path has at most 104 bytes on macOS (unix(4)).
    """
    return runtime_dir() / f"{root_hash(root)}.sock"


def runtime_dir() -> Path:
    """A folder for sockets, ours alone: $XDG_RUNTIME_DIR/devproxy, else a checked 0700 folder in /tmp."""
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        base = Path(runtime) / "devproxy"
        if len(str(base)) < 70:
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            return base
    return private_dir(Path(tempfile.gettempdir()) / f"devproxy-{os.getuid()}")


def private_dir(path: Path) -> Path:
    """Make `path` if need be and check that nobody else can have planted it.

    Raises: DevproxyError: it is a link, somebody else's, or open to others.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise DevproxyError(
            f"{path} is not a private folder of this user",
            hint="remove it, or set XDG_RUNTIME_DIR; it must be a folder of yours with mode 0700",
        )
    return path


def root_hash(root: Path) -> str:
    """Twelve hex digits that stand for a project root."""
    return hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:12]
