"""`devproxy kill-port`: free ports that something still listens on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from devproxy.ports.facts import Judged
    from devproxy.ports.free import Outcome

HELD = 3  # the exit code of a port that is still held
DRY_RUN_WORDS = {
    "would-free": "it would be ended",
    "would-ask": "it would be asked about, and stay where there is no terminal; --yes ends it",
    "would-refuse": "it would be left alone, whatever the options",
}


def kill_port(
    ports: Annotated[list[int], typer.Argument(metavar="PORT", min=1, max=65535, show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Answer yes to every question.")] = False,
    force: Annotated[bool, typer.Option("--force", help="As --yes, and SIGKILL at once.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Show who listens; end nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout; asks nothing.")] = False,
    directory: Annotated[
        Path | None,
        typer.Option("--directory", "-C", metavar="DIR", help="The project. [default: here]", show_default=False),
    ] = None,
) -> None:
    """Free ports: end what listens on them.

    Shows who listens first. What an earlier devproxy left behind in this project goes without a question;
    anything else is asked about, and without a terminal it stays unless you pass --yes. Clients of a port,
    containers, other users' processes and whatever runs this command are never touched.

    Examples:
        $ devproxy kill-port 8000             free one port
        $ devproxy kill-port 8000 5173 --yes  free two, and ask nothing
        $ devproxy kill-port 8000 --dry-run   only show who has it

    Exit status: 0 when every port is free (or with --dry-run), 3 when one is still held.
    """
    from devproxy.ports.probe import is_free

    root: Path | None = None
    reports: list[dict[str, Any]] = []
    for port in dict.fromkeys(ports):
        if is_free(port):
            say(f"nothing listens on port {port}", as_json)
            reports.append({"port": port, "free": True, "holders": [], "action": "none", "freed": False})
            continue
        root = root or root_of(directory)
        reports.append(one_port(port, root, yes=yes, force=force, dry_run=dry_run, as_json=as_json))
    if as_json:
        import json

        typer.echo(json.dumps({"schema": 1, "ports": reports}))
    if not dry_run and not all(report["free"] for report in reports):
        raise typer.Exit(HELD)


def root_of(directory: Path | None) -> Path:
    """The project from whose point of view holders are judged."""
    from devproxy.config.root import find_root
    from devproxy.errors import UsageError

    if directory is not None and not directory.is_dir():
        raise UsageError(f"{directory} is not a folder", hint="-C takes the folder of a project")
    return find_root(Path.cwd()) if directory is None else directory.resolve()


def one_port(port: int, root: Path, *, yes: bool, force: bool, dry_run: bool, as_json: bool) -> dict[str, Any]:
    """Show who holds one port, free it if that may be; return its entry for --json."""
    from devproxy.ports.free import Freed, free
    from devproxy.ports.look import look

    judged = look(port, root)
    if not as_json:
        show(port, judged)
    action = decide(judged, yes=yes or force, may_ask=may_ask() and not as_json, dry_run=dry_run)
    if action == "ask":
        action = "free" if typer.confirm(question(judged), default=False, err=True) else "declined"
    freed, why = False, ""
    if action == "free":
        outcome = free(port, judged, root, force=force, tell=lambda line: say(f"  {line}", as_json))
        freed = isinstance(outcome, Freed)
        action = "freed" if freed else "failed"
        why = tell_outcome(port, outcome, as_json)
    elif action in {"refused", "declined"}:
        why = refuse(port, judged, action, as_json)
    else:
        say(f"  dry run: {DRY_RUN_WORDS[action]}", as_json)
    return {
        "port": port,
        "free": freed,
        "holders": [holder_json(one) for one in judged],
        "action": action,
        "freed": freed,
        **({"why": why} if why else {}),
    }


def decide(judged: "list[Judged]", *, yes: bool, may_ask: bool, dry_run: bool) -> str:
    """What happens to a held port: free, ask, refused; would-free, would-ask, would-refuse in a dry run."""
    kinds = {one.verdict.kind for one in judged}
    if "untouchable" in kinds:
        action = "refuse"
    elif kinds <= {"ours"} or yes:
        action = "free"
    else:
        action = "ask" if may_ask or dry_run else "refuse"
    if dry_run:
        return f"would-{action}"
    return "refused" if action == "refuse" else action


def may_ask() -> bool:
    """Is there somebody to answer?"""
    import sys

    return sys.stdin.isatty() and sys.stderr.isatty()


def question(judged: "list[Judged]") -> str:
    """One question for all holders of a port."""
    pids = [str(one.holder.process.pid) for one in judged if one.holder.process]
    return f"End pid {', '.join(pids)}?"


def show(port: int, judged: "list[Judged]") -> None:
    """Who holds the port, for a person."""
    import sys

    from devproxy.cli.console import paint, printable, use_color

    colored = use_color(sys.stdout)
    typer.echo(paint(f"port {port}", "1", colored=colored), color=colored)
    for one in judged:
        for line in holder_lines(one):
            typer.echo(f"  {printable(line)}")
        styles = {"ours": "32", "neighbour": "33", "stranger": "33", "untouchable": "31"}
        kind = paint(one.verdict.kind, styles[one.verdict.kind], colored=colored)
        typer.echo(f"    {kind}: {printable(one.verdict.reason)}", color=colored)


def holder_lines(one: "Judged") -> list[str]:
    """A holder in two or three lines: who, where and since when, and what would be ended with it."""
    from devproxy.ports.family import own, snapshot
    from devproxy.ports.lineage import aim

    where = f"listens on {', '.join(one.holder.addresses)}" if one.holder.addresses else "listens"
    process = one.holder.process
    if process is None:
        return ["pid unknown", f"  {where}"]
    facts = [f"in {short_path(process.cwd)}" if process.cwd else "", age_words(age(one)), where]
    lines = [
        f"pid {process.pid}  {' '.join(process.command.split())}",
        "  " + " · ".join(fact for fact in facts if fact),
    ]
    if process.project is not None and process.project != process.cwd:
        lines[1] += f" · project {short_path(process.project)}"
    goal = aim(one.holder, *own(snapshot()))
    if goal is not None and goal.top.pid != process.pid and one.verdict.kind != "untouchable":
        lines.append(f"  runs under pid {goal.top.pid}  {goal.top.command}, which ends with it")
    return lines


def holder_json(one: "Judged") -> dict[str, Any]:
    """A holder as --json shows it."""
    process = one.holder.process
    return {
        "pid": process.pid if process else None,
        "command": process.command if process else None,
        "cwd": str(process.cwd) if process and process.cwd else None,
        "age_seconds": age(one),
        "project": str(process.project) if process and process.project else None,
        "addresses": list(one.holder.addresses),
        "verdict": one.verdict.kind,
        "reason": one.verdict.reason,
    }


def age(one: "Judged") -> float | None:
    """Seconds since the holder was started; None when that is not to be seen."""
    import time

    if one.holder.process is None or one.holder.process.started is None:
        return None
    return round(max(0.0, time.time() - one.holder.process.started), 1)


def age_words(seconds: float | None) -> str:
    """An age in its largest unit: 3 h old."""
    if seconds is None:
        return ""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} old"
    return f"{int(seconds)} s old"


def short_path(path: Path) -> str:
    """A path with ~ for the home directory."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) and path != home else str(path)


