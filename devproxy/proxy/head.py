"""Request and response heads, read strictly.

Each line is matched against the grammar of RFC 9112 as a whole; what does not match is refused, so that no
second parser can read it another way: bare LF, obs-fold, a space before the colon, control bytes, two
lengths, length and coding together, codings other than chunked. Lines that pass keep their bytes.

Wire bytes are never given to int(), str.isdigit() or a bare strip(): each accepts more than HTTP does.
"""

import re
from dataclasses import dataclass
from typing import Final

MAX_HEAD = 64 * 1024
"""Bytes of a head, request line and fields together. Browsers stay below 16 KiB; nginx allows 32."""

MAX_FIELDS = 200

MAX_RESPONSE_HEAD = 512 * 1024
"""An upstream is the developer's own: hundreds of cookies and a long CSP are its business."""

MAX_RESPONSE_FIELDS = 5000

MAX_KNOWN_LINES: Final = 1024
MAX_KNOWN_LINE: Final = 512
"""How many field lines are remembered, and how long they may be: half a megabyte at most, of each of two kinds."""

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # RFC 9110 §5.6.2
VALUE = rb"[^\x00-\x08\x0a-\x1f\x7f]*"  # RFC 9110 §5.5: no controls but HTAB; obs-text passes
_FIELD = re.compile(rb"(%b):[ \t]*(%b)" % (TOKEN, VALUE))
_TARGET = rb"[\x21\x22\x24-\x7e\x80-\xff]+"  # no fragment, blank or control; no other byte is refused, or changed
# Any minor version: RFC 9110 §2.5 has a higher one read as the highest that is known.
_REQUEST_LINE = re.compile(rb"(%b) (%b) HTTP/1\.([0-9])" % (TOKEN, _TARGET))
_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: (%b))?" % VALUE)
_MAY_BECOME_A_REQUEST = re.compile(rb"\r?|%b(?: (?:%b(?: [\x21-\x7e]*\r?)?)?)?" % (TOKEN, _TARGET))
_MAY_BECOME_A_RESPONSE = re.compile(rb"HTTP/1\.[0-9]%b\r?" % VALUE)
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
    {b"accept", b"cookie", b"expect", b"max-forwards", b"origin"}
    | {b"sec-fetch-dest", b"sec-fetch-mode", b"sec-fetch-site", b"sec-websocket-protocol", b"sec-websocket-key"}
)
_NOTED = HOP_BY_HOP | _OURS | _READ
NOT_FORWARDED = HOP_BY_HOP | _OURS
"""Fields of a request that end here; those of _OURS are written anew."""

_RESPONSE_NOTED = HOP_BY_HOP | {b"content-length", b"content-type", b"date", b"sec-websocket-accept"}
_ENDING = HOP_BY_HOP | {b"content-length"}
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
    (lower-case name -> value, several joined by a comma); `lines` the end-to-end field lines to forward, as
    they came. `length` is None without Content-Length.
    """

    method: bytes
    target: bytes
    http10: bool
    host: bytes
    noted: dict[bytes, bytes]
    lines: list[bytes]
    length: int | None
    chunked: bool
    has_body: bool
    keep_alive: bool
    upgrade: bytes

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """The lines as names and values."""
        return [pair_of(line) for line in self.lines]


@dataclass(slots=True, eq=False)
class ResponseHead:
    """A response's head, accepted. `lines` are the end-to-end field lines, Content-Length not among them."""

    status: int
    reason: bytes
    http10: bool
    noted: dict[bytes, bytes]
    lines: list[bytes]
    length: int | None
    chunked: bool
    keep_alive: bool

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """The lines as names and values."""
        return [pair_of(line) for line in self.lines]


def head_end(buffer: bytes | bytearray) -> int:
    """Where the first head in `buffer` ends (just after its empty line), or 0 if it is not complete.

    Raises: BadHead: it can no longer become a valid one: too long, or no HTTP (who speaks something else may
    wait for our word, and would wait long for an answer to a head that never ends).
    """
    end = buffer.find(b"\r\n\r\n") + 4
    if 4 <= end <= MAX_HEAD:
        return end
    if end > MAX_HEAD or len(buffer) > MAX_HEAD:
        if b"\r\n" not in buffer[:MAX_HEAD]:
            raise BadHead("the request line is longer than 64 KiB", 414)
        raise BadHead("the request head is longer than 64 KiB", 431)
    line, crlf, _ = buffer.partition(b"\r\n")
    if crlf:
        if _REQUEST_LINE.fullmatch(line) is None:
            raise _why_not_a_request(bytes(line))
    elif _MAY_BECOME_A_REQUEST.fullmatch(buffer) is None:
        if buffer[:2] == b"\x16\x03":
            raise BadHead("this is TLS, and this port speaks plain HTTP: use http://")
        raise BadHead("the request line is not METHOD TARGET VERSION")
    if _BARE_LF.search(buffer):
        raise BadHead("a line ends in a bare LF")
    return 0


