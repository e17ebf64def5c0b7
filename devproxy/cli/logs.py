"""`devproxy logs`: what the services printed, from the files and, with -f, as it is printed."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from devproxy.cli.log_output import Output
    from devproxy.logs.query import Page, Query
    from devproxy.sse import Event

LINES = 100  # shown when nothing else says which


def logs(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SERVICE]...", help="Only these. [default: all]", show_default=False),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with each line as it is printed.")] = False,
    lines: Annotated[
        str | None,
        typer.Option(
            "--lines",
            "-n",
            metavar="N",
            help=f"The last N, or all. [default: {LINES}; all with --since, --until, --grep or --level]",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="From then on: 30s, 5m, 2h (ago), 10:41, an RFC 3339 date, last-restart, last-save or last-ready.",
        ),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Up to then.")] = None,
    grep: Annotated[
        str | None, typer.Option(metavar="RE", help="Lines that match a regular expression (Python's).")
    ] = None,
    invert: Annotated[bool, typer.Option("--invert", "-v", help="With --grep: lines that do not match.")] = False,
    level: Annotated[
        str | None,
        typer.Option(help="This level and worse: debug, info, warning, error, critical."),
    ] = None,
    cursor: Annotated[
        str | None,
        typer.Option(help="What came after a cursor, and the next one: for scripts. The first time it is ''."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The lines as they are stored: no prefixes, every byte.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours, not even the lines' own.")] = False,
    directory: Annotated[
        Path | None,
        typer.Option("--directory", "-C", metavar="DIR", help="The project. [default: here]", show_default=False),
    ] = None,
) -> None:
    """Read what the services printed, live or afterwards.

    Reads the files of this project's log, so it works after the session has ended too; devproxy's own lines
    are there as the service `devproxy`. With -f it goes on with the running session, until that ends.

    Examples:
        $ devproxy logs                          the last lines of all services
        $ devproxy logs -f api                   one service, and go on
        $ devproxy logs --since last-restart api
        $ devproxy logs --since 5m --level error
        $ devproxy logs --grep 'POST /api' --json | jq .text
        $ devproxy logs --cursor "$cursor" --json
    """
    from devproxy.cli.console import say_error
    from devproxy.cli.plan import project_root
    from devproxy.errors import NoSession, UsageError
    from devproxy.logs import query
    from devproxy.logs.records import is_of
    from devproxy.paths import state_dir

    if raw and as_json:
        raise UsageError("--raw and --json exclude one another", hint="JSON has the bytes of a line that are no UTF-8")
    root = project_root(directory)
    files = state_dir(root) / "logs"
    wanted = query.parse_query(
        services or (),
        directory=files,
        since=since,
        until=until,
        grep=grep,
        invert=invert,
        level=level,
        limit=limit_of(lines, is_narrowed=any((since, until, grep, level, cursor))),
        cursor=cursor,
        goes_on=follow or cursor is not None,
    )
    known = query.services(files)
    runs = is_running(root)
    if unknown := [name for name in wanted.services if not any(is_of(one, [name]) for one in known)]:
        check_names(unknown, [*known, *(running_services(root) if runs else ())], is_sure=runs or bool(known))
    out = output(known, as_json=as_json, raw=raw, no_color=no_color)
    page = query.read_page(files, wanted)
    out.show(page.records)
    if page.dropped and not (as_json and cursor is not None):
        say_error(f"{page.dropped} lines after the cursor are no longer kept")
    if follow and runs:
        follow_session(root, wanted, page, out)
        return
    out.pause()
    if follow:
        raise NoSession(f"nothing runs in {root}; these were the lines there are", hint="start it with devproxy up")
    if cursor is not None:
        tell_cursor(page, as_json=as_json)
    elif not runs:
        what = "these are lines of earlier ones" if known else "nothing was printed here yet"
        say_error(f"no session runs in {root}; {what}")


def output(known: list[str], *, as_json: bool, raw: bool, no_color: bool) -> "Output":
    """How records are shown. At a terminal, a traceback that comes again is told in one line."""
    from devproxy.cli import log_output
    from devproxy.cli.console import use_color
    from devproxy.cli.fold import Folder
    from devproxy.cli.prefix import OURS, Painter

    if as_json:
        return log_output.Json()
    if raw:
        return log_output.Raw()
    painter = Painter([name for name in known if name != OURS], color=not no_color and use_color(sys.stdout))
    return log_output.Lines(painter, Folder() if sys.stdout.isatty() else None)


def tell_cursor(page: "Page", *, as_json: bool) -> None:
    """Where to go on: the last object of JSON, or a line on stderr."""
    import json

    if as_json:
        typer.echo(json.dumps({"cursor": page.cursor, "dropped": page.dropped}))
    else:
        typer.echo(f"cursor: {page.cursor}", err=True)


def limit_of(text: str | None, *, is_narrowed: bool) -> int | None:
    """How many lines -n means; None for all. Raises: UsageError: neither a number nor `all`."""
    from devproxy.errors import UsageError

    if text is None:
        return None if is_narrowed else LINES
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"-n {text!r} is no number of lines", hint="say -n 50, or -n all")
    return int(text)


def check_names(unknown: list[str], known: list[str], *, is_sure: bool) -> None:
    """Raises: UsageError: no service has that name; the hint has the nearest. Not sure: before the first `up`."""
    from difflib import get_close_matches

    from devproxy.errors import UsageError
    from devproxy.logs.records import is_of

    for name in unknown:
        if is_sure and not any(is_of(one, [name]) for one in known):
            near = get_close_matches(name, known, n=1)
            names = f"the services are {', '.join(sorted({*known}))}"
            raise UsageError(
                f"there is no service '{name}'", hint=f"did you mean '{near[0]}'? ({names})" if near else names
            )


def is_running(root: Path) -> bool:
    """Whether a session listens. By connecting, as a file left by a crash says nothing; costs no import of httpx."""
    import socket

    from devproxy.paths import socket_path

    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(socket_path(root)))
        except OSError:
            return False
        return True


def running_services(root: Path) -> list[str]:
    """The names of the session's services, also of those that have printed nothing yet."""
    from devproxy.cli.client import Client
    from devproxy.errors import NoSession

    with Client(root) as client:
        try:
            return [service["name"] for service in client.get("/api/services")["services"]]
        except NoSession:  # ended since
            return []


