"""What another config changes for a session that runs. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace

from devproxy.config.model import Config, Service

AT_ONCE = frozenset(
    {"balance", "depends_on", "instances", "log_files", "max_requests", "optional", "probe", "profiles", "reload"}
    | {"restart", "start", "stop", "watch"}
)
"""Keys of a service that its process knows nothing of: they change without a restart."""

LATER = ("name", "port", "logs", "capture", "bus")
"""Top-level keys that a session is built on: they take effect at the next `up`."""

SWAPPED = ("routes", "hold", "allowed_hosts", "trusted_proxies", "reload")
"""Top-level keys that count for every request from then on."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs. Services that run here are in one of the first three, or in none; all in their config's order.

    restarts: their processes must be others; starts: new; stops: no longer there; swaps: top-level keys and other
    services (folders, URLs, and those that need no restart), which change at once; later: top-level keys
    that cannot.
    """

    restarts: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    swaps: tuple[str, ...] = ()
    later: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.restarts or self.starts or self.stops or self.swaps or self.later)

    def come_to(self, begun: Collection[str]) -> "Changes":
        """What they came to, by who has begun, for the first time or anew.

        Who was stopped by hand is not restarted; who is new may not be among what is to run; who was not, may be now.
        """
        quiet = {*self.restarts, *self.starts} - {*begun}
        others = {*begun} - {*self.restarts, *self.starts}
        return replace(
            self,
            restarts=tuple(name for name in self.restarts if name in begun),
            starts=(*(name for name in self.starts if name in begun), *(name for name in begun if name in others)),
            swaps=(*sorted(quiet), *(name for name in self.swaps if name not in others)),
        )

    def restarting(self, names: Collection[str]) -> "Changes":
        """With these among the restarts: services that are declared as before, but would be given something else."""
        listed = {*self.restarts, *self.starts, *self.stops}
        more = tuple(name for name in names if name not in listed)
        return replace(
            self, restarts=self.restarts + more, swaps=tuple(name for name in self.swaps if name not in more)
        )


def compare(before: Config, after: Config) -> Changes:
    """What is to be done in a session of `before`, so that it is one of `after`."""
    old, new = _by_name(before), _by_name(after)
    names = [*new, *(name for name in old if name not in new)]
    differ = [name for name in names if old.get(name) != new.get(name)]
    starts = [name for name in differ if _runs(new.get(name)) and not _runs(old.get(name))]
    stops = [name for name in differ if _runs(old.get(name)) and not _runs(new.get(name))]
    restarts = [name for name in differ if _needs_restart(old.get(name), new.get(name))]
    listed = {*starts, *restarts}
    swapped = [name for name in differ if name not in listed and (name not in stops or name in new)]
    return Changes(
        tuple(restarts),
        tuple(starts),
        tuple(stops),
        (*swapped, *(key for key in SWAPPED if getattr(before, key) != getattr(after, key))),
        tuple(key for key in LATER if getattr(before, key) != getattr(after, key)),
    )


def _by_name(config: Config) -> dict[str, Service]:
    return {service.name: service for service in config.services}


def _runs(service: Service | None) -> bool:
    """Whether it is ours to run."""
    return service is not None and service.command is not None


def _needs_restart(old: Service | None, new: Service | None) -> bool:
    if old is None or new is None or not (_runs(old) and _runs(new)):
        return False
    return any(getattr(old, key.name) != getattr(new, key.name) for key in fields(Service) if key.name not in AT_ONCE)
