"""What happens in a session, as values: published on the session's event topic, sent by `api/events`.

Each class is one topic of the Contracts: state, save, reload, request. Times are seconds since 1970 (UTC).
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A service went from one state to another."""

    topic: ClassVar[str] = "state"
    service: str
    state: str
    previous: str
    at: float


@dataclass(frozen=True, slots=True)
class Saved:
    """Files were saved; the services that restart for it (none: nothing of ours depends on them)."""

    topic: ClassVar[str] = "save"
    paths: tuple[str, ...]  # relative to the project root
    services: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The open pages were told to reload, or to swap a style sheet."""

    topic: ClassVar[str] = "reload"
    paths: tuple[str, ...]  # the style sheets, as the page knows them; empty: the whole page
    at: float


@dataclass(frozen=True, slots=True)
class RequestFinished:
    """A request through the gateway ended."""

    topic: ClassVar[str] = "request"
    id: str
    method: str
    target: str
    status: int  # 0: ended without an answer
    service: str  # empty: answered by devproxy itself
    milliseconds: float
    at: float


Event = StateChanged | Saved | Reloaded | RequestFinished


def to_json(event: Event) -> dict[str, Any]:
    """The event as `api/events` sends it: its topic, its fields, its time as RFC 3339."""
    fields = asdict(event)
    moment = fields.pop("at")
    return {"topic": event.topic, **fields, "time": rfc3339(moment)}


def rfc3339(seconds: float) -> str:
    """A moment (seconds since 1970) in UTC to the microsecond, as all of devproxy writes times.

    Source: RFC 3339 §5.6.
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
