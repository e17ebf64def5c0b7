"""The life of a service: a pure state machine.

    waiting ──► freeing ──► starting ──► ready ◄──► failing
                   ▲            │          │           │
                   │            └────┬─────┴───────────┘
              restarting ◄───────────┤ (asked, or a file was saved)
                   │                 ▼ (it exited)
                   └──────  crashed · done · stopped

`step(life, event)` gives the next life and the effects to perform; what comes of them returns as events.
Events of an earlier generation change nothing, so a late exit cannot be taken for the new child's. A new
child is spawned only when the old one's tree is gone: there are never two live copies.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from devproxy.config.model import RestartPolicy

State = Literal["waiting", "freeing", "starting", "ready", "restarting", "failing", "crashed", "stopped", "done"]
Next = Literal["again", "stopped"]

LIVE: Final = frozenset({"starting", "ready", "failing"})

STABLE_SECONDS: Final = 10.0
"""A child that lived this long did not die of its start: counting begins anew."""

FAST_DEATHS: Final = 3
"""After so many fast deaths, a service that is watched waits for the next save instead of a timer."""

NOT_RUNNABLE: Final = (126, 127)
"""A shell's exit codes for a command that it could not run, or not find: another start would not find it either."""

FIRST_BACKOFF_SECONDS: Final = 0.5
LONGEST_BACKOFF_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: its exit code, or the signal that ended it."""

    code: int | None = None
    signal: int | None = None

    @property
    def ok(self) -> bool:
        return self.code == 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What of a service's declaration its life depends on. finite: exiting with 0 is its purpose."""

    restart: RestartPolicy = "on-failure"
    finite: bool = False
    watched: bool = False


@dataclass(frozen=True, slots=True)
class Life:
    """Where a service is in its life.

    attempt: counts claims of its port; generation: counts starts; alive: a process of this generation lives;
    next: what follows the exit that we asked for; deaths: fast ones in a row; exit: how the last process ended;
    reason: why it could not be started, or is not ready; backoff: seconds until the next start, while one is due.
    """

    rules: Rules = Rules()
    state: State = "waiting"
    attempt: int = 0
    generation: int = 0
    alive: bool = False
    next: Next | None = None
    deaths: int = 0
    exit: Exit | None = None
    reason: str = ""
    backoff: float | None = None


# -- events


@dataclass(frozen=True, slots=True)
class Begin:
    """It may start: what it depends on is there, or somebody asked."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """It is to start when what it depends on is there."""


@dataclass(frozen=True, slots=True)
class PortFree:
    """Its port binds (or it has none)."""

    attempt: int


@dataclass(frozen=True, slots=True)
class PortHeld:
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class Spawned:
    generation: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class BecameReady:
    generation: int


@dataclass(frozen=True, slots=True)
class BecameUnready:
    """Its process lives, but it does not do its work (a reloader whose worker died), or not in time."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Exited:
    """Its process ended and its tree is gone. lived: seconds since it was spawned."""

    generation: int
    exit: Exit
    lived: float


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that it watches was saved."""


@dataclass(frozen=True, slots=True)
class RestartAsked:
    pass


@dataclass(frozen=True, slots=True)
class StopAsked:
    pass


@dataclass(frozen=True, slots=True)
class RetryDue:
    generation: int


Event = (
    Begin | Wanted | PortFree | PortHeld | Spawned | SpawnFailed | BecameReady | BecameUnready | Exited | Saved
    | RestartAsked | StopAsked | RetryDue
)  # fmt: skip


OF_A_GENERATION = (Spawned, SpawnFailed, BecameReady, BecameUnready, Exited, RetryDue)


# -- effects


@dataclass(frozen=True, slots=True)
class FreePort:
    """See that its port binds; answer PortFree or PortHeld."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Spawn:
    generation: int


@dataclass(frozen=True, slots=True)
class Probe:
    """Find out when it is ready; answer BecameReady or BecameUnready."""

    generation: int


