"""WebSocket as far as a gateway reads it: was the handshake accepted, and where do frames end? Pure.

No payload is looked at, and nothing is unmasked or written anew. The ends of frames are known so that a goodbye
can be put between two of them. Source: RFC 6455.
"""

from base64 import b64encode
from hashlib import sha1
from typing import Final

from devproxy.proxy.head import RequestHead, ResponseHead, list_of

GOING_AWAY: Final = 1001
SERVICE_RESTART: Final = 1012  # https://www.iana.org/assignments/websocket/

CLOSE: Final = 0x88  # the first byte of a close frame: FIN, opcode 8
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # §1.3


def is_handshake(request: RequestHead) -> bool:
    """Whether a request to upgrade may become a WebSocket: a GET without a body (§4.1)."""
    return request.upgrade == b"websocket" and request.method == b"GET" and not request.has_body


def refusal_of(request: RequestHead, response: ResponseHead) -> str:
    """Why a 101 does not accept the handshake, or nothing if it does.

    An endpoint that can be made to answer with any status must not open a tunnel past the gateway. A client that
    sent no key has asked for no proof.
    Source: §4.1 (what a client checks), RFC 9110 §15.2.2 (101 names the protocol).
    """
    if b"upgrade" not in list_of(response.noted.get(b"connection", b"")):
        return "its 101 has no Connection: upgrade"
    if response.noted.get(b"upgrade", b"").lower() != b"websocket":
        return "its 101 is not for websocket"
    key = request.noted.get(b"sec-websocket-key")
    if key is not None and response.noted.get(b"sec-websocket-accept") != accept_of(key):
        return "its Sec-WebSocket-Accept does not answer the Sec-WebSocket-Key"
    return ""


def accept_of(key: bytes) -> bytes:
    """The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (§4.2.2)."""
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def close_frame(code: int, reason: str) -> bytes:
    """A server's close frame (§5.5.1). `reason`: less than 124 bytes."""
    payload = code.to_bytes(2, "big") + reason.encode()
    return bytes((CLOSE, len(payload))) + payload


class Frames:
    """Where the frames of one direction end, whatever the pieces they arrive in (§5.2).

    left: bytes still to come of the frame under way; 0: between two frames; IN_HEADER: as many as its header says.
    closed: a close frame has begun, and nothing may follow it (§5.5.1).
    """

    __slots__ = ("_header", "closed", "left")

    IN_HEADER: Final = -1

    def __init__(self) -> None:
        self.left = 0
        self.closed = False
        self._header = b""  # an incomplete one

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self._header:
            data, self._header, position = self._header + data, b"", 0
        else:
            position = self.left
        end = len(data)
        while position < end:
            size = _frame_size(data, position)
            if not size:
                self._header, self.left = data[position:], self.IN_HEADER
                return
            if data[position] & 0x0F == 8:
                self.closed = True
            position += size
        self.left = position - end

    def rest(self, data: bytes) -> int:
        """How many of the next bytes belong to the frame under way: all, unless it ends in them."""
        if not self._header:
            return min(self.left, len(data))
        size = _frame_size(self._header + data, 0)
        return min(size - len(self._header), len(data)) if size else len(data)


def _frame_size(data: bytes, at: int) -> int:
    """Bytes of the frame that begins at `at`, or 0 if its length is not all there."""
    if len(data) < at + 2:
        return 0
    masked, length = data[at + 1] & 0x80, data[at + 1] & 0x7F
    header = 6 if masked else 2
    if length > 125:
        wide = 2 if length == 126 else 8
        if len(data) < at + 2 + wide:
            return 0
        length = int.from_bytes(data[at + 2 : at + 2 + wide], "big")
        header += wide
    return header + length
