"""`devproxy ports`: what listens on this machine, and whose it is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from devproxy.cli.status import AsJson, Directory

if TYPE_CHECKING:
    from devproxy.ports.facts import Context, Judged
    from devproxy.ports.whose import Whose

SHOWN_ENDED = 50  # the last ones, for a person


def ports(
    everything: Annotated[
        bool, typer.Option("--all", help="Also other users', system services and ports below 1024.")
    ] = False,
    killed: Annotated[bool, typer.Option("--killed", help="What devproxy has ended to free ports, and why.")] = False,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Show which ports are in use, and whose they are.

    Only what listens: port, pid, age, whose it is, command and folder. --killed shows what was ended in any project,
    newest last.

    Examples:
        $ devproxy ports
        $ devproxy ports --json | jq ".ports[].port"
        $ devproxy ports --killed
    """
    if killed:
        show_killed(as_json=as_json)
        return
    from devproxy.cli.console import print_json
    from devproxy.cli.kill_port import root_of
    from devproxy.ports.look import look_at_all
    from devproxy.ports.whose import is_dev

    found, context = look_at_all(root_of(directory))
    shown = [one for one in found if everything or is_dev(one, context)]
    if as_json:
        print_json({"schema": 1, "ports": [entry(one, context) for one in shown]})
        return
    for line in table(shown, context):
        typer.echo(line)
    if not shown:
        typer.echo("nothing of yours listens on a port from 1024 upwards")
    if len(shown) < len(found):
        typer.echo(f"{len(found) - len(shown)} more are other users' or the system's: devproxy ports --all", err=True)


def entry(one: "Judged", context: "Context") -> dict[str, Any]:
    """One holder of one port, for --json: as kill-port has it, and whose it is."""
    from dataclasses import asdict

    from devproxy.cli.kill_port import holder_json
    from devproxy.ports.whose import whose

    return {"port": one.holder.port, **holder_json(one), "whose": asdict(whose(one, context))}


def table(found: "list[Judged]", context: "Context") -> list[str]:
    """One aligned line a holder: port, pid, age, whose, command and folder; cut to a terminal's width."""
    import sys

    from devproxy.cli.console import printable, width
    from devproxy.cli.kill_port import age, age_words, short_path
    from devproxy.ports.whose import whose

    rows = []
    for one in found:
        process = one.holder.process
        rows.append(
            [
                str(one.holder.port),
                str(process.pid) if process else "?",
                age_words(age(one)).removesuffix(" old"),
                printable(whose_words(whose(one, context), context.root)),
                printable(" ".join(process.command.split())) if process else "",
                printable(short_path(process.cwd)) if process and process.cwd else "",
            ]
        )
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)][:4]
    lines = []
    for row in rows:
        cells = [cell.ljust(size) for cell, size in zip(row, sizes, strict=False)]
        lines.append("  ".join([*cells, row[4], f"in {row[5]}" if row[5] else ""]).rstrip())
    return [line[: width()] for line in lines] if sys.stdout.isatty() else lines


def whose_words(it: "Whose", root: Path) -> str:
    """Whose a port is, for a person who is in `root`."""
    from devproxy.cli.kill_port import short_path

    where = "" if it.root in ("", str(root)) else f" of {short_path(Path(it.root))}"
    words = {
        "devproxy": f"devproxy{where}",
        "service": f"service {it.name}{where}",
        "left": f"left behind by {it.name}" if it.name else "left behind here",
        "container": f"container {it.name}".rstrip(),
        "project": "this project",
        "other": where.removeprefix(" of ") or "no project",
        "user": f"user {it.name}" if it.name else "another user",
        "unseen": "not to be seen",
    }
    return words[it.kind]


def show_killed(*, as_json: bool) -> None:
    """What was ended to free ports, oldest first."""
    from datetime import datetime

    from devproxy.cli.console import print_json, printable
    from devproxy.paths import state_home
    from devproxy.ports.killed import read

    entries = read(state_home())
    if as_json:
        print_json({"schema": 1, "killed": entries})
        return
    if not entries:
        typer.echo("devproxy has ended nothing yet")
    for one in entries[-SHOWN_ENDED:]:
        when = datetime.fromisoformat(one["time"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        what = f"{one['signal']} to pid {one['signalled_pid']}  {one['signalled_command']}"
        port = "no port  " if one["port"] is None else f"port {one['port']}"
        typer.echo(printable(f"{when}  {port}  {what}"))
        typer.echo(printable(f"    {one['verdict']}: {one['reason']}"))
