"""The table of what waits: every cell, by service state and kind of request."""

import pytest

from devproxy.config.model import Hold
from devproxy.proxy.head import parse_request
from devproxy.proxy.hold import BROKEN, COMING, DROP, FORWARD, OVER, Action, Decision, Kind, decide, kind_of

HOLD = Hold(document_seconds=2, request_seconds=30, websocket_seconds=10, refused_seconds=5)
PATIENCE = {Kind.DOCUMENT: 2, Kind.FETCH: 30, Kind.UNSAFE: 30, Kind.EVENTS: 30, Kind.WEBSOCKET: 10}


@pytest.mark.parametrize("kind", list(Kind))
def test_a_ready_service_gets_everything(kind: Kind) -> None:
    assert decide(kind, "ready", 99, HOLD) == FORWARD


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("state", sorted(COMING))
def test_a_service_that_is_coming_is_waited_for_as_long_as_the_kind_allows(kind: Kind, state: str) -> None:
    assert decide(kind, state, 1, HOLD) == Decision(Action.WAIT, seconds=PATIENCE[kind] - 1)
    late = decide(kind, state, PATIENCE[kind], HOLD)
    assert late == (DROP if kind is Kind.EVENTS else Decision(Action.FAIL, status=503))


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.EVENTS])
@pytest.mark.parametrize("state", [*sorted(BROKEN), "stopped", "done"])
def test_a_broken_or_stopped_service_is_not_waited_for(kind: Kind, state: str) -> None:
    status = 502 if state in BROKEN else 503
    assert decide(kind, state, 0, HOLD) == Decision(Action.FAIL, status=status)


@pytest.mark.parametrize("state", [*sorted(BROKEN), "stopped", "done"])
def test_an_event_stream_waits_even_then_and_never_gets_a_status(state: str) -> None:
    assert decide(Kind.EVENTS, state, 1, HOLD).action is Action.WAIT
    assert decide(Kind.EVENTS, state, 30, HOLD) == DROP


@pytest.mark.parametrize("kind", list(Kind))
def test_nobody_waits_for_what_is_over(kind: Kind) -> None:
    assert decide(kind, OVER, 0, HOLD) == (DROP if kind is Kind.EVENTS else Decision(Action.FAIL, status=503))


@pytest.mark.parametrize("kind", list(Kind))
def test_a_ready_service_that_refuses_is_given_its_own_time(kind: Kind) -> None:
    assert decide(kind, "ready", 99, HOLD, refused=1) == Decision(Action.WAIT, seconds=4)
    late = decide(kind, "ready", 99, HOLD, refused=5)
    assert late == (DROP if kind is Kind.EVENTS else Decision(Action.FAIL, status=502))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("GET / HTTP/1.1\r\nSec-Fetch-Dest: document", Kind.DOCUMENT),
        ("GET / HTTP/1.1\r\nAccept: text/html,*/*", Kind.DOCUMENT),
        ("GET / HTTP/1.1\r\nAccept: text/html\r\nSec-Fetch-Dest: empty", Kind.FETCH),
        ("GET /app.js HTTP/1.1\r\nSec-Fetch-Dest: script", Kind.FETCH),
        ("HEAD / HTTP/1.1\r\nAccept: text/html", Kind.FETCH),
        ("GET / HTTP/1.1\r\nAccept: text/event-stream", Kind.EVENTS),
        ("POST / HTTP/1.1\r\nAccept: text/html", Kind.UNSAFE),
        ("DELETE / HTTP/1.1", Kind.UNSAFE),
        ("GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket", Kind.WEBSOCKET),
    ],
)
def test_the_kind_is_read_from_method_and_fields(head: str, kind: Kind) -> None:
    assert kind_of(parse_request(f"{head}\r\nHost: localhost\r\n\r\n".encode())) is kind
