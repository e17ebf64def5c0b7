"""Who may come in. Pure; the order of the checks is protocol.py's.

Host stops DNS rebinding (a stranger's name that resolves to this machine); Origin stops a stranger's
page from opening WebSockets, which know no same-origin policy; Fetch Metadata stops it from loading our
answers as scripts. Navigations pass: a link, or a sign-in page that sends the browser back here, is no attack.
"""

from dataclasses import dataclass
from typing import Final

from devproxy.hosts import AllowedHosts, BadHost, origin_allowed, split_host
from devproxy.proxy.head import RequestHead

_NAVIGATIONS: Final = (b"document", b"iframe", b"frame", b"embed", b"object")
_OWN_SITES: Final = (b"same-origin", b"none")


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that is not let in: the status, what was wrong, and which setting would admit it."""

    status: int
    title: str
    hint: str = ""


def check_host(host: bytes, allowed: AllowedHosts) -> Refusal | None:
    """Whether the request names a host of ours."""
    try:
        name, _ = split_host(host)
    except BadHost as error:
        return Refusal(400, f"The Host field is no host name: {error}")
    if allowed.admits(name):
        return None
    return Refusal(
        403,
        f"The host “{name}” is not served here",
        f'If it is yours, add `allowed_hosts = ["{name}"]` to devproxy.toml.',
    )


def check_origin(request: RequestHead, *, ours: bool, scheme: bytes, allowed: AllowedHosts) -> Refusal | None:
    """Whether the page that sent the request may. Programs that are no browser send neither field, and may.

    Args: ours: the request is for the control API. That and upgrades take no page but the gateway's own.
    Source: Fetch Metadata §2 (a page cannot set or leave out these fields), RFC 6454 §7 (Origin).
    """
    noted = request.noted
    origin, site = noted.get(b"origin"), noted.get(b"sec-fetch-site", b"none")
    if origin is None and site in _OWN_SITES:  # most requests
        return None
    if _is_navigation(request, ours=ours):
        return None
    strict = ours or bool(request.upgrade)
    if origin is not None:
        if origin_allowed(origin, request.host, scheme.decode(), allowed) or (
            not strict and _is_local(origin, allowed)
        ):
            return None
        return _foreign(origin.decode("latin-1"))
    if site == b"same-site" and not strict:
        return None
    return _foreign("another site")


def _foreign(origin: str) -> Refusal:
    return Refusal(
        403,
        f"A page of {origin} may not use this origin",
        "If that page is yours, add its host name to `allowed_hosts` in devproxy.toml.",
    )


def _is_navigation(request: RequestHead, *, ours: bool) -> bool:
    """The browser follows a link or sends a form, and shows what comes; the page that asked reads none of it.

    To the control API only a link in a window of its own: no form, which would change something, and no
    frame, which somebody else's page could lie over. An upgrade is no navigation, whatever it says.
    """
    noted = request.noted
    if noted.get(b"sec-fetch-mode") != b"navigate" or request.upgrade:
        return False
    dest = noted.get(b"sec-fetch-dest")
    if ours:
        return dest == b"document" and request.method in (b"GET", b"HEAD")
    return dest in _NAVIGATIONS


def _is_local(origin: bytes, allowed: AllowedHosts) -> bool:
    """A page of another local server, or of an allowed host: the application's own CORS rules decide.

    Whatever the scheme: an app's web view has an origin like tauri://localhost, and no web page has.
    """
    try:
        name, _ = split_host(origin.partition(b"://")[2])
    except BadHost:
        return False
    return allowed.admits(name)
