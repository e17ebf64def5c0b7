"""`devproxy run`: a command with the whole project around it."""

import os
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from devproxy.cli.status import Directory
from devproxy.errors import ServiceFailed

if TYPE_CHECKING:
    from devproxy.session.place import Place


def run(
    command: Annotated[list[str], typer.Argument(metavar="CMD...", help="The command.", show_default=False)],
    directory: Directory = None,
    port: Annotated[
        int | None,
        typer.Option("--port", "-p", metavar="PORT", min=1, max=65535, help="The public port, instead of 4400."),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.0, help="How long all may take to be ready.")
    ] = 60.0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not show the services' lines.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Free held ports without asking.")] = False,
) -> None:
    """Start everything, run a command with it, stop everything.

    The command runs when all is ready, with the URL as DEVPROXY_URL, on this stdin and stdout; the services'
    lines go to stderr. A session that runs here already is used, and left as it is. The exit status is
    the command's; 4 when the services were not ready, 6 when there is no such command.

    Examples:
        $ devproxy run -- npm run e2e
        $ devproxy run -q -- pytest tests/e2e
        $ devproxy run -- sh -c 'curl -s $DEVPROXY_URL/api/health' | jq
    """
    from devproxy.cli.client import Client
    from devproxy.cli.foreground import take
    from devproxy.cli.plan import project_root
    from devproxy.cli.readiness import STAYS, wait_ready
    from devproxy.processes.beside import become, cannot_run, environment_beside

    if shutil.which(command[0]) is None:
        raise cannot_run(command)
    root = project_root(directory)
    place = take(root)
    if place is not None:
        run_started(place, command, port=port, timeout=timeout, quiet=quiet, yes=yes)
    with Client(root) as client:
        url = wait_ready(client, timeout, hint=STAYS)["url"]
    sys.stdout.flush()
    sys.stderr.flush()
    become(command, environment_beside(os.environ, origin=url, session=None))


def run_started(
    place: "Place", command: Sequence[str], *, port: int | None, timeout: float, quiet: bool, yes: bool
) -> NoReturn:
    """Run the project of a place for as long as the command runs; end as the command does.

    Raises: DevproxyError: it did not become ready, or the command cannot be run; Exit: with the command's code.
    """
    from devproxy.cli.console import die_by
    from devproxy.cli.errand import SENT, Errand
    from devproxy.cli.foreground import read_options, run_session

    errand = Errand(command, timeout)
    try:
        config, options = read_options(place.root, port=port, yes=yes)
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