def tell_outcome(port: int, outcome: "Outcome", as_json: bool) -> str:
    """Say what became of the port; return why it is still held."""
    from devproxy.ports.free import Freed

    if isinstance(outcome, Freed):
        how = f"by {outcome.signal}" if outcome.signal else "its holder had ended"
        say(f"  port {port} is free again ({outcome.seconds:.1f} s, {how})", as_json)
        return ""
    say_why(f"port {port} is still held: {outcome.reason}", outcome.hint)
    return outcome.reason


def refuse(port: int, judged: "list[Judged]", action: str, as_json: bool) -> str:
    """Say why nothing was ended; return that reason."""
    if action == "declined":
        say(f"  port {port} is left as it is", as_json)
        return "declined"
    worst = next((one for one in judged if one.verdict.kind == "untouchable"), judged[0])
    hint = worst.verdict.hint
    if worst.verdict.kind != "untouchable":
        hint = f"devproxy kill-port {port} --yes ends it" + (f"; or: {hint}" if hint else "")
    say_why(f"port {port} is held: {worst.verdict.reason}", hint)
    return worst.verdict.reason


def say(line: str, as_json: bool) -> None:
    """Talk for a person; none of it with --json."""
    if not as_json:
        typer.echo(line)


def say_why(message: str, hint: str) -> None:
    """A refusal, on stderr like every error: other ports of the same command may still be freed."""
    import sys

    from devproxy.cli.console import say_error

    sys.stdout.flush()  # what was shown of the holder comes before why it stays
    say_error(message, hint)
