"""Free a port: ask its holders to end, insist, and wait until the port binds again.

    SIGTERM (or another) to the right process → grace → SIGKILL → every process gone and the port bound on both families

The outside world is polled; nothing here needs an event loop. `up` calls it before there is one.
"""

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from devproxy.ports import family, identity, killed, table
from devproxy.ports.facts import Judged
from devproxy.ports.identity import Identity
from devproxy.ports.lineage import Aim, aim
from devproxy.ports.probe import is_free
from devproxy.ports.signals import send, send_group

GRACE = 5.0  # seconds between SIGTERM and SIGKILL
AFTER_KILL = 5.0  # seconds for the kernel to end what was killed
AFTER_LAST = 1.0  # seconds for the port once all its holders are gone
FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.05  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Freed:
    """The port binds again. signal: the strongest one sent; empty: the holders left by themselves."""

    port: int
    signal: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The port is still held: nothing was sent (may_not), or it did not help."""

    port: int
    reason: str
    hint: str = ""
    may_not: bool = False


Outcome = Freed | Refused


def free(
    port: int,
    holders: Sequence[Judged],
    root: Path,
    *,
    first: signal.Signals = signal.SIGTERM,
    grace: float = GRACE,
    force: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """End these holders and wait until the port binds. The caller has asked whom it must ask.

    An untouchable one among them refuses the whole: the port would stay held, so nobody is ended.
    Each signal goes to an identity, checked anew; holders that no longer listen are left alone.

    Args: holders: what `look` returned; root: the project, for killed.jsonl; first: how they are asked;
        grace: seconds from then to SIGKILL; force: SIGKILL at once; tell: gets one line a step, for a person
        who waits.
    """
    began = time.monotonic()
    for judged in holders:
        if judged.verdict.kind == "untouchable":
            return Refused(port, judged.verdict.reason, judged.verdict.hint, may_not=True)
    targets = _targets(port, holders)
    strongest = ""
    for signum, patience in _steps(signal.SIGKILL if force else first, grace):
        if _is_over(targets, port):
            break
        try:
            sent = [target for target in targets if target.send(signum)]
        except PermissionError:
            return Refused(port, "the system does not let us signal it", may_not=True)
        if sent:
            strongest = signum.name
            killed.note(root, [(target.judged, target.aim.top) for target in sent], strongest)
            pids = ", ".join(str(target.aim.top.pid) for target in sent)
            tell(f"{strongest} to pid {pids}, which has {patience:g} s to end")
        _wait(targets, port, patience)
    if is_free(port):
        return Freed(port, strongest, time.monotonic() - began)
    return Refused(port, _who_has_it_now(port, targets))


def _steps(first: signal.Signals, grace: float) -> list[tuple[signal.Signals, float]]:
    last = (signal.SIGKILL, AFTER_KILL)
    return [last] if first is signal.SIGKILL else [(first, grace), last]


@dataclass(slots=True)
class Target:
    """One holder's tree, and its process group if that is all its own."""

    judged: Judged
    aim: Aim
    own: frozenset[int]
    tree: set[Identity] = field(default_factory=set)  # all that were ever seen in it

    def send(self, signum: signal.Signals) -> bool:
        """Signal everything of it that lives; False when nothing does."""
        rows = family.snapshot()
        self._look_again(rows)
        reached = self._send(rows, signum)
        if reached and signum is not signal.SIGKILL:
            self._send(rows, signal.SIGCONT)  # a suspended job (Ctrl-Z) sees the signal only when it continues
        return reached

    def living(self) -> list[Identity]:
        """Those of it that still run."""
        return [one for one in self.tree if one.is_alive()]

    def _send(self, rows: family.Rows, signum: signal.Signals) -> bool:
        top = self.aim.top.identity
        by_group = self.aim.whole_group and top is not None and send_group(top, signum)
        reached = by_group
        # The top first: a reloader that is already ending starts no new worker.
        for one in sorted(self.living(), key=lambda one: (one != top, one.create_time)):
            row = rows.get(one.pid)
            if not (by_group and row is not None and row.pgid == self.aim.top.pid):
                reached = send(one, signum) or reached
        return reached

    def _look_again(self, rows: family.Rows) -> None:
        """Add what was started since: descendants of those that live, and the group while it is pinned."""
        living = self.living()
        pids = {pid for one in living for pid in family.descendants(rows, one.pid)}
        group = self.aim.top.pid
        # One living member that we know keeps the group's number from being given to others.
        if self.aim.whole_group and any(rows[one.pid].pgid == group for one in living if one.pid in rows):
            pids.update(family.members(rows, group))
        for pid in pids - self.own:
            who = identity.of(pid)
            if who is not None and _uid(pid) == self.aim.top.uid:
                self.tree.add(who)


def _targets(port: int, holders: Sequence[Judged]) -> list[Target]:
    """One target a tree: workers that share a socket have one top. Who no longer listens is left out."""
    own, own_groups = family.own(family.snapshot())
    listening = {one.pid for one in table.listeners(port)}
    targets: dict[int, Target] = {}
    for judged in holders:
        process = judged.holder.process
        goal = aim(judged.holder, own, own_groups)
        if process is None or goal is None or process.pid not in listening:
            continue
        if process.identity is not None and process.identity.is_alive():
            target = targets.setdefault(goal.top.pid, Target(judged, goal, own))
            target.tree.add(process.identity)
            if goal.top.identity is not None:
                target.tree.add(goal.top.identity)
    return list(targets.values())


def _is_over(targets: Sequence[Target], port: int) -> bool:
    return not any(target.living() for target in targets) and is_free(port)


def _wait(targets: Sequence[Target], port: int, patience: float) -> None:
    """Until all are gone and the port binds; at most `patience`, less when somebody else has the port."""
    deadline = time.monotonic() + patience
    pause, is_last = FIRST_PAUSE, False
    while time.monotonic() < deadline:
        if not any(target.living() for target in targets):
            if is_free(port):
                return
            if not is_last:
                is_last, deadline = True, min(deadline, time.monotonic() + AFTER_LAST)
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _who_has_it_now(port: int, targets: Sequence[Target]) -> str:
    if living := [one.pid for target in targets for one in target.living()]:
        return f"pid {', '.join(map(str, living))} did not end, not even by SIGKILL"
    pids = sorted({one.pid for one in table.listeners(port) if one.pid is not None})
    if not pids:
        return "somebody whom we cannot see holds it"
    return "; ".join(_introduce(pid) for pid in pids) + " took the port again"


def _introduce(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        parent = process.parent()
        by = f", started by pid {parent.pid} ({parent.name()})" if parent and parent.pid > 1 else ""
        return f"pid {pid} ({process.name()}{by})"
    except psutil.Error:
        return f"pid {pid}"


def _uid(pid: int) -> int | None:
    try:
        return int(psutil.Process(pid).uids().real)
    except psutil.Error:
        return None
