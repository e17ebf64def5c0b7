import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.logs.records import PART_LINES, Chunk, Record, parts, records_of, timestamp, trim


def chunk(data: bytes, level: str | None = None) -> Chunk:
    return Chunk(7, data.count(b"\n"), 1_700_000_000_000_042, "web", "stdout", data, level)


def test_a_chunk_has_a_record_a_line():
    assert [(one.seq, one.text) for one in records_of(chunk(b"a\n\nc\n"))] == [(7, "a"), (8, ""), (9, "c")]


def test_a_separator_of_unicode_ends_no_line():
    assert [one.text for one in records_of(chunk("a\u2028b\x85c\n".encode()))] == ["a\u2028b\x85c"]


def test_bytes_that_are_no_utf8_read_as_replacement_characters():
    assert [one.text for one in records_of(chunk(b"a\xff\n\xc3\nb\n"))] == ["a\ufffd", "\ufffd", "b"]


def test_the_json_record_is_the_contract():
    assert Record(9, 1_700_000_000_000_042, "web", "stdout", "hi", "info").to_json("s1") == {
        "id": "s1-9",
        "seq": 9,
        "time": "2023-11-14T22:13:20.000042Z",
        "service": "web",
        "stream": "stdout",
        "text": "hi",
        "level": "info",
    }


def test_text_is_plain_and_the_colours_are_beside_it():
    found = Record(1, 0, "web", "stdout", "\x1b[32mok\x1b[0m").to_json("s")
    assert (found["text"], found["ansi"]) == ("ok", "\x1b[32mok\x1b[0m")


def test_a_level_that_the_writer_knew_wins():
    assert [one.level for one in records_of(chunk(b"ERROR: x\ny\n", "info"))] == ["info", "info"]


@pytest.mark.parametrize(
    ("micros", "text"), [(0, "1970-01-01T00:00:00.000000Z"), (1_999_999, "1970-01-01T00:00:01.999999Z")]
)
def test_a_timestamp_is_rfc_3339_in_utc(micros: int, text: str):
    assert timestamp(micros) == text


def test_a_trimmed_chunk_begins_later():
    rest = trim(chunk(b"a\nb\nc\n"), 2)
    assert (rest.first_seq, rest.count, rest.last_seq, rest.data) == (9, 1, 9, b"c\n")


@given(st.lists(st.binary(max_size=3).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=700))
def test_the_parts_of_a_chunk_are_its_lines(lines: list[bytes]):
    data = b"".join(line + b"\n" for line in lines)
    chunk = Chunk(7, len(lines), 1, "web", "stdout", data, "info")
    found = list(parts(chunk))
    assert b"".join(part.data for part in found) == data
    assert [record.seq for part in found for record in records_of(part)] == list(range(7, 7 + len(lines)))
    assert all(0 < part.count == part.data.count(b"\n") <= PART_LINES for part in found)
