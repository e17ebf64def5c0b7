"""Which services are to run: all that start by themselves, or those that were named. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from devproxy.config.model import Service
from devproxy.config.schema import nearest
from devproxy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Selection:
    """The names of the services that are to run, and of those that run when the first request for them comes."""

    wanted: frozenset[str]
    on_demand: frozenset[str] = frozenset()


def select(services: Sequence[Service], names: Collection[str] = (), profiles: Collection[str] = ()) -> Selection:
    """What is to run.

    The services that were named, else all that start by themselves and have no profile; those of the profiles; and all
    that these depend on, however it is declared: what runs needs it.

    Raises: UsageError: no service has that name, or that profile.
    """
    check_names(services, names, profiles)
    offered = [one for one in services if (not names and not one.profiles) or _has_profile(one, profiles)]
    chosen = [one.name for one in services if _is_named(one, names) or (one in offered and one.start == "auto")]
    wanted = with_dependencies(services, chosen)
    on_demand = {one.name for one in offered if one.start == "on-demand"}
    return Selection(wanted, frozenset(on_demand - wanted))


def named(services: Sequence[Service], names: Collection[str], profiles: Collection[str]) -> list[str]:
    """The services that were named, themselves or by a profile.

    Raises: UsageError: no service has that name, or that profile.
    """
    check_names(services, names, profiles)
    return [one.name for one in services if _is_named(one, names) or _has_profile(one, profiles)]


def with_dependencies(services: Iterable[Service], names: Iterable[str]) -> frozenset[str]:
    by_name = {service.name: service for service in services}
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += by_name[name].depends_on
    return frozenset(found)


def profiles_from(words: str, services: Iterable[Service]) -> tuple[str, ...]:
    """The profiles that an environment variable names, as "full,debug"; what is none here is another project's."""
    offered = {profile for service in services for profile in service.profiles}
    return tuple(name for word in words.split(",") if (name := word.strip()) in offered)


def check_names(services: Sequence[Service], names: Collection[str], profiles: Collection[str]) -> None:
    known = list(dict.fromkeys(name for service in services for name in (service.group, service.name)))
    offered = list(dict.fromkeys(profile for service in services for profile in service.profiles))
    for name in names:
        if name not in known:
            raise UsageError(f"there is no service {name!r}{nearest(name, known)}", hint=_listed("services", known))
    for profile in profiles:
        if profile not in offered:
            problem = f"no service has the profile {profile!r}{nearest(profile, offered)}"
            raise UsageError(problem, hint=_listed("profiles", offered))


def _is_named(service: Service, names: Collection[str]) -> bool:
    return service.name in names or service.instance_of in names


def _has_profile(service: Service, profiles: Collection[str]) -> bool:
    return not set(profiles).isdisjoint(service.profiles)


def _listed(what: str, names: Sequence[str]) -> str:
    return f"the {what} are {', '.join(names)}" if names else f"there are no {what} here"
