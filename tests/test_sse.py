import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy import sse
from devproxy.sse import Event, Parser

FIELD = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=("Cs",)), max_size=20)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=50)


def parsed(*pieces: bytes) -> list[Event]:
    parser = Parser()
    return [event for piece in pieces for event in parser.feed(piece)]


@given(TEXT, FIELD, FIELD)
def test_what_was_encoded_reads_back_with_line_ends_as_lf(data: str, event: str, id: str):
    (found,) = parsed(sse.encode(data, event=event, id=id, retry_ms=5))
    assert found == Event(event or "message", data.replace("\r\n", "\n").replace("\r", "\n"), id)


@given(st.lists(st.tuples(TEXT, FIELD), max_size=4), st.data())
def test_any_split_of_the_bytes_gives_the_same_events(events: list[tuple[str, str]], data: st.DataObject):
    whole = b"".join(sse.encode(text, event=event) + sse.comment(text) for text, event in events)
    whole = whole.replace(b"\n", data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"])))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    # A CR at the very end may be half a CRLF: what follows tells.
    assert parsed(*pieces, b":\n") == parsed(whole, b":\n")
    assert len(parsed(whole, b":\n")) == len(events)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_are_an_error(data: bytes):
    parsed(data)


@pytest.mark.parametrize("bad", [{"id": "a\0b"}, {"id": "a\nb"}, {"event": "a\rb"}, {"event": "a\nb"}])
def test_a_field_that_would_become_another_is_refused(bad: dict[str, str]):
    with pytest.raises(ValueError):
        sse.encode("x", **bad)


def test_data_cannot_forge_a_field():
    (found,) = parsed(sse.encode("x\nid: 9\r\revent: forged\n\ndata: y"))
    assert (found.type, found.id) == ("message", "")


def test_a_comment_is_no_event():
    assert parsed(sse.comment("a\nb")) == []
    assert sse.comment("a\r\nb") == b": a b\n\n"


def test_the_id_stays_until_another_comes():
    assert [event.id for event in parsed(b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n")] == ["1", "1", ""]


def test_an_id_with_nul_is_ignored():
    assert [event.id for event in parsed(b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n")] == ["1", "1"]


def test_an_event_without_data_is_none_but_sets_the_id():
    parser = Parser()
    assert parser.feed(b"event: x\nid: 7\n\ndata: a\n\n") == [Event("message", "a", "7")]
    assert parser.last_event_id == "7"


def test_an_event_that_the_end_cuts_is_never_told():
    assert parsed(b"data: a\n\ndata: b\n") == [Event("message", "a", "")]


def test_one_space_after_the_colon_is_no_data():
    assert [event.data for event in parsed(b"data:a\n\ndata:  b\n\ndata\n\ndata:\ndata:\n\n")] == ["a", " b", "", "\n"]


def test_a_bom_at_the_start_is_skipped_once():
    assert parsed("\ufeffdata: a\n\n\ufeffdata: b\n\n".encode()) == [Event("message", "a", "")]


def test_retry_takes_digits_only():
    parser = Parser()
    parser.feed(b"retry: 1500\n\nretry: 2s\n\nretry: -1\n\n" + "retry: ٣\n\n".encode())
    assert parser.retry_ms == 1500


def test_retry_alone_is_no_event():
    assert parsed(sse.retry(1000)) == []


def test_an_event_without_an_end_is_bounded():
    parser = Parser()
    for _ in range(8):
        parser.feed(b"data: " + b"x" * (sse.LIMIT // 8) + b"\n")
    with pytest.raises(ValueError):
        parser.feed(b"data: one more\n")
