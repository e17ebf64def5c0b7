# Asked several times a second: a Path object a file descriptor would double the cost.
"""Listening sockets and their descriptors on Linux."""

import os
from collections.abc import Collection, Iterable, Iterator

from devproxy.ports.sockets_linux import listening
from devproxy.ports.table_linux import socket_descriptors

Found = tuple[int, int, str, int, str, int, int | None]  # as the fields of a Holding


def holdings(pids: Iterable[int], ports: Collection[int]) -> Iterator[Found]:
    """As holdings.holdings."""
    sockets = {one.inode: one for one in listening() if one.port in ports}
    for pid in pids if sockets else ():
        for fd, inode in socket_descriptors(pid):
            if (one := sockets.get(inode)) is not None:
                yield pid, fd, f"socket:[{inode}]", one.port, one.address, one.family, one.waiting


def is_held(pid: int, fd: int, link: str) -> bool:
    """As holdings.is_held."""
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}") == link
    except OSError:
        return False
