"""What a browser gets: the dashboard, its files, the script of live reload, and the login.

The files are public and hold nothing of the project; what they show, they ask the API for.
"""

from importlib.resources import files
from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import RedirectResponse, Response

from devproxy.control.access import caller_of, cookie_name
from devproxy.control.context import target_of
from devproxy.control.problems import problem

HOME = "/__devproxy/"
COOKIE_PATH = "/__devproxy/"

# For whatever we answer, JSON and event streams included: none of it is for another site's page, for a
# frame, for a cache or for a Referer field; and a page of ours runs no script but its own files.
PROTECTION = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

MEDIA_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}


def packaged(package: str, name: str) -> Response:
    """One file that comes with devproxy."""
    content = files(package).joinpath(name).read_bytes()
    return Response(content, media_type=MEDIA_TYPES[name.rpartition(".")[2]])


async def dashboard() -> Response:
    """The dashboard."""
    return packaged("devproxy.dashboard", "index.html")


async def dashboard_script() -> Response:
    """The dashboard's script."""
    return packaged("devproxy.dashboard", "app.js")


async def dashboard_style() -> Response:
    """The dashboard's style sheet."""
    return packaged("devproxy.dashboard", "style.css")


async def dashboard_icon() -> Response:
    """The dashboard's icon."""
    return packaged("devproxy.dashboard", "favicon.svg")


async def client_script() -> Response:
    """The script of live reload, which the gateway adds to pages."""
    return packaged("devproxy.spa", "client.js")


async def to_dashboard() -> Response:
    """The dashboard's address without its last slash."""
    return RedirectResponse(HOME, 308)


async def login(request: Request, ticket: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Trade a ticket for the cookie, and go to the dashboard without it in the address.

    Who is signed in already goes there too: the printed link may be clicked twice.
    """
    target = target_of(request)
    name = cookie_name(target.port)
    if target.keys.redeem(ticket):
        answer = RedirectResponse(HOME, 303)
        answer.set_cookie(name, target.keys.cookie, path=COOKIE_PATH, httponly=True, samesite="strict")
        return answer
    if target.keys.knows(caller_of(request.scope.get("state", {}), request.method, request.headers, target.port)):
        return RedirectResponse(HOME, 303)
    if "text/html" in request.headers.get("accept", ""):
        return Response(USED_LINK, 401, media_type=MEDIA_TYPES["html"])
    return problem(
        401, "Not signed in", "the ticket is unknown or used up", hint="run devproxy open --dashboard", exit_code=3
    )


USED_LINK = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>devproxy: link used</title>
<link rel="stylesheet" href="/__devproxy/dashboard/style.css">
<main class="note"><h1>This link has been used</h1>
<p>It signs in one browser, once. Run <code>devproxy open --dashboard</code> in the project for a new one.</p></main>
</html>
"""
