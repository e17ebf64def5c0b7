"""Creation time and boot id on Linux."""

import os
from pathlib import Path

DEAD = b"ZXx"  # zombie, dead: proc_pid_stat(5)
STATE, START_TIME = 0, 19  # fields 3 and 22, counted after the name


def create_time(pid: int) -> float | None:
    """Seconds from boot to the process's start; None: gone, or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # hot: asked for every process
            stat = file.read()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()  # the name may hold spaces and brackets
    if fields[STATE] in DEAD:
        return None
    return int(fields[START_TIME]) / os.sysconf("SC_CLK_TCK")


def boot_id() -> str:
    """The kernel's random id of this boot. Source: random(4)."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
