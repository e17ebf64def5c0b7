"""killed.jsonl: what devproxy ended, when and why. For who asks "where did my server go?"."""

import fcntl
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from devproxy import paths
from devproxy.errors import DevproxyError
from devproxy.ports.facts import Judged, Process
from devproxy.ports.records import ChildRecord

FILE = "killed.jsonl"
OLDER = "killed.older.jsonl"
LIMIT_BYTES = 128 * 1024  # of each of the two files of a root: some 300 entries


def note(root: Path, ended: Iterable[tuple[Judged, Process]], signal_name: str) -> None:
    """Write down each holder and the process that was signalled for its sake.

    A state folder that cannot be written stops nothing: the port matters more than the note.
    """
    entries = [_entry(judged, top, signal_name) for judged, top in ended]
    with suppress(OSError, DevproxyError):
        append(paths.make_state_dir(root), [{**entry, "root": str(root)} for entry in entries])


def append(state: Path, entries: Iterable[dict[str, Any]]) -> None:
    """Add entries to the file of one root, each with the time of now; when it is full, it becomes the older one.

    Raises: OSError.
    """
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    lines = "".join(json.dumps({"time": now, **entry}, ensure_ascii=True) + "\n" for entry in entries)
    folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # `up` and `kill-port` may both be at it
        with suppress(FileNotFoundError):
            if (state / FILE).stat().st_size > LIMIT_BYTES:
                (state / FILE).replace(state / OLDER)
        fd = os.open(state / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(lines)
    finally:
        os.close(folder)


def leftover(record: ChildRecord, root: Path, signal_name: str) -> dict[str, Any]:
    """The entry of a child that a session which is gone had started."""
    return {
        "port": record.ports[0] if record.ports else None,
        "pid": record.pid,
        "command": f"the service '{record.service}'",
        "cwd": None,
        "signalled_pid": record.pid,
        "signalled_command": f"the service '{record.service}'",
        "signal": signal_name,
        "verdict": "ours",
        "reason": "an earlier session of this project had started it, and was gone",
        "root": str(root),
    }


def read(state_home: Path) -> list[dict[str, Any]]:
    """What was ended on behalf of any root of this user, oldest first. Lines that are torn are left out."""
    found = []
    for name in (OLDER, FILE):
        for file in state_home.glob(f"*/{name}"):
            with suppress(OSError):
                found += [entry for line in file.read_text(encoding="utf-8").splitlines() if (entry := _parsed(line))]
    return sorted(found, key=lambda entry: str(entry["time"]))


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "time" in entry else None


def _entry(judged: Judged, top: Process, signal_name: str) -> dict[str, Any]:
    holder = judged.holder.process
    return {
        "port": judged.holder.port,
        "pid": holder.pid if holder else None,
        "command": holder.command if holder else "",
        "cwd": str(holder.cwd) if holder and holder.cwd else None,
        "signalled_pid": top.pid,
        "signalled_command": top.command,
        "signal": signal_name,
        "verdict": judged.verdict.kind,
        "reason": judged.verdict.reason,
    }
