"""Descendants of a service that have left its process group: daemons, and what was started in a session of its own.

A signal to the group does not reach them, and when their parent is gone nothing but their environment says whose
they are: every child is started with the session's and the service's name in it.
"""

import os
import sys
from collections.abc import Iterable

from devproxy.ports import family, identity
from devproxy.ports.identity import Identity
from devproxy.processes.environment import MARKER, SERVICE


def of(service: str, *, session: str, group: int) -> list[Identity]:
    """The living descendants of a service of this session that are in another group than its own."""
    return [who for pid in _below(group) if (who := identity.of(pid)) is not None and _marks(pid) == (session, service)]


def _below(group: int) -> Iterable[int]:
    """Who may be one: below us, since we adopt orphans; where there is no such thing, everybody."""
    if sys.platform == "linux":
        candidates = family.tree(os.getpid())[1:]
    else:
        candidates = [pid for pid in family.snapshot() if pid != os.getpid()]
    return [pid for pid in candidates if _group_of(pid) not in (group, None)]


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def _marks(pid: int) -> tuple[str | None, str | None]:
    """The session and the service that a process was started for; None where its environment cannot be read."""
    import psutil  # 17 ms, when the first service ends

    try:
        environment = psutil.Process(pid).environ()
    except (psutil.Error, OSError):
        return None, None
    return environment.get(MARKER), environment.get(SERVICE)
