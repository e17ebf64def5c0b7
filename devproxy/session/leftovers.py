"""What an earlier session of this root has left behind, although its guard should have ended it: ended now.

Only what a record proves to be ours: the processes that it names by pid, creation time and boot, with the groups
that they lead, and those that carry the name of the recorded session in their environment and are younger than it.
Anybody else who has such a pid today, or leads such a group, is a stranger. The outside world is polled; there is no
loop yet.

Names of processes alone would not do, however soon a session writes them down: one that forks and detaches has
children younger than its last look, and more of them while we end it. Their environment names a session by a random
word that this root's record has, and that only those have who were started by it.
"""

import signal
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from devproxy.ports import family, identity, records
from devproxy.ports.records import ChildRecord
from devproxy.ports.signals import send, send_group
from devproxy.processes import marks

GRACE_SECONDS: Final = 2.0
KILL_SECONDS: Final = 2.0
POLL_SECONDS: Final = 0.02


def end_leftovers(state: Path, root: Path, say: Callable[[str], None]) -> None:
    """End what the records in this root's state folder prove to be left; returns when it is gone, or will not go.

    Asked first, killed GRACE_SECONDS later. What is said: once what is ended, and once what did not end.
    """
    boot = identity.boot_id()
    ours = [one for one in records.load(state) if one.boot_id == boot and not one.session.is_alive()]
    if not ours:
        return
    began, asked, killed = time.monotonic(), set[ChildRecord](), set[ChildRecord]()
    while left := find(ours):
        waited = time.monotonic() - began
        if waited > GRACE_SECONDS + KILL_SECONDS:
            say(f"an earlier session has left what does not end: {_names(left)}")
            return
        if not asked:
            say(f"ending what an earlier session left running: {_names(left)}")
        if waited > GRACE_SECONDS:
            _signal(left, signal.SIGKILL)
            _note(state, root, left - killed, signal.SIGKILL)
            killed |= left
        else:
            _signal(left - asked, signal.SIGTERM)
            _signal(left - asked, signal.SIGCONT)  # a stopped process hears nothing
            _note(state, root, left - asked, signal.SIGTERM)
        asked |= left
        time.sleep(POLL_SECONDS)


def find(ours: Sequence[ChildRecord]) -> set[ChildRecord]:
    """What is left of the sessions that wrote these records: what they name, and what carries their mark."""
    named = {one for one in ours if one.pgid in (0, one.pid) and one.child.is_alive()}
    known = {one.child for one in named}
    own, _ = family.own(family.snapshot())  # a shell that such a service had opened may be where we run
    by_mark = {one.mark: one for one in ours if one.mark}
    return named | {
        replace(
            by_mark[found.session], service=found.service, pid=who.pid, create_time=who.create_time, pgid=0, ports=()
        )
        for who, found in marks.marked({mark: one.session_create_time for mark, one in by_mark.items()}).items()
        if who not in known and who.pid not in own
    }


def _signal(left: Collection[ChildRecord], number: signal.Signals) -> None:
    """Nobody is reached who has such a pid by now; nor a group of which nothing is known."""
    for one in left:
        with suppress(PermissionError):  # it runs as somebody else by now
            if one.pgid == one.pid:
                send_group(one.child, number)
            else:
                send(one.child, number)


def _note(state: Path, root: Path, ended: Collection[ChildRecord], number: signal.Signals) -> None:
    """Write it down: `devproxy ports --killed`. A state folder that is full stops nothing."""
    from devproxy.ports import killed  # only after a crash

    with suppress(OSError):
        killed.append(state, [killed.leftover(one, root, number.name) for one in ended])


def _names(left: Collection[ChildRecord]) -> str:
    return ", ".join(sorted(f"{one.service or 'a daemon'} (pid {one.pid})" for one in left))
