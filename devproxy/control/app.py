"""The control API as an ASGI application, made from the table of endpoints."""

from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.routing import WebSocketRoute

from devproxy import __version__
from devproxy.control.access import Access, Refused, caller_of, check
from devproxy.control.context import target_of
from devproxy.control.endpoints import ENDPOINTS, Endpoint
from devproxy.control.pages import PROTECTION
from devproxy.control.problems import add_handlers, on_devproxy_error, on_refused
from devproxy.control.target import Target
from devproxy.errors import DevproxyError
from devproxy.logs.stream import Encoder

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def create_app(target: Target) -> FastAPI:
    """The API of one session: an ASGI application for everything under /__devproxy.

    It trusts `scope["state"]["devproxy_local"]` (True: through the Unix socket), and that Host was checked.
    """
    app = ControlApp(
        title="devproxy",
        version=__version__,
        openapi_url=None,  # ours needs the token: resources.openapi
        docs_url=None,  # Swagger's page would be loaded from a CDN
        redoc_url=None,
        redirect_slashes=False,  # a redirect made from the Host field would be no answer of ours
    )
    app.state.target = target
    app.state.encoder = Encoder(target.log.session_id)
    for endpoint in ENDPOINTS:
        add_endpoint(app, endpoint)
    add_handlers(app)
    return app


def add_endpoint(app: FastAPI, endpoint: Endpoint) -> None:
    """Serve one line of the table, to those whom its class admits."""
    if endpoint.method == "WEBSOCKET":
        app.router.routes.append(WebSocketRoute(endpoint.full_path, guarded_socket(endpoint)))
        return
    app.router.add_api_route(
        endpoint.full_path,
        endpoint.answer,
        methods=[endpoint.method],
        status_code=endpoint.status,
        include_in_schema=endpoint.in_openapi,
        route_class_override=guarded(endpoint.access),
    )


def guarded(access: Access) -> type[APIRoute]:
    """A route that asks who is calling before it reads anything else of the request.

    Not a FastAPI dependency: those run after the body has been read and parsed.
    """

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            answer = super().get_route_handler()

            async def admit(request: Request) -> Response:
                target = target_of(request)
                state = request.scope.get("state", {})
                check(caller_of(state, request.method, request.headers, target.port), access, target.keys)
                return await answer(request)

            return admit

    return GuardedRoute


def guarded_socket(endpoint: Endpoint) -> Callable[[WebSocket], Awaitable[None]]:
    """A WebSocket that asks who is calling before it accepts; a refusal is an answer like any other."""

    async def admit(websocket: WebSocket) -> None:
        target = target_of(websocket)
        try:
            # As a POST: who is let in may do more than read.
            state = websocket.scope.get("state", {})
            check(caller_of(state, "POST", websocket.headers, target.port), endpoint.access, target.keys)
            await endpoint.answer(websocket, **websocket.path_params)
        except Refused as error:
            await websocket.send_denial_response(await on_refused(websocket, error))
        except DevproxyError as error:
            await websocket.send_denial_response(await on_devproxy_error(websocket, error))

    return admit


class ControlApp(FastAPI):
    """FastAPI that adds the protective fields to every answer.

    Around the whole stack and not as a middleware in it, which an answer to a bug of ours would miss.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def protected(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in PROTECTION.items():
                    headers.setdefault(name, value)
            await send(message)

        await super().__call__(scope, receive, protected)
