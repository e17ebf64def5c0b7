"""`devproxy routes`: where requests go, and why."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from devproxy.cli.status import DOTS, AsJson, Directory


def routes(
    url: Annotated[
        str | None,
        typer.Argument(metavar="URL", help="Say which route takes this URL or path.", show_default=False),
    ] = None,
    method: Annotated[str, typer.Option("--method", "-X", metavar="METHOD", help="The request's method.")] = "GET",
    accept: Annotated[
        str, typer.Option("--accept", metavar="TYPE", help="Its Accept field, such as text/html.")
    ] = "*/*",
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Show the routes; of a URL, which one takes it and why.

    Routes stand in the order in which they are asked. Without a running session, those that devproxy up would
    have; then no states are known.

    Examples:
        $ devproxy routes
        $ devproxy routes /api/users?page=2
        $ devproxy routes http://admin.localhost:4400/ --accept text/html
        $ devproxy routes -X POST /api/users --json | jq -r .upstream.url
    """
    from devproxy.cli.client import Client
    from devproxy.cli.console import print_json, use_color
    from devproxy.cli.plan import project_root
    from devproxy.errors import NoSession

    root = project_root(directory)
    with Client(root) as client:
        try:
            found = client.get("/api/routes", url=url, method=method, accept=accept)
        except NoSession:
            found = planned(root, url, method, accept)
            typer.echo("nothing runs here: these are the routes that devproxy up would have", err=True)
    if as_json:
        print_json(found)
        return
    for line in (story if url is not None else overview)(found, colored=use_color(sys.stdout)):
        typer.echo(line, color=True)


def planned(root: Path, url: str | None, method: str, accept: str) -> dict[str, Any]:
    """The same from the config, or from what would be discovered."""
    import os

    from devproxy.config.load import load
    from devproxy.discovery.discover import discover
    from devproxy.hosts import AllowedHosts
    from devproxy.proxy.routes import RouteTable
    from devproxy.session.routing import all_routes, chosen_route

    config = load(root) or discover(root, environ=os.environ).config()
    table, hosts = RouteTable(config.routes, config.services), AllowedHosts(config.allowed_hosts)
    if url is None:
        return all_routes(table, unknown)
    return chosen_route(table, unknown, hosts, url=url, port=config.port, method=method, accept=accept)


def unknown(_: str) -> tuple[None, None]:
    return None, None


def overview(found: dict[str, Any], *, colored: bool) -> Iterator[str]:
    """The routes for a person, in the order in which they are asked."""
    if not found["routes"]:
        yield "no routes"
    yield from rows([(route, state_words(route["state"], colored=colored)) for route in found["routes"]])


def story(found: dict[str, Any], *, colored: bool) -> Iterator[str]:
    """One request's choice for a person."""
    from devproxy.cli.console import paint, printable

    request, match = found["request"], found["match"]
    yield printable(f"{request['method']} {request['host']}{request['target']}")
    yield ""
    if match is None:
        yield paint(printable(found["why"]), "1;31", colored=colored)
    else:
        yield paint(printable(f"{label(match)}  →  {target(match)}"), "1", colored=colored)
        yield f"  because  {printable(found['why'])}"
        sent, service = found["upstream"], found["service"]
        if sent["url"] is not None:
            yield f"  sent as  {printable(sent['method'])} {printable(sent['url'])}"
        else:
            yield f"  sent as  {printable(sent['method'])} {printable(sent['target'])}"
        if changes := changes_of(match):
            yield f"  changes  {printable(', '.join(changes))}"
        if service["state"] is not None:
            yield f"  state    {state_words(service['state'], colored=colored)}"
    if found["lost"]:
        yield ""
        yield paint("the others", "1", colored=colored)
        yield from rows([(lost["route"], printable(lost["why"])) for lost in found["lost"]], changes=False)


def rows(routes: list[tuple[dict[str, Any], str]], *, changes: bool = True) -> Iterator[str]:
    """One aligned line a route: what it takes, where it leads, and what is to be said of it."""
    from devproxy.cli.console import printable

    cells = [(printable(label(route)), printable(target(route)), route, said) for route, said in routes]
    widths = [max((len(row[column]) for row in cells), default=0) for column in (0, 1)]
    for name, to, route, said in cells:
        more = "  ".join(filter(None, [said, ", ".join(map(printable, changes_of(route))) if changes else ""]))
        yield f"  {name:{widths[0]}}  →  {to:{widths[1]}}  {more}".rstrip()


def label(route: dict[str, Any]) -> str:
    """What a route takes: "/api", "~ ^/v\\d+", with its conditions behind it."""
    conditions = [*route["methods"], route["host"], route["accept"]]
    return " ".join(filter(None, [route["prefix"] or f"~ {route['regex']}", *conditions]))


def target(route: dict[str, Any]) -> str:
    """Where a route leads."""
    return route["to"] if isinstance(route["to"], str) else ", ".join(route["to"])


def changes_of(route: dict[str, Any]) -> list[str]:
    """What a route changes on the way, in words."""
    edits = [(route[f"{leg}_headers"], leg) for leg in ("request", "response")]
    words = {
        "prefix stripped": route["strip_prefix"],
        "origin rewritten": route["rewrite_origin"],
        "any certificate": not route["tls_verify"],
        f"certificates of {route['tls_ca']}": route["tls_ca"],
        f"504 after {route['timeout_seconds']:g} s": route["timeout_seconds"],
        f"method {route['set_method']}": route["set_method"],
        f"query {', '.join(route['set_query'])}": route["set_query"],
        "body replaced": route["set_body"],
        **{
            f"{leg} fields {', '.join([*edit['set'], *edit['remove']])}": edit["set"] or edit["remove"]
            for edit, leg in edits
        },
    }
    return [word for word, given in words.items() if given]


def state_words(state: str | None, *, colored: bool) -> str:
    from devproxy.cli.console import paint

    dot, sgr = DOTS.get(state or "", ("", ""))
    return paint(f"{dot} {state}", sgr, colored=colored) if state is not None else ""
