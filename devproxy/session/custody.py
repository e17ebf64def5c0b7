"""Who ends our children if we cannot: the guard, at once; the record on disk, at the next start."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from devproxy.ports import identity, records, signals
from devproxy.ports.records import ChildRecord
from devproxy.processes.environment import MARKER
from devproxy.processes.guarding import GuardLink

LEFTOVER_GRACE_SECONDS: Final = 2.0
POLL_SECONDS: Final = 0.02


class Custody:
    """Tells the guard and the record of each child.

    Args: state: the root's state folder; session: this session's id, which marks its children.
    Owns: the guard; `close` lets it go.
    """

    def __init__(self, state: Path, root: Path, session: str) -> None:
        self._state = state
        self._root = root
        self._session = session
        self._guard: GuardLink | None = None
        self._records: dict[int, ChildRecord] = {}
        self._own = identity.of(os.getpid())

    def end_leftovers(self, say: Callable[[str], None]) -> None:
        """End what an earlier session of this root has left behind, as its record proves.

        Only a process with the recorded pid, creation time and boot is ours; anybody else who has that pid
        today is a stranger. Waits until they are gone, at most LEFTOVER_GRACE_SECONDS and a kill.
        """
        boot = identity.boot_id()
        left = [
            record
            for record in records.load(self._state)
            if record.boot_id == boot and record.child.is_alive() and not record.session.is_alive()
        ]
        if not left:
            return
        names = ", ".join(f"{record.service} (pid {record.pid})" for record in left)
        say(f"ending what an earlier session left running: {names}")
        for number in (signal.SIGTERM, signal.SIGKILL):
            left = [record for record in left if _sent(record, number)]
            if left:
                self._note(left, number)
            deadline = time.monotonic() + LEFTOVER_GRACE_SECONDS
            while left and time.monotonic() < deadline:
                left = [record for record in left if record.child.is_alive()]
                time.sleep(POLL_SECONDS)

    def _note(self, ended: list[ChildRecord], number: signal.Signals) -> None:
        """Write it down: `devproxy ports --killed`. A state folder that is full stops nothing."""
        from devproxy.ports import killed  # only after a crash

        with suppress(OSError):
            killed.append(self._state, (killed.leftover(record, self._root, number.name) for record in ended))

    def add(self, group: int, service: str, port: int | None) -> None:
        """A child was started; its pid is its group."""
        self.stand_by().add(group)
        child = identity.of(group)
        if child is None or self._own is None:
            return  # it has exited already: nothing to remember
        self._records[group] = ChildRecord(
            service=service,
            pid=group,
            create_time=child.create_time,
            boot_id=identity.boot_id(),
            pgid=group,
            ports=() if port is None else (port,),
            session_pid=self._own.pid,
            session_create_time=self._own.create_time,
            root=str(self._root),
        )
        records.save(self._state, self._records.values())

    def stand_by(self) -> GuardLink:
        """Have the guard there; it also ends what carries the session's mark and is no service."""
        if self._guard is None:
            self._guard = GuardLink(f"{MARKER}={self._session}")
        return self._guard

    def remove(self, group: int) -> None:
        """Its tree is gone."""
        if self._guard is not None:
            self._guard.remove(group)
        if self._records.pop(group, None) is not None:
            records.save(self._state, self._records.values())

    def close(self) -> None:
        """Let the guard go."""
        if self._guard is not None:
            self._guard.close()


def _sent(record: ChildRecord, number: signal.Signals) -> bool:
    try:
        return signals.send_group(record.child, number)
    except PermissionError:  # it runs as somebody else by now
        return False
