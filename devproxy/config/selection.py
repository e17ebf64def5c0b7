"""Which services are to run: all that start by themselves, or those that were named. Pure."""

from collections.abc import Collection, Sequence

from devproxy.config.model import Service
from devproxy.config.schema import nearest
from devproxy.errors import UsageError


def select(services: Sequence[Service], names: Collection[str] = (), profiles: Collection[str] = ()) -> frozenset[str]:
    """The names of the services that are to run.

    Those that were named, else all that start by themselves and have no profile; those of the profiles; and all
    that these depend on, however it is declared: what runs needs it.

    Raises: UsageError: no service has that name, or that profile.
    """
    check_names(services, names, profiles)
    by_name = {service.name: service for service in services}
    chosen = [
        service.name
        for service in services
        if (service.name in names)
        or (service.start == "auto" and not names and not service.profiles)
        or (service.start == "auto" and not set(profiles).isdisjoint(service.profiles))
    ]
    wanted: set[str] = set()
    while chosen:
        name = chosen.pop()
        if name not in wanted:
            wanted.add(name)
            chosen += by_name[name].depends_on
    return frozenset(wanted)


def check_names(services: Sequence[Service], names: Collection[str], profiles: Collection[str]) -> None:
    known = [service.name for service in services]
    offered = list(dict.fromkeys(profile for service in services for profile in service.profiles))
    for name in names:
        if name not in known:
            raise UsageError(f"there is no service {name!r}{nearest(name, known)}", hint=listed("services", known))
    for profile in profiles:
        if profile not in offered:
            raise UsageError(
                f"no service has the profile {profile!r}{nearest(profile, offered)}", hint=listed("profiles", offered)
            )


def listed(what: str, names: Sequence[str]) -> str:
    return f"the {what} are {', '.join(names)}" if names else f"there are no {what} here"
