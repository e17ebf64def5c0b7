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

LISTEN, TIME_WAIT = "0A", "06"  # include/net/tcp_states.h

Found = set[tuple[int, str, int, int | None, int | None]]  # port, address, family, pid, uid
Sockets = dict[str, tuple[int, str, int, int]]  # inode -> port, address, family, uid


def listeners(port: int | None = None) -> Found:
    """As table.listeners, unordered."""
    sockets = {inode: where for inode, where in listening_sockets().items() if port is None or where[0] == port}
    held = list(_held(_all_pids(), sockets)) if sockets else []
    unseen = sockets.keys() - {inode for inode, _ in held}
    return {_found(sockets[inode], pid) for inode, pid in held} | {_found(sockets[inode], None) for inode in unseen}


def tree_listeners(pid: int) -> Found:
    """As table.tree_listeners, unordered."""
    sockets = listening_sockets()
    return {_found(sockets[inode], pid) for inode, pid in _held(tree(pid), sockets)} if sockets else set()


def listening_ports() -> set[int]:
    """As table.listening_ports."""
    return {port for port, *_ in listening_sockets().values()}


def connections(port: int) -> set[tuple[int | None, int | None, bool]]:
    """As table.connections, unordered: pid, uid, is_over."""
    near_end = f":{port:04X}"
    rows = [fields for name in ("tcp", "tcp6") for fields in _rows(_lines(name))]
    rows = [fields for fields in rows if fields[1].endswith(near_end) and fields[3] != LISTEN]
    uids = {fields[9]: int(fields[7]) for fields in rows if fields[3] != TIME_WAIT}
    pids = {inode: pid for pid in _all_pids() for inode in _socket_inodes(pid) if inode in uids}
    found: set[tuple[int | None, int | None, bool]] = {(pids.get(inode), uid, False) for inode, uid in uids.items()}
    return found | {(None, None, True) for fields in rows if fields[3] == TIME_WAIT}


def listening_sockets() -> Sockets:
    """All LISTEN sockets of this network namespace by their inode."""
    sockets: Sockets = {}
    for name, family in (("tcp", 4), ("tcp6", 6)):
        sockets.update(parse(_lines(name), family))
    return sockets


def parse(lines: Iterable[str], family: int) -> Sockets:
    """LISTEN lines of a /proc/net/tcp or tcp6. Source: proc_pid_net(5)."""
    sockets: Sockets = {}
    for fields in _rows(lines):
        if fields[3] == LISTEN:
            address, _, port = fields[1].partition(":")
            sockets[fields[9]] = (int(port, 16), _address(address), family, int(fields[7]))
    return sockets


def _lines(name: str) -> list[str]:
    with suppress(OSError), open(f"/proc/net/{name}", encoding="ascii") as lines:
        return lines.readlines()
    return []


def _rows(lines: Iterable[str]) -> Iterator[list[str]]:
    """The fields of each line that is whole, without the heading."""
    for line in lines:
        fields = line.split(None, 10)
        if len(fields) >= 10 and fields[0] != "sl":
            yield fields


def _address(text: str) -> str:
    """Groups of four bytes in the host's order, in hex, as an address."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())


def _held(pids: Iterable[int], sockets: Sockets) -> Iterator[tuple[str, int]]:
    """Which of these sockets each of these processes has."""
    return ((inode, pid) for pid in pids for inode in _socket_inodes(pid) if inode in sockets)


def _found(socket: tuple[int, str, int, int], pid: int | None) -> tuple[int, str, int, int | None, int | None]:
    port, address, family, uid = socket
    return port, address, family, pid, uid


def _socket_inodes(pid: int) -> Iterator[str]:
    folder = f"/proc/{pid}/fd"
    with suppress(OSError):  # ended meanwhile, or not ours to look into
        for fd in os.listdir(folder):
            with suppress(OSError):
                target = os.readlink(f"{folder}/{fd}")
                if target.startswith("socket:["):
                    yield target[8:-1]
