"""Range fields, any of them."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from devproxy.spa.ranges import Span, Unsatisfiable, parse_range

SIZES = st.integers(0, 10_000)


@given(st.text(max_size=40), SIZES)
def test_any_text_is_a_span_inside_the_file_the_whole_or_unsatisfiable(value: str, size: int) -> None:
    with contextlib.suppress(Unsatisfiable):
        span = parse_range(value, size)
        assert span is None or 0 <= span.first <= span.last < size


@given(st.integers(0, 20_000), st.integers(0, 20_000), SIZES)
def test_a_range_is_what_slicing_gives(first: int, last: int, size: int) -> None:
    content = bytes(index % 251 for index in range(size))
    try:
        span = parse_range(f"bytes={first}-{last}", size)
    except Unsatisfiable:
        assert first >= size
    else:
        if last < first:
            assert span is None
        else:
            assert span is not None
            assert content[span.first : span.last + 1] == content[first : last + 1]


@given(st.integers(1, 20_000), st.integers(1, 10_000))
def test_a_suffix_is_the_end_of_the_file(length: int, size: int) -> None:
    span = parse_range(f"bytes=-{length}", size)
    assert span == Span(max(size - length, 0), size - 1)


@given(st.sampled_from("٣²①３"), SIZES)
def test_digits_of_other_scripts_are_no_digits(digit: str, size: int) -> None:
    assert parse_range(f"bytes={digit}-", size) is None


@given(st.text(alphabet="0123456789", min_size=19, max_size=30))
def test_a_number_too_large_to_be_meant_is_the_whole(digits: str) -> None:
    assert parse_range(f"bytes={digits}-", 10) is None
