"""All that is known about one port: its holders, each with its verdict."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from devproxy import paths
from devproxy.ports import family, identity, records, sessions
from devproxy.ports.containers import published
from devproxy.ports.facts import Context, Holder, Judged, Recorded
from devproxy.ports.holder import connected, holders
from devproxy.ports.probe import is_free
from devproxy.ports.verdict import is_container_proxy, judge


def look(port: int, root: Path, *, state_home: Path | None = None) -> list[Judged]:
    """Who holds the port, judged from this project's point of view; empty when it is free.

    Args: state_home: where the sessions of all roots keep their records; default: this user's.
    """
    if is_free(port):
        return []
    context = context_of(root, state_home or paths.state_home())
    found = holders(port, context.known_roots)
    if not all(holder.process for holder in found) and is_free(port):
        return []  # it ended between its socket's being listed and its own
    if not found and not is_free(port):  # nobody listens; or somebody who is in no table that we may read
        found = connected(port, context.known_roots) or [Holder(port, None)]
    return _judged(found, context)


def look_at_all(root: Path, *, state_home: Path | None = None) -> tuple[list[Judged], Context]:
    """Who listens on any port, by port, and the point of view that they are judged from.

    Args: as of `look`.
    """
    context = context_of(root, state_home or paths.state_home())
    return _judged(holders(None, context.known_roots), context), context


def _judged(found: list[Holder], context: Context) -> list[Judged]:
    if any(_may_be_a_containers(holder) for holder in found):
        names = published()
        found = [
            replace(holder, container=names.get(holder.port, "")) if _may_be_a_containers(holder) else holder
            for holder in found
        ]
    return [Judged(holder, judge(holder, context)) for holder in found]


def _may_be_a_containers(holder: Holder) -> bool:
    return holder.hold == "listens" and (holder.process is None or is_container_proxy(holder.process))


def context_of(root: Path, state_home: Path) -> Context:
    """This project's point of view, now."""
    root = root.resolve()
    own, _ = family.own(family.snapshot())
    return Context(
        root=root,
        uid=os.getuid(),
        own=own,
        own_pid=os.getpid(),
        boot_id=identity.boot_id(),
        root_is_broad=is_broad(root),
        records=tuple(
            Recorded(
                record,
                is_this_root=folder.name.endswith(f"-{paths.root_hash(root)}"),
                session_lives=record.session.is_alive(),
                child_lives=record.child.is_alive(),
            )
            for folder, found in records.all_records(state_home).items()
            for record in found
        ),
        sessions=sessions.running(state_home, root),
    )


def is_broad(root: Path) -> bool:
    """A folder that holds projects rather than being one: lying inside it says nothing."""
    home, temporary = Path.home().resolve(), Path(tempfile.gettempdir()).resolve()
    return any(known == root or known.is_relative_to(root) for known in (home, temporary))