def follow_session(root: Path, query: "Query", page: "Page", out: "Output") -> None:
    """Show each line of the running session that the query takes, from where the page ended.

    Raises: NoSession: there is none any more, or it ended without saying so.
    """
    from time import time

    from devproxy.cli.client import Client
    from devproxy.errors import NoSession

    params = {
        "service": list(query.services) or None,
        "grep": query.grep.pattern if query.grep else None,
        "invert": query.invert or None,
        "level": query.level,
    }
    headers = {"Last-Event-ID": page.cursor} if page.cursor else {}
    with Client(root) as client:
        for told in events(client.stream("/api/logs/stream", params, headers)):
            is_over = query.until is not None and time() * 1_000_000 > query.until
            if not is_over:
                show(told, out)
            if is_over or not told or told[-1].type == "end":
                out.pause()
            if is_over or (told and told[-1].type == "end"):
                return
    raise NoSession(f"the session of {root} is gone", hint="start it again with devproxy up")


def show(told: "list[Event]", out: "Output") -> None:
    """Show what the events of a stream tell."""
    import json

    from devproxy.cli.console import say_error
    from devproxy.logs.records import Record

    out.show(Record.from_json(json.loads(event.data)) for event in told if event.type == "line")
    for event in told:
        if event.type == "gap":
            say_error(f"{json.loads(event.data)['dropped']} lines are not shown here")


def events(pieces: Iterable[bytes]) -> "Iterator[list[Event]]":
    """The events that each piece of a stream completes; none: it is only kept alive."""
    from devproxy.sse import Parser

    parser = Parser()
    for piece in pieces:
        yield parser.feed(piece)
