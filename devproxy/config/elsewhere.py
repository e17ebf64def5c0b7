"""A service that somebody else runs already, used as it is: to its session it is one with a `url`. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from devproxy.config.model import Config, Service


@dataclass(frozen=True, slots=True)
class Used:
    """What is not to be started. declared: as the project has it; port: where it listens already."""

    declared: Service
    port: int

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"


def using(config: Config, used: Mapping[str, Used]) -> Config:
    """The config of a session that uses these; one whose declaration has changed since is a service like any other."""

    def of_session(service: Service) -> Service:
        one = used.get(service.name)
        if one is None or one.declared != service:
            return service
        return replace(service, command=None, url=one.url, port=None)

    return replace(config, services=tuple(map(of_session, config.services))) if used else config
