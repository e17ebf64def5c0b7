"""Chunked bodies, however they are split."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.proxy.framing import BadChunk, ChunkedBody


def read(pieces: list[bytes]) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    """Payload, what follows the body, trailers."""
    payload: list[bytes] = []
    body, rest = ChunkedBody(payload.append), b""
    for piece in pieces:
        rest += piece[body.feed(piece) if not body.done else 0 :]
    assert body.done
    return b"".join(payload), rest, body.trailers


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.binary(max_size=20), st.lists(st.integers(0, 400)))
def test_any_split_of_the_bytes_gives_the_same_payload_and_end(
    chunks: list[bytes], after: bytes, cuts: list[int]
) -> None:
    wire = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nX: 1\r\n\r\n"
    assert read(split_at(wire + after, cuts)) == (b"".join(chunks), after, [(b"X", b"1")])


@pytest.mark.parametrize(
    "wire",
    [b"x\r\n", b"-1\r\n", b"+1\r\n", b"0x1\r\n", b"1_0\r\n", b"\xd9\xa1\r\n", b"1\n", b"1\r\nab\r\n", b"1\r\na\n\n", b"1;a\nb\r\n",
     b"2\r\nabX", b"0\r\nX : 1\r\n\r\n", b"0\r\n folded\r\n\r\n", b"1" * 16 + b"\r\n", b" 1\r\n", b"1\x0b\r\n", b"1;" + b"a" * 5000,
     b"0\r\n" + b"X: " + b"a" * 20000 + b"\r\n"],
)  # fmt: skip
def test_what_is_not_chunked_as_the_rfc_has_it_is_refused(wire: bytes) -> None:
    with pytest.raises(BadChunk):
        ChunkedBody().feed(wire)


def test_extensions_are_read_over() -> None:
    assert read([b'3;a="b";c\r\nabc\r\n0;x\r\n\r\n'])[0] == b"abc"
