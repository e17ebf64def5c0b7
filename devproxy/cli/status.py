"""`devproxy status`: the services of the running session."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

# Colour and word for each state; the dot is filled while the service's process lives.
DOTS = {
    "ready": ("●", "32"),
    "done": ("●", "2;32"),
    "starting": ("◐", "33"),
    "restarting": ("◐", "33"),
    "freeing": ("◐", "33"),
    "waiting": ("○", "33"),
    "failing": ("●", "31"),
    "crashed": ("✖", "1;31"),
    "stopped": ("○", "2"),
}

Directory = Annotated[
    Path | None,
    typer.Option("--directory", "-C", metavar="DIR", help="The project. [default: here]", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")]


def status(directory: Directory = None, as_json: AsJson = False) -> None:
    """Show the services of the running session.

    Exit status 5 when nothing runs here.

    Examples:
        $ devproxy status
        $ devproxy status --json | jq -r '.services[] | .name + " " + .state'
    """
    from devproxy.cli.client import find_session
    from devproxy.cli.console import print_json, use_color

    with find_session(directory) as session:
        found = session.get("/api/status")
    if as_json:
        print_json(found)
    else:
        typer.echo("\n".join(table(found, colored=use_color(sys.stdout))), color=True)


def table(found: dict[str, Any], *, colored: bool) -> list[str]:
    """The status object as lines for a person: a head, then one aligned row a service."""
    import time

    from devproxy.cli.console import paint, printable

    bold = paint(printable(found["name"]), "1", colored=colored)
    lines = [f"{bold}  {'  '.join(found['urls'] or [found['url']])}  pid {found['pid']}", ""]
    rows = [row(service, time.time()) for service in found["services"]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for service, cells in zip(found["services"], rows, strict=True):
        dot, sgr = DOTS.get(service["state"], ("?", "0"))
        name, state, *rest = (cell.ljust(size) for cell, size in zip(cells, widths, strict=True))
        text = "  ".join([name, paint(state, sgr, colored=colored), *rest]).rstrip()
        lines.append(f"  {paint(dot, sgr, colored=colored)} {text}")
        if service.get("message") and service["state"] in ("failing", "crashed"):
            lines.append(f"      {printable(service['message'])}")
    return lines if rows else [*lines, "  no services"]


def row(service: dict[str, Any], now: float) -> list[str]:
    """One service's cells: name, state, how long, where, pid, what else is worth knowing."""
    from devproxy.cli.console import printable

    notes = [f"{service['restarts']} restarts" if service["restarts"] != 1 else "1 restart"]
    notes = notes if service["restarts"] else []
    if service["last_exit"] and service["state"] in ("crashed", "failing"):
        notes.append(exit_words(service["last_exit"]))
    where = service["url"] or (f":{service['port']}" if service["port"] else "")
    pid = f"pid {service['pid']}" if service["pid"] else ""
    return [
        printable(service["name"]),
        service["state"],
        age(service["since"], now),
        where,
        pid,
        ", ".join(notes),
    ]


def exit_words(last: dict[str, Any]) -> str:
    """How a process ended, in words."""
    return f"ended by {last['signal']}" if last["signal"] else f"exit status {last['code']}"


def age(since: str | None, now: float) -> str:
    """How long ago a moment (RFC 3339) was, in the largest unit that fits: 12s, 5m, 3h, 2d."""
    from datetime import datetime

    if since is None:
        return ""
    seconds = max(0, int(now - datetime.fromisoformat(since).timestamp()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
