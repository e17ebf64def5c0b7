"""`devproxy up -d`: the same command anew, in a session of its own; from then on we are one of its clients."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import typer

from devproxy.cli.client import Client
from devproxy.cli.console import print_json
from devproxy.cli.control import start_stopped
from devproxy.cli.foreground import read_project
from devproxy.cli.readiness import STAYS, wait_ready
from devproxy.cli.session_log import SESSION_LOG
from devproxy.config.selection import named
from devproxy.errors import NoSession, ServiceFailed
from devproxy.paths import make_state_dir

LISTEN_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.03

END_SECONDS: Final = 30.0
"""How long a session that no longer listens may take to end what it started."""


def start_detached(
    root: Path,
    *,
    port: int | None,
    yes: bool,
    force: bool,
    verbose: bool,
    wait: float | None,
    as_json: bool,
    services: tuple[str, ...] = (),
    profiles: tuple[str, ...] = (),
    exit_on_failure: bool = False,
) -> None:
    """Start a session in the background, unless one runs; return when it listens, or when it is ready.

    Args: wait: seconds to wait until the required services are ready; None: only until it listens; services,
    profiles: what is to run; where a session runs already, it starts these.
    Raises: DevproxyError: what the session itself failed of; ServiceFailed: a service was not ready in time.
    """
    with Client(root) as client:
        process = None
        if not client.is_running():
            words = [*services, *(f"--profile={profile}" for profile in profiles)]
            words += ["--exit-on-failure"] if exit_on_failure else []
            process = _start(root, words, port=port, yes=yes, force=force, verbose=verbose)
        status = _listening(client, root, process)
        started: list[str] = []
        if process is None and (services or profiles):
            started = start_stopped(client, named(read_project(root)[0].services, services, profiles))
            status = client.get("/api/status")
        if wait is not None:
            status = _ready(client, wait, root, process)
    if process is not None:
        process.returncode = 0  # it lives on without us
    if as_json:
        print_json(status)
    else:
        typer.echo(status["url"])
        more = f", and starts {', '.join(started)}" if started else ""
        what = f"already ran here{more}" if process is None else "runs in the background"
        typer.echo(f"devproxy {what}: devproxy logs -f follows it, devproxy down stops it", err=True)


def _start(
    root: Path, what: list[str], *, port: int | None, yes: bool, force: bool, verbose: bool
) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", "devproxy", "up", "-C", str(root), *what]
    words += ["--port", str(port)] if port is not None else []
    words += [flag for flag, given in (("--yes", yes), ("--force", force), ("--verbose", verbose)) if given]
    path = make_state_dir(root) / SESSION_LOG
    path.write_bytes(b"")
    with path.open("ab") as output:  # append: another `up -d` may empty the file at the same moment
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


def _listening(client: Client, root: Path, process: "subprocess.Popen[bytes] | None") -> dict[str, Any]:
    """Wait until the session answers; if it ends instead, say what it said."""
    deadline = time.monotonic() + LISTEN_SECONDS
    while True:
        try:
            status = client.get("/api/status")
        except NoSession:
            code = process.poll() if process is not None else 5
            if code is not None:
                raise _failure(root, code) from None
            if time.monotonic() > deadline:
                raise ServiceFailed(f"devproxy did not listen within {LISTEN_SECONDS:g} s") from None
            time.sleep(POLL_SECONDS)
        else:
            return status


def _ready(client: Client, wait: float, root: Path, process: "subprocess.Popen[bytes] | None") -> dict[str, Any]:
    """Wait until all is ready; if the session ends instead (a program is missing), say what it said."""
    try:
        return wait_ready(client, wait, hint=STAYS)
    except NoSession:
        if process is None:
            raise
        raise _failure(root, process.wait(END_SECONDS)) from None


def _failure(root: Path, code: int) -> ServiceFailed:
    """What a session that ended at once had to say, with its own exit code."""
    path = make_state_dir(root) / SESSION_LOG
    said = path.read_text(errors="replace").strip().splitlines()[-15:] if path.exists() else []
    message = "\n".join(line.removeprefix("devproxy: ") for line in said) or f"devproxy ended with code {code}"
    failure = ServiceFailed(message)
    failure.exit_code = code if code > 0 else 1
    return failure
