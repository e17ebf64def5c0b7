"""What a request gets while its service is not ready: wait, forward, fail or be dropped. Pure.

The table, by service state and kind of request, is in docs/ARCHITECTURE.md. Only intended restarts
and first starts hold; a crash answers at once, because waiting would hide it.
"""

from dataclasses import dataclass
from enum import Enum

from devproxy.config.model import Hold
from devproxy.proxy.head import RequestHead

COMING = frozenset({"waiting", "freeing", "starting", "restarting"})
BROKEN = frozenset({"failing", "crashed"})

OVER = "over"
"""Of an upstream: no route leads to it any more, or the session ends. Nobody waits for that."""


class Kind(Enum):
    """What a request is, as far as waiting is concerned."""

    DOCUMENT = "document"
    FETCH = "fetch"
    UNSAFE = "unsafe"  # may change something: never sent twice
    EVENTS = "events"
    WEBSOCKET = "websocket"


class Action(Enum):
    FORWARD = "forward"
    WAIT = "wait"
    FAIL = "fail"  # answer with the failure's page or JSON
    DROP = "drop"  # close without an answer: EventSource retries that, and never after a status


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now; `seconds` is how long WAIT may last; `status` what FAIL answers."""

    action: Action
    seconds: float = 0.0
    status: int = 0


FORWARD = Decision(Action.FORWARD)
DROP = Decision(Action.DROP)


def kind_of(request: RequestHead) -> Kind:
    """The kind of a request, from its method and fields."""
    noted = request.noted
    if request.upgrade:
        return Kind.WEBSOCKET
    if request.method not in (b"GET", b"HEAD", b"OPTIONS"):
        return Kind.UNSAFE
    accept = noted.get(b"accept", b"")
    if b"text/event-stream" in accept:
        return Kind.EVENTS
    return Kind.DOCUMENT if is_document(request) else Kind.FETCH


def is_document(request: RequestHead) -> bool:
    """Whether a person will look at the answer: a navigation (Fetch Metadata §2.1), else by Accept."""
    if request.method != b"GET":
        return False
    dest = request.noted.get(b"sec-fetch-dest")
    if dest is not None:
        return dest in (b"document", b"iframe")
    return b"text/html" in request.noted.get(b"accept", b"")


def decide(kind: Kind, state: str, waited: float, hold: Hold, *, refused: float | None = None) -> Decision:
    """What to do with a request of `kind` whose service is in `state`.

    Args: waited: seconds since it came; refused: seconds since a ready service first refused it, if it has.
    """
    if state == "ready":
        if refused is None:
            return FORWARD
        return _wait(hold.refused_seconds - refused, 502, kind)
    if state in COMING or (kind is Kind.EVENTS and state != OVER):
        return _wait(patience(kind, hold) - waited, 503, kind)
    if kind is Kind.EVENTS:
        return DROP
    return Decision(Action.FAIL, status=502 if state in BROKEN else 503)


def patience(kind: Kind, hold: Hold) -> float:
    """Seconds a request of this kind may be held."""
    if kind is Kind.DOCUMENT:
        return hold.document_seconds
    if kind is Kind.WEBSOCKET:
        return hold.websocket_seconds
    return hold.request_seconds


def _wait(left: float, status: int, kind: Kind) -> Decision:
    if left > 0:
        return Decision(Action.WAIT, seconds=left)
    if kind is Kind.EVENTS:
        return DROP
    return Decision(Action.FAIL, status=status)
