"""`devproxy down`: the end of a session, or of all of them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from devproxy.cli.status import Directory

if TYPE_CHECKING:
    from pathlib import Path

    from devproxy.cli.sessions import LiveSession
    from devproxy.ports.identity import Identity

POLL_SECONDS = 0.05
STARTING_SECONDS = 30.0
DOWN_SECONDS = 60.0
LEFT_RUNNING = 3  # the exit code when the answer was no: something was refused


def down(
    directory: Directory = None,
    all_: Annotated[bool, typer.Option("--all", help="Stop all sessions on this machine (see devproxy ls).")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --all: ask nothing.")] = False,
) -> None:
    """Stop the session and everything that it started.

    Returns when the processes are gone and the ports are free. Exit status 5 when nothing runs here; with
    --all that is 0. On a terminal --all shows what it would stop, and asks.

    Examples:
        $ devproxy down
        $ devproxy down -C ../shop
        $ devproxy down --all --yes
    """
    from devproxy.cli.sessions import live_sessions
    from devproxy.errors import UsageError

    if not all_:
        if yes:
            raise UsageError("--yes goes with --all", hint="down alone asks nothing")
        stop_sessions([find_here(directory)])
        return
    if directory is not None:
        raise UsageError("--all means every project, and -C one", hint="give only one of them")
    sessions = live_sessions()
    if not sessions:
        typer.echo("no session runs", err=True)
        return
    if not yes:
        may_stop([session.to_json() for session in sessions])
    stop_sessions(sessions)


def find_here(directory: "Path | None") -> "LiveSession":
    """The session of a project, else the `devproxy proxy` that was started in its folder. One that is just starting
    is waited for.

    Raises: NoSession: there is neither.
    """
    import time

    from devproxy.cli.client import Client
    from devproxy.cli.plan import project_root
    from devproxy.cli.sessions import live_sessions, session_of
    from devproxy.errors import NoSession
    from devproxy.session.place import is_taken

    root = project_root(directory)
    deadline = time.monotonic() + STARTING_SECONDS
    while True:
        try:
            return session_of(Client(root))
        except NoSession:
            for session in live_sessions():
                if session.root == root:
                    return session
            if not is_taken(root) or time.monotonic() > deadline:
                raise
        time.sleep(POLL_SECONDS)


def may_stop(sessions: list[dict[str, Any]]) -> None:
    """Ask, where somebody can answer; a script has said what it wants.

    Raises: Exit: they are to be left running.
    """
    import sys

    from devproxy.cli.console import use_color
    from devproxy.cli.sessions import table

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    typer.echo("\n".join(table(sessions, colored=use_color(sys.stderr))), err=True, color=True)
    what = "it" if len(sessions) == 1 else f"all {len(sessions)}"
    if not typer.confirm(f"Stop {what}?", default=False, err=True):
        raise typer.Exit(LEFT_RUNNING)


def stop_sessions(sessions: "list[LiveSession]") -> None:
    """Stop sessions, all at once; return when they are gone.

    Raises: ServiceFailed: one does not answer, or is still there after a minute; the others are gone.
    """
    from devproxy.errors import DevproxyError, NoSession, ServiceFailed
    from devproxy.ports import identity

    stopping, failed = [], []
    for session in sessions:
        process = identity.of(session.pid)
        try:
            session.client().post("/api/session/stop")
        except NoSession:
            pass  # it was ending already
        except DevproxyError:
            words = f"{session.name} (pid {session.pid}) does not answer"
            failed.append(f"{words}; if it is suspended, kill -CONT {session.pid} wakes it")
            continue
        typer.echo(f"stopping {session.name} …", err=True)
        stopping.append((session, process))
    for session, process in stopping:
        try:
            wait_gone(process, session.pid)
        except ServiceFailed as error:
            failed.append(f"{error.message}: {error.hint}")
        else:
            typer.echo(f"{session.name} is down", err=True)
    if failed:
        raise ServiceFailed("\n".join(failed))


def wait_gone(process: "Identity | None", pid: int) -> None:
    """Wait until the session's process has ended; its pid alone could soon be another's.

    Raises: ServiceFailed: it is still there after a minute; grace periods are shorter.
    """
    import time

    from devproxy.errors import ServiceFailed

    deadline = time.monotonic() + DOWN_SECONDS
    while process is not None and process.is_alive():
        if time.monotonic() > deadline:
            raise ServiceFailed(
                f"the session (pid {pid}) is still stopping after {DOWN_SECONDS:g} s",
                hint=f"its log says what it waits for; kill {pid} ends it, and its guard the rest",
            )
        time.sleep(POLL_SECONDS)
