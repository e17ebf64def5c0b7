"""`devproxy run`: a command with the whole project around it."""

import os
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from devproxy.cli.status import Directory, Profiles
from devproxy.errors import ServiceFailed

if TYPE_CHECKING:
    from devproxy.session.guests import Guest
    from devproxy.session.place import Place


def run(
    command: Annotated[list[str], typer.Argument(metavar="CMD...", help="The command.", show_default=False)],
    directory: Directory = None,
    port: Annotated[
        int | None,
        typer.Option("--port", "-p", metavar="PORT", min=1, max=65535, help="The public port, instead of 4400."),
    ] = None,
    profile: Profiles = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.0, help="How long all may take to be ready.")
    ] = 60.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not show the services' lines.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Free held ports without asking.")] = False,
) -> None:
    """Start everything, run a command with it, stop everything.

    The command runs when all is ready, with the URL as DEVPROXY_URL, on this stdin and stdout; the services'
    lines go to stderr. A session that runs here already is used, and left as it is; that of another run stays until
    the last of them has ended. The exit status is the command's; 4 when the services were not ready, 6 when there is
    no such command.

    Examples:
        $ devproxy run -- npm run e2e
        $ devproxy run -q -- pytest tests/e2e
        $ devproxy run -- sh -c 'curl -s $DEVPROXY_URL/api/health' | jq
    """
    from devproxy.cli.foreground import take
    from devproxy.cli.plan import project_root
    from devproxy.errors import NoSession
    from devproxy.paths import make_state_dir
    from devproxy.processes.beside import cannot_run
    from devproxy.session.guests import Guest

    if shutil.which(command[0]) is None:
        raise cannot_run(command)
    root, profiles = project_root(directory), tuple(profile or ())
    guest = None
    while (place := take(root)) is None:
        guest = guest or Guest(make_state_dir(root))
        with suppress(NoSession):  # it was just ending: then it is ours to start
            run_in(root, guest, command, timeout=timeout, profiles=profiles)
    run_started(place, command, port=port, timeout=timeout, quiet=quiet, yes=yes, profiles=profiles)


def run_in(
    root: Path, guest: "Guest", command: Sequence[str], *, timeout: float, profiles: tuple[str, ...]
) -> NoReturn:
    """Become the command, with the session that runs here.

    Args: profiles: what is to run in it besides.
    Raises: DevproxyError: it does not become ready, or the command cannot be run; NoSession: it ends.
    """
    from devproxy.cli.client import Client
    from devproxy.cli.control import start_stopped
    from devproxy.cli.foreground import read_project
    from devproxy.cli.readiness import STAYS, wait_ready
    from devproxy.config.selection import named
    from devproxy.processes.beside import become, environment_beside

    with Client(root) as client:
        if profiles:
            start_stopped(client, named(read_project(root)[0].services, (), profiles))
        url = wait_ready(client, timeout, hint=STAYS)["url"]
    sys.stdout.flush()
    sys.stderr.flush()
    guest.stay()
    become(command, environment_beside(os.environ, origin=url, session=None))


def run_started(
    place: "Place",
    command: Sequence[str],
    *,
    port: int | None,
    timeout: float,
    quiet: bool,
    yes: bool,
    profiles: tuple[str, ...] = (),
) -> NoReturn:
    """Run the project of a place for as long as the command runs; end as the command does.

    Raises: DevproxyError: it did not become ready, or the command cannot be run; Exit: with the command's code.
    """
    from devproxy.cli.console import die_by
    from devproxy.cli.errand import SENT, Errand
    from devproxy.cli.foreground import read_options, run_session

    errand = Errand(command, timeout, lambda line: typer.echo(f"devproxy: {line}", err=True))
    try:
        config, options = read_options(place.root, port=port, yes=yes, profiles=profiles)
        with Path(os.devnull).open("w") if quiet else nullcontext(sys.stderr) as shown:
            ended_by = run_session(config, place, options, lambda lines: partial(errand.attend, lines), shown)
    finally:
        place.leave()
    if errand.failure is not None:
        raise errand.failure
    if errand.exit is None:
        if ended_by is not None:
            die_by(ended_by)
        raise ServiceFailed(f"the session was stopped before it was ready, so {command[0]} was not run")
    if errand.exit.signal is None:
        raise typer.Exit(errand.exit.code or 0)
    if errand.exit.signal in SENT:
        die_by(signal.Signals(errand.exit.signal))
    raise typer.Exit(128 + errand.exit.signal)
