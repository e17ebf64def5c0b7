# pathlib would cost a process that only waits 15 ms of its start.
"""The guard: if the session is killed without a chance to clean up, ends what it had started.

A small process of its own that reads a pipe held open by the session, line by line:

    +PGID         a process group to end
    -PGID         it is gone
    @PID CREATED  a process of which nothing else tells whose it is, and when the kernel created it

End of file means that the session is gone: what was named, what carries the session's mark in its environment,
and what descends from either, is asked to end, and killed half a second later. One mechanism on Linux and macOS.
Run as a script, without site packages; its arguments are the mark, and when the kernel created the session.
"""

import os
import signal
import sys
import time

GRACE_SECONDS = 0.5
LONGEST_SECONDS = 10.0
"""What has not ended by SIGKILL until then waits for a disk or a network file system, and for no signal."""

PAUSE_SECONDS = 0.02
TICKS = os.sysconf("SC_CLK_TCK")

Process = tuple[int, float]  # its pid, and when the kernel created it


def main() -> None:
    """Read until end of file, then end all that is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    processes: set[Process] = set()
    since = float(sys.argv[2])  # not asked of the kernel: the session may be gone before we run
    for line in sys.stdin:
        word, *more = line[1:].split()
        if line[0] == "+":
            groups.add(int(word))
        elif line[0] == "-":
            groups.discard(int(word))
        else:
            processes.add((int(word), float(more[0])))
    end(groups, processes, since)


def end(groups: set[int], known: set[Process], since: float) -> None:
    """Ask all to end, then kill those that have not: again and again, for a look misses what starts meanwhile.

    Args: since: when the session began, which is older than all that it has started.
    """
    began = asked_at = time.monotonic()
    asked: set[Process] = set()
    found_before = False
    while time.monotonic() - began < LONGEST_SECONDS:
        rows = snapshot(since)
        known = left(rows, groups, known)
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


def left(rows: "dict[int, Row]", groups: set[int], known: set[Process]) -> set[Process]:
    """What there is to be ended: in the groups, marked, known from before, or descended from one of these.

    A descendant with another session's mark is left to that session.
    """
    found = {pid for pid, row in rows.items() if row.group in groups or row.mark is OURS or (pid, row.created) in known}
    children: dict[int, list[int]] = {}
    for pid, row in rows.items():
        if row.mark is NONE:
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


OURS, ANOTHERS, NONE = "ours", "another's", "none"


class Row:
    """Where a process stands. mark: one of the three above."""

    def __init__(self, parent: int, group: int, created: float, mark: str) -> None:
        self.parent, self.group, self.created, self.mark = parent, group, created, mark


def snapshot(since: float) -> dict[int, Row]:
    """The living processes that were created since then."""
    if os.path.isdir("/proc/self"):
        pids = [name for name in os.listdir("/proc") if name.isdecimal()]
        return {int(pid): row for pid in pids if (row := row_of(pid, since)) is not None}
    import subprocess  # 20 ms, and only macOS needs it

    asked = ["/bin/ps", "-axEww", "-o", "pid=,ppid=,pgid=,stat=,command="]
    listed = subprocess.run(asked, capture_output=True, check=False).stdout
    lines = [line.split() for line in listed.splitlines()]
    return {
        int(words[0]): Row(int(words[1]), int(words[2]), 0.0, mark_in(words[4:]))
        for words in lines
        if not words[3].startswith(b"Z")
    }


def row_of(pid: str, since: float) -> Row | None:
    """A process on Linux: proc_pid_stat(5), proc_pid_environ(5). None if it is gone, a zombie, or older."""
    stat = content(f"/proc/{pid}/stat")
    fields = stat[stat.rfind(b")") + 2 :].split()  # the name may hold spaces and brackets
    if not fields or fields[0] in b"ZXx" or (began := seconds(fields)) < since:
        return None
    return Row(int(fields[1]), int(fields[2]), began, mark_in(content(f"/proc/{pid}/environ").split(b"\0")))


def seconds(fields: list[bytes]) -> float:
    """When a process was created, from boot on: the field starttime."""
    return int(fields[19]) / TICKS


def content(path: str) -> bytes:
    """A small file, quickly; empty if there is none. Every process is asked again and again, on a busy machine."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    found = b""
    try:
        while data := os.read(file, 65536):
            found += data
    except OSError:
        pass  # it has ended meanwhile
    finally:
        os.close(file)
    return found


def mark_in(words: list[bytes]) -> str:
    """Whose descendant has this environment, by the assignment that marks them."""
    ours = os.fsencode(sys.argv[1])
    name = ours.partition(b"=")[0] + b"="
    found = next((word for word in words if word.startswith(name)), None)
    return NONE if found is None else OURS if found == ours else ANOTHERS


if __name__ == "__main__":
    main()
