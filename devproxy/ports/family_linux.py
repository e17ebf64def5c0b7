# Asked every 50 ms: a Path object a process would double the cost.
"""Parents and process groups on Linux, from /proc/PID/stat."""

import os

DEAD = b"ZXx"  # zombie, dead: proc_pid_stat(5)


def snapshot() -> dict[int, tuple[int, int]]:
    """(parent, process group) of every living process."""
    rows: dict[int, tuple[int, int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal() and (row := _row(name)) is not None:
            rows[int(name)] = row
    return rows


def listed_tree(pid: int) -> list[int] | None:
    """The process and its descendants, parents first, as the kernel lists them; None where it does not.

    Source: proc_tid_children(5); needs CONFIG_PROC_CHILDREN.
    """
    me = os.getpid()
    if not os.path.exists(f"/proc/{me}/task/{me}/children"):
        return None
    pids = [pid]
    for parent in pids:  # grows while it is walked: breadth first
        pids.extend(children(parent))
    return pids


def children(pid: int) -> list[int]:
    """The children that the kernel lists; none where it does not."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found.extend(map(int, file.read().split()))
        except OSError:
            continue  # the thread ended meanwhile
    return found


def _row(pid: str) -> tuple[int, int] | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split(None, 3)  # the name may hold spaces and brackets
    return None if fields[0] in DEAD else (int(fields[1]), int(fields[2]))
