"""The life of a service: a pure state machine.

    waiting ──► freeing ──► starting ──► ready ◄──► failing
                   ▲            │          │           │
                   │            └────┬─────┴───────────┘
              restarting ◄───────────┤ (asked, or a file was saved)
                   │                 ▼ (it exited)
                   └──────  crashed · done · stopped

A ready one is `restarting`, too, while its own reloader exchanges what serves; then its process lives on.

What a crashed service waits for is in `Life.awaits`: a timer, the next save of a file (after fast deaths in a row
the same code would die the same death), its port, or nothing but being asked.

`step(life, event)` gives the next life and the effects to perform; what comes of them returns as events.
Events of an earlier generation change nothing, so a late exit cannot be taken for the new child's. A new
child is spawned only when the old one's tree is gone: there are never two live copies.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from devproxy.config.model import RestartPolicy

State = Literal["waiting", "freeing", "starting", "ready", "restarting", "failing", "crashed", "stopped", "done"]
Next = Literal["again", "stopped"]
Awaits = Literal["timer", "save", "port"]

STABLE_SECONDS: Final = 10.0
"""A child that lived this long did not die of its start: counting begins anew."""

FAST_DEATHS: Final = 3
"""After so many fast deaths in a row a service waits for the next save instead of a timer."""

MOST_CONTESTS: Final = 2
"""A port that is taken away again this often is not fought for any more."""

NOT_RUNNABLE: Final = (126, 127)
"""A shell's exit codes for a command that it could not run, or not find: another start would not find it either."""

FIRST_BACKOFF_SECONDS: Final = 0.5


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
    """What of a service's declaration its life depends on.

    finite: it is a task; serves: it is there to be reached, so that even exiting with 0 is a crash; watched: it
    says which files it is to be restarted for; reload: the signal it gets for those instead of a restart.
    """

    restart: RestartPolicy = "on-failure"
    finite: bool = False
    serves: bool = False
    watched: bool = False
    reload: str | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """Where a service is in its life.

    attempt: counts claims of its port; generation: counts starts; alive: a process of this generation lives (once
    it is done: what it has left behind); next: what follows the exit that we asked for; deaths: fast ones in a row;
    exit: how the last process ended; reason: why it could not be started, is not ready, or has not stopped
    altogether; awaits: what a crashed one waits for, None: for being asked; backoff: seconds until the next start
    (before jitter), while it waits for a timer; was_ready: this generation has been ready; contested: the port that
    somebody else had when the last process wanted it; contests: how often in a row; reloads: signals to reload, in all.
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
    awaits: Awaits | None = None
    backoff: float | None = None
    was_ready: bool = False
    contested: int | None = None
    contests: int = 0
    reloads: int = 0

    @property
    def is_braked(self) -> bool:
        """Whether it has died so fast, so often, that it waits for a save."""
        return self.awaits == "save" and self.deaths >= FAST_DEATHS


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
    """Its port cannot be had. port: which one, None if it is not for a holder."""

    attempt: int
    reason: str
    port: int | None = None


@dataclass(frozen=True, slots=True)
class PortReleased:
    """The port that it waited for is held no more."""

    attempt: int


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
class BecameAbsent:
    """Nobody takes what arrives, for now: its own reloader restarts what serves."""

    generation: int


@dataclass(frozen=True, slots=True)
class BecameUnready:
    """Its process lives, but it does not do its work (a reloader whose worker died), or not in time."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Exited:
    """Its process ended and its tree is gone.

    lived: seconds since it was spawned; contested: a port that it wanted and somebody else has; stays: what it has
    started lives on, as it may when its work is done; left: what is not gone though it should be.
    """

    generation: int
    exit: Exit
    lived: float
    contested: int | None = None
    stays: bool = False
    left: str = ""


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
    Begin | Wanted | PortFree | PortHeld | PortReleased | Spawned | SpawnFailed | BecameReady | BecameAbsent
    | BecameUnready | Exited | Saved | RestartAsked | StopAsked | RetryDue
)  # fmt: skip


OF_A_GENERATION = (Spawned, SpawnFailed, BecameReady, BecameAbsent, BecameUnready, Exited, RetryDue)


# -- effects


@dataclass(frozen=True, slots=True)
class FreePort:
    """See that its port binds; answer PortFree or PortHeld. contested: see to this one as well."""

    attempt: int
    contested: int | None = None


@dataclass(frozen=True, slots=True)
class AwaitPort:
    """Answer PortReleased when nobody listens on the port any more."""

    attempt: int
    port: int


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
class Reload:
    """Send its process the signal that makes it reload."""

    generation: int


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """Answer RetryDue in `seconds` (before jitter)."""

    seconds: float
    generation: int


