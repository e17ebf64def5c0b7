"""Services, plan, routes, logs and the session: what the API answers in one piece."""

import asyncio
from dataclasses import replace
from difflib import get_close_matches
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import JSONResponse

from devproxy.control.access import OPEN_TICKET_SECONDS
from devproxy.control.context import target_of
from devproxy.control.models import (
    Accepted,
    Environment,
    Explanation,
    Health,
    LogPage,
    Reload,
    Services,
    ServiceStatus,
    SessionStatus,
    Ticket,
)
from devproxy.control.problems import UnknownService, problem
from devproxy.control.target import Target
from devproxy.logs.query import parse_query, read_page
from devproxy.proxy.choice import BEST_FIRST


async def health(request: Request) -> Health:
    """Whether all services may take traffic."""
    return Health(target_of(request).status().ready)


async def status(request: Request, usage: bool = False) -> SessionStatus:
    """The session and all its services; `usage`: with CPU, memory and addresses, which takes a moment."""
    target = target_of(request)
    return await target.status_with_usage() if usage else target.status()


async def services(request: Request) -> Services:
    """All services."""
    return Services(target_of(request).status().services)


async def service(request: Request, name: str) -> ServiceStatus:
    """One service."""
    return find_service(target_of(request), name)


async def why(request: Request, name: str) -> Explanation:
    """Why one service is in its state: what it waits for, its processes, its last lines, what to do next."""
    target = target_of(request)
    return await target.explain(find_service(target, name).name)


async def start_service(request: Request, name: str) -> ServiceStatus:
    """Begin to start a service."""
    target = target_of(request)
    await target.start(find_service(target, name).name)
    return find_service(target, name)


async def stop_service(request: Request, name: str) -> ServiceStatus:
    """Begin to stop a service."""
    target = target_of(request)
    await target.stop(find_service(target, name).name)
    return find_service(target, name)


async def restart_service(request: Request, name: str) -> ServiceStatus:
    """Begin to restart a service; requests for it are held meanwhile."""
    target = target_of(request)
    await target.restart(find_service(target, name).name)
    return find_service(target, name)


async def service_env(request: Request, name: str, show_secrets: bool = False) -> Environment:
    """The environment that a service's process gets, and where each value came from; secrets masked."""
    target = target_of(request)
    return target.env(find_service(target, name).name, show_secrets=show_secrets)


async def plan(request: Request) -> dict[str, Any]:
    """What runs, where, on which port, with which routes, and why each was chosen."""
    return target_of(request).plan()


async def routes(
    request: Request,
    url: Annotated[str | None, Query(max_length=8192)] = None,
    method: Annotated[str, Query(max_length=100)] = "GET",
    accept: Annotated[str, Query(max_length=1000)] = "*/*",
) -> dict[str, Any]:
    """All routes; with `url` (or a path), which of them takes such a request, why, and what its upstream gets."""
    return target_of(request).routes(url, method=method, accept=accept)


async def metrics(request: Request) -> dict[str, float]:
    """Counters and gauges of the session."""
    return target_of(request).metrics()


async def openapi(request: Request) -> dict[str, Any]:
    """This API's own description."""
    description: dict[str, Any] = request.app.openapi()
    return description


async def issue_ticket(request: Request) -> Ticket:
    """A ticket for one login within a minute."""
    target = target_of(request)
    ticket = target.keys.issue_ticket(OPEN_TICKET_SECONDS)
    return Ticket(ticket, f"{target.status().url.rstrip('/')}/__devproxy/login?ticket={ticket}")


async def stop_session(request: Request) -> Accepted:
    """Begin to stop the session and everything it started."""
    target = target_of(request)
    accepted = Accepted(target.status().pid)
    target.stop_session()
    return accepted


async def reload_session(request: Request) -> Reload:
    """Read the config again and begin to change what differs. 400 if it is wrong: then nothing has changed."""
    return await target_of(request).reload()


async def not_yet(request: Request) -> JSONResponse:
    """Reserved: a later version answers this."""
    return problem(501, "Not yet", "this version of devproxy does not have this", exit_code=2)


def find_service(target: Target, name: str) -> ServiceStatus:
    """The service of that name, or the instances of one that has several, as one.

    Raises: UnknownService: there is none; the hint has the nearest.
    """
    found = {service.name: service for service in target.status().services}
    if name in found:
        return found[name]
    if instances := [service for service in found.values() if service.instance_of == name]:
        return as_one(name, instances)
    near = get_close_matches(name, found, n=1)
    known = f"the services are {', '.join(found)}" if found else "this session has no services"
    raise UnknownService(
        f"there is no service '{name}'", hint=f"did you mean '{near[0]}'? ({known})" if near else known
    )


def as_one(name: str, instances: list[ServiceStatus]) -> ServiceStatus:
    """A service with several instances: as the one of them that will answer first, and what all have in common."""
    first = min(instances, key=lambda one: BEST_FIRST.index(one.state))
    return replace(
        first,
        name=name,
        instance_of=None,
        pid=None,
        port=None,
        url=None,
        restarts=sum(one.restarts for one in instances),
        given_up=all(one.given_up for one in instances),
    )


async def logs(
    request: Request,
    service: Annotated[list[str] | None, Query()] = None,
    since: Annotated[str | None, Query(max_length=100)] = None,
    until: Annotated[str | None, Query(max_length=100)] = None,
    grep: Annotated[str | None, Query(max_length=1000)] = None,
    invert: bool = False,
    level: Annotated[str | None, Query(max_length=20)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> LogPage:
    """Log records, oldest first: without `cursor` the newest, with it what came after.

    `service` may be repeated. `since` and `until` are RFC 3339, how long ago ("5m"), or an event ("last-restart").
    """
    directory = target_of(request).log.directory
    query = parse_query(
        service or (),
        directory=directory,
        since=since,
        until=until,
        grep=grep,
        invert=invert,
        level=level,
        limit=limit,
        cursor=cursor,
    )
    if directory is None:
        return LogPage([], None)
    page = await asyncio.to_thread(read_page, directory, query)  # megabytes of files, perhaps
    return LogPage([record.to_json() for record in page.records], page.cursor, page.dropped)
