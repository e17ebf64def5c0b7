"""`devproxy ls`: this user's sessions on this machine. Who else wants to know them asks `live_sessions`."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from devproxy.cli.client import Client
from devproxy.cli.status import DOTS, AsJson, age
from devproxy.errors import DevproxyError, NoSession
from devproxy.session.place import Announced, announced

ANSWER_SECONDS = 5.0  # a session that has just begun loads its API first, on a busy machine for seconds
SILENT = "silent"
LEFT_OUT = ("stopped", "waiting")  # what need not be up and is not: of no profile that was asked for, or not yet
GRAVEST = ("crashed", "failing", "stopped", "restarting", "starting", "freeing", "waiting")


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that accepts connections. status: what `api/status` says; None: it does not answer (Ctrl-Z?)."""

    announced: Announced
    status: dict[str, Any] | None

    @property
    def root(self) -> Path:
        """The project's folder. Of `devproxy proxy`, that in which it was started."""
        return Path(self.status["root"]) if self.status else self.announced.root

    @property
    def name(self) -> str:
        return str(self.status["name"]) if self.status else self.announced.name

    @property
    def pid(self) -> int:
        return int(self.status["pid"]) if self.status else self.announced.pid

    def client(self) -> Client:
        """A client of this session."""
        return Client(self.announced.root, self.announced.socket, answer_seconds=ANSWER_SECONDS)

    def to_json(self) -> dict[str, Any]:
        """Its entry in `ls --json`."""
        services = self.status["services"] if self.status else []
        services = [one for one in services if is_required(one) or one["state"] not in LEFT_OUT]
        ready = sum(service["state"] in ("ready", "done") for service in services)
        return {
            "name": self.name,
            "root": str(self.root),
            "url": self.status["url"] if self.status else self.announced.url,
            "pid": self.pid,
            "since": self.announced.since,
            "state": state_of(self.status),
            "services": {"ready": ready, "total": len(services)} if self.status else None,
        }


def ls(as_json: AsJson = False) -> None:
    """Show the sessions on this machine.

    All of yours, whatever folder you are in; also those in the background and of devproxy proxy.

    Examples:
        $ devproxy ls
        $ devproxy ls --json | jq -r '.sessions[].url'
        $ devproxy down --all                            stop them
    """
    from devproxy.cli.console import print_json, use_color

    found = [session.to_json() for session in live_sessions()]
    if as_json:
        print_json({"schema": 1, "sessions": found})
    elif found:
        typer.echo("\n".join(table(found, colored=use_color(sys.stdout))), color=True)
    else:
        typer.echo("no session runs", err=True)


def live_sessions() -> list[LiveSession]:
    """This user's sessions, by root. What a crash has left behind does not answer, and is none."""
    from concurrent.futures import ThreadPoolExecutor

    from devproxy.paths import state_home

    left = announced(state_home())
    if not left:
        return []
    with ThreadPoolExecutor(len(left)) as threads:  # one that hangs delays nobody
        found = threads.map(_look, left)
        return sorted((session for session in found if session is not None), key=lambda one: (one.root, one.name))


def session_of(client: Client) -> LiveSession:
    """The session that this client talks to. Raises: as the client does."""
    status = client.get("/api/status")
    facts = Announced(
        client.root, client.socket, status["pid"], status["name"], status["url"], status.get("started") or ""
    )
    return LiveSession(facts, status)


def _look(one: Announced) -> LiveSession | None:
    session = LiveSession(one, None)
    try:
        return LiveSession(one, session.client().get("/api/status"))
    except NoSession:
        return None
    except DevproxyError:  # somebody listens there, but says nothing, or nothing that we understand
        return session


def state_of(status: dict[str, Any] | None) -> str:
    """A session in one word: ready, the gravest state of a service that must be up, stopping, or silent."""
    if status is None:
        return SILENT
    if status["ready"]:
        return "ready"
    states = {service["state"] for service in status["services"] if is_required(service)}
    return next((state for state in GRAVEST if state in states), "stopping")


def is_required(service: dict[str, Any]) -> bool:
    """Whether a session is not ready without it; sessions of an earlier version do not say."""
    return bool(service.get("required", not service.get("optional")))


def table(found: Iterable[dict[str, Any]], *, colored: bool) -> list[str]:
    """The sessions for a person: one aligned row each."""
    import time

    from devproxy.cli.console import paint, printable

    rows = []
    for one in found:
        services = one["services"]
        counts = f"{services['ready']}/{services['total']} ready" if services else "does not answer"
        since = age(one["since"], time.time())
        rows.append([one["name"], one["state"], one["url"], counts, since, f"pid {one['pid']}", short(one["root"])])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        dot, sgr = DOTS.get(row[1], ("○", "33"))
        name, state, *rest = (printable(cell).ljust(size) for cell, size in zip(row, widths, strict=True))
        text = "  ".join([paint(name, "1", colored=colored), paint(state, sgr, colored=colored), *rest]).rstrip()
        lines.append(f"{paint(dot, sgr, colored=colored)} {text}")
    return lines


def short(path: str) -> str:
    """A path as a shell would take it, the home folder as ~."""
    home = str(Path.home())
    return f"~{path.removeprefix(home)}" if path == home or path.startswith(f"{home}/") else path
