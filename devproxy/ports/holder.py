"""Gather the facts about the holders of a port. Reads the outside world, decides nothing."""

import itertools
import os
import pwd
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import psutil

from devproxy.ports import family, identity, table
from devproxy.ports.facts import Hold, Holder, Process
from devproxy.ports.table import Listener

T = TypeVar("T")

CONFIG = "devproxy.toml"
DOCKER_PROXY = "docker-proxy"
TABLE_IN_PYPROJECT = "[tool.devproxy"


def holders(port: int | None = None, known_roots: Collection[Path] = ()) -> list[Holder]:
    """Every process that has a listener on the port, or on any; one without process for those that cannot be seen.

    Args: known_roots: folders that are projects although nothing in them says so.
    """
    everything = table.listeners()
    ports: dict[int, set[int]] = {}
    by_process: dict[tuple[int, int | None], list[Listener]] = {}
    for one in everything:
        if one.pid is not None:
            ports.setdefault(one.pid, set()).add(one.port)
        if port is None or one.port == port:
            by_process.setdefault((one.port, one.pid), []).append(one)
    observer = Observer(family.snapshot(), ports, known_roots)
    found = [observer.holder(listeners) for listeners in by_process.values()]
    return [holder for holder in found if holder is not None]


def connected(port: int, known_roots: Collection[Path] = ()) -> list[Holder]:
    """What else keeps the port from being bound, when nobody listens. Args: as of `holders`."""
    observer = Observer(family.snapshot(), {}, known_roots)
    found = []
    for one in table.connections(port):
        process = observer.process(one.pid) if one.pid is not None else None
        hold: Hold = "closed" if one.is_over else "connected"
        found.append(Holder(port, process, uid=one.uid, username=name_of(one.uid), hold=hold))
    return found


class Observer:
    """Looks at processes against one snapshot of the family tree and of the listeners."""

    def __init__(self, rows: family.Rows, ports: dict[int, set[int]], known_roots: Collection[Path]) -> None:
        self._rows = rows
        self._ports = ports
        self._known_roots = known_roots
        self._seen: dict[int, Process | None] = {}

    def holder(self, listeners: Sequence[Listener]) -> Holder | None:
        """One holder of one port, with its ancestors; None when it ended while we looked."""
        port, pid, uid = listeners[0].port, listeners[0].pid, listeners[0].uid
        addresses = tuple(dict.fromkeys(one.address for one in listeners))
        if pid is None and (pid := self._docker_proxies.get(port)) is None:
            return Holder(port, None, addresses, uid=uid, username=name_of(uid))
        process = self.process(pid)
        if process is None or process.create_time is None:
            return None
        above = (self.process(one) for one in family.ancestors(self._rows, pid))
        seen = tuple(one for one in above if one is not None)
        return Holder(port, process, addresses, seen, uid=uid, username=name_of(uid))

    def process(self, pid: int) -> Process | None:
        """What can be seen of one process; None when it is gone."""
        if pid not in self._seen:
            self._seen[pid] = self._look_at(pid)
        return self._seen[pid]

    @cached_property
    def _docker_proxies(self) -> dict[int, int]:
        """Docker's proxies by port. They are root's, so their sockets are not to be seen; their command lines are."""
        found: dict[int, int] = {}
        for pid in self._rows:
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.name() == DOCKER_PROXY:
                    options = dict(itertools.pairwise(process.cmdline()))
                    if options.get("-proto") == "tcp" and options.get("-host-port", "").isdecimal():
                        found[int(options["-host-port"])] = pid
        return found

    def _look_at(self, pid: int) -> Process | None:
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


def name_of(uid: int | None) -> str:
    """The user's name; its number where it has none; empty for None."""
    if uid is None:
        return ""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def path(text: str) -> Path | None:
    """A path, or None for what a process that we may not look into has for one."""
    return Path(text) if text else None


def project_of(folder: Path | None, known_roots: Collection[Path] = ()) -> Path | None:
    """The nearest folder from here upwards that is a repo, a worktree, or has a devproxy config."""
    if folder is None:
        return None
    return next((one for one in (folder, *folder.parents) if one in known_roots or _is_project(one)), None)


def _is_project(folder: Path) -> bool:
    # Not Path.is_file, which raises in a folder that we may not enter. The .git of a worktree is a file.
    if os.path.lexists(folder / ".git") or os.path.isfile(folder / CONFIG):  # noqa: PTH113
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
