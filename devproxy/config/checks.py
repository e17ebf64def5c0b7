"""What must hold between services, once each one has been read."""

from collections.abc import Mapping, Sequence

from devproxy.config.instances import ports
from devproxy.config.model import Route, Service
from devproxy.config.schema import KeyPath, Problems, nearest, show


def check_services(services: Sequence[Service], path: KeyPath, gateway_port: int, problems: Problems) -> None:
    """Note ports given twice, dependencies on nobody, and circles of dependencies.

    Args: path: where the table of services stands.
    """
    check_ports(services, path, gateway_port, problems)
    check_dependencies(services, path, problems)
    cycle = find_cycle({service.name: list(service.depends_on) for service in services})
    if cycle:
        circle = " → ".join((*cycle, cycle[0]))
        problems.add((*path, cycle[0], "depends_on"), f"services wait for one another in a circle: {circle}")


def check_ports(services: Sequence[Service], path: KeyPath, gateway_port: int, problems: Problems) -> None:
    holders: dict[int, str] = {}
    for service in services:
        where = (*path, service.name, "port")
        for port in ports(service):
            if port > 65535:
                problems.add(where, f"its {service.instances} instances would get ports up to {ports(service)[-1]}")
            elif port == gateway_port:
                problems.add(where, f"{port} is the port of the gateway itself; give one of them another")
            elif (other := holders.setdefault(port, service.name)) != service.name:
                problems.add(where, f"{port} is the port of {other} already; give one of them another")
            else:
                continue
            break


def check_dependencies(services: Sequence[Service], path: KeyPath, problems: Problems) -> None:
    by_name = {service.name: service for service in services}
    for service in services:
        for name, condition in service.depends_on.items():
            where = (*path, service.name, "depends_on", name)
            needed = by_name.get(name)
            if needed is None:
                hint = nearest(name, by_name) or f"; the services are: {', '.join(by_name)}"
                problems.add(where, f"no service {show(name)}{hint}")
            elif condition == "exited-ok" and needed.command is None:
                problems.add(where, f'{name} has no command, so it never exits; expected "ready" or "started"')
            elif condition == "exited-ok" and needed.restart == "always":
                problems.add(where, f'{name} is started again whenever it exits; give it restart = "on-failure"')


def check_on_demand(services: Sequence[Service], routes: Sequence[Route], path: KeyPath, problems: Problems) -> None:
    """Note services that wait for a request and can get none."""
    reached = {name for route in routes for name in route.to}
    reached |= {name for service in services for name in service.depends_on}
    for service in services:
        if service.start == "on-demand" and service.name not in reached and not problems.found:
            where = (*path, service.name, "start")
            problems.add(where, f"no route leads to {service.name}, so no request would ever start it")


def find_cycle(needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The names along one circle, from the one declared first; () if there is none."""
    order = list(needs)
    done: set[str] = set()
    for start in order:
        trail: list[str] = []  # the services on the way from `start`, each needing the next
        ahead = [iter([start])]
        while ahead:
            name = next(ahead[-1], None)
            if name is None:
                ahead.pop()
                if trail:
                    done.add(trail.pop())
            elif name in trail:
                circle = trail[trail.index(name) :]
                first = circle.index(min(circle, key=order.index))
                return (*circle[first:], *circle[:first])
            elif name not in done and name in needs:
                trail.append(name)
                ahead.append(iter(needs[name]))
    return ()
