"""Every endpoint under /__devproxy: method, path, who may call it, what answers.

The application is made from this table and from nothing else, so what is not listed is not served.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from devproxy.control import event_streams, pages, resources, terminals
from devproxy.control.access import Access

ROOT = "/__devproxy"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One line of the table. The path is below /__devproxy. method: WEBSOCKET is a GET that asks for the upgrade."""

    access: Access
    method: Literal["GET", "POST", "DELETE", "WEBSOCKET"]
    path: str
    answer: Callable[..., Any]
    status: int = 200
    in_openapi: bool = True

    @property
    def full_path(self) -> str:
        return ROOT + self.path


def page(path: str, answer: Callable[..., Any]) -> Endpoint:
    """Something public for browsers, not part of the API."""
    return Endpoint("P", "GET", path, answer, in_openapi=False)


ENDPOINTS = (
    page("", pages.to_dashboard),
    page("/", pages.dashboard),
    page("/dashboard/app.js", pages.dashboard_script),
    page("/dashboard/style.css", pages.dashboard_style),
    page("/dashboard/favicon.svg", pages.dashboard_icon),
    page("/client.js", pages.client_script),
    page("/login", pages.login),
    Endpoint("P", "GET", "/health", resources.health),
    Endpoint("P", "GET", "/live", event_streams.live),
    Endpoint("T", "GET", "/api/status", resources.status),
    Endpoint("T", "GET", "/api/services", resources.services),
    Endpoint("T", "GET", "/api/services/{name}", resources.service),
    Endpoint("T", "GET", "/api/services/{name}/why", resources.why),
    Endpoint("T", "POST", "/api/services/{name}/start", resources.start_service, 202),
    Endpoint("T", "POST", "/api/services/{name}/stop", resources.stop_service, 202),
    Endpoint("T", "POST", "/api/services/{name}/restart", resources.restart_service, 202),
    Endpoint("S", "GET", "/api/services/{name}/env", resources.service_env),
    Endpoint("S", "WEBSOCKET", "/api/services/{name}/terminal", terminals.attach),
    Endpoint("T", "GET", "/api/plan", resources.plan),
    Endpoint("T", "GET", "/api/routes", resources.routes),
    Endpoint("T", "GET", "/api/metrics", resources.metrics),
    Endpoint("T", "GET", "/api/openapi.json", resources.openapi, in_openapi=False),
    Endpoint("T", "GET", "/api/logs", resources.logs),
    Endpoint("T", "GET", "/api/logs/stream", event_streams.logs),
    Endpoint("T", "GET", "/api/events", event_streams.events),
    Endpoint("T", "GET", "/api/requests", resources.not_yet, in_openapi=False),
    Endpoint("T", "GET", "/api/requests/{id}", resources.not_yet, in_openapi=False),
    Endpoint("T", "POST", "/api/requests/{id}/replay", resources.not_yet, in_openapi=False),
    Endpoint("S", "POST", "/api/tickets", resources.issue_ticket, 201),
    Endpoint("S", "POST", "/api/session/stop", resources.stop_session, 202),
    Endpoint("S", "POST", "/api/session/reload", resources.reload_session, 202),
    Endpoint("S", "GET", "/api/devices", resources.not_yet, in_openapi=False),
    Endpoint("S", "DELETE", "/api/devices", resources.not_yet, in_openapi=False),
)
