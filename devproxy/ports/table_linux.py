# Asked every 50 ms: a Path object a file descriptor would double the cost.
"""LISTEN sockets on Linux and who has them: the sockets' inodes, matched with those in /proc/PID/fd.

Read here rather than by psutil: psutil names one process a socket, and workers share sockets; and it
looks into every process of the machine where a tree's own few will do.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from devproxy.ports.family import tree
from devproxy.ports.sockets_linux import Socket, connected, listening

Found = set[tuple[int, str, int, int | None, int | None]]  # port, address, family, pid, uid


def listeners(port: int | None = None) -> Found:
    """As table.listeners, unordered."""
    sockets = {one.inode: one for one in listening() if port is None or one.port == port}
    held = list(_held(_all_pids(), sockets))
    unseen = sockets.keys() - {inode for inode, _ in held}
    return {_found(sockets[inode], pid) for inode, pid in held} | {_found(sockets[inode], None) for inode in unseen}


def tree_listeners(pid: int) -> Found:
    """As table.tree_listeners, unordered."""
    sockets = {one.inode: one for one in listening()}
    return {_found(sockets[inode], pid) for inode, pid in _held(tree(pid), sockets)} if sockets else set()


def listening_ports() -> set[int]:
    """As table.listening_ports."""
    return {one.port for one in listening()}


def connections(port: int) -> set[tuple[int | None, int | None, bool]]:
    """As table.connections, unordered: pid, uid, is_over."""
    found = connected(port)
    sockets = {one.inode: one for one in found if one.inode != "0"}
    pids = dict(_held(_all_pids(), sockets))
    over: set[tuple[int | None, int | None, bool]] = {(None, None, True)} if len(found) > len(sockets) else set()
    return over | {(pids.get(inode), one.uid, False) for inode, one in sockets.items()}


def socket_descriptors(pid: int) -> Iterator[tuple[int, str]]:
    """The descriptors of a process that are sockets, and their inodes."""
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):  # ended meanwhile, or not ours to look into
        for fd in os.listdir(folder):
            with suppress(OSError):
                target = os.readlink(f"{folder}/{fd}")
                if target.startswith("socket:["):
                    yield int(fd), target[8:-1]


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())


def _held(pids: Iterable[int], sockets: Mapping[str, Socket]) -> Iterator[tuple[str, int]]:
    """Which of these sockets each of these processes has."""
    if sockets:
        yield from ((inode, pid) for pid in pids for _, inode in socket_descriptors(pid) if inode in sockets)


def _found(one: Socket, pid: int | None) -> tuple[int, str, int, int | None, int | None]:
    return one.port, one.address, one.family, pid, one.uid
