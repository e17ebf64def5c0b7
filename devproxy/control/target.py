"""What the control API asks of the session, so that neither imports the other.

Every plain method answers at once from what the session knows; nothing here blocks.
"""

from typing import Any, Protocol

from devproxy.control.access import Keys
from devproxy.control.models import Environment, Explanation, Reload, SessionStatus
from devproxy.events import Event
from devproxy.hub.topic import Topic
from devproxy.logs.log import Log
from devproxy.processes.terminal import Terminal


class Target(Protocol):
    """One running session.

    live holds what open pages are told: {"event": "reload" | "ready" | "down", ...}; the rest of the
    object is the event's data. events holds the values of devproxy.events.
    """

    @property
    def boot(self) -> str:
        """The session's id: differs after every start."""

    @property
    def port(self) -> int:
        """The public port; names the cookie, for cookies ignore ports."""

    @property
    def keys(self) -> Keys:
        """The session's token, cookie and tickets."""

    @property
    def log(self) -> Log:
        """Everything that was printed."""

    @property
    def events(self) -> Topic[Event]:
        """What happens."""

    @property
    def live(self) -> Topic[dict[str, Any]]:
        """What open pages are told."""

    def greeting(self) -> dict[str, Any]:
        """What a page is told first on the live stream: {"content": version of the static files, empty if there
        are none, "unready": [names of services that may not take traffic]}."""

    def status(self) -> SessionStatus:
        """All services as they are now."""

    async def status_with_usage(self) -> SessionStatus:
        """The same with what the processes of each service use. Takes a moment: CPU is measured over it."""

    async def explain(self, service: str) -> Explanation:
        """Why one service is in its state; the name is known to exist. Takes a moment."""

    def plan(self) -> dict[str, Any]:
        """The Contracts' plan object."""

    def routes(self, url: str | None, *, method: str, accept: str) -> dict[str, Any]:
        """{"routes": […]}; with a URL also "match": which one takes it, why, and what the upstream sees.

        Raises: UsageError: it is no URL.
        """

    def metrics(self) -> dict[str, float]:
        """Counters and gauges by name; seconds and bytes say so in the name."""

    def env(self, service: str, *, show_secrets: bool) -> Environment:
        """The environment of one service's process; the name is known to exist."""

    def terminal(self, service: str) -> Terminal:
        """The terminal of one service; the name is known to exist. Raises: UsageError: it has no process."""

    async def start(self, service: str) -> None:
        """Begin to start a service; return once its state says so. The name is known to exist."""

    async def stop(self, service: str) -> None:
        """Begin to stop a service; return once that is accepted."""

    async def restart(self, service: str) -> None:
        """Begin to restart a service; return once its state says so."""

    async def reload(self) -> Reload:
        """Read the project's config again, and begin to change what differs.

        Raises: DevproxyError: it is wrong, and nothing has changed.
        """

    def stop_session(self) -> None:
        """Begin to stop everything, as Ctrl-C would, after this answer has been sent."""
