"""Request and response heads, read strictly.

A head is matched against the grammar of RFC 9112 as a whole; what does not match is refused, so that no
second parser can read it another way: bare LF, obs-fold, a space before the colon, control bytes, two
lengths, length and coding together, codings other than chunked. Names and values keep their bytes.

Wire bytes are never given to int(), str.isdigit() or a bare strip(): each accepts more than HTTP does.
"""

import re
from dataclasses import dataclass

MAX_HEAD = 64 * 1024
"""Bytes of a head, request line and fields together. Browsers stay below 16 KiB; nginx allows 32."""

MAX_FIELDS = 200

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # RFC 9110 §5.6.2
VALUE = rb"[^\x00-\x08\x0a-\x1f\x7f]*"  # RFC 9110 §5.5: no controls but HTAB; obs-text passes
_FIELD = re.compile(rb"(%b):[ \t]*(%b)\r\n" % (TOKEN, VALUE))
_BLOCK = rb"((?:%b:%b\r\n)*)" % (TOKEN, VALUE)
_REQUEST = re.compile(rb"(%b) ([\x21\x22\x24-\x7e\x80-\xff]+) HTTP/1\.([01])\r\n%b\r\n" % (TOKEN, _BLOCK))
_RESPONSE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: (%b))?\r\n%b\r\n" % (VALUE, _BLOCK))
_ABSOLUTE = re.compile(rb"https?://([^/?#]+)(.*)", re.IGNORECASE | re.DOTALL)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_BARE_LF = re.compile(rb"(?<!\r)\n")

HOP_BY_HOP = frozenset(
    {
        # RFC 9110 §7.6.1: they end here, whether Connection lists them or not.
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"http2-settings",
    }
)
_OURS = frozenset(
    {
        b"host",
        b"content-length",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-port",
    }
    | {b"forwarded", b"via"}
)
_READ = frozenset(
    {b"accept", b"cookie", b"expect", b"origin", b"sec-fetch-dest", b"sec-fetch-mode", b"sec-fetch-site"}
    | {b"sec-websocket-protocol", b"sec-websocket-key"}
)
_NOTED = HOP_BY_HOP | _OURS | _READ
NOT_FORWARDED = HOP_BY_HOP | _OURS
"""Fields of a request that end here; those of _OURS are written anew."""

_RESPONSE_NOTED = HOP_BY_HOP | {b"content-length", b"content-type", b"sec-websocket-accept"}
_ONCE = frozenset({b"host", b"content-length"})


class BadHead(Exception):
    """The head cannot be accepted. `status` is what a client gets; an upstream's bad head is a 502."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


@dataclass(slots=True, eq=False)
class RequestHead:
    """A request's head, accepted.

    `target` is in origin form, byte for byte, or b"*"; `noted` holds the fields the gateway reads itself
    (lower-case name -> value, several joined by a comma); `fields` the end-to-end ones to forward, as
    they came. `length` is None without Content-Length.
    """

    method: bytes
    target: bytes
    http10: bool
    host: bytes
    noted: dict[bytes, bytes]
    fields: list[tuple[bytes, bytes]]
    length: int | None
    chunked: bool
    keep_alive: bool
    upgrade: bytes

    @property
    def has_body(self) -> bool:
        return self.chunked or bool(self.length)


@dataclass(slots=True, eq=False)
class ResponseHead:
    """A response's head, accepted. `fields` are the end-to-end ones, Content-Length not among them."""

    status: int
    reason: bytes
    http10: bool
    noted: dict[bytes, bytes]
    fields: list[tuple[bytes, bytes]]
    length: int | None
    chunked: bool
    keep_alive: bool


def head_end(buffer: bytes | bytearray) -> int:
    """Where the first head in `buffer` ends (just after its empty line), or 0 if it is not complete.

    Raises: BadHead: it can no longer become a valid one (too long, or a bare LF).
    """
    end = buffer.find(b"\r\n\r\n") + 4
    if end < 4:
        if len(buffer) > MAX_HEAD:
            raise BadHead("the request head is longer than 64 KiB", 431)
        if _BARE_LF.search(buffer):
            raise BadHead("a line ends in a bare LF")
        return 0
    if end > MAX_HEAD:
        raise BadHead("the request head is longer than 64 KiB", 431)
    return end


def parse_request(head: bytes) -> RequestHead:
    """Read one complete request head (`head_end` found its end).

    Raises: BadHead: with the status for the client and the reason.
    Source: RFC 9112 §3 (request line), §3.2 (Host, target forms), §5 (fields), §6 (framing).
    """
    match = _REQUEST.fullmatch(head)
    if match is None:
        raise _why_not_a_request(head)
    method, target, minor, block = match.groups()
    if method == b"CONNECT":  # with any target: its answer would be no message but the start of a tunnel
        raise BadHead("this is not a forward proxy: CONNECT is refused", 405)
    http10 = minor == b"0"
    noted, fields = _fields(block, _NOTED, NOT_FORWARDED)
    host = noted.get(b"host")
    if host is None:
        raise BadHead("there is no Host field")
    if target[:1] != b"/":
        target, host = _other_form(method, target, host)
    length, chunked = _request_framing(noted, http10)
    keep_alive, upgrade = not http10, b""
    if (connection := noted.get(b"connection")) is not None:
        tokens = list_of(connection)
        keep_alive = b"close" not in tokens and (not http10 or b"keep-alive" in tokens)
        if b"upgrade" in tokens and not http10:
            upgrade = noted.get(b"upgrade", b"").lower()
        fields = _without(fields, tokens)
    return RequestHead(method, target, http10, host, noted, fields, length, chunked, keep_alive, upgrade)


