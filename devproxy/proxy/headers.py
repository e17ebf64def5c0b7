"""What a head becomes on its way: hop-by-hop fields end here, forwarding fields are set. Pure, but for the date.

Sources: RFC 9110 §7.6.1 (Connection), §7.6.3 (Via), §10.1.4 (TE); RFC 7239 (Forwarded). Names and values
keep their bytes and their order; Host and Origin pass unchanged.
"""

import re
from dataclasses import dataclass

from devproxy.config.model import FieldEdits
from devproxy.proxy.date import date_line
from devproxy.proxy.head import NOT_FORWARDED, RequestHead, ResponseHead, list_of

MAX_OWN_HOPS = 5
"""A request that carries this many Via entries of ours is going in a circle."""

FORWARDING = (
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
    b"x-forwarded-port",
    b"forwarded",
)
_NAMES = (b"X-Forwarded-For", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"X-Forwarded-Port", b"Forwarded", b"Via")
_NUMBER = re.compile(rb"[0-9]{1,18}")
_LINES = b"".join(name + b": %b\r\n" for name in _NAMES) + b"\r\n"


@dataclass(slots=True, eq=False)
class Hop:
    """What this gateway knows of the connection a request came on.

    peer: the client's address; scheme: http or https; port: the gateway's own, as text;
    pseudonym: our name in Via (RFC 9110 §7.6.3); trusted: the peer is one of `trusted_proxies`.
    said: the forwarding lines of the last request, and the host they are for: they are the next one's, too.
    """

    peer: bytes
    scheme: bytes
    port: bytes
    pseudonym: bytes
    trusted: bool = False
    said: tuple[bytes, bytes] = (b"", b"")


def request_bytes(
    request: RequestHead, hop: Hop, *, target: bytes | None = None, edits: FieldEdits | None = None
) -> bytes:
    """The head to send upstream, empty line included. A route's edits win over what we say ourselves."""
    noted = request.noted
    if edits is None:
        lines, host = request.lines, request.host
    else:
        fields = edited(request.fields, edits)
        host = next((value for name, value in fields if name.lower() == b"host"), request.host)
        lines = [b"%b: %b" % field for field in fields if field[0].lower() != b"host"]
    parts = [b"%b %b HTTP/1.1\r\nHost: %b" % (request.method, target or request.target, host), *lines]
    if request.chunked:
        parts.append(b"Transfer-Encoding: chunked")
    elif request.length is not None:
        parts.append(b"Content-Length: %d" % request.length)
    if request.upgrade:
        parts.append(b"Connection: Upgrade\r\nUpgrade: %b" % noted[b"upgrade"])
    elif b"te" in noted and b"trailers" in list_of(noted[b"te"]):
        parts.append(b"Connection: TE\r\nTE: trailers")
    if edits is not None:
        said = {name.lower().encode("latin-1") for name in (*edits.set, *edits.remove)}
        pairs = zip(_NAMES, _forwarding(request, hop), strict=True)
        parts += [b"%b: %b" % pair for pair in pairs if pair[0].lower() not in said]
        parts.append(b"\r\n")
    elif hop.trusted or request.http10 or b"via" in noted:
        parts.append(_LINES % _forwarding(request, hop))
    else:
        # Nothing in them but Host is the request's.
        if hop.said[0] != request.host:
            hop.said = (request.host, _LINES % _forwarding(request, hop))
        parts.append(hop.said[1])
    return b"\r\n".join(parts)


def _forwarding(request: RequestHead, hop: Hop) -> tuple[bytes, ...]:
    noted = request.noted
    via = b"1.%b %b" % (b"0" if request.http10 else b"1", hop.pseudonym)
    if b"via" in noted:
        via = noted[b"via"] + b", " + via
    peer = b'"[%b]"' % hop.peer if b":" in hop.peer else hop.peer
    element = b'for=%b;host="%b";proto=%b' % (peer, request.host.replace(b'"', b""), hop.scheme)
    values = {
        b"x-forwarded-for": hop.peer,
        b"x-forwarded-host": request.host,
        b"x-forwarded-proto": hop.scheme,
        b"x-forwarded-port": _port_of(request.host) or hop.port,
        b"forwarded": element,
    }
    if hop.trusted:
        # Its word counts: addresses are appended to, what it says of the first hop stays.
        for name in FORWARDING:
            if name in noted:
                appended = name in (b"x-forwarded-for", b"forwarded")
                values[name] = noted[name] + b", " + values[name] if appended else noted[name]
    return (*values.values(), via)


def trailer_bytes(trailers: list[tuple[bytes, bytes]]) -> bytes:
    """A chunked body's trailer section, empty line included.

    Without the names that frame or route a message, or that we vouch for: an upstream may merge trailers
    into the head. Source: RFC 9110 §6.5.1.
    """
    kept = [b"%b: %b\r\n" % field for field in trailers if field[0].lower() not in NOT_FORWARDED]
    return b"".join((*kept, b"\r\n"))


def _port_of(host: bytes) -> bytes:
    name, colon, port = host.rpartition(b":")
    return port if colon and not name.endswith(b":") and b"]" not in port else b""


def own_hops(request: RequestHead, pseudonym: bytes) -> int:
    """How often this gateway has already forwarded the request."""
    via = request.noted.get(b"via")
    if via is None:
        return 0
    return sum(entry.strip(b" \t").partition(b" ")[2] == pseudonym for entry in via.split(b","))


def count_forward(request: RequestHead) -> bool:
    """Take one off Max-Forwards; False if there is none left, and the request goes no further.

    Source: RFC 9110 §7.6.2, for OPTIONS and TRACE only. What is no number is passed on as it is.
    """
    left = request.noted[b"max-forwards"]
    if request.method not in (b"OPTIONS", b"TRACE") or _NUMBER.fullmatch(left) is None:
        return True
    less = int(left) - 1  # ASCII digits only: the match above
    kept = [line for line in request.lines if line.partition(b":")[0].lower() != b"max-forwards"]
    request.lines = [*kept, b"Max-Forwards: %d" % less]
    return less >= 0


def response_bytes(response: ResponseHead, *, keep_alive: bool, http10: bool, framing: bytes) -> bytes:
    """The head to send to the client. `framing` is its Content-Length or Transfer-Encoding line, or nothing."""
    end = b"\r\n"
    if b"date" not in response.noted and response.status >= 200:
        framing = date_line() + framing
    if not keep_alive:
        end = b"Connection: close\r\n\r\n"
    elif http10:
        end = b"Connection: keep-alive\r\n\r\n"
    return b"\r\n".join((b"HTTP/1.1 %d %b" % (response.status, response.reason), *response.lines, framing + end))


def lines_of(fields: list[tuple[bytes, bytes]]) -> list[bytes]:
    """Names and values as lines."""
    return [b"%b: %b" % field for field in fields]


def edited(fields: list[tuple[bytes, bytes]], edits: FieldEdits) -> list[tuple[bytes, bytes]]:
    """`fields` with a route's removals and settings applied; what is set replaces all of that name."""
    gone = {name.lower().encode("latin-1") for name in (*edits.remove, *edits.set)}
    kept = [field for field in fields if field[0].lower() not in gone]
    return kept + [(name.encode("latin-1"), value.encode("latin-1")) for name, value in edits.set.items()]
