"""Whether a session is ready, and why it will not be: for those who wait for that, outside of it and inside."""

import time
from collections.abc import Callable
from typing import Any, Final

from devproxy.cli.client import Client
from devproxy.errors import DevproxyError, MissingProgram, ServiceFailed

POLL_SECONDS: Final = 0.03
LINES: Final = 10

STAYS: Final = "the session still runs: devproxy logs shows more, devproxy down stops it"
"""The hint for who has waited for a session that goes on without being ready."""

LastLines = Callable[[str, int], list[str]]
"""The last lines of a service, at most so many."""


def wait_ready(client: Client, seconds: float, *, hint: str) -> dict[str, Any]:
    """Wait until a session is ready; return its status.

    Raises: ServiceFailed, MissingProgram: as `is_ready`.
    """

    def last_lines(name: str, count: int) -> list[str]:
        return [record["text"] for record in client.get("/api/logs", service=name, limit=count)["records"]]

    deadline = time.monotonic() + seconds
    while True:
        status = client.get("/api/status")
        if is_ready(status, last_lines, late_after=seconds if time.monotonic() > deadline else None, hint=hint):
            return status
        time.sleep(POLL_SECONDS)


def is_ready(status: dict[str, Any], last_lines: LastLines, *, late_after: float | None, hint: str) -> bool:
    """Whether a session is ready, by its status. One that is stopping will not be, and soon not answer either.

    Args: late_after: the seconds that were waited, if there is no more time.
    Raises: ServiceFailed: it will not be, or there is no more time; MissingProgram: for want of a program.
    """
    if status["ready"]:
        return True
    if status.get("stopping"):
        return False
    required = [one for one in status["services"] if one["required"]]
    broken = [one for one in required if one["given_up"]]  # who starts again by a timer has not, until it is braked
    if broken:
        raise _failure(broken, "failed", last_lines, hint)
    if late_after is not None:
        late = [one for one in required if one["state"] not in ("ready", "done")]
        raise _failure(late, f"not ready after {late_after:g} s", last_lines, hint)
    return False


def _failure(services: list[dict[str, Any]], what: str, last_lines: LastLines, hint: str) -> DevproxyError:
    causes = [one for one in services if not one["blocked_by"]]
    kind = MissingProgram if causes and all(map(_was_not_found, causes)) else ServiceFailed
    return kind(_report(services, what, last_lines), hint=hint)


def _was_not_found(service: dict[str, Any]) -> bool:
    """Its program is not installed (what could not be spawned counts as a shell's 127)."""
    return bool(service["last_exit"]) and service["last_exit"]["code"] == 127


def _report(services: list[dict[str, Any]], what: str, last_lines: LastLines) -> str:
    """Who is not ready, each with the last lines of who is the cause of it: itself, or what it waits for."""
    parts = []
    shown = set()
    for service in services:
        name, message = service["name"], service["message"] or service["state"]
        cause = service["blocked_by"] or name
        parts.append(f"{name} {message}" if service["blocked_by"] else f"{name} {what}: {message}")
        parts += [f"  {cause} | {line}" for line in ([] if cause in shown else last_lines(cause, LINES))]
        shown.add(cause)
    return "\n".join(parts)
