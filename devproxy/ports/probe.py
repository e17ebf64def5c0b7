"""Is a port free, take it, choose one. Standard library only: `up` and `kill-port` wait for this.

A port is free when it can be bound on both loopback addresses and on both wildcard addresses: Linux
refuses one of them for any listener, macOS lets 127.0.0.1 be bound beside a listener on 0.0.0.0, so
each is tried. SO_REUSEADDR: connections in TIME_WAIT hold nothing. Never SO_REUSEPORT: with it two
programs would share the port without noticing.
"""

import errno
import socket
from collections.abc import Collection, Iterator
from contextlib import ExitStack

from devproxy.errors import PortHeld

LOOPBACK = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
WILDCARD = ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"))  # bound for a moment, never listened on

LOWEST_UNPRIVILEGED = 1024
HIGHEST = 65535
BACKLOG = 2048

# Browsers refuse to connect to these. Source: WHATWG Fetch, "port blocking", bad port.
# fmt: off
BAD_PORTS = frozenset({
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103,
    104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514,
    515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723,
    2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
})
# fmt: on

# This host (or this container) has no such family.
NO_FAMILY = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


class PortInUse(PortHeld):
    """The port cannot be taken: somebody listens on it, or it needs privileges."""

    def __init__(self, port: int, cause: str = "somebody listens on it") -> None:
        super().__init__(
            f"port {port} cannot be taken: {cause}",
            hint=f"choose another port, or see who has it with: devproxy kill-port {port} --dry-run",
            port=port,
        )


def is_free(port: int) -> bool:
    """True when nobody listens on the port, on any address of either family.

    It binds the port for some microseconds: do not poll it while a child is about to bind.
    """
    try:
        for family, host in (*LOOPBACK, *WILDCARD):
            if (probe := _bound(family, host, port)) is not None:
                probe.close()
    except PermissionError:
        # A port below 1024 that we may not bind tells nothing about listeners: ask the table.
        from devproxy.ports.table import listening_ports

        return port not in listening_ports()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def bind_loopback(port: int) -> list[socket.socket]:
    """Take the port on 127.0.0.1 and on ::1 (if the host has it): all of them or none.

    The sockets listen already: on Linux two programs may *bind* one port with SO_REUSEADDR, and
    only listening makes it ours. Connections queue until the caller accepts. Port 0: any free one.

    Returns: listening sockets, the same port on each; the caller closes them.
    Raises:  PortInUse.
    """
    for _ in range(16 if port == 0 else 1):
        wanted = port or _any_port()
        if is_free(wanted):
            try:
                return _listen_on_all(wanted)
            except OSError as error:
                if port and error.errno != errno.EADDRINUSE:
                    raise PortInUse(port, error.strerror or str(error)) from error
    raise PortInUse(port)


def choose(preferred: int, taken: Collection[int] = ()) -> int:
    """The preferred port if it is free, else the next free one above it (80 is followed by 8080).

    Never one of `taken`, never one that browsers refuse to open.

    Raises: PortInUse: no port is left.
    """
    for port in _candidates(preferred):
        if port not in taken and port not in BAD_PORTS and is_free(port):
            return port
    raise PortInUse(preferred, "no free port is left")


def _candidates(preferred: int) -> Iterator[int]:
    yield preferred
    start = preferred + 1 if preferred >= LOWEST_UNPRIVILEGED else preferred + 8000
    yield from range(start, HIGHEST + 1)
    yield from range(LOWEST_UNPRIVILEGED, min(start, HIGHEST + 1))


def _any_port() -> int:
    with socket.socket(socket.AF_INET) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listen_on_all(port: int) -> list[socket.socket]:
    with ExitStack() as undo:
        taken: list[socket.socket] = []
        for family, host in LOOPBACK:
            if (one := _bound(family, host, port)) is not None:
                undo.callback(one.close)
                one.listen(BACKLOG)
                one.setblocking(False)
                taken.append(one)
        undo.pop_all()
        return taken


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket | None:
    """A bound socket, or None when the host has no such family."""
    try:
        one = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno in NO_FAMILY:
            return None
        raise
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((host, port))
    except OSError as error:
        one.close()
        if error.errno in NO_FAMILY:
            return None
        raise
    return one
