"""May this holder be ended? Pure: facts in, verdict out.

    untouchable   never, not even by force: we cannot see it, or ending it would break more than a port
    ours          left behind by a session of this root that is gone: freed without asking
    neighbour     another devproxy's service, or somebody's live process of this repo: ask
    stranger      anything else of this user: ask

Anything unknown counts against "ours" and for "untouchable".
"""

import re
import shlex
from pathlib import Path, PurePath

from devproxy.ports.facts import Context, Holder, LiveSession, Process, Recorded, Verdict
from devproxy.ports.lineage import lineage

# They hold ports on behalf of a container or a virtual machine: ending one breaks the container's
# networking, and the container goes on as if nothing had happened.
CONTAINER_PROXY = re.compile(
    r"docker-proxy|dockerd|com\.docker\..*|docker desktop.*|rootlesskit.*|rootlessport|slirp4netns"
    r"|pasta(\.avx2)?|containerd(-shim.*)?|conmon|podman|gvproxy|vpnkit.*|vmnetd|limactl|colima|orbstack.*|orb|crio|kubelet",
    re.IGNORECASE,
)
CONTAINER_PARENT = re.compile(r"containerd-shim.*|conmon", re.IGNORECASE)

# They take over the children of the dead; `init` is also what WSL calls its own.
INITS = frozenset({"init", "systemd", "launchd", "tini", "dumb-init", "docker-init", "catatonit", "s6-svscan"})


def judge(holder: Holder, context: Context) -> Verdict:
    """The verdict on one holder, with its reason and, where there is one, what to do instead."""
    process = holder.process
    if holder.hold != "listens":
        return _connected(holder)
    if process is None:
        return _unseen(holder, context)
    if (verdict := _untouchable(process, holder, context)) is not None:
        return verdict
    if (session := next((one for one in context.sessions if one.pid == process.pid), None)) is not None:
        return _session(session)
    if (recorded := find_record(holder, context)) is not None:
        return _recorded(recorded, context)
    if is_orphan(holder, context):
        return Verdict("ours", "left behind in this project: its parent is gone and no terminal controls it")
    if process.project == context.root or (process.project is None and _inside(process.cwd, context.root)):
        return Verdict("neighbour", "a running process of this project, not started by this devproxy")
    return Verdict("stranger", _where_from(process))


def is_orphan(holder: Holder, context: Context) -> bool:
    """Same user, folder in this root and in no project inside it, no parent but init, no terminal."""
    line = lineage(holder, context.own)
    if not line or context.root_is_broad:
        return False
    top = line[-1]
    above = holder.ancestors[len(line) - 1 :]
    return (
        all(_belongs(one, context) for one in line)
        and not top.is_unit
        and (is_init(above[0]) if above else top.ppid <= 1)
    )


def is_init(process: Process) -> bool:
    """Does this process only adopt the children of the dead?"""
    if process.pid == 1:
        return True
    name = PurePath(process.cmdline[0]).name if process.cmdline else process.name
    return name in INITS


def find_record(holder: Holder, context: Context) -> Recorded | None:
    """The record of the child that the holder is, or descends from, or shares the group of."""
    process = holder.process
    if process is None:
        return None
    for one in (process, *holder.ancestors):
        for recorded in context.records:
            if recorded.record.boot_id == context.boot_id and recorded.record.child == one.identity:
                return recorded
    for recorded in context.records:
        if recorded.record.boot_id == context.boot_id and _is_of_group(recorded, holder, context):
            return recorded
    return None


def _is_of_group(recorded: Recorded, holder: Holder, context: Context) -> bool:
    """Is the holder in the group that the recorded child leads, or led?

    A group's number is not given away while it has members. When the leader is gone, it may have become
    empty and been taken by others in between; that is ruled out as far as can be seen: the holder is
    younger, its leader is not another process, and it is an orphan of this root.
    """
    record, process = recorded.record, holder.process
    if process is None or process.create_time is None or process.pgid != record.pgid:
        return False
    if recorded.child_lives:
        return record.pid == record.pgid
    is_led_by_another = any(one.pid == record.pgid for one in (process, *holder.ancestors))
    is_younger = process.create_time >= record.create_time
    return is_younger and not is_led_by_another and recorded.is_this_root and is_orphan(holder, context)


