"""The three event streams of the API: what open pages are told, what happens, what is printed."""

from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import StreamingResponse

from devproxy import __version__, sse
from devproxy.control.context import encoder_of, target_of
from devproxy.control.streams import RETRY_MS, encode, event_stream, relay
from devproxy.errors import UsageError
from devproxy.events import Event, Reloaded, RequestFinished, Saved, StateChanged, to_json
from devproxy.logs.query import parse_query
from devproxy.logs.stream import BACKLOG, MAX_BACKLOG, stream

TOPICS = {kind.topic for kind in (StateChanged, Saved, Reloaded, RequestFinished)}
LIVE_EVENTS = frozenset({"reload", "ready", "down"})  # never log text: this stream is public


async def live(request: Request) -> StreamingResponse:
    """What open pages are told: `ready` first (boot: differs after a restart of devproxy), then reload, ready, down."""
    target = target_of(request)

    def show(_: int, message: dict[str, Any]) -> bytes | None:
        name = message.get("event")
        rest = {key: value for key, value in message.items() if key != "event"}
        return encode(rest, event=name) if name in LIVE_EVENTS else None

    told = target.live.subscribe()  # before the greeting: what happens in between is told after it
    hello = encode({"boot": target.boot, "version": __version__, **target.greeting()}, event="ready", retry_ms=RETRY_MS)
    return event_stream(relay(told, show, first=hello))


async def events(request: Request, topics: Annotated[str, Query(max_length=200)] = "") -> StreamingResponse:
    """What happens: state, save, reload, request. `topics`: which of them, comma-separated; empty: all.

    A client that comes back with Last-Event-ID gets what it missed, or `gap` with how many are gone.
    """
    target = target_of(request)
    wanted = chosen_topics(topics)

    def show(seq: int, event: Event) -> bytes | None:
        return encode(to_json(event), event=event.topic, id=f"{target.boot}-{seq}") if event.topic in wanted else None

    after = position(request.headers.get("last-event-id"), target.boot)
    relayed = relay(
        target.events.subscribe(after),
        show,
        first=sse.retry(RETRY_MS),
        lost=lambda count: encode({"dropped": count}, event="gap"),
    )
    return event_stream(relayed)


def chosen_topics(listed: str) -> set[str]:
    """The topics in a comma-separated list; all of them when it is empty. Raises: UsageError."""
    wanted = {name for name in listed.split(",") if name}
    if unknown := sorted(wanted - TOPICS):
        raise UsageError(f"there is no topic '{unknown[0]}'", hint=f"topics are {', '.join(sorted(TOPICS))}")
    return wanted or TOPICS


def position(last_event_id: str | None, boot: str) -> int | None:
    """Where a client that comes back left off; None: it is new, or its session is over.

    The id is BOOT-SEQ. It comes from the client: anything that is not ours means from now on.
    """
    ours, _, seq = (last_event_id or "").rpartition("-")
    return int(seq) if ours == boot and seq.isascii() and seq.isdigit() and len(seq) < 19 else None


async def logs(
    request: Request,
    service: Annotated[list[str] | None, Query()] = None,
    follow: bool = True,
    backlog: Annotated[int, Query(ge=0, le=MAX_BACKLOG)] = BACKLOG,
    grep: Annotated[str | None, Query(max_length=1000)] = None,
    invert: bool = False,
    level: Annotated[str | None, Query(max_length=20)] = None,
) -> StreamingResponse:
    """What is printed: `line`, `gap`, `end`. `service` may be repeated, and need not have started yet.

    A client that comes back with Last-Event-ID goes on behind that line, and gets no backlog.
    """
    return event_stream(
        stream(
            target_of(request).log,
            parse_query(service or (), grep=grep, invert=invert, level=level),
            backlog=backlog,
            follow=follow,
            last_event_id=request.headers.get("last-event-id"),
            encoder=encoder_of(request),
        )
    )
