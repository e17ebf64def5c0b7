"""`instances = N`: one declaration, N services named NAME.1 to NAME.N. Pure.

Everything that runs services knows only these; what is routed to NAME goes to whichever of them is ready. A dot is
in no declared name, so the names cannot meet. Ports follow one another from the declared one, as foreman and
overmind number the processes of one line; with "auto" each gets one of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from devproxy.config.model import Condition, Config, Service


def expand(services: Iterable[Service]) -> tuple[Service, ...]:
    """The services, each with more than one instance as its instances; who depends on it depends on all of them."""
    services = tuple(services)
    names = {
        service.name: [f"{service.name}.{number}" for number in numbers(service)]
        for service in services
        if service.instances > 1
    }
    expanded = []
    for service in services:
        needs = _renamed(service.depends_on, names)
        if service.instances == 1:
            expanded.append(replace(service, depends_on=needs))
            continue
        for number, name in zip(numbers(service), names[service.name], strict=True):
            port = service.port + number - 1 if isinstance(service.port, int) else service.port
            # Two that follow one file would log each of its lines twice.
            log_files = service.log_files if number == 1 else ()
            expanded.append(
                replace(service, name=name, instance_of=service.name, port=port, depends_on=needs, log_files=log_files)
            )
    return tuple(expanded)


def collapse(config: Config) -> Config:
    """The config as it was declared: `expand`, undone."""
    groups = {service.name: [service.group] for service in config.services}
    declared = {
        service.group: replace(
            service, name=service.group, instance_of="", depends_on=_renamed(service.depends_on, groups)
        )
        for service in reversed(config.services)  # the first instance of each remains
    }
    order = dict.fromkeys(service.group for service in config.services)
    return replace(config, services=tuple(declared[name] for name in order))


def numbers(service: Service) -> range:
    """The numbers of a declared service's instances."""
    return range(1, service.instances + 1)


def ports(service: Service) -> range:
    """The ports of a declared service, as far as they are known beforehand."""
    first = service.port if isinstance(service.port, int) else 0
    return range(first, first + service.instances) if first else range(0)


def _renamed(needs: Mapping[str, Condition], names: Mapping[str, list[str]]) -> dict[str, Condition]:
    return {name: condition for needed, condition in needs.items() for name in names.get(needed, [needed])}
