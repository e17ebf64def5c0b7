"""Errors of the API as RFC 9457 problem details.

Beside the standard members: `hint` (what to do next) and `exit_code` (what a devproxy command that runs
into this ends with), so that an error reads the same through the socket as it would have in the process.
"""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from devproxy.control.access import Refused
from devproxy.errors import DevproxyError, MissingProgram, NoSession, PortHeld, ServiceFailed, UsageError

STATUS_OF = (
    (UsageError, 400),
    (PortHeld, 409),
    (ServiceFailed, 409),
    (MissingProgram, 409),
    (NoSession, 503),
)


class UnknownService(UsageError):
    """No service has the name; the hint has the nearest."""


def problem(
    status: int, title: str, detail: str = "", *, hint: str = "", exit_code: int = 1, **headers: str
) -> JSONResponse:
    """A problem as an answer. Args: headers: further fields, `_` for `-`."""
    content: dict[str, Any] = {"type": "about:blank", "title": title, "status": status}
    content |= {"detail": detail} if detail else {}
    content |= {"hint": hint} if hint else {}
    content["exit_code"] = exit_code
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse(content, status, fields, media_type="application/problem+json")


def add_handlers(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    app.add_exception_handler(Refused, on_refused)
    app.add_exception_handler(DevproxyError, on_devproxy_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_bug)


async def on_refused(request: HTTPConnection, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    challenge = {"WWW_Authenticate": "Bearer"} if error.status == 401 else {}
    title = "Not signed in" if error.status == 401 else "Refused"
    return problem(error.status, title, error.detail, hint=error.hint, exit_code=3, **challenge)


async def on_devproxy_error(request: HTTPConnection, error: Exception) -> JSONResponse:
    assert isinstance(error, DevproxyError)
    if isinstance(error, UnknownService):
        status = 404
    else:
        status = next((status for kind, status in STATUS_OF if isinstance(error, kind)), 500)
    return problem(status, "It cannot be done", error.message, hint=error.hint, exit_code=error.exit_code)


async def on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    wrong = "; ".join(f"{'.'.join(str(part) for part in e['loc'][1:])}: {e['msg']}" for e in error.errors())
    return problem(400, "The request makes no sense", wrong, exit_code=UsageError.exit_code)


async def on_http(request: Request, error: Exception) -> JSONResponse:
    """The router's own: no such path, or another method."""
    assert isinstance(error, HTTPException)
    headers = {name.replace("-", "_"): value for name, value in (error.headers or {}).items()}
    hint = "/__devproxy/api/openapi.json lists what there is" if error.status_code == 404 else ""
    return problem(error.status_code, error.detail, request.url.path, hint=hint, exit_code=2, **headers)


async def on_bug(request: Request, error: Exception) -> JSONResponse:
    """Ours. The traceback goes to the log (the server raises it again); the answer names only the kind."""
    return problem(500, "This is a bug in devproxy", f"{type(error).__name__} in {request.url.path}")
