"""`devproxy complete`: what the files in completions/ ask for while somebody types. Hidden from help.

Commands and options they know themselves; what only this machine knows they ask here, so this is quick:
no session's answer is waited for longer than a person at a prompt would, and nothing heavy is imported.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

ANSWER_SECONDS = 0.5
SAFE = re.compile(r"\w[\w.-]*", re.ASCII)  # one word in every shell, and no option


def complete(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="services, logged, profiles or ports.", show_default=False)
    ] = "services",
    directory: Annotated[
        str | None,
        typer.Option("--directory", "-C", metavar="DIR", help="The project. [default: here]", show_default=False),
    ] = None,
) -> None:
    """Print names for a shell's completion, one a line.

    Prints nothing when something is wrong. DIR may be as it was typed: ~ and $NAME are expanded.

    Examples:
        $ devproxy complete services        of the running session, else as planned
        $ devproxy complete logged -C shop  those, and all that the log has lines of
        $ devproxy complete ports           that something listens on
    """
    try:
        names = names_of(kind, directory)
    except Exception:  # noqa: BLE001 - at a prompt every error is noise; the command itself will tell of it
        return
    for name in dict.fromkeys(names):
        if SAFE.fullmatch(name):
            typer.echo(name)


def names_of(kind: str, directory: str | None) -> Iterable[str]:
    """The names of a kind; none of a kind that there is not.

    Raises: DevproxyError and others: the project has a fault, as the command that is being typed will say.
    """
    from devproxy.cli.plan import project_root

    if kind == "ports":
        from devproxy.ports.table import listening_ports

        return map(str, sorted(listening_ports()))
    root = project_root(Path(os.path.expandvars(directory)).expanduser() if directory else None)
    if kind == "logged":
        return logged(root)
    if kind == "profiles":
        return profiles(root)
    return services(root) if kind == "services" else ()


def services(root: Path) -> list[str]:
    """The services of the session if one answers, else those that would run."""
    running = running_services(root)
    if running is not None:
        return running
    from devproxy.cli.plan import plan_of

    return [service.name for service in plan_of(root).services]


def profiles(root: Path) -> list[str]:
    """The profiles that services of the config have."""
    from devproxy.config.load import load

    config = load(root)
    return [profile for service in config.services for profile in service.profiles] if config is not None else []


def logged(root: Path) -> list[str]:
    """The services, and what else the log has lines of: earlier ones, and devproxy itself."""
    from contextlib import suppress

    from devproxy.errors import DevproxyError
    from devproxy.logs import query
    from devproxy.paths import state_dir

    found = query.services(state_dir(root) / "logs")
    with suppress(DevproxyError):  # the config is broken or gone; the log is there all the same
        found = [*services(root), *found]
    return found


def running_services(root: Path) -> list[str] | None:
    """The session's services; None when none answers in time: it may be suspended by Ctrl-Z."""
    from devproxy.paths import socket_path

    path = socket_path(root)
    if not path.exists():
        return None
    import json
    from http.client import HTTPException

    from devproxy.cli.client import UnixConnection, ask

    connection = UnixConnection(path)
    try:
        connection.connect()
        connection.sock.settimeout(ANSWER_SECONDS)
        answer = json.loads(ask(connection, "GET", "/api/services").read())
        return [service["name"] for service in answer["services"]]
    except (OSError, HTTPException, ValueError, LookupError):
        return None
    finally:
        connection.close()
