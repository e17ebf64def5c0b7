"""Who may talk to us: parsing Host and Origin, and judging them.

Checking Host is what stops DNS rebinding (a stranger's name that resolves to 127.0.0.1); checking
Origin is what stops a stranger's page from opening WebSockets to us. Everything here is a plain
function of values, so a caller may memoize it by the bytes of the field.

A *host* here is the text in front of the port: lower-case, an IPv6 address in brackets ("[::1]").
"""

import re
from collections.abc import Iterable

Wire = bytes | str

MAX_HOST = 253  # bytes of a DNS name, RFC 1035 §2.3.4
MAX_LABEL = 63
MAX_AUTHORITY = MAX_HOST + len(".:65535")
DEFAULT_PORTS = {"http": 80, "https": 443}

# One DNS label. "_" is no host name by RFC 952, but container names have it. Percent-encoding and
# sub-delims are reg-names by RFC 3986 that no browser sends: refused.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
_AUTHORITY = re.compile(rf"(\[[0-9a-f:.]+\]|{_NAME}\.?)(?::([1-9][0-9]{{0,4}}))?")
_LOCALHOST = re.compile(rf"(?:{_NAME}\.)?localhost")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_LOOPBACK_V4 = re.compile(rf"127(?:\.{_OCTET}){{3}}")
_ORIGIN = re.compile(r"(https?)://(.+)", re.IGNORECASE)
_PATTERN = re.compile(rf"(?:\*?\.)?{_NAME}")


class BadHost(ValueError):
    """The text is no `host[:port]`: a request with such a Host is answered 400."""


def split_host(value: Wire) -> tuple[str, int | None]:
    """Split an authority into host and port (None: no port was given).

    Stricter than the grammar where no browser goes: userinfo, an empty port, port 0, leading zeros,
    percent-encoding and IPv6 zones are refused. A trailing dot is kept, and no such name is ever admitted.

    Raises: BadHost: it is anything else than one host with at most one port.
    Source: RFC 9110 §7.2, RFC 3986 §3.2.
    """
    text = _ascii(value)
    match = _AUTHORITY.fullmatch(text.lower()) if len(text) <= MAX_AUTHORITY else None
    if match is None:
        raise BadHost("not a host and an optional port")
    host, digits = match.groups()
    if len(host) > MAX_HOST:
        raise BadHost("the host name is too long")
    port = int(digits) if digits else None
    if port is not None and port > 65535:
        raise BadHost("the port is above 65535")
    return (_canonical_v6(host) if host[0] == "[" else host), port


def is_loopback_name(host: str) -> bool:
    """Whether no resolver outside this machine has a say in what the host means.

    True for localhost and its subdomains (RFC 6761 §6.3), 127.0.0.0/8 written with four plain decimal
    numbers, and [::1]. Other spellings ("127.1", "0x7f.1", "localhost.") are not: browsers never send
    them, so whoever does is trying something.
    """
    return (
        host in ("localhost", "127.0.0.1", "[::1]")
        or _LOCALHOST.fullmatch(host) is not None
        or _LOOPBACK_V4.fullmatch(host) is not None
    )


class AllowedHosts:
    """The hosts that requests may name: loopback names always, and those that were configured.

    Args: names: "app.example.test": that name only; "*.example.test": one or more labels in front of it;
          ".example.test": both of these, as in Vite. An IP address stands for itself.
    Raises: BadHost: one of the names is none of these ("*" alone is refused: it would let DNS rebinding in).
    """

    __slots__ = ("_exact", "_suffixes")

    def __init__(self, names: Iterable[str] = ()) -> None:
        exact: set[str] = set()
        suffixes: set[str] = set()
        for name in names:
            pattern = _host_pattern(name)
            suffix = pattern.lstrip("*")
            if suffix.startswith("."):
                suffixes.add(suffix)
            if not pattern.startswith("*"):
                exact.add(suffix.lstrip("."))
        self._exact = frozenset(exact)
        self._suffixes = tuple(sorted(suffixes))

    def admits(self, host: str) -> bool:
        """Whether a request for `host` (as `split_host` returns it) may be served."""
        # A name in front of the suffix is certain: split_host lets no label be empty.
        return host in self._exact or is_loopback_name(host) or host.endswith(self._suffixes)


def branch_host(branch: str, name: str) -> str:
    """A loopback name for a branch of a project: `fix-login.shop.localhost`. Empty when there is no branch,
    or nothing of it (or of the name) can stand in a host name.
    """
    labels = [dns_label(branch), dns_label(name)]
    return ".".join([*labels, "localhost"]) if all(labels) else ""


def dns_label(text: str) -> str:
    """The text as one DNS label: letters, digits and single hyphens between them. Source: RFC 1035 §2.3.1."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:MAX_LABEL].rstrip("-")


def same_origin(origin: Wire, scheme: str, host: Wire) -> bool:
    """Whether an Origin field names exactly this scheme, host and port; default ports may be left out.

    Args: scheme: "http" or "https", how the client reached us; host: the request's Host field.
    Source: WHATWG HTML, "same origin"; RFC 6454 §5.
    """
    try:
        theirs = _split_origin(origin)
        name, port = split_host(host)
    except BadHost:
        return False
    return theirs == (scheme, name, port or DEFAULT_PORTS.get(scheme))


def origin_allowed(origin: Wire, host_header: Wire, scheme: str, allowed: AllowedHosts) -> bool:
    """Whether a page of this origin may send us requests and open WebSockets.

    It may if its authority is the request's own Host, whatever the scheme (a tunnel may end TLS in front
    of us), or if it is a loopback name or an allowed host on the same port as Host: the same gateway by
    another of its names. Another port of this machine is another program. "null" is anybody's: never.

    The Host field itself must have been admitted before.
    """
    try:
        origin_scheme, name, port = _split_origin(origin)
        host, host_port = split_host(host_header)
    except BadHost:
        return False
    if name == host and port == (host_port or DEFAULT_PORTS[origin_scheme]):
        return True
    return port == (host_port or DEFAULT_PORTS.get(scheme)) and allowed.admits(name)


def _split_origin(origin: Wire) -> tuple[str, str, int]:
    """Scheme, host and port (never left out) of a serialized http or https origin."""
    match = _ORIGIN.fullmatch(_ascii(origin))
    if match is None:
        raise BadHost("not an http or https origin")
    scheme = match[1].lower()
    host, port = split_host(match[2])
    return scheme, host, port or DEFAULT_PORTS[scheme]


def _ascii(value: Wire) -> str:
    # Before lower-casing, and not only for the pattern's sake: str.lower() turns the Kelvin sign into "k".
    if not value.isascii():
        raise BadHost("not ASCII")
    return value if isinstance(value, str) else value.decode("ascii")


def _canonical_v6(host: str) -> str:
    """A bracketed IPv6 address in its one short form (RFC 5952).

    Raises: BadHost: it is no IPv6 address.
    """
    if host == "[::1]":
        return host
    from ipaddress import IPv6Address  # 3 ms to import, and hardly any Host has brackets

    try:
        return f"[{IPv6Address(host[1:-1]).compressed}]"
    except ValueError as error:
        raise BadHost("not an IPv6 address in brackets") from error


def _host_pattern(name: str) -> str:
    text = _ascii(name).lower()
    if ":" in text:
        host, port = split_host(text if text.startswith("[") else f"[{text}]")
        if port is not None:
            raise BadHost(f"{name!r} has a port; a host is allowed on every port")
        return host
    if _PATTERN.fullmatch(text) is None or len(text) > MAX_HOST:
        raise BadHost(f"{name!r} is not a host name, *.NAME or .NAME")
    return text
