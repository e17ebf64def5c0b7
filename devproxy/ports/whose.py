"""Whose is this port, in a word or two. Pure: a verdict says what may be done, this says what it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from devproxy.ports.facts import Context, Judged
from devproxy.ports.verdict import find_record, is_container_proxy

LOWEST = 1024
"""Below it are the system's own services."""

WhoseKind = Literal["devproxy", "service", "left", "container", "project", "other", "user", "unseen"]


@dataclass(frozen=True, slots=True)
class Whose:
    """
    devproxy    a session's gateway; root: its project's
    service     a service of a session that runs; name, root
    left        what an earlier session of this project, or nobody any more, has left behind; name, if known
    container   it is published by one; name, if known
    project     it was started by hand in this project
    other       another project's (root), or nobody's in particular
    user        another user's; name
    unseen      this user's, or who knows whose: its process cannot be seen
    """

    kind: WhoseKind
    name: str = ""
    root: str = ""


def whose(judged: Judged, context: Context) -> Whose:
    """Whom a holder belongs to."""
    holder, process = judged.holder, judged.holder.process
    if holder.container or (process is not None and is_container_proxy(process)):
        return Whose("container", holder.container)
    if process is None:
        return Whose("unseen") if holder.uid in (None, context.uid) else Whose("user", holder.username)
    if process.uid != context.uid:
        return Whose("user", process.username)
    if (session := next((one for one in context.sessions if one.pid == process.pid), None)) is not None:
        return Whose("devproxy", root=session.root)
    recorded = find_record(holder, context)
    if recorded is not None and recorded.session_lives:
        return Whose("service", recorded.record.service, recorded.record.root)
    if judged.verdict.kind == "ours":
        return Whose("left", recorded.record.service if recorded is not None else "", str(context.root))
    if process.project == context.root or (process.project is None and _inside(process.cwd, context.root)):
        return Whose("project", root=str(context.root))
    return Whose("other", root=str(process.project or ""))


def is_dev(judged: Judged, context: Context) -> bool:
    """Is it likely to be of interest while developing: this user's or a container's, and no system service?"""
    process = judged.holder.process
    if judged.holder.port < LOWEST:
        return False
    if whose(judged, context).kind == "container":
        return True
    if process is None:
        return judged.holder.uid == context.uid
    return process.uid == context.uid and not process.is_unit


def _inside(folder: Path | None, root: Path) -> bool:
    return folder is not None and folder.is_relative_to(root)