def parse_response(head: bytes) -> ResponseHead:
    """Read one complete response head.

    Raises: BadHead: it is not HTTP/1.x, or its framing is ambiguous.
    Source: RFC 9112 §4, §6.3.
    """
    match = _RESPONSE.fullmatch(head)
    if match is None:
        raise BadHead(f"not an HTTP/1.1 response head: {_excerpt(head)}", 502)
    minor, status, reason, block = match.groups()
    http10 = minor == b"0"
    noted, fields = _fields(block, _RESPONSE_NOTED, HOP_BY_HOP | {b"content-length"})
    length = _length(noted.get(b"content-length"))
    chunked = False
    if (coding := noted.get(b"transfer-encoding")) is not None:
        if coding.strip(b" \t").lower() != b"chunked" or http10:
            raise BadHead(f"Transfer-Encoding {_excerpt(coding)} is not understood", 502)
        chunked = True
    keep_alive = not http10
    if (connection := noted.get(b"connection")) is not None:
        tokens = list_of(connection)
        keep_alive = b"close" not in tokens and (not http10 or b"keep-alive" in tokens)
        fields = _without(fields, tokens)
        if status == b"426" and b"upgrade" in noted:  # RFC 9110 §15.5.22: it has to name the protocol
            fields += [(b"Connection", b"Upgrade"), (b"Upgrade", noted[b"upgrade"])]
    if chunked and length is not None:
        length, keep_alive = None, False  # RFC 9112 §6.3: the coding wins; do not trust the connection
    return ResponseHead(int(status), reason or b"", http10, noted, fields, length, chunked, keep_alive)


def list_of(value: bytes) -> set[bytes]:
    """The members of a comma-separated list, lower-case, without parameters' whitespace."""
    return {member.strip(b" \t").lower() for member in value.split(b",")}


def _fields(
    block: bytes, noted_names: frozenset[bytes], kept_back: frozenset[bytes]
) -> tuple[dict[bytes, bytes], list[tuple[bytes, bytes]]]:
    found = _FIELD.findall(block)
    if len(found) > MAX_FIELDS:
        raise BadHead(f"more than {MAX_FIELDS} fields", 431)
    noted: dict[bytes, bytes] = {}
    fields: list[tuple[bytes, bytes]] = []
    for field in found:
        key = field[0].lower()
        if key in noted_names:
            if key not in noted:
                noted[key] = field[1].rstrip(b" \t")
            elif key in _ONCE:
                raise BadHead(f"more than one {key.decode()} field")
            else:
                noted[key] += b", " + field[1].rstrip(b" \t")
            if key in kept_back:
                continue
        fields.append(field)
    return noted, fields


def _without(fields: list[tuple[bytes, bytes]], tokens: set[bytes]) -> list[tuple[bytes, bytes]]:
    """RFC 9110 §7.6.1: what Connection names is for this hop only."""
    named = tokens - {b"close", b"keep-alive", b"upgrade", b""}
    if not named:
        return fields
    return [field for field in fields if field[0].lower() not in named]


def _other_form(method: bytes, target: bytes, host: bytes) -> tuple[bytes, bytes]:
    """A target that is not in origin form, and the host that it is for."""
    if target == b"*" and method == b"OPTIONS":
        return target, host
    if (absolute := _ABSOLUTE.fullmatch(target)) is None:
        raise BadHead("the request target is neither a path nor a URL")
    authority, rest = absolute.groups()  # RFC 9112 §3.2.2: its authority replaces Host
    return (rest if rest[:1] == b"/" else b"/" + rest), authority


def _request_framing(noted: dict[bytes, bytes], http10: bool) -> tuple[int | None, bool]:
    length = _length(noted.get(b"content-length"))
    coding = noted.get(b"transfer-encoding")
    if coding is None:
        return length, False
    if length is not None:
        raise BadHead("both Transfer-Encoding and Content-Length")
    if http10:
        raise BadHead("Transfer-Encoding in an HTTP/1.0 request")
    if coding.lower() != b"chunked":
        raise BadHead(f"Transfer-Encoding {_excerpt(coding)} is not understood")
    return None, True


def _length(value: bytes | None) -> int | None:
    if value is None:
        return None
    if _LENGTH.fullmatch(value) is None:
        raise BadHead(f"Content-Length {_excerpt(value)} is not a number")
    return int(value)  # ASCII digits only: the match above


def _why_not_a_request(head: bytes) -> BadHead:
    """The reason a head did not match, for the person who reads the 400."""
    line, _, rest = head.partition(b"\r\n")
    parts = line.split(b" ")
    if len(parts) != 3 or not re.fullmatch(TOKEN, parts[0]):
        return BadHead("the request line is not METHOD TARGET VERSION")
    if b"#" in parts[1]:
        return BadHead("a fragment (#) in the request target")
    if not re.fullmatch(rb"HTTP/1\.[01]", parts[2]):
        status = 505 if re.fullmatch(rb"HTTP/[0-9](\.[0-9])?", parts[2]) else 400
        return BadHead(f"{_excerpt(parts[2])} is not HTTP/1.1", status)
    for field in rest.split(b"\r\n"):
        if field[:1] in (b" ", b"\t"):
            return BadHead("a folded field line")
        if field and not re.fullmatch(rb"%b:%b" % (TOKEN, VALUE), field):
            return BadHead(f"a malformed field line: {_excerpt(field)}")
    return BadHead("a malformed request head")


def _excerpt(value: bytes) -> str:
    return ascii(value[:40].decode("latin-1"))