def _recorded(recorded: Recorded, context: Context) -> Verdict:
    record, root = recorded.record, recorded.record.root
    if record.session_pid == context.own_pid and recorded.session_lives and not recorded.child_lives:
        return Verdict("ours", f"left behind by the service '{record.service}' of this devproxy")
    if recorded.session_lives:
        where = "this project" if recorded.is_this_root else root or "another project"
        there = "" if recorded.is_this_root or not root else f"-C {shlex.quote(root)} "
        return Verdict(
            "neighbour",
            f"the service '{record.service}' of the devproxy that runs for {where}",
            hint=f"devproxy stop {there}{record.service}",
        )
    if recorded.is_this_root:
        return Verdict("ours", f"the service '{record.service}' of an earlier devproxy of this project, now gone")
    return Verdict("stranger", f"the service '{record.service}' of an earlier devproxy of {root or 'another project'}")


def _session(session: LiveSession) -> Verdict:
    """In the background it looks like an orphan: no terminal, and nobody above it."""
    if session.is_this_root:
        return Verdict("neighbour", "the devproxy that runs for this project", hint="devproxy down")
    where = session.root or "another project"
    there = f" -C {shlex.quote(session.root)}" if session.root else ""
    return Verdict("neighbour", f"the devproxy that runs for {where}", hint=f"devproxy down{there}" if there else "")


def _connected(holder: Holder) -> Verdict:
    """Nobody listens, and yet the port does not bind (EADDRINUSE without SO_REUSEADDR on both sides: socket(7))."""
    if holder.hold == "closed":
        reason = "nobody listens there; the system keeps the port for a minute after a connection (TIME_WAIT)"
        return Verdict("untouchable", reason, hint="it is free within a minute")
    who = "it" if holder.process is not None else "somebody whom we cannot see"
    reason = f"nobody listens there; {who} has a connection whose own end is this port"
    return Verdict("untouchable", reason, hint="it is free when that connection has ended")


def _unseen(holder: Holder, context: Context) -> Verdict:
    if holder.container:
        return _container(holder)
    if holder.uid is not None and holder.uid != context.uid:
        reason = f"it belongs to {holder.username or 'another user'}, whose processes we may not look into"
    else:
        reason = "its process cannot be seen: another user's, in a container, or not listening yet"
    return Verdict("untouchable", reason, hint=f"sudo ss -ltnp 'sport = :{holder.port}' shows it")


def _untouchable(process: Process, holder: Holder, context: Context) -> Verdict | None:
    if process.pid == context.own_pid:
        return Verdict("untouchable", "this is devproxy itself")
    if process.pid <= 1:
        return Verdict("untouchable", "this is the init process of the system")
    if process.pid in context.own:
        return Verdict("untouchable", "devproxy was started from inside this process")
    if is_container_proxy(process) or any(CONTAINER_PARENT.fullmatch(name) for name in _above(holder)):
        return _container(holder)
    if process.create_time is None:
        return Verdict("untouchable", "it cannot be told apart from another process with its pid")
    if process.uid != context.uid:
        return Verdict("untouchable", f"it belongs to {process.username or 'another user'}")
    return None


def is_container_proxy(process: Process) -> bool:
    """Does it hold the port on behalf of a container or a virtual machine?"""
    program = PurePath(process.cmdline[0]).name if process.cmdline else ""
    return any(CONTAINER_PROXY.fullmatch(name) for name in (process.name, program) if name)


def _container(holder: Holder) -> Verdict:
    if holder.container:
        return Verdict(
            "untouchable",
            f"the container '{holder.container}' publishes this port",
            hint=f"docker stop {holder.container}",
        )
    return Verdict(
        "untouchable",
        "it holds the port for a container or a virtual machine",
        hint="stop the container instead: docker ps, or podman ps, names it",
    )


def _above(holder: Holder) -> list[str]:
    return [one.name for one in holder.ancestors]


def _belongs(process: Process, context: Context) -> bool:
    """This user's, in this root and in no other project, and no terminal controls it."""
    if process.uid != context.uid or process.has_terminal:
        return False
    return process.project == context.root or (process.project is None and _inside(process.cwd, context.root))


def _inside(folder: Path | None, root: Path) -> bool:
    return folder is not None and folder.is_relative_to(root)


def _where_from(process: Process) -> str:
    if process.project is not None:
        return f"it belongs to another project: {process.project}"
    return "it does not belong to this project"