@dataclass(frozen=True, slots=True)
class EndTree:
    """Ask, wait the grace period, kill; Exited follows."""

    generation: int


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Answer RetryDue in `seconds` (before jitter)."""

    seconds: float
    generation: int


Effect = FreePort | Spawn | Probe | EndTree | RetryAfter


def step(life: Life, event: Event) -> tuple[Life, list[Effect]]:
    """The life after `event`, and what is to be done now."""
    if isinstance(event, OF_A_GENERATION) and event.generation != life.generation:
        return life, []
    if isinstance(event, PortFree | PortHeld) and (event.attempt != life.attempt or not _claims(life)):
        return life, []
    match event:
        case Begin():
            return _begin(life)
        case Wanted() if not life.alive and not _claims(life):
            return replace(life, state="waiting", backoff=None, reason=""), []
        case RestartAsked():
            return _again(replace(life, deaths=0))
        case Saved():
            return _saved(life)
        case StopAsked():
            return _stop(life)
        case PortFree():
            generation = life.generation + 1
            return replace(life, state="starting", generation=generation, alive=True, reason=""), [Spawn(generation)]
        case PortHeld(_, reason):
            return replace(life, state="crashed", reason=reason, next=None), []
        case Spawned(generation) if life.alive:
            return life, [Probe(generation)]
        case SpawnFailed(_, reason):
            return _ended(replace(life, reason=reason), Exit(code=127), 0.0, retry=False)
        case BecameReady() if life.state in ("starting", "failing") and life.next is None:
            return replace(life, state="ready", reason="", backoff=None), []
        case BecameUnready(_, reason) if life.state in ("starting", "ready", "failing") and life.next is None:
            return replace(life, state="failing", reason=reason), []
        case Exited(_, exit_, lived) if life.alive:
            return _ended(replace(life, reason=""), exit_, lived, retry=True)
        case RetryDue() if life.state == "crashed":
            return _begin(life)
    return life, []


def _begin(life: Life) -> tuple[Life, list[Effect]]:
    if life.alive:
        # Asked to start again while it is still being stopped: it starts when that is done.
        return (replace(life, state="restarting", next="again"), []) if life.next == "stopped" else (life, [])
    if _claims(life):
        return life, []
    return _claim(replace(life, state="freeing", backoff=None, reason=""))


def _claim(life: Life) -> tuple[Life, list[Effect]]:
    """Claim its port; only the answer to the newest claim counts."""
    attempt = life.attempt + 1
    return replace(life, attempt=attempt), [FreePort(attempt)]


def _claims(life: Life) -> bool:
    """Whether it waits for its port."""
    return life.state in ("freeing", "restarting") and not life.alive


def _again(life: Life) -> tuple[Life, list[Effect]]:
    if not life.alive:
        return _begin(life)
    ask: list[Effect] = [] if life.next is not None else [EndTree(life.generation)]
    return replace(life, state="restarting", next="again"), ask


def _saved(life: Life) -> tuple[Life, list[Effect]]:
    if life.state in ("stopped", "waiting") or life.next == "stopped":
        return life, []  # the user's wish, and the dependencies, come first
    return _again(replace(life, deaths=0))


def _stop(life: Life) -> tuple[Life, list[Effect]]:
    if not life.alive:
        return replace(life, state="stopped", backoff=None, next=None), []
    ask: list[Effect] = [] if life.next is not None else [EndTree(life.generation)]
    return replace(life, next="stopped"), ask


def _ended(life: Life, exit_: Exit, lived: float, *, retry: bool) -> tuple[Life, list[Effect]]:
    gone = replace(life, alive=False, exit=exit_, next=None, backoff=None)
    if life.next == "stopped":
        return replace(gone, state="stopped"), []
    if life.next == "again":
        return _claim(replace(gone, state="restarting"))
    if exit_.ok and life.rules.restart != "always":
        return replace(gone, state="done", deaths=0), []
    deaths = 1 if lived >= STABLE_SECONDS else life.deaths + 1
    gone = replace(gone, state="crashed", deaths=deaths)
    if not retry or life.rules.restart == "never" or life.rules.finite or exit_.code in NOT_RUNNABLE:
        return gone, []
    if life.rules.watched and deaths >= FAST_DEATHS:
        return gone, []  # the same code would die the same death: wait for the next save
    seconds = min(FIRST_BACKOFF_SECONDS * 2 ** (deaths - 1), LONGEST_BACKOFF_SECONDS)
    return replace(gone, backoff=seconds), [RetryAfter(seconds, life.generation)]
