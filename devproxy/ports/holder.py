"""Gather the facts about the holders of a port. Reads the outside world, decides nothing."""

import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeVar

import psutil

from devproxy.ports import family, identity, table
from devproxy.ports.facts import Holder, Process

T = TypeVar("T")

CONFIG = "devproxy.toml"
TABLE_IN_PYPROJECT = "[tool.devproxy"


def holders(port: int, known_roots: Collection[Path] = ()) -> list[Holder]:
    """Every process that has a listener on the port; one without process for listeners that cannot be seen.

    Args: known_roots: folders that are projects although nothing in them says so.
    """
    everything = table.listeners()
    ports: dict[int, set[int]] = {}
    addresses: dict[int | None, list[str]] = {}
    for one in everything:
        if one.pid is not None:
            ports.setdefault(one.pid, set()).add(one.port)
        if one.port == port and one.address not in addresses.setdefault(one.pid, []):
            addresses[one.pid].append(one.address)
    observer = Observer(family.snapshot(), ports, known_roots)
    found = [observer.holder(port, pid, tuple(seen)) for pid, seen in addresses.items() if seen]
    return [holder for holder in found if holder is not None]


class Observer:
    """Looks at processes against one snapshot of the family tree and of the listeners."""

    def __init__(self, rows: family.Rows, ports: dict[int, set[int]], known_roots: Collection[Path]) -> None:
        self._rows = rows
        self._ports = ports
        self._known_roots = known_roots

    def holder(self, port: int, pid: int | None, addresses: tuple[str, ...]) -> Holder | None:
        """One holder with its ancestors; None when it ended while we looked."""
        if pid is None:
            return Holder(port, None, addresses)
        process = self.process(pid)
        if process is None or process.create_time is None:
            return None
        above = (self.process(one) for one in family.ancestors(self._rows, pid))
        return Holder(port, process, addresses, tuple(one for one in above if one is not None))

    def process(self, pid: int) -> Process | None:
        """What can be seen of one process; None when it is gone."""
        who = identity.of(pid)
        try:
            process = psutil.Process(pid)
        except psutil.Error:
            return None
        with process.oneshot():
            cwd = path(_ask(process.cwd, ""))
            no_environ: dict[str, str] = {}
            below = family.descendants(self._rows, pid)
            uids = _ask(process.uids, None)
            facts = Process(
                pid=pid,
                create_time=who.create_time if who else None,
                name=_ask(process.name, ""),
                cmdline=tuple(_ask(process.cmdline, [])),
                cwd=cwd,
                project=project_of(cwd, self._known_roots),
                uid=uids.real if uids is not None and len(set(uids)) == 1 else None,
                username=_ask(process.username, ""),
                started=_ask(process.create_time, None),
                ppid=_ask(process.ppid, 0),
                pgid=self._rows[pid].pgid if pid in self._rows else 0,
                has_terminal=_ask(process.terminal, None) is not None,
                is_unit=_ask(process.environ, no_environ).get("SYSTEMD_EXEC_PID") == str(pid),  # systemd.exec(5)
                children=sum(1 for one in below if self._rows[one].ppid == pid),
                tree_ports=frozenset(self._listened_by([pid, *below])),
            )
        return facts if who is None or who.is_alive() else None

    def _listened_by(self, pids: Iterable[int]) -> set[int]:
        return set().union(*(self._ports.get(pid, ()) for pid in pids))


def path(text: str) -> Path | None:
    """A path, or None for what a process that we may not look into has for one."""
    return Path(text) if text else None


def project_of(folder: Path | None, known_roots: Collection[Path] = ()) -> Path | None:
    """The nearest folder from here upwards that is a repo, a worktree, or has a devproxy config."""
    if folder is None:
        return None
    return next((one for one in (folder, *folder.parents) if one in known_roots or _is_project(one)), None)


def _is_project(folder: Path) -> bool:
    if os.path.lexists(folder / ".git") or (folder / CONFIG).is_file():  # .git of a worktree is a file
        return True
    try:
        return TABLE_IN_PYPROJECT in (folder / "pyproject.toml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _ask(question: Callable[[], T], otherwise: T) -> T:
    try:
        return question()
    except (psutil.Error, OSError):  # not ours to see, or gone
        return otherwise
