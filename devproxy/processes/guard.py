# ruff: noqa: PTH112, PTH123, PTH208
# pathlib would cost a process that only waits 15 ms of its start.
"""The guard: if the session is killed without a chance to clean up, ends what it had started.

A small process of its own that reads a pipe held open by the session. Each line names a process group
(`+PGID`, `-PGID`); end of file means that the session is gone: what is still named is asked to end, and
killed half a second later. So is everything with the session's mark in its environment: what has left its
group. One mechanism on Linux and macOS. Run as a script, without site packages; its argument is the mark.
"""

import os
import signal
import sys
import time
from collections.abc import Callable

GRACE_SECONDS = 0.5


def main() -> None:
    """Read until end of file, then end the groups that are left, and what carries the mark."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    end(groups, sys.argv[1].encode())


def end(groups: set[int], mark: bytes) -> None:
    """Ask all to end, then kill those that have not."""
    deadline = time.monotonic() + GRACE_SECONDS
    left = {group for group in groups if reached(os.killpg, group, signal.SIGTERM)}
    escaped = {pid for pid in marked(mark) if reached(os.kill, pid, signal.SIGTERM)}
    while (left or escaped) and time.monotonic() < deadline:
        time.sleep(0.02)
        left = {group for group in left if reached(os.killpg, group, 0)}
        escaped = {pid for pid in escaped if reached(os.kill, pid, 0)}
    for group in left:
        reached(os.killpg, group, signal.SIGKILL)
    if left or escaped:
        for pid in marked(mark):
            reached(os.kill, pid, signal.SIGKILL)


def reached(send: Callable[[int, int], None], to: int, number: int) -> bool:
    """Signal a process or a group; False if there is none any more."""
    try:
        send(to, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def marked(mark: bytes) -> list[int]:
    """The processes with this assignment in their environment, as far as we may look."""
    if os.path.isdir("/proc/self"):
        return [int(name) for name in os.listdir("/proc") if name.isdecimal() and mark in environment(name)]
    import subprocess  # 20 ms, and only macOS needs it

    listed = subprocess.run(["/bin/ps", "-axEww", "-o", "pid=,command="], capture_output=True, check=False).stdout
    lines = [line.split() for line in listed.splitlines()]
    return [int(words[0]) for words in lines if mark in words and int(words[0]) != os.getpid()]


def environment(pid: str) -> list[bytes]:
    """A process's environment on Linux: proc_pid_environ(5)."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


if __name__ == "__main__":
    main()
