# Asked several times a second: a Path object would double the cost.
"""TCP sockets of this network namespace on Linux, those in some states only.

The kernel's own filter picks them out (sock_diag(7)): /proc/net/tcp lists every connection too, and takes 70 ms where a
load test has left 20,000 of them in TIME_WAIT, against 0.1 ms. It is read where sock_diag is not to be had.
"""

import re
import socket
import struct
from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

# include/net/tcp_states.h
LISTEN: Final = 10
CONNECTED: Final = (*range(1, LISTEN), 11)
"""All other states. TIME_WAIT is among them; one that nobody has shaken hands on yet (12) keeps no port."""

SOCK_DIAG: Final = 4  # NETLINK_SOCK_DIAG
BY_FAMILY: Final = 20  # SOCK_DIAG_BY_FAMILY
DUMP: Final = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
DONE, ERROR = 3, 2  # NLMSG_DONE, NLMSG_ERROR


class Socket(NamedTuple):
    """inode: "0" for what no process has any more; waiting: of a listening one, connections nobody has accepted."""

    inode: str
    port: int
    address: str
    family: int
    uid: int
    waiting: int


def listening() -> list[Socket]:
    """All that listen."""
    return _sockets((LISTEN,), 0)


def connected(port: int) -> list[Socket]:
    """The connections whose near end is this port."""
    return _sockets(CONNECTED, port)


def _sockets(states: Collection[int], port: int) -> list[Socket]:
    """Args: port: 0 for all."""
    try:
        return [one for family in (4, 6) for one in _dump(family, states, port)]
    except OSError:  # the kernel has no tcp_diag, or a sandbox forbids it
        return [one for name, family in (("tcp", 4), ("tcp6", 6)) for one in _read(name, family, states, port)]


def _dump(family: int, states: Collection[int], port: int) -> Iterator[Socket]:
    """Source: struct inet_diag_req_v2 and inet_diag_msg, linux/inet_diag.h."""
    number = socket.AF_INET if family == 4 else socket.AF_INET6
    wanted = sum(1 << state for state in states)
    request = struct.pack("=BBxxI", number, socket.IPPROTO_TCP, wanted) + struct.pack("!H46x", port)
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
                (near,) = struct.unpack_from("!H", data, at + 20)
                address = socket.inet_ntop(number, data[at + 24 : at + (28 if family == 4 else 40)])
                waiting, uid, inode = struct.unpack_from("=I4xII", data, at + 72)
                yield Socket(str(inode), near, address, family, uid, waiting)
                at += (length + 3) & ~3


def _read(name: str, family: int, states: Collection[int], port: int) -> list[Socket]:
    try:
        with open(f"/proc/net/{name}", encoding="ascii") as lines:
            return list(parse(lines, family, states, port))
    except OSError:
        return []


def parse(lines: Iterable[str], family: int, states: Collection[int], port: int = 0) -> Iterator[Socket]:
    """The sockets in these states of a /proc/net/tcp or tcp6. Source: proc_pid_net(5)."""
    near = f"{port:04X}" if port else r"\w{4}"
    wanted = re.compile(rf" *\d+: \w+:{near} \S+ (?:{'|'.join(f'{state:02X}' for state in states)}) ")
    for line in lines:
        if wanted.match(line) and len(fields := line.split(None, 10)) >= 10:
            address, _, number = fields[1].partition(":")
            waiting = int(fields[4].partition(":")[2], 16)  # rx_queue: of a listening one, the accept queue's length
            yield Socket(fields[9], int(number, 16), _address(address), family, int(fields[7]), waiting)


def _address(text: str) -> str:
    """Groups of four bytes in the host's order, in hex, as an address."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)
