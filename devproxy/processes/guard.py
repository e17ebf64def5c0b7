# ruff: noqa: PTH112, PTH123, PTH208
# pathlib would cost a process that only waits 15 ms of its start.
"""The guard: if the session is killed without a chance to clean up, ends what it had started.

A small process of its own that reads a pipe held open by the session, line by line:

    +PGID         a process group to end
    -PGID         it is gone
    @PID CREATED  a process of which nothing else tells whose it is, and when the kernel created it

End of file means that the session is gone: what was named, what carries the session's mark in its environment,
and what descends from either, is asked to end, and killed half a second later. One mechanism on Linux and macOS.
Run as a script, without site packages; its argument is the mark.
"""

import os
import signal
import sys
import time

GRACE_SECONDS = 0.5
LONGEST_SECONDS = 10.0
"""What has not ended by SIGKILL until then waits for a disk or a network file system, and for no signal."""

PAUSE_SECONDS = 0.02

Process = tuple[int, float]  # its pid, and when the kernel created it


def main() -> None:
    """Read until end of file, then end all that is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    processes: set[Process] = set()
    for line in sys.stdin:
        word, *more = line[1:].split()
        if line[0] == "+":
            groups.add(int(word))
        elif line[0] == "-":
            groups.discard(int(word))
        else:
            processes.add((int(word), float(more[0])))
    end(groups, processes, sys.argv[1])


def end(groups: set[int], known: set[Process], mark: str) -> None:
    """Ask all to end, then kill those that have not: again and again, for a look misses what starts meanwhile."""
    began = asked_at = time.monotonic()
    asked: set[Process] = set()
    found_before = False
    while time.monotonic() - began < LONGEST_SECONDS:
        rows = snapshot()
        known = left(rows, groups, known, mark)
        if not (known or found_before):
            return
        found_before = bool(known)
        if not asked:
            asked_at = time.monotonic()  # a look takes its time on a busy machine, and is not part of the grace
        if time.monotonic() - asked_at < GRACE_SECONDS:
            send(rows, groups, known - asked, signal.SIGTERM, signal.SIGCONT)  # a stopped process hears nothing
            asked |= known
        else:
            send(rows, groups, known, signal.SIGKILL)
        time.sleep(PAUSE_SECONDS)


def left(rows: "dict[int, Row]", groups: set[int], known: set[Process], mark: str) -> set[Process]:
    """What there is to be ended: in the groups, marked, known from before, or descended from one of these.

    A descendant with another session's mark is left to that session.
    """
    found = {pid for pid, row in rows.items() if row.group in groups or row.mark == mark or (pid, row.created) in known}
    children: dict[int, list[int]] = {}
    for pid, row in rows.items():
        if not row.mark:
            children.setdefault(row.parent, []).append(pid)
    heirs = list(found)
    for pid in heirs:  # grows while it is walked
        heirs.extend(children.pop(pid, ()))
    return {(pid, rows[pid].created) for pid in heirs if pid != os.getpid()}


def send(rows: "dict[int, Row]", groups: set[int], to: set[Process], *numbers: signal.Signals) -> None:
    """Signal whole groups, so that nothing slips through by a fork, and each process that is in none of them."""
    for number in numbers:
        for group in {rows[pid].group for pid, _ in to} & groups:
            reach(-group, number)
        for pid, _ in to:
            if rows[pid].group not in groups:
                reach(pid, number)


def reach(to: int, number: signal.Signals) -> bool:
    """Signal a process, or (negative) a group; False if there is none any more, or none of ours."""
    try:
        os.kill(to, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


class Row:
    """Where a process stands."""

    def __init__(self, parent: int, group: int, created: float, mark: str) -> None:
        self.parent, self.group, self.created, self.mark = parent, group, created, mark


def snapshot() -> dict[int, Row]:
    """Every living process."""
    if os.path.isdir("/proc/self"):
        pids = [name for name in os.listdir("/proc") if name.isdecimal()]
        return {int(pid): row for pid in pids if (row := row_of(pid)) is not None}
    import subprocess  # 20 ms, and only macOS needs it

    asked = ["/bin/ps", "-axEww", "-o", "pid=,ppid=,pgid=,stat=,command="]
    listed = subprocess.run(asked, capture_output=True, check=False).stdout.decode(errors="replace")
    lines = [line.split() for line in listed.splitlines()]
    return {
        int(words[0]): Row(int(words[1]), int(words[2]), 0.0, mark_in(words[4:]))
        for words in lines
        if not words[3].startswith("Z")
    }


def row_of(pid: str) -> Row | None:
    """A process on Linux: proc_pid_stat(5), proc_pid_environ(5). None if it is gone, or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()  # the name may hold spaces and brackets
    if fields[0] in b"ZXx":
        return None
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            words = os.fsdecode(file.read()).split("\0")
    except OSError:
        words = []
    return Row(int(fields[1]), int(fields[2]), int(fields[19]) / os.sysconf("SC_CLK_TCK"), mark_in(words))


def mark_in(words: list[str]) -> str:
    """The assignment among these words that marks a session's descendants."""
    name = sys.argv[1].partition("=")[0] + "="
    return next((word for word in words if word.startswith(name)), "")


if __name__ == "__main__":
    main()
