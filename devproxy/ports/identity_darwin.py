"""Creation time and boot id on macOS."""

import subprocess

import psutil

PATIENCE = 5.0  # seconds


def create_time(pid: int) -> float | None:
    """When the kernel started the process; None: gone, or a zombie."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return process.create_time()
    except psutil.Error:
        return None


def boot_id() -> str:
    """The kernel's id of this boot; its boot time where there is none."""
    command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return str(int(psutil.boot_time()))
    return done.stdout.strip() or str(int(psutil.boot_time()))
