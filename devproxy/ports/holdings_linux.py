# ruff: noqa: PTH115, PTH123, PTH208
# Asked several times a second: a Path object a file descriptor would double the cost.
"""Listening sockets and their descriptors on Linux.

The sockets come from the kernel's own filter (sock_diag(7)): /proc/net/tcp lists every connection too, and takes 15 ms
where a load test has left 2,000 of them behind, against 0.1 ms. It is read where sock_diag is not to be had.
"""

import os
import socket
import struct
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Final

SOCK_DIAG: Final = 4  # NETLINK_SOCK_DIAG
BY_FAMILY: Final = 20  # SOCK_DIAG_BY_FAMILY
DUMP: Final = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
DONE, ERROR = 3, 2  # NLMSG_DONE, NLMSG_ERROR
TCP_LISTEN: Final = 10

Found = tuple[int, int, str, int, str, int, int | None]  # as the fields of a Holding
Sockets = dict[str, tuple[int, str, int, int]]  # inode -> port, address, family, connections that wait


def holdings(pids: Iterable[int], ports: Collection[int]) -> Iterator[Found]:
    """As holdings.holdings."""
    sockets = {inode: found for inode, found in _listening().items() if found[0] in ports}
    if not sockets:
        return
    for pid in pids:
        folder = f"/proc/{pid}/fd"
        with suppress(OSError):  # ended meanwhile, or not ours to look into
            for fd in os.listdir(folder):
                with suppress(OSError):
                    link = os.readlink(f"{folder}/{fd}")
                    if link.startswith("socket:[") and (found := sockets.get(link[8:-1])) is not None:
                        yield pid, int(fd), link, *found


def is_held(pid: int, fd: int, link: str) -> bool:
    """As holdings.is_held."""
    try:
        return os.readlink(f"/proc/{pid}/fd/{fd}") == link
    except OSError:
        return False


def _listening() -> Sockets:
    try:
        return {inode: found for family in (4, 6) for inode, found in _dump(family)}
    except OSError:  # the kernel has no tcp_diag, or a sandbox forbids it
        return dict(_read("tcp", 4)) | dict(_read("tcp6", 6))


def _dump(family: int) -> Iterator[tuple[str, tuple[int, str, int, int]]]:
    """Source: struct inet_diag_req_v2 and inet_diag_msg, linux/inet_diag.h."""
    number = socket.AF_INET if family == 4 else socket.AF_INET6
    request = struct.pack("=BBxxI48x", number, socket.IPPROTO_TCP, 1 << TCP_LISTEN)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, SOCK_DIAG) as kernel:
        kernel.sendto(struct.pack("=IHHII", 16 + len(request), BY_FAMILY, DUMP, 1, 0) + request, (0, 0))
        while True:
            data, at = kernel.recv(64 * 1024), 0
            while at < len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                if kind == DONE:
                    return
                if kind == ERROR:
                    raise OSError(-struct.unpack_from("=i", data, at + 16)[0], "sock_diag")
                (port,) = struct.unpack_from("!H", data, at + 20)
                address = socket.inet_ntop(number, data[at + 24 : at + (28 if family == 4 else 40)])
                waiting, inode = struct.unpack_from("=4xI8xI", data, at + 68)
                yield str(inode), (port, address, family, waiting)
                at += (length + 3) & ~3


def _read(name: str, family: int) -> Iterator[tuple[str, tuple[int, str, int, int]]]:
    """Source: proc_pid_net(5); of a listening socket, rx_queue is the length of the accept queue."""
    from devproxy.ports.table_linux import LISTEN, parse

    try:
        with open(f"/proc/net/{name}", encoding="ascii") as lines:
            rows = [line for line in lines if f" {LISTEN} " in line]
    except OSError:
        return
    waiting = {fields[9]: int(fields[4].partition(":")[2], 16) for fields in map(str.split, rows)}
    for inode, (port, address, found_family, *_) in parse(rows, family).items():
        yield inode, (port, address, found_family, waiting.get(inode, 0))
