"""What is read of WebSocket: the answer to a handshake, and where frames end."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from devproxy.proxy.head import RequestHead, parse_request, parse_response
from devproxy.proxy.websocket import Frames, accept_of, close_frame, is_handshake, refusal_of

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 §1.3


def request(*fields: bytes, line: bytes = b"GET / HTTP/1.1") -> RequestHead:
    lines = (line, b"Host: localhost", b"Connection: keep-alive, Upgrade", b"Upgrade: WebSocket", *fields, b"", b"")
    return parse_request(b"\r\n".join(lines))


def refusal(*fields: bytes, key: bytes | None = KEY) -> str:
    asked = request(b"Sec-WebSocket-Key: " + key) if key is not None else request()
    return refusal_of(asked, parse_response(b"\r\n".join((b"HTTP/1.1 101 Switching Protocols", *fields, b"", b""))))


def test_a_handshake_is_a_get_without_a_body() -> None:
    assert is_handshake(request())
    assert is_handshake(request(b"Content-Length: 0"))
    assert not is_handshake(request(b"Content-Length: 1"))
    assert not is_handshake(request(b"Transfer-Encoding: chunked"))
    assert not is_handshake(request(line=b"POST / HTTP/1.1"))
    assert not is_handshake(request(line=b"GET / HTTP/1.0"))


def test_the_accept_of_a_key_is_that_of_the_rfc() -> None:
    assert accept_of(KEY) == ACCEPT


@pytest.mark.parametrize(
    "fields",
    [
        (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Accept: " + ACCEPT),
        (b"connection: keep-alive, UPGRADE", b"upgrade: WebSocket ", b"sec-websocket-accept:  " + ACCEPT + b" \t"),
    ],
)
def test_a_101_that_answers_the_handshake_is_taken(fields: tuple[bytes, ...]) -> None:
    assert refusal(*fields) == ""


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ((), "no Connection: upgrade"),
        ((b"Upgrade: websocket",), "no Connection: upgrade"),
        ((b"Connection: close", b"Upgrade: websocket"), "no Connection: upgrade"),
        ((b"Connection: Upgrade",), "not for websocket"),
        ((b"Connection: Upgrade", b"Upgrade: h2c"), "not for websocket"),
        ((b"Connection: Upgrade", b"Upgrade: websocket, h2c"), "not for websocket"),
        ((b"Connection: Upgrade", b"Upgrade: websocket"), "Sec-WebSocket-Accept"),
        ((b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Accept: x"), "Sec-WebSocket-Accept"),
        ((b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Accept: " + ACCEPT.lower()), "Sec-WebSocket-Accept"),
        ((b"Connection: Upgrade", b"Upgrade: websocket", *(b"Sec-WebSocket-Accept: " + ACCEPT,) * 2), "Sec-WebSocket-Accept"),
    ],
)  # fmt: skip
def test_a_101_that_does_not_is_refused_and_why_is_said(fields: tuple[bytes, ...], reason: str) -> None:
    assert reason in refusal(*fields)


def test_a_client_without_a_key_gets_no_proof_but_the_protocol_must_be_named() -> None:
    assert refusal(b"Connection: Upgrade", b"Upgrade: websocket", key=None) == ""
    assert refusal(b"Connection: Upgrade", key=None) != ""


def test_a_close_frame_is_what_any_client_reads() -> None:
    assert close_frame(1012, "the service restarts") == Frame(Opcode.CLOSE, b"\x03\xf4the service restarts").serialize(
        mask=False
    )


lengths = st.one_of(st.integers(0, 300), st.sampled_from([125, 126, 127, 65535, 65536, 70000]))
frames = st.lists(st.builds(lambda length, mask, fin: Frame(Opcode.BINARY, bytes(length), fin).serialize(mask=mask),
                            lengths, st.booleans(), st.booleans()), min_size=1, max_size=6)  # fmt: skip


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """The bytes, cut at these places."""
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    for begin, end in itertools.pairwise(places):
        yield data[begin:end]


@given(frames, st.lists(st.integers(0, 10**6), max_size=12))
def test_however_the_bytes_are_cut_it_is_known_whether_a_frame_is_under_way(sent: list[bytes], cuts: list[int]) -> None:
    ends, position = {0}, 0
    for each in sent:
        position += len(each)
        ends.add(position)
    read, position = Frames(), 0
    for piece in pieces(b"".join(sent), cuts):
        read.feed(piece)
        position += len(piece)
        assert (read.left == 0) == (position in ends)
        assert not read.closed


@given(frames, frames, st.integers(1, 10**6))
def test_the_rest_of_the_frame_under_way_is_known(before: list[bytes], after: list[bytes], cut: int) -> None:
    whole = b"".join(before)
    under_way = after[0]
    begun = under_way[: 1 + cut % (len(under_way) - 1)]
    read = Frames()
    read.feed(whole + begun)
    come = under_way[len(begun) :] + b"".join(after[1:])
    for end in {1, len(come) // 2 or 1, len(come)}:
        if begun != under_way:
            assert read.rest(come[:end]) == min(end, len(under_way) - len(begun))


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_close_frame_is_noticed(cut: int) -> None:
    read, close = Frames(), close_frame(1000, "bye")
    read.feed(Frame(Opcode.TEXT, b"last").serialize(mask=False) + close[:cut])
    read.feed(close[cut:])
    assert read.closed and read.left == 0