Effect = FreePort | AwaitPort | Spawn | Probe | EndTree | Reload | RetryAfter


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
            return replace(life, state="waiting", awaits=None, backoff=None, reason=""), []
        case RestartAsked():
            return _again(replace(life, deaths=0, contests=0))
        case Saved():
            return _saved(life)
        case StopAsked():
            return _stop(life)
        case PortFree():
            generation = life.generation + 1
            born = replace(life, state="starting", generation=generation, alive=True, reason="", was_ready=False)
            return born, [Spawn(generation)]
        case PortHeld(attempt, reason, port):
            held = replace(life, state="crashed", reason=reason, contested=port, contests=0)
            return (held, []) if port is None else (replace(held, awaits="port"), [AwaitPort(attempt, port)])
        case PortReleased(attempt) if life.awaits == "port" and attempt == life.attempt:
            return _begin(life)
        case Spawned(generation) if life.alive:
            return life, [Probe(generation)]
        case SpawnFailed(_, reason):
            return _ended(replace(life, reason=reason), Exit(code=127), 0.0, retry=False)
        case BecameReady() if runs(life) and life.state != "ready":
            return replace(life, state="ready", reason="", was_ready=True, contested=None, contests=0), []
        case BecameAbsent() if runs(life) and life.state == "ready":
            return replace(life, state="restarting"), []
        case BecameUnready(_, reason) if runs(life):
            return replace(life, state="failing", reason=reason), []
        case Exited(stays=True, exit=exit_) if life.next is not None:
            return replace(life, exit=exit_), []  # it is being ended meanwhile; that is told, too
        case Exited(_, exit_, lived, contested, stays, left) if life.alive:
            life, effects = _ended(replace(life, reason=""), exit_, lived, retry=True, contested=contested)
            return replace(life, alive=stays, reason=left if life.state == "stopped" else life.reason), effects
        case RetryDue() if life.awaits == "timer":
            return _begin(life)
    return life, []


def runs(life: Life) -> bool:
    """Whether it runs, and nobody has asked it to end."""
    return life.alive and life.next is None and life.state != "done"


def _begin(life: Life) -> tuple[Life, list[Effect]]:
    if life.alive and life.state == "done" and life.next is None:
        return _again(life)  # what it has left behind makes way for the new one
    if life.alive:
        # Asked to start again while it is still being stopped: it starts when that is done.
        return (replace(life, state="restarting", next="again"), []) if life.next == "stopped" else (life, [])
    if _claims(life):
        return life, []
    return _claim(replace(life, state="freeing", reason=""))


def _claim(life: Life, contested: int | None = None) -> tuple[Life, list[Effect]]:
    """Claim its port; only the answer to the newest claim counts."""
    attempt = life.attempt + 1
    claims = replace(life, attempt=attempt, contested=contested, awaits=None, backoff=None)
    return claims, [FreePort(attempt, contested)]


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
    if life.rules.reload is not None and runs(life) and life.state != "starting":
        # Not while it starts: it may have read the file before, and a signal that nobody handles yet would kill it.
        return replace(life, reloads=life.reloads + 1), [Reload(life.generation)]
    # One that was braked gets one try for each save: the next fast death brakes it again.
    return _again(replace(life, deaths=FAST_DEATHS - 1 if life.is_braked else 0, contests=0))


def _stop(life: Life) -> tuple[Life, list[Effect]]:
    if not life.alive:
        return replace(life, state="stopped", awaits=None, backoff=None, next=None), []
    ask: list[Effect] = [] if life.next is not None else [EndTree(life.generation)]
    return replace(life, next="stopped"), ask


def _ended(
    life: Life, exit_: Exit, lived: float, *, retry: bool, contested: int | None = None
) -> tuple[Life, list[Effect]]:
    gone = replace(life, alive=False, exit=exit_, next=None)
    if life.next == "stopped":
        return replace(gone, state="stopped"), []
    if life.next == "again":
        return _claim(replace(gone, state="restarting"))
    rules = life.rules
    if exit_.ok and rules.restart != "always" and not rules.serves:
        return replace(gone, state="done", deaths=0), []
    may_restart = rules.restart != "never" and not rules.finite
    if contested is not None:
        # Not a death of its own: nothing is counted, and no timer would help.
        gone = replace(gone, contests=life.contests + 1)
        if may_restart and gone.contests <= MOST_CONTESTS:
            return _claim(replace(gone, state="freeing"), contested)
        gone = replace(gone, state="crashed", contested=contested, reason=f"port {contested}, which it wants, is taken")
        return replace(gone, awaits="save" if may_restart or rules.watched else None), []
    deaths = 0 if lived >= STABLE_SECONDS else life.deaths + 1
    gone = replace(gone, state="crashed", deaths=deaths, contests=0)
    is_final = exit_.code in NOT_RUNNABLE or (exit_.ok and rules.restart != "always")
    if retry and may_restart and not is_final and deaths < FAST_DEATHS:
        seconds = FIRST_BACKOFF_SECONDS * 2 ** max(deaths - 1, 0)  # the brake is its bound
        return replace(gone, awaits="timer", backoff=seconds), [RetryAfter(seconds, life.generation)]
    return replace(gone, awaits="save" if may_restart or rules.watched else None), []