def check_incomplete_response(buffer: bytes) -> None:
    """An upstream's head that has no end yet.

    Raises: BadHead: it will never be one, so that nobody need wait for its end.
    """
    line, crlf, _ = buffer.partition(b"\r\n")
    if crlf:
        if _STATUS_LINE.fullmatch(line) is None:
            raise _not_a_response(line)
    elif not b"HTTP/1.".startswith(buffer[:7]) or (
        len(buffer) > 7 and _MAY_BECOME_A_RESPONSE.fullmatch(buffer) is None
    ):
        raise _not_a_response(buffer)
    if _BARE_LF.search(buffer):
        raise BadHead("a line ends in a bare LF", 502)
    if len(buffer) > MAX_RESPONSE_HEAD:
        raise BadHead(f"its head is longer than {MAX_RESPONSE_HEAD // 1024} KiB", 502)


def parse_request(head: bytes, known: "FieldLines | None" = None) -> RequestHead:
    """Read one complete request head (`head_end` found its end).

    Args: known: what earlier ones have said (`request_lines`), for who reads many.
    Raises: BadHead: with the status for the client and the reason.
    Source: RFC 9112 §3 (request line), §3.2 (Host, target forms), §5 (fields), §6 (framing).
    """
    line, *lines = _lines(head, 400, MAX_FIELDS)
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise _why_not_a_request(line)
    method, target, minor = match.groups()
    if method == b"CONNECT":  # with any target: its answer would be no message but the start of a tunnel
        raise BadHead("this is not a forward proxy: CONNECT is refused", 405)
    http10 = minor == b"0"
    noted, lines = _read(lines, request_lines() if known is None else known)
    host = noted.get(b"host")
    if host is None:
        raise BadHead("there is no Host field")
    if target[:1] != b"/":
        target, host = _other_form(method, target, host)
    length: int | None = None
    chunked = False
    if b"content-length" in noted or b"transfer-encoding" in noted:
        length, chunked = _request_framing(noted, http10)
    has_body = chunked or bool(length)
    keep_alive, upgrade = not http10, b""
    connection = noted.get(b"connection", b"")
    if connection == b"keep-alive":  # what browsers say each time
        keep_alive = True
    elif connection:
        tokens = list_of(connection)
        keep_alive = b"close" not in tokens and (not http10 or b"keep-alive" in tokens)
        if b"upgrade" in tokens and not http10:
            upgrade = noted.get(b"upgrade", b"").lower()
        lines = _without(lines, tokens)
    return RequestHead(method, target, http10, host, noted, lines, length, chunked, has_body, keep_alive, upgrade)


def parse_response(head: bytes, known: "FieldLines | None" = None) -> ResponseHead:
    """Read one complete response head.

    Args: known: what earlier ones have said (`response_lines`), for who reads many.
    Raises: BadHead: it is not HTTP/1.x, or its framing is ambiguous.
    Source: RFC 9112 §4, §6.3.
    """
    line, *lines = _lines(head, 502, MAX_RESPONSE_FIELDS)
    if line == b"HTTP/1.1 200 OK":  # most answers
        minor, status, reason = b"1", b"200", b"OK"
    else:
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise _not_a_response(line)
        minor, status, reason = match.groups()
    http10 = minor == b"0"
    noted, lines = _read(lines, response_lines() if known is None else known)
    length = _length(noted.get(b"content-length"))
    chunked = False
    if (coding := noted.get(b"transfer-encoding")) is not None:
        if coding.strip(b" \t").lower() != b"chunked" or http10:
            raise BadHead(f"Transfer-Encoding {_excerpt(coding)} is not understood", 502)
        chunked = True
    keep_alive = not http10
    connection = noted.get(b"connection", b"")
    if connection == b"keep-alive":
        keep_alive = True
    elif connection:
        tokens = list_of(connection)
        keep_alive = b"close" not in tokens and (not http10 or b"keep-alive" in tokens)
        lines = _without(lines, tokens)
        if status == b"426" and b"upgrade" in noted:  # RFC 9110 §15.5.22: it has to name the protocol
            lines += [b"Connection: Upgrade", b"Upgrade: %b" % noted[b"upgrade"]]
    if chunked and length is not None:
        length, keep_alive = None, False  # RFC 9112 §6.3: the coding wins; do not trust the connection
    return ResponseHead(int(status), reason or b"", http10, noted, lines, length, chunked, keep_alive)


