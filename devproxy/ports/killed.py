"""killed.jsonl: what devproxy ended, when and why. For who asks "where did my server go?"."""

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from devproxy import paths
from devproxy.errors import DevproxyError
from devproxy.ports.facts import Judged, Process

FILE = "killed.jsonl"


def note(root: Path, ended: Iterable[tuple[Judged, Process]], signal_name: str) -> None:
    """Append one line for each holder and the process that was signalled for its sake.

    A state folder that cannot be written stops nothing: the port matters more than the note.
    """
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    lines = [_line(now, judged, top, signal_name) for judged, top in ended]
    with suppress(OSError, DevproxyError):
        where = paths.make_state_dir(root) / FILE
        fd = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write("".join(lines))


def _line(now: str, judged: Judged, top: Process, signal_name: str) -> str:
    holder = judged.holder.process
    entry = {
        "time": now,
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
    return json.dumps(entry, ensure_ascii=True) + "\n"
