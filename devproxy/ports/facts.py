"""What verdicts are made of. Values only; holder.py fills them in, verdict.py and lineage.py judge them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from devproxy.ports.identity import Identity
from devproxy.ports.records import ChildRecord

Hold = Literal["listens", "connected", "closed"]
Kind = Literal["ours", "neighbour", "stranger", "untouchable"]


@dataclass(frozen=True, slots=True)
class Process:
    """One process as it was a moment ago. What we may not see is empty or None."""

    pid: int
    create_time: float | None = None  # of identity.of, not of the clock
    name: str = ""
    cmdline: tuple[str, ...] = ()
    cwd: Path | None = None
    project: Path | None = None  # nearest folder from cwd upwards that is a repo or has a devproxy config
    uid: int | None = None  # None: unseen, or a set-uid program
    username: str = ""
    started: float | None = None  # seconds since the epoch
    ppid: int = 0
    pgid: int = 0
    has_terminal: bool = False
    is_unit: bool = False  # systemd started it as the main process of a unit, and may start it again
    children: int = 0  # living ones
    tree_ports: frozenset[int] = frozenset()  # what it and its descendants listen on

    @property
    def identity(self) -> Identity | None:
        """Who to signal; None: gone or unseen when we looked."""
        return None if self.create_time is None else Identity(self.pid, self.create_time)

    @property
    def command(self) -> str:
        """The command line as one text, or the name where the command line is not to be seen."""
        return " ".join(self.cmdline) or self.name


@dataclass(frozen=True, slots=True)
class Holder:
    """Who keeps the port from being bound. process None: somebody whom we cannot see, but perhaps whose it is.

    hold: listens; or, when nobody does, is connected from there; or has been, and is gone (TIME_WAIT).
    """

    port: int
    process: Process | None
    addresses: tuple[str, ...] = ()
    ancestors: tuple[Process, ...] = ()  # nearest first; the last one may be pid 1
    container: str = ""  # name of the container that publishes the port
    uid: int | None = None  # who opened the socket; None where the system does not say
    username: str = ""  # of that uid
    hold: Hold = "listens"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A record of some session, and what has become of that session."""

    record: ChildRecord
    is_this_root: bool
    session_lives: bool
    child_lives: bool = False  # the recorded process itself, not what it has started


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A devproxy that runs."""

    pid: int
    root: str  # of its project, for messages; empty: it has none
    is_this_root: bool


@dataclass(frozen=True, slots=True)
class Context:
    """From whose point of view a holder is judged."""

    root: Path
    uid: int
    own: frozenset[int]  # our pid and those of our ancestors
    own_pid: int
    boot_id: str
    root_is_broad: bool = False  # a home directory, /tmp, /: being inside says nothing
    records: tuple[Recorded, ...] = ()
    sessions: tuple[LiveSession, ...] = ()

    @property
    def known_roots(self) -> frozenset[Path]:
        """Folders that are projects although nothing in them may say so."""
        return frozenset(Path(one.record.root) for one in self.records if one.record.root)


@dataclass(frozen=True, slots=True)
class Verdict:
    """May it be ended, and the sentence that says why."""

    kind: Kind
    reason: str
    hint: str = field(default="", compare=False)  # what a person can do instead


@dataclass(frozen=True, slots=True)
class Judged:
    """A holder with its verdict."""

    holder: Holder
    verdict: Verdict
