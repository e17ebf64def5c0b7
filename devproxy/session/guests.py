"""Who uses a session that another `devproxy run` has started: it stays until they are done.

A record lock on the byte of one's own pid, in a file of the root's state folder. It survives exec(2), so that whoever
becomes the command goes on having it, is no child's, and is gone with the process, however that ends.
"""

import fcntl
import os
from pathlib import Path

from devproxy.ports.leases import locked_by

FILE = "guests.lock"


class Guest:
    """One who uses the session of a root, from now on until its process ends.

    Owns: the file; to close any other one of this name in the same process would drop the lock.
    """

    def __init__(self, state: Path) -> None:
        """Raises: OSError."""
        self._file = os.open(state / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, os.getpid())

    def stay(self) -> None:
        """Be one also as the program that this process becomes."""
        os.set_inheritable(self._file, True)


def guest_of(state: Path) -> int | None:
    """The pid of somebody else who uses the session of a root."""
    try:
        file = os.open(state / FILE, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return locked_by(file, 0, 0)
    finally:
        os.close(file)
