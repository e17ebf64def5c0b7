"""What a failure is told as: the facts that the supervisor and the log know, put together. Pure."""

from collections.abc import Sequence
from http import HTTPStatus

from devproxy.processes.lifecycle import Life
from devproxy.proxy.exchange import Failure
from devproxy.proxy.failures import Outage
from devproxy.session.words import exit_words, next_words

LINES = 30


def describe(
    failure: Failure,
    *,
    service: str,
    life: Life | None,
    port: int | None,
    url: str = "",
    waits_for: str = "",
    lines: Sequence[str] = (),
    traceback: Sequence[str] = (),
) -> Outage:
    """The outage of `service`, for a request that failed. life: None for an upstream that is not ours to run,
    which is at `url`."""
    if failure.status == HTTPStatus.SERVICE_UNAVAILABLE and failure.reason:
        hint = "Ask again in a second; or raise `max_requests` in devproxy.toml."
        return Outage(
            failure.status, f"{service} takes no more requests for now", failure.reason, hint, service=service
        )
    if life is None:
        return Outage(
            failure.status,
            f"{service} gave no answer" if failure.reason else f"{service} cannot be reached",
            failure.reason or f"Nothing answers at {url}.",
            failure.hint or "It is not started by devproxy: see that it runs.",
            service=service,
        )
    state = "stopped" if life.next == "stopped" else life.state
    title, detail, hint = _words(failure, service, life, state, port, waits_for)
    return Outage(
        failure.status,
        title,
        detail,
        hint,
        service=service,
        state=state,
        exit=exit_words(life.exit) if life.exit is not None and state in ("crashed", "failing") else "",
        lines=tuple(lines),
        traceback=tuple(traceback) if state in ("crashed", "failing") else (),
        recovers=state != "ready",
    )


def _words(
    failure: Failure, name: str, life: Life, state: str, port: int | None, waits_for: str
) -> tuple[str, str, str]:
    restart = f"Or restart it by hand: `devproxy restart {name}`."
    match state:
        case "waiting":
            return f"{name} has not started yet", f"It waits for {waits_for}." if waits_for else "", ""
        case "freeing" | "starting" | "restarting":
            return f"{name} is {'restarting' if state == 'restarting' else 'starting'}", "", ""
        case "crashed":
            why = life.reason or (f"It {exit_words(life.exit)}." if life.exit is not None else "")
            if life.awaits is None:
                return f"{name} has crashed", why, f"Start it again: `devproxy restart {name}`."
            follows = next_words(life)
            follows = f"{follows[0].upper()}{follows[1:]}"
            if life.is_braked:  # "… or to be restarted", it says already
                return f"{name} has crashed", why, f"{follows}: `devproxy restart {name}`."
            return f"{name} has crashed", why, f"{follows}. {restart}"
        case "failing":
            return f"{name} is failing", life.reason, restart
        case "stopped" if not life.generation:
            return f"{name} is not started", "It was left out of this session.", f"Start it: `devproxy start {name}`."
        case "stopped" | "done":
            return (
                f"{name} does not run",
                "It was stopped." if state == "stopped" else "It has done its work.",
                (f"Start it: `devproxy start {name}`."),
            )
    if failure.reason:
        return f"{name} gave no answer", failure.reason, failure.hint or "Its last lines may say why."
    return (
        f"{name} refuses connections",
        f"Its process runs, but nothing of it answers on port {port}." if port else "Its process runs, but refuses.",
        "Its last lines may say where it listens. Set `port` in devproxy.toml to that.",
    )
