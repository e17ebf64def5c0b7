"""`devproxy status`: the services of the running session."""

import sys
from collections.abc import Iterator
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

LEFT_OUT = (4, 5, 6, 7, 3, 2)  # pid, CPU, memory, notes, where, age: what a narrow terminal can do without
NUMBERS = frozenset({5, 6})  # to the right

Directory = Annotated[
    Path | None,
    typer.Option("--directory", "-C", metavar="DIR", help="The project. [default: here]", show_default=False),
]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Start the services of this profile too; may be repeated. [env: DEVPROXY_PROFILES=a,b]",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")]


def status(directory: Directory = None, as_json: AsJson = False) -> None:
    """Show the services of the running session.

    With what each uses: CPU of all its processes over a quarter of a second, and memory (RSS). Exit status 5
    when nothing runs here.

    Examples:
        $ devproxy status
        $ devproxy status --json | jq -r '.services[] | .name + " " + .state'
    """
    from devproxy.cli.client import find_session
    from devproxy.cli.console import print_json, use_color, width

    with find_session(directory) as session:
        found = session.get("/api/status", usage="true")
    if as_json:
        print_json(found)
        return
    columns = width() if sys.stdout.isatty() else None
    for line in table(found, columns=columns, colored=use_color(sys.stdout)):
        typer.echo(line, color=True)


def table(found: dict[str, Any], *, columns: int | None = None, colored: bool) -> list[str]:
    """The status object as lines for a person: a head, then one aligned row a service.

    Args: columns: of the terminal, on which columns are left out that have no room; None: nobody looks.
    """
    import time

    from devproxy.cli.console import paint, printable

    bold = paint(printable(found["name"]), "1", colored=colored)
    urls = "  ".join(found["urls"] or [found["url"]])  # the second one: by the branch's name
    lines = [f"{bold}  {urls}  pid {found['pid']}", ""]
    rows = fitting([row(service, time.time()) for service in found["services"]], columns)
    group = None
    for service, cells in zip(found["services"], rows, strict=True):
        if service.get("instance_of") not in (None, group):
            lines.append(f"    {group_words(service['instance_of'], found['services'])}")
        group = service.get("instance_of")
        dot, sgr = DOTS.get(service["state"], ("?", "0"))
        name, state, *rest = cells
        text = "  ".join([name, paint(state, sgr, colored=colored), *rest]).rstrip()
        lines.append(f"  {paint(dot, sgr, colored=colored)} {text}")
        if service["message"]:
            hint = f" (devproxy why {service['name']})" if service["state"] in ("failing", "crashed", "waiting") else ""
            lines += folded(service["message"] + hint, " " * 6, columns)
    return [*(lines if rows else [*lines, "  no services"]), *balanced_lines(found, columns, colored=colored)]


def balanced_lines(found: dict[str, Any], columns: int | None, *, colored: bool) -> Iterator[str]:
    """How requests are shared out: a heading a group, then a line an upstream."""
    from devproxy.cli.console import paint, printable

    for group in found.get("balanced", []):  # sessions of an earlier version do not say
        refused = f", {group['refused']} refused" if group["refused"] else ""
        yield ""
        yield from folded(f"requests for {printable(group['name'])}: {group['balance']}{refused}", "  ", columns)
        width = max(len(one["name"]) for one in group["upstreams"])
        for one in group["upstreams"]:
            is_out = one["healthy"] is False or one["ejected_for"] is not None
            dot, sgr = DOTS.get("failing" if one["state"] == "ready" and is_out else one["state"], ("?", "0"))
            first, *rest = folded(f"{one['name']:{width}}  {upstream_words(one)}", " " * 4, columns)
            yield f"  {paint(dot, sgr, colored=colored)} {first[4:]}"
            yield from rest


def upstream_words(one: dict[str, Any]) -> str:
    """What an upstream's probe says, and what came of its requests."""
    parts = []
    if one["state"] != "ready":
        parts.append(one["state"])
    elif one["ejected_for"] is not None:
        times = f"{one['failures']} failures" if one["failures"] > 1 else "a failure"
        parts.append(f"left out for {one['ejected_for']:.1f} s after {times}")
    if one["answer"]:
        latency = f" in {one['latency_ms']:.1f} ms" if one["healthy"] and one["latency_ms"] is not None else ""
        parts.append(f"{one['answer']}{latency}")
    if one["requests"] is not None:
        parts.append(f"{one['requests']} request{'' if one['requests'] == 1 else 's'}, {one['in_flight']} in flight")
    return "; ".join(parts) or "nothing came back yet"


def group_words(name: str, services: list[dict[str, Any]]) -> str:
    """A service with several instances, as the heading of theirs: "worker  2 of 3 ready"."""
    states = [one["state"] for one in services if one.get("instance_of") == name]
    return f"{name}  {sum(state in ('ready', 'done') for state in states)} of {len(states)} ready"


def row(service: dict[str, Any], now: float) -> list[str]:
    """One service's cells: name, state, how long, where, pid, CPU, memory, what else is worth knowing."""
    from devproxy.cli.console import printable

    notes = [f"{service['restarts']} restarts" if service["restarts"] != 1 else "1 restart"]
    notes = notes if service["restarts"] else []
    if service["last_exit"] and not service["message"] and service["state"] in ("crashed", "failing"):
        notes.append(exit_words(service["last_exit"]))
    usage = service.get("usage")
    return [
        ("  " if service.get("instance_of") else "") + printable(service["name"]),
        service["state"],
        age(service["since"], now),
        service["url"] or (f":{service['port']}" if service["port"] else ""),
        f"pid {service['pid']}" if service["pid"] else "",
        f"{usage['cpu_percent']:.0f} %" if usage else "",
        size(usage["rss_bytes"]) if usage else "",
        ", ".join(notes),
    ]


def fitting(rows: list[list[str]], columns: int | None) -> list[list[str]]:
    """The rows padded to columns; of these, those that the terminal has no room for are left out, and empty ones."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    kept = [number for number, size in enumerate(widths) if size or number < len(("name", "state"))]
    for number in LEFT_OUT:
        if columns is not None and 2 + sum(widths[one] + 2 for one in kept) > columns and number in kept:
            kept.remove(number)
    return [
        [cells[one].rjust(widths[one]) if one in NUMBERS else cells[one].ljust(widths[one]) for one in kept]
        for cells in rows
    ]


def folded(text: str, indent: str, columns: int | None) -> list[str]:
    """The text on as many lines as it needs."""
    import textwrap

    from devproxy.cli.console import printable

    clean = printable(text.replace("\n", " "))
    if columns is None:
        return [f"{indent}{clean}"]
    room = max(columns, 20)
    return textwrap.wrap(clean, room, initial_indent=indent, subsequent_indent=indent) or [indent]


def size(count: int) -> str:
    """Bytes as a person reads them: 640 KiB, 182 MiB, 1.2 GiB."""
    mib = count / 2**20
    if mib >= 1024:
        return f"{mib / 1024:.1f} GiB"
    return f"{mib:.0f} MiB" if mib >= 1 else f"{count / 1024:.0f} KiB"


def exit_words(last: dict[str, Any]) -> str:
    """How a process ended, in words."""
    return str(last["words"]) or (f"killed by {last['signal']}" if last["signal"] else f"exit {last['code']}")


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
