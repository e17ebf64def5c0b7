"""Who may come in. Pure; the order of the checks is protocol.py's.

Host stops DNS rebinding (a stranger's name that resolves to this machine); Origin stops a stranger's
page from opening WebSockets, which know no same-origin policy; Fetch Metadata stops it from loading our
answers as scripts. Navigations pass: a link, or a sign-in page that sends the browser back here, is no attack.
"""

from dataclasses import dataclass
from typing import Final

from devproxy.hosts import AllowedHosts, BadHost, is_loopback_name, origin_allowed, split_host
from devproxy.proxy.head import RequestHead

_NAVIGATIONS: Final = (b"document", b"iframe", b"frame", b"embed", b"object")


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


def check_origin(request: RequestHead, *, ours: bool, scheme: str, allowed: AllowedHosts) -> Refusal | None:
    """Whether the page that sent the request may.

    Args: ours: the request is for the control API; those and upgrades take no page but our own.
    """
    noted = request.noted
    origin = noted.get(b"origin")
    if origin is not None and not origin_allowed(origin, request.host, scheme, allowed):
        strict = ours or bool(request.upgrade)
        if strict or not (_is_navigation(request) or _is_local(origin, allowed)):
            return _foreign(origin.decode("latin-1"))
    elif (
        origin is None and noted.get(b"sec-fetch-site") in (b"cross-site", b"same-site") and not _is_navigation(request)
    ):
        if ours or noted[b"sec-fetch-site"] == b"cross-site":
            return _foreign("another site")
    elif ours and origin is None and noted.get(b"sec-fetch-site") == b"cross-site" and request.method != b"GET":
        return _foreign("another site")
    return None


def _foreign(origin: str) -> Refusal:
    return Refusal(
        403,
        f"A page of {origin} may not use this origin",
        "If that page is yours, add its host name to `allowed_hosts` in devproxy.toml.",
    )


def _is_navigation(request: RequestHead) -> bool:
    """Fetch Metadata §2.3: the browser follows a link or sends a form, and shows what comes."""
    noted = request.noted
    return noted.get(b"sec-fetch-mode") == b"navigate" and noted.get(b"sec-fetch-dest") in _NAVIGATIONS


def _is_local(origin: bytes, allowed: AllowedHosts) -> bool:
    """A page of another local server, or of an allowed host: the application's own CORS rules decide."""
    try:
        name, _ = split_host(origin.partition(b"://")[2])
    except BadHost:
        return False
    return is_loopback_name(name) or allowed.admits(name)
