"""Of several upstreams: who gets a request, who is left out and for how long, who takes no more. Pure.

A request goes to one that is well, which is one that its probe has not found ill and that is not *ejected* after
failures. When none is well any of them may get it: what we know of them may be old, and an answer is better than none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

from devproxy.config.model import Balance

BEST_FIRST: Final = (
    "ready", "restarting", "starting", "freeing", "waiting", "failing", "crashed", "blocked", "stopped", "done", "over",
)  # fmt: skip

FIRST_BACKOFF_SECONDS: Final = 0.5
LONGEST_BACKOFF_SECONDS: Final = 30.0

SMOOTHING: Final = 0.3
"""What a new latency counts against those before: one slow answer does not turn the order over, three do."""


def joint_state(states: Iterable[str]) -> str:
    """The state of several as one: that of the one that will answer first."""
    return min(states, key=BEST_FIRST.index)


def smoothed(before: float | None, latency: float) -> float:
    """The latency to go by, after one more was measured."""
    return latency if before is None else before + SMOOTHING * (latency - before)


@dataclass(frozen=True, slots=True)
class Ejection:
    """After a failure an upstream is left out until a moment; after each further one in a row, for twice as long."""

    failures: int = 0
    until: float = 0.0

    def after_failure(self, now: float) -> "Ejection":
        """What a failure makes of it. Of several that were under way together only the first counts."""
        if now < self.until:
            return self
        failures = self.failures + 1
        return Ejection(
            failures, now + min(FIRST_BACKOFF_SECONDS * 2 ** min(failures - 1, 16), LONGEST_BACKOFF_SECONDS)
        )


@dataclass(frozen=True, slots=True)
class Bucket:
    """A rate, as tokens: so many come in a second, one goes with each request, at most a second's worth is there."""

    per_second: int
    tokens: float
    at: float = 0.0

    def filled(self, now: float) -> "Bucket":
        """With what has come in until now."""
        come = max(0.0, now - self.at) * self.per_second
        return Bucket(self.per_second, min(float(self.per_second), self.tokens + come), max(now, self.at))

    def has_token(self, now: float) -> bool:
        return self.filled(now).tokens >= 1

    def taken(self, now: float) -> "Bucket":
        """With one token less."""
        filled = self.filled(now)
        return Bucket(self.per_second, filled.tokens - 1, filled.at)


class Candidate(NamedTuple):  # made for each request and upstream: a tuple costs a tenth of a frozen dataclass
    """An upstream that may be given a request.

    turn: when it got its last one, counted in requests; is_well: what its probe says, None: nothing yet; latency: in
    seconds, None: not measured; is_full: it takes no more for now; is_strict: then what is its own is refused.
    """

    name: str
    turn: int = 0
    is_well: bool | None = True
    is_ejected: bool = False
    latency: float | None = None
    is_full: bool = False
    is_strict: bool = True

    @property
    def is_out(self) -> bool:
        return self.is_ejected or self.is_well is False


def choose(balance: Balance, candidates: Sequence[Candidate], wanted: str | None = None) -> Candidate | None:
    """Who gets the request; None: nobody takes one now.

    Args: wanted: with "sticky", who the client was with before.
    """
    usable = [one for one in candidates if not one.is_out] or candidates
    rank = partial(_RANKS[balance], wanted)
    first = min(usable, key=rank, default=None)
    if first is None or not first.is_full:
        return first
    for one in sorted(usable, key=rank):
        if not one.is_full:
            return one
        if one.is_strict:
            return None
    return None


def may_leave(candidates: Iterable[Candidate], wanted: str | None) -> bool:
    """Whether a client that has come to another upstream stays there: who it was with is not to be had. Of one that
    is only full it is a guest elsewhere."""
    return not any(one.name == wanted and not one.is_out for one in candidates)


def _by_turn(wanted: str | None, one: Candidate) -> tuple[bool, int]:
    """Lowest first: who is known to be well before who was not asked yet, then who has waited longest."""
    return one.is_well is None, one.turn


def _by_latency(wanted: str | None, one: Candidate) -> tuple[bool, float, int]:
    return one.is_well is None, one.latency if one.latency is not None else float("inf"), one.turn


def _by_name(wanted: str | None, one: Candidate) -> tuple[bool, bool, int]:
    return one.name != wanted, one.is_well is None, one.turn


_RANKS: Final[Mapping[Balance, Callable[[str | None, Candidate], tuple[float, ...]]]] = {
    "round-robin": _by_turn,
    "least-latency": _by_latency,
    "sticky": _by_name,
}
