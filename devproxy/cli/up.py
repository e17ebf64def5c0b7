"""`devproxy up`: start everything here behind one origin."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from devproxy.cli.status import AsJson, Directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from signal import Signals

    from devproxy.config.model import Config, Service
    from devproxy.ports.facts import Judged
    from devproxy.session.claims import Choice
    from devproxy.session.place import Place
    from devproxy.session.session import Options

WAIT_SECONDS = 60.0


def up(
    directory: Directory = None,
    port: Annotated[
        int | None,
        typer.Option("--port", "-p", metavar="PORT", min=1, max=65535, help="The public port, instead of 4400."),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Run in the background; return when it listens.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="With -d: return when all required services are ready.")] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.0, help="How long --wait waits.")
    ] = WAIT_SECONDS,
    as_json: AsJson = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Free held ports without asking.")] = False,
    force: Annotated[bool, typer.Option("--force", help="As --yes, with SIGKILL at once.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open the browser when all is ready.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more of what devproxy does.")] = False,
) -> None:
    """Start everything here behind one origin.

    What runs here is read from devproxy.toml, or worked out (see devproxy plan). Ctrl-C stops all of it.

    Examples:
        $ devproxy up
        $ devproxy up --port 8080 --open
        $ devproxy up -d --wait && npm run e2e; devproxy down
        $ devproxy up -d --wait --json | jq -r .url
    """
    from devproxy.cli.plan import project_root
    from devproxy.errors import UsageError

    root = project_root(directory)
    if wait and not detach:
        raise UsageError("--wait goes with -d", hint="in the foreground, the services' lines show when all is ready")
    if detach:
        from devproxy.cli.detached import start_detached

        start_detached(
            root,
            port=port,
            yes=yes,
            force=force,
            verbose=verbose,
            wait=timeout if wait else None,
            as_json=as_json,
        )
        if open_:
            from devproxy.cli.control import open_ as open_page

            open_page(directory)
        return
    _foreground(root, port=port, manners=(yes, force), open_page=open_, verbose=verbose)


def _foreground(root: Path, *, port: int | None, manners: tuple[bool, bool], open_page: bool, verbose: bool) -> None:
    from devproxy.session.place import AlreadyRunning, Place

    config, plan, movable = read_project(root)
    try:
        place = Place(root)
    except AlreadyRunning:
        _attach(root)
        return
    from devproxy.session.claims import Manners
    from devproxy.session.session import Options

    ask = _ask if sys.stdin.isatty() and sys.stdout.isatty() else None
    run(config, place, Options(port, Manners(ask, *manners), plan, movable, verbose), open_page=open_page)


def run(
    config: "Config",
    place: "Place",
    options: "Options",
    *,
    open_page: bool = False,
    clean_up: "Callable[[], None]" = lambda: None,
) -> None:
    """Run a session on this terminal until it ends; dies by the signal that ended it, if one did.

    Owns: the place, which it leaves; `clean_up` is called when nothing runs any more.
    """
    from devproxy.cli.console import die_by

    try:
        ended_by = _run(config, place, options, open_page=open_page)
    finally:
        place.leave()
        clean_up()
    if ended_by is not None:
        die_by(ended_by)


def _run(config: "Config", place: "Place", options: "Options", *, open_page: bool) -> "Signals | None":
    from devproxy.session.session import Session

    session = Session(config, place, options)
    try:
        session.prepare()
        from devproxy.cli.control import open_url
        from devproxy.cli.screen import Screen, frameworks_of

        screen = Screen(frameworks=frameworks_of(options.plan), open_url=open_url, open_when_ready=open_page)
    except BaseException:
        session.abandon()
        raise
    session.run(screen.attend)
    return session.ended_by


def read_project(root: Path) -> "tuple[Config, dict[str, Any], frozenset[str]]":
    """The config of a project, its plan as JSON, and the services whose port may be changed.

    Raises: ConfigError: its config is wrong; NothingRecognised: it has none, and nothing was recognised.
    """
    import os

    from devproxy.config.root import has_config

    if has_config(root):
        return _read_config(root)
    from devproxy.discovery.discover import discover

    plan = discover(root, environ=os.environ)
    movable = frozenset(planned.name for planned in plan.services if planned.assigned)
    return plan.config(), plan.to_json(), movable


def _read_config(root: Path) -> "tuple[Config, dict[str, Any], frozenset[str]]":
    from devproxy.config.load import load
    from devproxy.discovery.plan import Plan
    from devproxy.errors import UsageError

    config = load(root)
    if config is None or not config.services:
        raise UsageError(
            f"the config of {root} declares no services, so nothing would run",
            hint="a config replaces what is worked out; without it, `devproxy plan` shows what that would be",
        )
    # A number in a config is meant; only what was discovered, or says "auto", may move.
    movable = frozenset(service.name for service in config.services if service.port == "auto")
    return config, Plan.from_config(config).to_json(), movable


def _attach(root: Path) -> None:
    """A session runs here already: say so, and follow it if somebody is there to look."""
    from devproxy.cli.client import Client

    with Client(root) as client:
        url = client.get("/api/status")["url"]
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        typer.echo(url)
        return
    typer.echo(f"devproxy already runs here: {url}", err=True)
    if typer.confirm("Follow its log? (Ctrl-C leaves it running)", default=True, err=True):
        from devproxy.cli.logs import logs

        logs(services=[], follow=True, directory=root)


def _ask(service: "Service", port: int, holders: "list[Judged]", movable: bool) -> "Choice":
    """Ask what to do about a port's holder."""
    from devproxy.cli.console import printable

    for one in holders:
        process = one.holder.process
        command = " ".join(process.cmdline) if process is not None else ""
        typer.echo(f"port {port} ({service.name}) is held: {printable(one.verdict.reason)}", err=True)
        if command:
            typer.echo(f"  {printable(command)[:200]}", err=True)
    choices = "[f]ree it" + (", use [a]nother port" if movable else "") + " or [q]uit"
    while True:
        answer = typer.prompt(choices, default="a" if movable else "q", err=True).strip().lower()[:1]
        if answer == "f":
            return "free"
        if answer == "a" and movable:
            return "another"
        if answer == "q":
            return "quit"
