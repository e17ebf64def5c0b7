"""Every endpoint, who may call it, and that there is no other."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Route, WebSocketRoute

from devproxy.control.access import cookie_name
from devproxy.control.app import create_app
from devproxy.control.endpoints import ENDPOINTS, Endpoint
from tests.control.small import PORT, SmallSession, asking
from tests.support import run

# The contract (docs and scripts rely on it). A new endpoint is added here, with its class, on purpose.
CONTRACT = {
    "P": {
        "GET /__devproxy",
        "GET /__devproxy/",
        "GET /__devproxy/dashboard/app.js",
        "GET /__devproxy/dashboard/style.css",
        "GET /__devproxy/dashboard/favicon.svg",
        "GET /__devproxy/client.js",
        "GET /__devproxy/health",
        "GET /__devproxy/login",
        "GET /__devproxy/live",
    },
    "T": {
        "GET /__devproxy/api/status",
        "GET /__devproxy/api/services",
        "GET /__devproxy/api/services/{name}",
        "GET /__devproxy/api/services/{name}/why",
        "POST /__devproxy/api/services/{name}/start",
        "POST /__devproxy/api/services/{name}/stop",
        "POST /__devproxy/api/services/{name}/restart",
        "GET /__devproxy/api/plan",
        "GET /__devproxy/api/routes",
        "GET /__devproxy/api/metrics",
        "GET /__devproxy/api/openapi.json",
        "GET /__devproxy/api/logs",
        "GET /__devproxy/api/logs/stream",
        "GET /__devproxy/api/events",
        "GET /__devproxy/api/requests",
        "GET /__devproxy/api/requests/{id}",
        "POST /__devproxy/api/requests/{id}/replay",
    },
    "S": {
        "GET /__devproxy/api/services/{name}/env",
        "WEBSOCKET /__devproxy/api/services/{name}/terminal",
        "POST /__devproxy/api/tickets",
        "POST /__devproxy/api/session/stop",
        "POST /__devproxy/api/session/reload",
        "GET /__devproxy/api/devices",
        "DELETE /__devproxy/api/devices",
    },
}
CALLERS = ("nobody", "wrong token", "token", "token as cookie", "cookie", "local")
ADMITTED = {
    "P": set(CALLERS),
    "T": {"token", "cookie", "local"},
    "S": {"local"},
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> SmallSession:
    """A session that has ended its event streams: each answers with its first event and the end."""
    session = SmallSession(tmp_path_factory.mktemp("logs"))
    session.close()
    return session


@pytest.fixture(scope="module")
def app(session: SmallSession) -> FastAPI:
    return create_app(session)


def served(app: FastAPI) -> set[str]:
    """Everything that the application's own router answers."""
    found = set()
    for route in app.routes:
        if isinstance(route, WebSocketRoute):
            found.add(f"WEBSOCKET {route.path}")
            continue
        assert isinstance(route, Route), f"{route} is no plain route: a mount could hide endpoints"
        found |= {f"{method} {route.path}" for method in route.methods or ()}
    return found


def test_what_the_application_serves_is_what_the_contract_lists(app: FastAPI) -> None:
    assert served(app) == set.union(*CONTRACT.values())


def test_every_endpoint_has_the_class_that_the_contract_gives_it() -> None:
    table = {f"{e.method} {e.full_path}": e.access for e in ENDPOINTS}
    assert table == {name: access for access, listed in CONTRACT.items() for name in listed}


def credentials(session: SmallSession, caller: str) -> dict[str, str]:
    cookie = cookie_name(PORT)
    return {
        "nobody": {},
        "wrong token": {"authorization": "Bearer " + "x" * 43, "cookie": f"{cookie}=wrong"},
        "token": {"authorization": f"Bearer {session.keys.token}"},
        "token as cookie": {"cookie": f"{cookie}={session.keys.token}"},
        "cookie": {"cookie": f"theirs=1; {cookie}={session.keys.cookie}"},
        "local": {},
    }[caller]


def status_of(app: FastAPI, endpoint: Endpoint, *, local: bool, **headers: str) -> int:
    if endpoint.method == "WEBSOCKET":
        return upgrade_status(app, endpoint.full_path.format(name="web"), local=local, **headers)

    async def ask() -> int:
        async with asking(app, local=local, **headers) as client:
            path = endpoint.full_path.format(name="web", id="1")
            response = await client.request(endpoint.method, path)
            return response.status_code

    return run(ask())


def upgrade_status(app: FastAPI, path: str, *, local: bool, **headers: str) -> int:
    """What an upgrade is answered with; 101: accepted."""
    sent: list[Any] = []
    incoming = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1005}])

    async def receive() -> Any:
        return next(incoming)

    async def send(message: Any) -> None:
        sent.append(message)

    fields = {"host": f"localhost:{PORT}", **headers}
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "path": path,
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
        "state": {"devproxy_local": local},
    }
    run(app(scope, receive, send))
    status: int = 101 if sent[0]["type"] == "websocket.accept" else sent[0]["status"]
    return status


def is_let_in(status: int) -> bool:
    return status < 400 or status == 501


def title(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.full_path}"


@pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if e.path != "/login"], ids=title)  # test_pages.py
@pytest.mark.parametrize("caller", CALLERS)
def test_an_endpoint_admits_its_class_and_nobody_else(
    endpoint: Endpoint, caller: str, session: SmallSession, app: FastAPI
) -> None:
    status = status_of(app, endpoint, local=caller == "local", **credentials(session, caller))
    if caller in ADMITTED[endpoint.access]:
        assert is_let_in(status), status
    else:
        knows = caller in ("token", "cookie")
        assert status == (403 if knows else 401)


@pytest.mark.parametrize(
    "foreign",
    [
        {"origin": "http://localhost:3000"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if e.access != "P"], ids=title)
def test_another_origins_page_gets_nothing_even_with_the_cookie(
    endpoint: Endpoint, foreign: dict[str, str], session: SmallSession, app: FastAPI
) -> None:
    cookie = credentials(session, "cookie")
    assert status_of(app, endpoint, local=True, **cookie, **foreign) == 403


def test_our_own_page_may_act(session: SmallSession, app: FastAPI) -> None:
    restart = next(e for e in ENDPOINTS if e.path.endswith("/restart"))
    own = {"origin": "http://localhost:4400", "sec_fetch_site": "same-origin"}
    assert status_of(app, restart, local=False, **credentials(session, "cookie"), **own) == 202


@pytest.mark.parametrize("path", ["/api/services/web/stop", "/api/session/stop", "/api/tickets"])
def test_nothing_changes_by_a_get(path: str, app: FastAPI) -> None:
    async def ask() -> int:
        async with asking(app, local=True) as client:
            return (await client.get("/__devproxy" + path)).status_code

    assert run(ask()) == 405


def test_a_refused_body_is_not_read(app: FastAPI) -> None:
    """Before it is known who sends it, nothing of a body is taken in."""
    reads = 0

    async def receive() -> Any:
        nonlocal reads
        reads += 1
        await asyncio.Event().wait()

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/__devproxy/api/services/web/stop",
        "raw_path": b"/__devproxy/api/services/web/stop",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"host", b"localhost:4400"), (b"content-length", b"1000000")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 4400),
        "state": {},
    }
    run(app(scope, receive, send))
    assert sent[0]["status"] == 401
    assert reads == 0
