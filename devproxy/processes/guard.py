"""The guard: if the session is killed without a chance to clean up, ends what it had started.

A small process of its own that reads a pipe held open by the session. Each line names a process group
(`+PGID`, `-PGID`); end of file means that the session is gone: what is still named is asked to end, and
killed half a second later. One mechanism on Linux and macOS. Run as a script, without site packages.
"""

import os
import signal
import sys
import time

GRACE_SECONDS = 0.5


def main() -> None:
    """Read until end of file, then end the groups that are left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    end(groups)


def end(groups: set[int]) -> None:
    """Ask all groups to end, then kill those that have not."""
    deadline = time.monotonic() + GRACE_SECONDS
    left = {group for group in groups if sent(group, signal.SIGTERM)}
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = {group for group in left if sent(group, 0)}
    for group in left:
        sent(group, signal.SIGKILL)


def sent(group: int, number: int) -> bool:
    """Signal a group; False if there is none any more."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
