"""A service's environment as the API and `devproxy env` show it: secrets masked, origins in words. Pure."""

from devproxy.config.model import Config, Service
from devproxy.control.models import Assigned, Environment, Variable
from devproxy.processes import environment, secrets


def describe(
    service: str, found: environment.Environment, declared: str, *, pid: int | None, show_secrets: bool
) -> Environment:
    """The contract's object.

    Args: declared: where the service's own `env` stands; pid: the process that has this environment, if one runs.
    """
    variables = [
        _variable(name, values, declared, show_secrets=show_secrets) for name, values in sorted(found.variables.items())
    ]
    env = {one.name: one.value for one in variables}
    return Environment(service, env, pid, variables, dict(found.withheld))


def declared_in(config: Config, service: Service) -> str:
    """Where a service's `env` stands."""
    return f"[services.{service.group}] env" if config.source is not None else "discovered"


def _variable(name: str, values: tuple[environment.Value, ...], declared: str, *, show_secrets: bool) -> Variable:
    shown = [_assigned(name, value, declared, show_secrets=show_secrets) for value in values]
    first, real = shown[0], _text(values[0].text)
    return Variable(_text(name), first.value, first.origin, first.where, first.value != real, shown[1:])


def _assigned(name: str, value: environment.Value, declared: str, *, show_secrets: bool) -> Assigned:
    text = _text(value.text)
    where = declared if value.origin == "service" else value.where
    return Assigned(text if show_secrets else secrets.mask(name, text), value.origin, where)


def _text(value: str) -> str:
    """Bytes that are no UTF-8 (PEP 383 has them as lone surrogates) spelled out: JSON cannot hold them."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
