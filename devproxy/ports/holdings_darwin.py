"""Listening sockets and their processes on macOS, by lsof; how many connections wait is not told."""

import os
from collections.abc import Collection, Iterable, Iterator

from devproxy.ports.table_darwin import listeners

Found = tuple[int, int, str, int, str, int, int | None]  # as the fields of a Holding


def holdings(pids: Iterable[int], ports: Collection[int]) -> Iterator[Found]:
    """As holdings.holdings."""
    wanted = set(pids)
    for port, address, family, pid, *_ in listeners():
        if pid in wanted and port in ports:
            yield pid, -1, f"{pid}:{address}:{port}", port, address, family, None


def is_held(pid: int, fd: int, link: str) -> bool:
    """As holdings.is_held, as far as a look costs nothing: whether the process lives."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
