"""A port between being chosen and being bound: ours, as far as other devproxys of this user go.

A record lock on one byte of a file, the byte's offset being the port. It cannot outlive us (the kernel
drops it with the process), names its owner, and costs no file a port. Children do not inherit it.
Source: fcntl_locking(2), POSIX fcntl().
"""

import errno
import fcntl
import os
import struct
import sys
from contextlib import suppress
from pathlib import Path

FILE = "ports.lock"

TAKEN = frozenset({errno.EAGAIN, errno.EACCES})  # by somebody else; systems differ in which they say

# struct flock: l_type, l_whence, l_start, l_len, l_pid; on macOS start, length, pid, type, whence.
FLOCK = struct.Struct("qqihh" if sys.platform == "darwin" else "hhqqi")


class Leases:
    """The ports that this process has taken and not given back.

    Args: folder: the same one for every devproxy of this user; its file is left there, empty.
    Owns: the open file. It must be the only one of the process: closing any other would drop our locks.
    """

    def __init__(self, folder: Path) -> None:
        """Raises: OSError."""
        self._file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, port: int) -> bool:
        """Take a port that no other devproxy has taken; False if one has. What is ours already stays so."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except OSError as error:
            return error.errno not in TAKEN  # a file system without locks: then nobody has leases
        return True

    def give_back(self, port: int) -> None:
        """Others may have it."""
        with suppress(OSError):
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, port)

    def owner(self, port: int) -> int | None:
        """The pid of the other devproxy that has taken the port."""
        return locked_by(self._file, port, 1)

    def close(self) -> None:
        """Give everything back."""
        os.close(self._file)


def locked_by(file: int, start: int, length: int) -> int | None:
    """The pid of another process that has a lock there. Args: length: in bytes; 0: all from the start on."""
    kind, pid = _unpacked(fcntl.fcntl(file, fcntl.F_GETLK, _packed(fcntl.F_WRLCK, start, length)))
    return None if kind == fcntl.F_UNLCK else pid


def _packed(kind: int, start: int, length: int) -> bytes:
    if sys.platform == "darwin":
        return FLOCK.pack(start, length, 0, kind, os.SEEK_SET)
    return FLOCK.pack(kind, os.SEEK_SET, start, length, 0)


def _unpacked(flock: bytes) -> tuple[int, int]:
    """Type and pid."""
    fields = FLOCK.unpack(flock)
    return (fields[3], fields[2]) if sys.platform == "darwin" else (fields[0], fields[4])
