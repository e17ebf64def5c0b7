"""Parents and process groups on macOS."""

import os

import psutil


def snapshot() -> dict[int, tuple[int, int]]:
    """(parent, process group) of every living process that can be seen."""
    rows: dict[int, tuple[int, int]] = {}
    for pid in psutil.pids():
        try:
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                rows[pid] = (process.ppid(), os.getpgid(pid))
        except (psutil.Error, OSError):
            continue
    return rows


def listed_tree(pid: int) -> list[int] | None:
    """None: macOS keeps no list of a process's children that is cheaper than a snapshot."""
    return None


def children(pid: int) -> list[int]:
    """The children of a process."""
    return [child for child, (parent, _) in snapshot().items() if parent == pid]
