"""Why a service is in its state, and what its processes do: put together when somebody asks.

The system is read in a thread, and twice with a moment between, as CPU is a matter of time.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from devproxy.config.model import Config, Ready
from devproxy.control.models import Blocker, Explanation, Listening, Process, ServiceStatus, SessionStatus, Usage
from devproxy.events import Saved as FilesSaved
from devproxy.events import rfc3339
from devproxy.logs.tracebacks import last_traceback
from devproxy.processes.lifecycle import PortReleased, RestartAsked, RetryDue, Saved
from devproxy.processes.service import Service
from devproxy.session.advice import advise, advise_elsewhere, advise_used
from devproxy.session.upstreams import upstream_status

if TYPE_CHECKING:
    from devproxy.processes.vitals import Survey
    from devproxy.session.session import Session

STATUS_SECONDS: Final = 0.25
WHY_SECONDS: Final = 0.5
LINES: Final = 8
LINES_SEARCHED: Final = 200
DOWN: Final = frozenset({"crashed", "failing"})


# -- processes


async def with_usage(session: "Session", status: SessionStatus) -> SessionStatus:
    """The session with what each of its services uses."""
    before, after = await _look(session, session.supervisor.services, STATUS_SECONDS)
    return replace(status, services=[replace(one, usage=usage(before, after, one.name)) for one in status.services])


async def _look(session: "Session", names: Iterable[str], seconds: float) -> "tuple[Survey, Survey]":
    """Survey the processes of services, twice. Cancel: safe."""
    services = session.supervisor.services
    children = {name: child.pid for name in names if (child := services[name].child) is not None}
    before = await asyncio.to_thread(_survey, children, session.place.id, listeners=False)
    await asyncio.sleep(seconds)  # not for anything to happen: it is what CPU is measured over
    return before, await asyncio.to_thread(_survey, children, session.place.id, listeners=True)


def _survey(children: Mapping[str, int], session: str, *, listeners: bool) -> "Survey":
    from devproxy.processes.vitals import survey  # psutil: 17 ms, when somebody asks

    return survey(children, session, os.getpid(), listeners=listeners)


def usage(before: "Survey", after: "Survey", name: str) -> Usage | None:
    """All of a service's processes together; None: it has none."""
    if not (seen := after.processes.get(name)):
        return None
    return Usage(
        processes=len(seen),
        cpu_percent=round(sum(after.cpu_percent(before, name).values()), 1),
        seconds=round(after.moment - before.moment, 3),
        rss_bytes=sum(one.rss_bytes for one in seen),
        listens=[Listening(one.address, one.port, one.pid) for one in after.listeners[name]],
    )


def _processes(before: "Survey", after: "Survey", name: str) -> list[Process]:
    spent = after.cpu_percent(before, name)
    return [
        Process(
            pid=one.pid,
            parent=one.parent,
            depth=one.depth,
            command=one.command.encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
            started=rfc3339(one.started),
            cpu_percent=round(spent[one.pid], 1),
            rss_bytes=one.rss_bytes,
            escaped=one.escaped,
        )
        for one in after.processes.get(name, ())
    ]


# -- the whole story


async def explain(session: "Session", name: str) -> Explanation:
    """All that is known of one service; its name is known to exist."""
    declared, service = session.config.service(name), session.supervisor.services.get(name)
    before, after = await _look(session, [name] if service is not None else [], WHY_SECONDS)
    source = await asyncio.to_thread(source_of, session.config, name)
    status = session.view.service(declared)  # as it is now
    used, backends, now = usage(before, after, name), session.backends, asyncio.get_running_loop().time()
    standing = backends.standing(name)
    story = Explanation(
        replace(status, usage=used),
        command=list(declared.command) if isinstance(declared.command, tuple) else declared.command,
        static=os.path.relpath(declared.static, session.config.root) if declared.static is not None else None,
        dir=os.path.relpath(declared.dir, session.config.root),
        source=source,
        reasons=_reasons(session.plan, name) if session.config.source is None else [],
        declared_port=declared.port,
        upstream=upstream_status(standing, backends.member(name), now) if standing is not None else None,
    )
    if (taken := session.used.get(name)) is not None:
        return replace(story, advice=advise_used(taken.port, is_there=status.state == "ready"))
    if service is None:
        return replace(story, advice=advise_elsewhere(declared.url)) if status.state == "failing" else story
    return replace(
        story,
        processes=_processes(before, after, name),
        blockers=_blockers(session, name),
        cause=_cause(session, service),
        probe=probe_words(declared.ready, service.port, listens=service.listens),
        answer=service.health.answer,
        lines=_last_lines(session, service) if status.state in DOWN else [],
        advice=advise(
            name, service.life, declared, waits_for=status.waits_for, listens=used.listens if used is not None else ()
        ),
    )


def _blockers(session: "Session", name: str) -> list[Blocker]:
    found = []
    for wait in session.supervisor.waits_for(name):
        status: ServiceStatus = session.view.service(session.config.service(wait.service))
        found.append(Blocker(wait.service, wait.condition, status.state, status.message))
    return found


def _cause(session: "Session", service: Service) -> str | None:
    """What started its last child; None: nothing has, yet."""
    name = service.spec.name
    match service.cause:
        case None:
            return None
        case RestartAsked():
            return "a restart that was asked for"
        case PortReleased():
            return "its port was released"
        case RetryDue():
            return "devproxy, after a crash"
        case Saved():
            saves = (event for _, event in reversed(session.events.since(0)) if isinstance(event, FilesSaved))
            paths = next((event.paths for event in saves if name in event.services), ())
            return f"a save of {paths[0]}" if paths else "a save"
    return "devproxy up" if service.life.generation <= 1 and service.spec.start == "auto" else "devproxy start"


def probe_words(ready: Ready, port: int | None, *, listens: bool) -> str:
    """What tells that a service is ready."""
    where = f" on port {port}" if port is not None else ""
    if ready.log is not None:
        what = f"a line that matches {ready.log!r}"
    elif ready.command is not None:
        what = f"{ready.command!r} exits with 0"
    elif ready.http is not None:
        what = f"GET {ready.http}{where} answers {ready.status or 'below 500'}"
    elif ready.started or not (ready.port or listens):
        return "it is ready as soon as it has started"
    else:
        what = f"it listens{where}"
    return f"{what}, within {ready.timeout_seconds:g} s"


def _last_lines(session: "Session", service: Service) -> list[dict[str, Any]]:
    """The last child's traceback if it printed one, else its last lines."""
    kept = session.log.last_lines(service.spec.name, LINES_SEARCHED)
    records = [record for record in kept if record.seq > service.first_line]
    return [record.to_json(session.place.id) for record in last_traceback(records) or records[-LINES:]]


def _reasons(plan: Mapping[str, Any], name: str) -> list[str]:
    return next((list(one["reasons"]) for one in plan.get("services", ()) if one["name"] == name), [])


def source_of(config: Config, name: str) -> str:
    """Where a service's command stands: "devproxy.toml:12"; "discovered" if nobody wrote it down. Reads the file."""
    if config.source is None:
        return "discovered"
    from devproxy.config.positions import find_lines, line_of

    try:
        text = config.source.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:  # gone since
        return config.source.name
    prefix = ("tool", "devproxy") if config.source.name == "pyproject.toml" else ()
    declared = next(service for service in config.services if name in (service.name, service.group))
    key = "command" if declared.command is not None else "static" if declared.static is not None else "url"
    return f"{config.source.name}:{line_of(find_lines(text), (*prefix, 'services', declared.group, key))}"
