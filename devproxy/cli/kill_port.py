"""`devproxy kill-port`: free ports that something still listens on."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from signal import Signals

    from devproxy.ports.facts import Judged
    from devproxy.ports.free import Outcome

HELD = 3  # the exit code of a port that is still held
DRY_RUN_WORDS = {
    "would-free": "it would be ended",
    "would-ask": "it would be asked about, and stay where there is no terminal; --yes ends it",
    "would-refuse": "it would be left alone, whatever the options",
}


HIGHEST = 65535
A_PORT = "a port is a number from 1 to 65535; a range is two of them, as in 3000-3010"
SIGNALS = ("TERM", "INT", "HUP", "QUIT", "KILL", "ABRT", "USR1", "USR2")  # those that end a process


def kill_port(
    ports: Annotated[list[str], typer.Argument(metavar="PORT", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Answer yes to every question.")] = False,
    force: Annotated[bool, typer.Option("--force", help="As --yes, and SIGKILL at once.")] = False,
    signal_name: Annotated[
        str, typer.Option("--signal", metavar="SIGNAL", help="How the holder is asked to end: INT, HUP …")
    ] = "TERM",
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0.0, help="How long it has before SIGKILL.")
    ] = 5.0,
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
        $ devproxy kill-port 3000-3010 8000   free a range, and another one
        $ devproxy kill-port 8000 --yes       ask nothing
        $ devproxy kill-port 8000 --dry-run   only show who has it

    Exit status: 0 when every port is free (or with --dry-run), 3 when one is still held.
    """
    from devproxy.ports.probe import is_free

    wanted = parse_ports(ports)
    ways = Ways(yes, force, parse_signal(signal_name, force=force), wait, dry_run, as_json)
    free = {port for port in wanted if is_free(port)}
    if free:
        say(f"nothing listens on {ports_words(sorted(free))}", as_json)
    root = root_of(directory)
    reports = [nothing(port) if port in free else one_port(port, root, ways) for port in wanted]
    if as_json:
        import json

        typer.echo(json.dumps({"schema": 1, "ports": reports}))
    if not dry_run and not all(report["free"] for report in reports):
        raise typer.Exit(HELD)


@dataclass(frozen=True, slots=True)
class Ways:
    """How to go about it: what the options say."""

    yes: bool
    force: bool
    first: "Signals"
    wait: float
    dry_run: bool
    as_json: bool


def parse_ports(words: list[str]) -> list[int]:
    """Ports, ranges and lists of them, each port once: `3000-3010 8000` or `8000,9000`.

    Raises: UsageError: one is none of these.
    """
    found: list[int] = []
    for word in ",".join(words).split(","):
        first, dash, last = word.strip().partition("-")
        low, high = parse_port(first, word), parse_port(last if dash else first, word)
        if low > high:
            raise usage_error(f"the range {word} ends before it begins", f"did you mean {high}-{low}?")
        found.extend(range(low, high + 1))
    return list(dict.fromkeys(found))


def parse_port(text: str, word: str) -> int:
    """One port. Raises: UsageError: it is none; the message shows the word that it stands in."""
    if text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= HIGHEST:
        return int(text)
    raise usage_error(f"'{word}' is not a port", A_PORT)


def parse_signal(name: str, *, force: bool) -> "Signals":
    """The signal of a name, with or without SIG. Raises: UsageError: none that ends a process; or with --force."""
    from signal import Signals

    short = name.upper().removeprefix("SIG")
    if short not in SIGNALS:
        raise usage_error(f"--signal {name} is not a signal that ends a process", f"it is one of {', '.join(SIGNALS)}")
    if force and short not in ("TERM", "KILL"):
        raise usage_error("--force sends SIGKILL at once, so --signal has no say", "give one of them")
    return Signals.SIGKILL if force else Signals[f"SIG{short}"]


def usage_error(message: str, hint: str) -> Exception:
    """A UsageError, imported only now."""
    from devproxy.errors import UsageError

    return UsageError(message, hint=hint)


def ports_words(ports: list[int]) -> str:
    """Ascending ports in words, runs as ranges: ports 3000-3004, 8000."""
    runs: list[list[int]] = []
    for port in ports:
        if runs and port == runs[-1][-1] + 1:
            runs[-1].append(port)
        else:
            runs.append([port])
    words = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return f"{'port' if len(ports) == 1 else 'ports'} {', '.join(words)}"


def nothing(port: int) -> dict[str, Any]:
    """The entry for --json of a port that nothing listens on."""
    return {"port": port, "free": True, "holders": [], "action": "none", "freed": False}


def root_of(directory: Path | None) -> Path:
    """The project from whose point of view holders are judged."""
    from devproxy.config.root import find_root
    from devproxy.errors import UsageError

    if directory is not None and not directory.is_dir():
        raise UsageError(f"{directory} is not a folder", hint="-C takes the folder of a project")
    return find_root(Path.cwd()) if directory is None else directory.resolve()


def one_port(port: int, root: Path, ways: Ways) -> dict[str, Any]:
    """Show who holds one port, free it if that may be; return its entry for --json."""
    from devproxy.ports.free import Freed, free
    from devproxy.ports.look import look

    judged = look(port, root)
    if not judged:  # it has ended meanwhile
        say(f"nothing listens on port {port} any more", ways.as_json)
        return nothing(port)
    if not ways.as_json:
        show(port, judged)
    asking = may_ask() and not ways.as_json
    action = decide(judged, yes=ways.yes or ways.force, may_ask=asking, dry_run=ways.dry_run)
    if action == "ask":
        action = "free" if typer.confirm(question(judged), default=False, err=True) else "declined"
    freed, why = False, ""
    if action == "free":
        outcome = free(
            port, judged, root, first=ways.first, grace=ways.wait, tell=lambda line: say(f"  {line}", ways.as_json)
        )
        freed = isinstance(outcome, Freed)
        action = "freed" if freed else "failed"
        why = tell_outcome(port, outcome, ways.as_json)
    elif action in {"refused", "declined"}:
        why = refuse(port, judged, action, ways.as_json)
    else:
        say(f"  dry run: {DRY_RUN_WORDS[action]}", ways.as_json)
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

    where = f"listens on {', '.join(one.holder.addresses)}" if one.holder.addresses else ""
    process = one.holder.process
    if process is None and one.holder.hold == "closed":
        return []
    if process is None:
        return [
            f"pid unknown{f', of {one.holder.username}' if one.holder.username else ''}",
            *([f"  {where}"] if where else []),
        ]
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
        "user": (process.username if process else one.holder.username) or None,
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
    held = "is not free yet" if worst.holder.hold == "closed" else "is held"
    say_why(f"port {port} {held}: {worst.verdict.reason}", hint)
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
