"""`devproxy logs`: what the services printed, from the files and, with -f, as it is printed."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from devproxy.cli.prefix import Painter
    from devproxy.logs.query import Page, Query

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
        typer.Option(metavar="WHEN", help="From then on: 30s, 5m, 2h (ago), 10:41, 2026-01-31T10:41:00Z."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Up to then.")] = None,
    grep: Annotated[
        str | None, typer.Option(metavar="RE", help="Lines that match a regular expression (Python's).")
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(help="This level and worse: debug, info, warning, error, critical."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for scripts.")] = False,
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
        $ devproxy logs --since 5m --level error
        $ devproxy logs --grep 'POST /api' --json | jq .text
    """
    from devproxy.cli.console import say_error, use_color
    from devproxy.cli.plan import project_root
    from devproxy.cli.prefix import OURS, Painter
    from devproxy.errors import NoSession
    from devproxy.logs import query
    from devproxy.logs.records import is_of
    from devproxy.paths import state_dir

    root = project_root(directory)
    files = state_dir(root) / "logs"
    limit = limit_of(lines, is_narrowed=any((since, until, grep, level)))
    wanted = query.parse_query(services or (), since=since, until=until, grep=grep, level=level, limit=limit)
    known = query.services(files)
    runs = is_running(root)
    if unknown := [name for name in wanted.services if not any(is_of(one, [name]) for one in known)]:
        check_names(unknown, [*known, *(running_services(root) if runs else ())], is_sure=runs or bool(known))
    painter = Painter([name for name in known if name != OURS], color=not no_color and use_color(sys.stdout))
    page = query.read_page(files, wanted)
    show((record.to_json() for record in page.records), painter, as_json=as_json)
    if follow and not runs:
        raise NoSession(f"nothing runs in {root}; these were the lines there are", hint="start it with devproxy up")
    if follow:
        follow_session(root, wanted, page, painter, as_json=as_json)
    elif not runs:
        what = "these are lines of earlier ones" if known else "nothing was printed here yet"
        say_error(f"no session runs in {root}; {what}")


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


def follow_session(root: Path, query: "Query", page: "Page", painter: "Painter", *, as_json: bool) -> None:
    """Show each line of the running session that the query takes, from where the page ended.

    Raises: NoSession: there is none any more, or it ended without saying so.
    """
    import json

    from devproxy.cli.client import Client
    from devproxy.errors import NoSession

    params: dict[str, Any] = {"service": list(query.services) or None}
    headers = {"Last-Event-ID": page.cursor} if page.cursor else {}
    with Client(root) as client:
        for kind, data in events(client.stream("/api/logs/stream", params, headers)):
            if kind == "end":
                return
            if kind == "gap":
                sys.stdout.flush()
                sys.stderr.buffer.write(painter.note(f"{json.loads(data)['dropped']} lines are not shown here"))
                sys.stderr.flush()
            elif kind == "line" and takes(query, record := json.loads(data)):
                show([record], painter, as_json=as_json)
    raise NoSession(f"the session of {root} is gone", hint="start it again with devproxy up")


def events(pieces: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Type and data of the events in a stream's bytes."""
    from devproxy.sse import Parser

    parser = Parser()
    for piece in pieces:
        for event in parser.feed(piece):
            yield event.type, event.data


def takes(query: "Query", record: dict[str, Any]) -> bool:
    """Whether a query takes a record that came as JSON; a line of now is never before `since`."""
    from time import time

    from devproxy.logs.levels import at_least

    return (
        (query.grep is None or query.grep.search(record["text"]) is not None)
        and (query.level is None or at_least(record["level"], query.level))
        and (query.until is None or time() * 1_000_000 <= query.until)
    )


def show(records: Iterable[dict[str, Any]], painter: "Painter", *, as_json: bool) -> None:
    """Write records to stdout, as JSON lines or behind their prefixes, at once."""
    import json

    out = sys.stdout.buffer
    for record in records:
        if as_json:
            out.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        else:
            out.write(painter.line(record["service"], record.get("ansi", record["text"]), record["level"]))
    out.flush()
