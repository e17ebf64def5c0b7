"""How much of the loop's time a child may take by printing while requests are under way. Pure."""

from collections.abc import Callable
from typing import Final

SHARE: Final = 1 / 8
"""Of the loop's time, while there are requests. What that leaves a child is still some MB/s."""

CREDIT_SECONDS: Final = 0.02
"""So much at once costs nobody a pause: a traceback, a listing, what a request has its service print."""

RECENT_SECONDS: Final = 0.05
"""Requests are under way until so long after the last of them came."""


class Pace:
    """Slows the reading of one child that prints without end, and only while the gateway is busy.

    A child whose output is not read waits in its write: it leaves a core to who answers requests.

    Args: requests: how many the gateway has had so far.
    """

    def __init__(self, requests: Callable[[], int]) -> None:
        self._requests = requests
        self._seen = 0
        self._busy_until = 0.0
        self._credit = CREDIT_SECONDS
        self._since = 0.0

    def rest(self, spent: float, now: float) -> float:
        """Seconds until the child may be read again, 0: at once. Args: spent: the seconds that a read has taken."""
        requests = self._requests()
        if requests != self._seen:
            self._seen = requests
            self._busy_until = now + RECENT_SECONDS
        if now >= self._busy_until:
            self._credit, self._since = CREDIT_SECONDS, now
            return 0.0
        self._credit = min(CREDIT_SECONDS, self._credit + (now - self._since) * SHARE) - spent
        self._since = now
        return max(0.0, -self._credit / SHARE)
