"""`devproxy env`: what a service finds in its environment, and where each value came from."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from devproxy.cli.status import AsJson, Directory

if TYPE_CHECKING:
    from devproxy.config.model import Service

LEAST_VALUE = 24  # columns; with less, values stand below their names


def env(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service, by name.", show_default=False)],
    directory: Directory = None,
    all_: Annotated[bool, typer.Option("--all", "-a", help="Also what is as in the shell.")] = False,
    show_secrets: Annotated[bool, typer.Option("--show-secrets", help="Do not mask passwords, keys, tokens.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a service's variables, and where each came from.

    What the running process was given, or would be, if none runs. Shown is what differs from the shell; --all
    and --json have everything. Below a value stand those that it overrides.

    Examples:
        $ devproxy env api
        $ devproxy env api --all --show-secrets
        $ devproxy env api --json | jq -r .env.DATABASE_URL
    """
    from devproxy.cli.console import print_json, use_color, width
    from devproxy.cli.plan import project_root

    root = project_root(directory)
    found = of_session(root, service, show_secrets=show_secrets)
    if found is None:
        found = of_plan(root, service, show_secrets=show_secrets)
    if as_json:
        print_json(found)
        return
    shown = [one for one in found["variables"] if all_ or differs(one)]
    columns = width() if sys.stdout.isatty() else None
    typer.echo(f"{head(found)}\n", err=True)
    for line in table(shown, columns=columns, colored=use_color(sys.stdout)):
        typer.echo(line, color=True)
    for line in remarks(found, len(found["variables"]) - len(shown), with_secrets=show_secrets):
        typer.echo(line, err=True)


def of_session(root: Path, name: str, *, show_secrets: bool) -> dict[str, Any] | None:
    """What the running session says; None if none runs."""
    from devproxy.cli.client import Client
    from devproxy.cli.control import quoted
    from devproxy.errors import NoSession

    with Client(root) as client:
        try:
            return client.get(f"/api/services/{quoted(name)}/env", show_secrets="true" if show_secrets else None)
        except NoSession:
            return None


def of_plan(root: Path, name: str, *, show_secrets: bool) -> dict[str, Any]:
    """What `devproxy up` would give it.

    Raises: UsageError: there is no such service, or it has no process; ConfigError: the config or a `.env` is broken.
    """
    import os

    from devproxy.cli.foreground import read_project
    from devproxy.errors import UsageError
    from devproxy.processes.environment import build
    from devproxy.session.environments import declared_in, describe

    config, _, _ = read_project(root)
    service = named(config.services, name)
    if service.command is None:
        raise UsageError(f"{name} has no process of its own", hint="it is a folder, or runs elsewhere")
    origin, tty = f"http://localhost:{config.port}", service.stderr == "merged"
    found = build(service, os.environ, origin=origin, session="(a new one)", port=service.port, tty=tty)
    return describe(name, found, declared_in(config, service), pid=None, show_secrets=show_secrets).to_json()


def named(services: "tuple[Service, ...]", name: str) -> "Service":
    """The service of that name, or the first instance of it. Raises: UsageError: there is none; says the nearest."""
    from devproxy.cli.logs import check_names

    known = [one for service in services for one in (service.group, service.name)]
    check_names([name], list(dict.fromkeys(known)), is_sure=True)
    return next(service for service in services if name in (service.name, service.group))


def differs(variable: dict[str, Any]) -> bool:
    """Whether it is other than in the shell."""
    return bool(variable["origin"] != "shell")


def head(found: dict[str, Any]) -> str:
    from devproxy.cli.console import printable

    name = printable(found["service"])
    return f"{name} (pid {found['pid']}) was given:" if found["pid"] else f"{name} would be given (it does not run):"


def table(variables: list[dict[str, Any]], *, columns: int | None, colored: bool) -> Iterator[str]:
    """A line a variable (name, value, origin), then one for each value that it overrides.

    Args: columns: of the terminal, where long values are cut; None: nobody looks, nothing is.
    """
    rows = [row for one in variables for row in rows_of(one)]
    if not rows:
        return
    name, value, where = (max(map(len, column)) for column in zip(*rows, strict=True))
    if columns is None or columns - name - where - 6 >= LEAST_VALUE:
        value = value if columns is None else min(value, columns - name - where - 6)
        for row in rows:
            yield f"  {bold(row[0].ljust(name), colored)}  {cut(row[1], value).ljust(value)}  {dim(row[2], colored)}"
    else:  # too narrow for three columns
        for row in rows:
            if row[0]:
                yield f"  {bold(row[0], colored)}"
            yield from (f"    {cut(row[1], columns - 4)}", f"    {dim(cut(row[2], columns - 4), colored)}")


def rows_of(variable: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, value and origin."""
    yield flat(variable["name"]), flat(variable["value"]), origin(variable)
    for other in variable["overridden"]:
        yield "", flat(other["value"]), f"overridden: {origin(other)}"


def cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[: columns - 1] + "…"


def bold(text: str, colored: bool) -> str:
    from devproxy.cli.console import paint

    return paint(text, "1", colored=colored)


def dim(text: str, colored: bool) -> str:
    from devproxy.cli.console import paint

    return paint(text, "2", colored=colored)


def origin(value: dict[str, Any]) -> str:
    """Who gave it, in words."""
    if value["origin"] == "devproxy":
        return f"devproxy: {value['where']}"
    return flat(value["where"]) or "shell"


def flat(text: str) -> str:
    """On one line, whatever is in it."""
    from devproxy.cli.console import printable

    return printable(text.replace("\n", "\\n").replace("\t", "\\t"))


def remarks(found: dict[str, Any], hidden: int, *, with_secrets: bool) -> Iterator[str]:
    """What is not in the table."""
    yield ""
    for name, why in found["withheld"].items():
        yield f"  not passed on: {name} ({why})"
    if hidden:
        yield f"  {hidden} more as in the shell: --all"
    masked = sum(one["masked"] for one in found["variables"])
    if masked and not with_secrets:
        yield f"  {masked} masked: --show-secrets"