def list_of(value: bytes) -> set[bytes]:
    """The members of a comma-separated list, lower-case, without parameters' whitespace."""
    return {member.strip(b" \t").lower() for member in value.split(b",")}


def pair_of(line: bytes) -> tuple[bytes, bytes]:
    """A field line's name and value."""
    name, _, value = line.partition(b":")
    return name, value.lstrip(b" \t")


class FieldLines(dict[bytes, tuple[bytes, bytes, bool] | None]):
    """What a field line says, by its bytes: its lower-case name, its value, and whether it ends here; None for one
    that passes unread.

    A memo, and a bounded one: the lines of a browser, or of a server, are nearly the same with every message, and to
    match and to classify one costs ten times as much as to look it up.

    Raises: BadHead: the line is none.
    Source: RFC 9112 §5.
    """

    def __init__(self, noted: frozenset[bytes], ending: frozenset[bytes]) -> None:
        super().__init__()
        self._noted = noted
        self._ending = ending

    def __missing__(self, line: bytes) -> tuple[bytes, bytes, bool] | None:
        match = _FIELD.fullmatch(line)
        if match is None:
            folded = line[:1] in (b" ", b"\t")
            raise BadHead("a folded field line" if folded else f"a malformed field line: {_excerpt(line)}")
        name = match[1].lower()
        found = (name, match[2].rstrip(b" \t"), name in self._ending) if name in self._noted else None
        if len(line) <= MAX_KNOWN_LINE:
            if len(self) >= MAX_KNOWN_LINES:
                self.clear()
            self[line] = found
        return found


def request_lines() -> FieldLines:
    """A memo for requests."""
    return FieldLines(_NOTED, NOT_FORWARDED)


def response_lines() -> FieldLines:
    """A memo for answers."""
    return FieldLines(_RESPONSE_NOTED, _ENDING)


def _lines(head: bytes, status: int, limit: int) -> list[bytes]:
    if head[-4:] != b"\r\n\r\n":
        raise BadHead("the head has no end", status)
    lines = head[:-4].split(b"\r\n")
    if len(lines) > limit + 1:
        raise BadHead(f"more than {limit} fields", 431)
    return lines


def _read(lines: list[bytes], known: FieldLines) -> tuple[dict[bytes, bytes], list[bytes]]:
    noted: dict[bytes, bytes] = {}
    passing: list[bytes] = []
    for line in lines:
        found = known[line]
        if found is None:
            passing.append(line)
            continue
        name, value, ends_here = found
        if name not in noted:
            noted[name] = value
        elif name in _ONCE:
            raise BadHead(f"more than one {name.decode()} field")
        else:
            noted[name] += b", " + value
        if not ends_here:
            passing.append(line)
    return noted, passing


def _without(lines: list[bytes], tokens: set[bytes]) -> list[bytes]:
    """RFC 9110 §7.6.1: what Connection names is for this hop only."""
    named = tokens - {b"close", b"keep-alive", b"upgrade", b""}
    if not named:
        return lines
    return [line for line in lines if line.partition(b":")[0].lower() not in named]


def _other_form(method: bytes, target: bytes, host: bytes) -> tuple[bytes, bytes]:
    """A target that is not in origin form, and the host that it is for."""
    if target == b"*" and method == b"OPTIONS":
        return target, host
    if (absolute := _ABSOLUTE.fullmatch(target)) is None:
        raise BadHead("the request target is neither a path nor a URL")
    authority, rest = absolute.groups()  # RFC 9112 §3.2.2: its authority replaces Host
    if not rest and method == b"OPTIONS":
        return b"*", authority  # §3.2.4
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


def _why_not_a_request(line: bytes) -> BadHead:
    """The reason a request line did not match, for the person who reads the 400."""
    parts = line.split(b" ")
    if len(parts) != 3 or not re.fullmatch(TOKEN, parts[0]):
        return BadHead("the request line is not METHOD TARGET VERSION")
    if b"#" in parts[1]:
        return BadHead("a fragment (#) in the request target")
    if not re.fullmatch(rb"HTTP/1\.[0-9]", parts[2]):
        status = 505 if re.fullmatch(rb"HTTP/[0-9](\.[0-9])?", parts[2]) else 400
        return BadHead(f"{_excerpt(parts[2])} is not HTTP/1.1", status)
    return BadHead("a malformed request target")


def _not_a_response(line: bytes) -> BadHead:
    return BadHead(f"{_excerpt(line)} is no HTTP/1.1 status line", 502)


def _excerpt(value: bytes) -> str:
    return ascii(value[:40].decode("latin-1"))
