"""children.json: what a session has started, so that the next one knows its own leftovers.

One file in the state folder of each root. It is written whole and renamed into place, and a file that
is torn, foreign or from a later version reads as empty: a record can only ever add permission to end a
process, so a lost one costs a question, never a process.
"""

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from devproxy.ports.identity import Identity

FILE = "children.json"
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class ChildRecord:
    """One child of a session: who it is, and whose.

    pgid: the group it leads; 0 for a process of whose group nothing is known.
    mark: the session's name, which all its descendants carry in their environment. create_time and
    session_create_time are those of `identity.of`, never psutil's (see there).
    """

    service: str
    pid: int
    create_time: float
    boot_id: str
    pgid: int
    ports: tuple[int, ...]
    session_pid: int
    session_create_time: float
    root: str = ""  # the project's root, for messages in other projects
    mark: str = ""

    @property
    def child(self) -> Identity:
        """Who was started."""
        return Identity(self.pid, self.create_time)

    @property
    def session(self) -> Identity:
        """Which devproxy started it."""
        return Identity(self.session_pid, self.session_create_time)


def load(state_dir: Path) -> list[ChildRecord]:
    """What the sessions of one root have recorded; empty when there is no readable file."""
    try:
        found = json.loads((state_dir / FILE).read_bytes())
    except (OSError, ValueError):
        return []
    if not isinstance(found, dict) or found.get("schema") != SCHEMA or not isinstance(found.get("children"), list):
        return []
    return [record for one in found["children"] if (record := _record(one)) is not None]


def save(state_dir: Path, records: Iterable[ChildRecord]) -> None:
    """Replace the file of this root; readable by this user only.

    Raises: OSError.
    """
    text = json.dumps({"schema": SCHEMA, "children": [asdict(record) for record in records]}, indent=1)
    fd, name = tempfile.mkstemp(dir=state_dir, prefix=f".{FILE}.")  # 0600
    temporary = Path(name)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(state_dir / FILE)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def all_records(state_home: Path) -> dict[Path, list[ChildRecord]]:
    """The records of every root of this user, by state folder; roots without any are left out."""
    try:
        folders = sorted(path.parent for path in state_home.glob(f"*/{FILE}"))
    except OSError:
        return {}
    return {folder: records for folder in folders if (records := load(folder))}


def _record(one: Any) -> ChildRecord | None:
    try:
        return ChildRecord(
            service=str(one["service"]),
            pid=int(one["pid"]),
            create_time=float(one["create_time"]),
            boot_id=str(one["boot_id"]),
            pgid=int(one["pgid"]),
            ports=tuple(int(port) for port in one["ports"]),
            session_pid=int(one["session_pid"]),
            session_create_time=float(one["session_create_time"]),
            root=str(one.get("root", "")),
            mark=str(one.get("mark", "")),
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        return None
