"""All that is known about one port: its holders, each with its verdict."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from devproxy import paths
from devproxy.ports import family, identity, records, sessions
from devproxy.ports.containers import container_publishing
from devproxy.ports.facts import Context, Holder, Judged, Recorded
from devproxy.ports.holder import holders
from devproxy.ports.probe import is_free
from devproxy.ports.verdict import is_container_proxy, judge


def look(port: int, root: Path, *, state_home: Path | None = None) -> list[Judged]:
    """Who holds the port, judged from this project's point of view; empty when it is free.

    Args: state_home: where the sessions of all roots keep their records; default: this user's.
    """
    if is_free(port):
        return []
    context = context_of(root, state_home or paths.state_home())
    known_roots = {Path(one.record.root) for one in context.records if one.record.root}
    found = holders(port, known_roots)
    if not found and not is_free(port):  # held by somebody who is in no table that we may read
        found = [Holder(port, None)]
    named = [name_container(holder) for holder in found]
    return [Judged(holder, judge(holder, context)) for holder in named]


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


def name_container(holder: Holder) -> Holder:
    """The holder with the name of its container, when it may have one."""
    if holder.process is not None and not is_container_proxy(holder.process):
        return holder
    return replace(holder, container=container_publishing(holder.port))
