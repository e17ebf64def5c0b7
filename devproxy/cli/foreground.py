"""A session on this terminal: what `up`, `proxy` and `demo` share.

Knows nothing of Typer: a bare `devproxy up` comes here directly (console.py), and its children start before
the command line's library would have been imported.
"""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from devproxy.config.root import find_root
from devproxy.config.selection import named, profiles_from

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from signal import Signals

    from devproxy.cli.lines import Lines
    from devproxy.config.model import Config, Service
    from devproxy.ports.facts import Judged
    from devproxy.session.claims import Choice
    from devproxy.session.launch import Options
    from devproxy.session.place import Place
    from devproxy.session.reloading import Project
    from devproxy.session.session import Session

    Attend = Callable[[Session], Coroutine[Any, Any, None]]

PROFILES = "DEVPROXY_PROFILES"
ANSWER_SECONDS = 30.0
SWITCH_SECONDS = 0.0002
"""How long one thread may keep the others from Python.

Each read of a child and each write of its lines lets go of it, and with the usual 5 ms a thread that imports the web
stack would make each of them last as long: 320,000 lines took 1.0 s beside a thread that computes, and take 0.14 s.
"""
POLL_SECONDS = 0.03


def foreground(
    root: Path | None = None,
    *,
    port: int | None = None,
    yes: bool = False,
    force: bool = False,
    open_page: bool = False,
    verbose: bool = False,
    services: tuple[str, ...] = (),
    profiles: tuple[str, ...] = (),
    exit_on_failure: bool = False,
) -> None:
    """Run the project of `root` (None: of the folder we are in) on this terminal until it ends.

    Dies by the signal that ended it, if one did. If a session runs there already: says so, offers to follow it.

    Args: services, profiles: what to run (none: all that starts by itself, and the profiles of the environment).
    Raises: DevproxyError: it cannot be started.
    """
    root = find_root(Path.cwd()) if root is None else root
    config, options = read_options(
        root,
        port=port,
        yes=yes,
        force=force,
        verbose=verbose,
        services=services,
        profiles=profiles,
        exit_on_failure=exit_on_failure,
    )
    place = take(root)
    if place is None:
        _attach(root, named(config.services, services, profiles))
        return
    run(config, place, options, open_page=open_page)


def read_options(
    root: Path,
    *,
    port: int | None = None,
    yes: bool = False,
    force: bool = False,
    verbose: bool = False,
    services: tuple[str, ...] = (),
    profiles: tuple[str, ...] = (),
    exit_on_failure: bool = False,
) -> "tuple[Config, Options]":
    """The config of a project, and how it is to be run.

    Raises: as `read_project`.
    """
    import os

    from devproxy.session.claims import Manners
    from devproxy.session.launch import Options

    config, plan, movable = read_project(root)
    ask = _ask if sys.stdin.isatty() and sys.stdout.isatty() else None
    profiles = profiles or profiles_from(os.environ.get(PROFILES, ""), config.services)
    manners = Manners(ask, yes, force)
    again = partial(reread, root)
    return config, Options(port, manners, plan, movable, verbose, services, profiles, again, exit_on_failure)


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

    def screen(lines: "Lines") -> "Attend":
        from devproxy.cli.browser import open_url
        from devproxy.cli.screen import Screen, frameworks_of

        frameworks = frameworks_of(options.plan)
        return Screen(lines, frameworks=frameworks, open_url=open_url, open_when_ready=open_page).attend

    try:
        ended_by = run_session(config, place, options, screen, sys.stdout)
    finally:
        place.leave()
        clean_up()
    if ended_by is not None:
        die_by(ended_by)


def run_session(
    config: "Config", place: "Place", options: "Options", attendant: "Callable[[Lines], Attend]", shown: "TextIO"
) -> "Signals | None":
    """Run a session until it ends; return the signal that ended it, if one did.

    Args: shown: where its log is shown; attendant: makes of the lines there what attends the session; called while
    the first children already run.
    """
    from devproxy.cli.console import use_color
    from devproxy.cli.early import EarlyLines
    from devproxy.cli.prefix import Painter
    from devproxy.cli.session_log import lines_for
    from devproxy.session.launch import Launch

    sys.setswitchinterval(SWITCH_SECONDS)
    launch = Launch(config, place, options)
    painter = Painter([service.name for service in config.services], color=use_color(shown))
    lines = lines_for(shown.fileno(), painter, place.state)
    try:
        launch.start()
        launch.hold_signals()
        with EarlyLines(launch.started, launch.log, lines):
            attend = attendant(lines)
            from devproxy.session.session import Session
        session = Session(launch)
    except BaseException:
        launch.abandon()
        raise
    session.run(attend)
    if session.failure is not None:
        raise session.failure
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


def reread(root: Path) -> "Project":
    """The project as it is now. Raises: as `read_project`."""
    from devproxy.session.reloading import Project

    return Project(*read_project(root))


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


def take(root: Path) -> "Place | None":
    """Take the root; None: another session has it, and answers. One that is just starting or ending is waited for.

    Raises: ServiceFailed: the session that has it does not answer.
    """
    from devproxy.session.place import AlreadyRunning, Place

    deadline = None
    while True:
        try:
            return Place(root)
        except AlreadyRunning:
            import time

            from devproxy.cli.client import Client
            from devproxy.errors import ServiceFailed

            with Client(root) as client:
                if client.is_running():
                    return None
            deadline = deadline or time.monotonic() + ANSWER_SECONDS
            if time.monotonic() > deadline:
                raise ServiceFailed(
                    f"another devproxy runs in {root}, and does not answer",
                    hint="look at its terminal, and stop it there",
                ) from None
            time.sleep(POLL_SECONDS)


def _attach(root: Path, services: "list[str]") -> None:
    """A session runs here already: start what was asked for, say so, and follow it if somebody is there to look."""
    from devproxy.cli.client import Client
    from devproxy.cli.control import start_stopped

    with Client(root) as client:
        url = client.get("/api/status")["url"]
        start_stopped(client, services)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(url)
        return
    print(f"devproxy already runs here: {url}", file=sys.stderr)
    if _answer("Follow its log? Ctrl-C leaves it running. [Y/n] ", "y") == "y":
        from devproxy.cli.logs import logs

        logs(services=[], follow=True, directory=root)


def _ask(service: "Service", port: int, holders: "list[Judged]", movable: bool) -> "Choice":
    """Ask what to do about a port's holder."""
    from devproxy.cli.kill_port import show

    show(port, holders)
    print(f"{service.name} needs this port. Used as it is, it gets {service.name}'s requests.\n", file=sys.stderr)
    choices = "[u]se it as it is, [f]ree it" + (", take [a]nother port" if movable else "") + " or [q]uit"
    while True:
        answer = _answer(f"{choices} [{'a' if movable else 'q'}]: ", "a" if movable else "q")
        if answer == "f":
            return "free"
        if answer == "u":
            return "use"
        if answer == "a" and movable:
            return "another"
        if answer == "q":
            return "quit"


def _answer(question: str, default: str) -> str:
    """The first letter of what the user answers. End of file, like Ctrl-C, is a wish to leave."""
    print(question, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise KeyboardInterrupt
    return line.strip().lower()[:1] or default
