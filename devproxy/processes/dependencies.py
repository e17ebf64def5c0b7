"""Who depends on whom: what brings what, who still waits, and whether in vain. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from devproxy.config.model import Condition, Service
from devproxy.processes.lifecycle import Life


@dataclass(frozen=True, slots=True)
class Wait:
    """One thing that a service waits for. behind: what that one, not started yet, waits for itself."""

    service: str
    condition: Condition
    life: Life
    behind: "tuple[Wait, ...]" = ()

    @property
    def is_vain(self) -> bool:
        """Whether it will not come by itself."""
        return has_given_up(self.life) or any(wait.is_vain for wait in self.behind)

    @property
    def culprit(self) -> str | None:
        """The service at the end of the chain that will not come by itself; None if all will."""
        if has_given_up(self.life):
            return self.service
        return next((culprit for wait in self.behind if (culprit := wait.culprit)), None)


def has_given_up(life: Life) -> bool:
    """Whether a service in this life will not become ready by itself."""
    return life.state in ("failing", "stopped") or (life.state == "crashed" and life.backoff is None)


def satisfies(life: Life, condition: Condition) -> bool:
    """Whether a dependency in this life fulfils its condition."""
    if condition == "exited-ok":
        return life.state == "done"
    if condition == "ready":
        return life.state in ("ready", "done")
    return life.state in ("starting", "ready", "failing", "done")


def waits(name: str, specs: Mapping[str, Service], lives: Mapping[str, Life]) -> tuple[Wait, ...]:
    """What `name` still waits for. What is not ours to run (a folder, a URL) is always there.

    Args: lives: of all services that are ours to run.
    """
    return tuple(
        Wait(needed, condition, lives[needed], waits(needed, specs, lives) if lives[needed].state == "waiting" else ())
        for needed, condition in specs[name].depends_on.items()
        if needed in lives and not satisfies(lives[needed], condition)
    )


def with_needs(names: Iterable[str], specs: Mapping[str, Service]) -> list[str]:
    """The names and all that they depend on, each after what it depends on."""
    ordered: dict[str, None] = {}

    def add(name: str) -> None:
        if name in ordered or name not in specs:
            return
        for needed in specs[name].depends_on:
            add(needed)
        ordered[name] = None

    for name in names:
        add(name)
    return list(ordered)


def levels(specs: Collection[Service]) -> list[list[str]]:
    """The names in layers: each depends only on earlier layers. Cycles were refused when the config was read."""
    left = {spec.name: set(spec.depends_on) for spec in specs}
    known = set(left)
    result: list[list[str]] = []
    while left:
        layer = [name for name, needs in left.items() if not (needs & known & set(left))]
        if not layer:
            raise AssertionError(f"a dependency cycle among {sorted(left)}")
        result.append(layer)
        for name in layer:
            del left[name]
    return result
