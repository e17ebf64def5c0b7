# ruff: noqa: PTH115, PTH123, PTH208
# Asked every 50 ms: a Path object a file descriptor would double the cost.
"""LISTEN sockets on Linux: /proc/net/tcp and tcp6, matched with the socket inodes in /proc/PID/fd.

Read here rather than by psutil: psutil names one process a socket, and workers share sockets; and it
looks into every process of the machine where a tree's own few will do.
"""

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress

from devproxy.ports.family import tree

LISTEN = "0A"  # include/net/tcp_states.h: TCP_LISTEN

Found = set[tuple[int, str, int, int | None]]  # port, address, family, pid
Sockets = dict[str, tuple[int, str, int]]  # inode -> port, address, family


def listeners(port: int | None = None) -> Found:
    """As table.listeners, unordered."""
    sockets = {inode: where for inode, where in listening_sockets().items() if port is None or where[0] == port}
    found = _held_by(_all_pids(), sockets) if sockets else set()
    seen = {one[:3] for one in found}
    return found | {(*where, None) for where in sockets.values() if where not in seen}


def tree_listeners(pid: int) -> Found:
    """As table.tree_listeners, unordered."""
    sockets = listening_sockets()
    return _held_by(tree(pid), sockets) if sockets else set()


def listening_ports() -> set[int]:
    """As table.listening_ports."""
    return {port for port, _, _ in listening_sockets().values()}


def listening_sockets() -> Sockets:
    """All LISTEN sockets of this network namespace by their inode."""
    sockets: Sockets = {}
    for name, family in (("tcp", 4), ("tcp6", 6)):
        with suppress(OSError), open(f"/proc/net/{name}", encoding="ascii") as lines:
            sockets.update(parse(lines, family))
    return sockets


def parse(lines: Iterable[str], family: int) -> Sockets:
    """LISTEN lines of a /proc/net/tcp or tcp6. Source: proc_pid_net(5)."""
    sockets: Sockets = {}
    for line in lines:
        fields = line.split(None, 10)
        if len(fields) >= 10 and fields[3] == LISTEN:
            address, _, port = fields[1].partition(":")
            sockets[fields[9]] = (int(port, 16), _address(address), family)
    return sockets


def _address(text: str) -> str:
    """Groups of four bytes in the host's order, in hex, as an address."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())


def _held_by(pids: Iterable[int], sockets: Sockets) -> Found:
    found: Found = set()
    for pid in pids:
        for inode in _socket_inodes(pid):
            if (where := sockets.get(inode)) is not None:
                found.add((*where, pid))
    return found


def _socket_inodes(pid: int) -> Iterator[str]:
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):  # ended meanwhile, or not ours to look into
        for fd in os.listdir(folder):
            with suppress(OSError):
                target = os.readlink(f"{folder}/{fd}")
                if target.startswith("socket:["):
                    yield target[8:-1]
