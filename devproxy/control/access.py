"""Who may call an endpoint: the classes P, T and S of the Contracts.

    P  anybody whom the gateway let in (it checks Host and Origin)
    T  who carries the session's token: as a cookie, as `Authorization: Bearer`, or by having opened the
       Unix socket, which only this user can
    S  the Unix socket only

What changes something takes POST or DELETE, comes from no page but our own, and is never P. The cookie is
derived from the token: what a browser stores is no bearer token, and dies with the session.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from devproxy.hosts import same_origin

Access = Literal["P", "T", "S"]

PRINTED_TICKET_SECONDS = 12 * 3600.0  # the link `up` prints is clicked after lunch, too
OPEN_TICKET_SECONDS = 60.0
MAX_TICKETS = 64  # the oldest go first: whoever may ask for tickets has the Unix socket, and is no attacker
SAFE_METHODS = frozenset({"GET", "HEAD"})


class Refused(Exception):
    """A call that may not be made: status 401 when the right credentials would help, else 403."""

    def __init__(self, status: int, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Caller:
    """What a request says about who sent it. Field values as received; None: absent."""

    method: str
    local: bool
    host: str
    origin: str | None
    fetch_site: str | None
    authorization: str | None
    cookie: str | None


@dataclass(slots=True)
class Keys:
    """The session's token and what stands for it.

    Args: token: 32 bytes of randomness, URL-safe; clock: seconds, never going back.
    """

    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    clock: Callable[[], float] = time.monotonic
    _tickets: dict[str, float] = field(default_factory=dict, repr=False)

    @property
    def cookie(self) -> str:
        """The value a signed-in browser's cookie has."""
        return hmac.new(self.token.encode(), b"devproxy dashboard cookie", hashlib.sha256).hexdigest()

    def issue_ticket(self, seconds: float = OPEN_TICKET_SECONDS) -> str:
        """A new ticket that is worth one login within so many seconds."""
        now = self.clock()
        valid = {ticket: end for ticket, end in self._tickets.items() if end > now}
        while len(valid) >= MAX_TICKETS:
            del valid[next(iter(valid))]
        ticket = secrets.token_urlsafe(24)
        self._tickets = {**valid, ticket: now + seconds}
        return ticket

    def redeem(self, ticket: str) -> bool:
        """Whether the ticket was worth a login. It no longer is."""
        end = None
        for known in list(self._tickets):
            if hmac.compare_digest(known.encode(), ticket.encode()):
                end = self._tickets.pop(known)
        return end is not None and end > self.clock()

    def knows(self, caller: Caller) -> bool:
        """Whether the caller carries the token, as bearer token or as cookie."""
        return self._knows_bearer(caller.authorization) or same_secret(caller.cookie, self.cookie)

    def _knows_bearer(self, authorization: str | None) -> bool:
        scheme, _, token = (authorization or "").partition(" ")
        return scheme.lower() == "bearer" and same_secret(token, self.token)


def cookie_name(port: int) -> str:
    """The name of the cookie of the session on this port."""
    return f"devproxy_{port}"


def same_secret(given: str | None, secret: str) -> bool:
    """Whether the two are equal, in a time that does not tell how far they are."""
    return given is not None and hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())


def check(caller: Caller, access: Access, keys: Keys) -> None:
    """Let the caller through, or raise Refused. Origin before token, so that a page learns nothing."""
    if access != "P" or caller.method not in SAFE_METHODS:
        check_page(caller)
    if access == "P" or caller.local:
        return
    if not keys.knows(caller):
        raise Refused(
            401, "this needs the session's token", "run devproxy open --dashboard, or use devproxy's commands"
        )
    if access == "S":
        raise Refused(403, "this is answered through the session's Unix socket only", "use devproxy's commands")


def check_page(caller: Caller) -> None:
    """Refuse what a page that is not our own has sent: the cookie would come along with it.

    The scheme is not compared: a tunnel may end TLS in front of us.
    """
    site_is_ours = caller.fetch_site in (None, "same-origin", "none")
    origin_is_ours = caller.origin is None or any(
        same_origin(caller.origin, scheme, caller.host) for scheme in ("http", "https")
    )
    if not (site_is_ours and origin_is_ours):
        raise Refused(403, "a page of another origin may not use the control API")


def find_cookie(header: str | None, name: str) -> str | None:
    """One cookie's value out of a Cookie field. Source: RFC 6265 §5.4."""
    for pair in (header or "").split(";"):
        key, _, value = pair.partition("=")
        if key.strip(" \t") == name:
            return value.strip(" \t")
    return None


def caller_of(scope_state: Mapping[str, object], method: str, headers: Mapping[str, str], port: int) -> Caller:
    """Read who sent a request. `devproxy_local` is set by the gateway, which knows the socket."""
    return Caller(
        method=method,
        local=scope_state.get("devproxy_local") is True,
        host=headers.get("host", ""),
        origin=headers.get("origin"),
        fetch_site=headers.get("sec-fetch-site"),
        authorization=headers.get("authorization"),
        cookie=find_cookie(headers.get("cookie"), cookie_name(port)),
    )
