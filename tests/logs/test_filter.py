"""A child's bytes as lines: clear screen, spinners and progress bars, colours, invalid UTF-8, very long lines.

Unterminated escapes stay bounded, and no sequence reaches the terminal of who reads (CWE-150).
"""

import re
from itertools import pairwise

import pyte
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from devproxy.logs.filter import CLEAR, CUT, LINE_LIMIT, SCREENFUL, STRING_LIMIT, LineFilter

# What a child may print to do harm to who reads it later, after the kinds of ECMA-48, xterm's ctlseqs and
# published attacks on terminals by their logs (CWE-150).
HOSTILE = [
    b"\x1b[2J", b"\x1b[H", b"\x1b[H\x1b[2J", b"\x1b[3J", b"\x1bc", b"\x1b[!p", b"\x1b[10;20H", b"\x1b[10;20f",
    b"\x1b[5A", b"\x1b[5B", b"\x1b[5C", b"\x1b[5D", b"\x1b[5E", b"\x1b[5F", b"\x1b[20G", b"\x1b[5d", b"\x1b[s",
    b"\x1b[u", b"\x1b7", b"\x1b8", b"\x1bD", b"\x1bM", b"\x1bE", b"\x1b[K", b"\x1b[1K", b"\x1b[2K", b"\x1b[1J",
    b"\x1b[4L", b"\x1b[4M", b"\x1b[4P", b"\x1b[4@", b"\x1b[2;5r", b"\x1b[?1049h", b"\x1b[?25l", b"\x1b[?1000h",
    b"\x1b[?2004h", b"\x1b[6n", b"\x1b[c", b"\x1b[>c", b"\x1b[21t", b"\x1b[8;1;1t", b"\x1b[4i", b"\x1b[20h",
    b"\x1b]0;owned\x07", b"\x1b]2;owned\x1b\\", b"\x1b]1;owned\x07", b"\x1b]52;c;cm0gLXJmIH4=\x07",
    b"\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", b"\x1b]9;7;\"calc.exe\"\x07", b"\x1b]4;1;rgb:0/0/0\x07",
    b"\x1b]1337;File=inline=1:AAAA\x07", b"\x1b]50;font\x07", b"\x1b]0;never ends", b"\x1b]0;evil\ntitle\x07",
    b"\x1bP$q\"p\x1b\\", b"\x1bPq#0;2;0;0;0\x1b\\", b"\x1b_Gf=100;AAAA\x1b\\", b"\x1b^private\x1b\\",
    b"\x1bXstring\x1b\\", b"\x1bP+q544e\x1b\\", b"\x1b(0", b"\x1b)0", b"\x1b#8", b"\x1b%G", b"\x1b=", b"\x1b>",
    b"\x1bN", b"\x1b", b"\x1b[", b"\x1b[31", b"\x1b[1;2;3", b"\x1b]", b"\x1bP",
    "\u009b2J".encode(), "\u009d0;owned\u009c".encode(), "\u0090q\u009c".encode(), "\u0085".encode(),
    "\u008d".encode(), "\u0098owned\u009c".encode(), "\u009b10;10H".encode(), "\u0084".encode(),
    b"\x08\x08\x08", b"\x07", b"\x0b\x0b", b"\x0c", b"\x0e", b"\x0f", b"\x00", b"\x7f", b"\x05", b"\x1a", b"\x18",
    b"\rforged", b"\r\r\rforged", b"\x1b\x1b[2J", b"\x1b[\x082J", b"\x1b[\x072J", b"\x1b\x1b]0;x\x07[2J",
    b"\x1b[\x1b[2J2J", b"\xc2\x1b[K\x9b2J", b"\xc2\x07\x9b2J", b"\xc2\xc2\x9b\x9b2J", b"\xc2\x08\x9b2J",
    b"\x1b[38;5;1\x1b[2Jm", b"\x1b[" + b"1;" * 200 + b"m", b"\x1b]0;\x1b[2J\x07",
]  # fmt: skip
ESCAPE_LEFT = re.compile(rb"\x1b(?!\[[0-9;:]*m)")
CONTROL_LEFT = re.compile(rb"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]|\xc2[\x80-\x9f]")


def filtered(*pieces: bytes) -> bytes:
    lines = LineFilter()
    return b"".join([*(lines.feed(piece) for piece in pieces), lines.flush()])


def shown(data: bytes) -> pyte.Screen:
    screen = pyte.Screen(100, 30)
    stream = pyte.Stream(screen)
    stream.feed(data.decode("utf-8", "replace").replace("\n", "\r\n"))
    return screen


def looks_untouched(screen: pyte.Screen) -> bool:
    return (
        (screen.cursor.y, screen.cursor.x) == (3, 0)
        and (screen.title, screen.icon_name) == ("", "")
        and screen.display[0].rstrip() == "before"
        and screen.display[2].rstrip() == "after"
        and not screen.cursor.hidden
        and screen.mode == pyte.Screen(100, 30).mode
        and screen.margins is None
    )


@pytest.mark.parametrize("sequence", HOSTILE, ids=repr)
def test_nothing_a_child_prints_moves_the_cursor_or_sets_the_title(sequence: bytes):
    if b"\n" in sequence:
        head, _, tail = sequence.partition(b"\n")
        assert looks_untouched(shown(filtered(b"before\n", head + b"\n", b"after\n")))
        assert looks_untouched(shown(filtered(b"before\n", tail + b"\n", b"after\n")))
        return
    clean = filtered(b"before\nx", sequence, b"y\nafter\n")
    assert looks_untouched(shown(clean))
    assert not ESCAPE_LEFT.search(clean)
    assert not CONTROL_LEFT.search(clean)


def test_the_corpus_is_hostile():
    harmed = [seq for seq in HOSTILE if not looks_untouched(shown(b"before\nx" + seq + b"y\nafter\n"))]
    assert len(HOSTILE) > 100
    assert len(harmed) > 30  # the others harm terminals that pyte does not play


def test_a_line_rewritten_from_its_first_column_is_its_last_state():
    spinner = "\x1b[1G⠙\x1b[1G⠹\x1b[1G\x1b[0K\n> vite\n".encode()  # npm 11 on a terminal
    assert filtered(spinner) == b"\n> vite\n"
    assert filtered("⠙\x1b[G\x1b[Kdone\n".encode()) == b"done\n"


@given(st.binary(max_size=400))
def test_no_bytes_whatever_leave_a_control_sequence(data: bytes):
    clean = filtered(data)
    assert not ESCAPE_LEFT.search(clean)
    assert not CONTROL_LEFT.search(clean)


TOKENS = [
    b"\x1b", b"[", b"]", b"0;", b"m", b"31m", b"K", b"\x07", b"\\", b"\r", b"\r\n", b"\n", b"\xc2", b"\x9b",
    b"\x9c", b"\x9d", b"\x08", b"P", b"text", "é".encode(), b"\xff", b"\t", b"x" * (LINE_LIMIT // 3),
    b"\x0c", b"\x1b[2J", b"\n\n", b"\n" * SCREENFUL,
]  # fmt: skip
NASTY = st.lists(st.sampled_from(TOKENS), max_size=25)


@given(NASTY, st.data())
def test_any_split_of_the_bytes_gives_the_same_lines(parts: list[bytes], data: st.DataObject):
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert filtered(*pieces) == filtered(whole)


@given(NASTY)
def test_every_line_that_comes_in_goes_out_unless_it_is_cleared_away(parts: list[bytes]):
    whole = b"".join(parts) + b"\n"
    assume(not CLEAR.search(whole))
    assert filtered(whole).count(b"\n") - filtered(whole).count(CUT) == whole.count(b"\n")


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=200))
def test_text_is_untouched(text: str):
    assert filtered(text.encode() + b"\n") == text.encode() + b"\n"


def test_colours_and_tabs_stay():
    line = b"\x1b[1;38:2::1:2:3mred\x1b[m\tplain\n"
    assert filtered(line) == line


def test_what_only_looks_like_a_colour_is_dropped():
    assert filtered(b"a\x1b[?1mb\x1b[>4;1mc\x1b[1 md\n") == b"abcd\n"


def test_bytes_that_are_no_utf8_stay():
    assert filtered(b"a\xff\xfe\x80b\n") == b"a\xff\xfe\x80b\n"


def test_a_line_of_a_terminal_ends_like_any_other():
    assert filtered(b"a\r\nb\r\r\n\r\n") == b"a\nb\n\n"


def test_progress_is_its_last_state():
    assert filtered(b"10%\r20%\r", b"\x1b[K100%\r", b"\ndone\n") == b"100%\ndone\n"


def test_progress_without_an_end_takes_no_memory():
    lines = LineFilter()
    for percent in range(10_000):
        assert lines.feed(b"%d%% " % percent + b"#" * 100 + b"\r" * 50) == b""
    assert len(lines._tail) < 200


def test_carriage_returns_without_an_end_take_no_memory():
    lines = LineFilter()
    for _ in range(100):
        assert lines.feed(b"x" + b"\r" * 50) == b""
    for _ in range(100):
        assert lines.feed(b"\r" * 50) == b""
    assert len(lines._tail) < 10


def test_a_control_string_without_an_end_swallows_4_kib_of_its_line_and_no_more():
    assert filtered(b"a\x1b]0;" + b"t" * (STRING_LIMIT + 10) + b"\nnext\n").endswith(b"t" * 10 + b"\nnext\n")
    assert filtered(b"a\x1b]0;short\nnext\n") == b"a\nnext\n"


def test_a_long_control_string_that_ends_is_dropped_whole():
    assert filtered(b"a\x1b]52;c;" + b"A" * 20_000 + b"\x07b\n") == b"ab\n"


def test_a_line_longer_than_the_limit_is_cut_into_marked_parts():
    line = b"x" * (2 * LINE_LIMIT + 10) + b"\n"
    part = b"x" * LINE_LIMIT + CUT
    assert filtered(line) == part + part + b"x" * 10 + b"\n"


def test_a_cut_goes_through_no_character_and_no_colour():
    assert filtered("é".encode() * LINE_LIMIT + b"\n").decode().replace(CUT.decode(), "") == "é" * LINE_LIMIT + "\n"
    line = b"x" * (LINE_LIMIT - 3) + b"\x1b[32mgreen\n"
    assert filtered(line).replace(CUT, b"") == line


def test_a_line_without_an_end_is_bounded():
    lines = LineFilter()
    for _ in range(100):
        lines.feed(b"x" * 40_000)
    assert len(lines._tail) <= LINE_LIMIT


@given(cuts=st.lists(st.integers(0, 60)))
def test_a_screenful_of_blank_lines_before_a_clear_is_cleared_too(cuts: list[int]) -> None:
    wire = b"one\n\ntwo\n" + b"\r\n" * 22 + b"\x1b[1;1H\x1b[0J\n  VITE ready\n\nend\n"
    places = sorted({0, len(wire), *(cut % len(wire) for cut in cuts)})
    lines = LineFilter()
    out = b"".join(lines.feed(wire[start:stop]) for start, stop in pairwise(places)) + lines.flush()
    assert out == b"one\n\ntwo\n\n  VITE ready\n\nend\n"


@pytest.mark.parametrize("blank", [0, 1, SCREENFUL, SCREENFUL + 1, 3 * SCREENFUL])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_clear_takes_a_screenful_along_and_no_more(blank: int, size: int) -> None:
    wire = b"one\n" + b"\x1b[K\n" * blank + b"\x1b[2Jtwo\n"
    out = filtered(*(wire[at : at + size] for at in range(0, len(wire), size)))
    assert out == b"one\n" + b"\n" * max(0, blank - SCREENFUL) + b"two\n"


def test_a_flood_of_blank_lines_is_not_held_back():
    lines = LineFilter()
    held = 100 * 50_000 - sum(len(lines.feed(b"\n" * 50_000)) for _ in range(100))
    assert held == SCREENFUL
    assert lines.feed(b"end\n") == b"\n" * held + b"end\n"


# What an expression that goes back and forth would need minutes for, or for ever.
SLOW = {
    "blank lines": b"\n",
    "blank lines of a terminal": b"\r\n",
    "cursor moves": b"\x1b[H",
    "C1 strings": b"\xc2\x9d",
    "C1 strings with text": b"\xc2\x9dtext\xc2\xa0",
    "C1 signs in a string": b"\xc2\xa0",
    "strings without an end": b"\x1b]0;title",
    "parameters": b"\x1b[0;",
    "carriage returns": b"x\r",
    "colours": b"\x1b[1;31mx",
    "bells": b"\x07",
    "clears": b"\x1b[2J",
    "cleared lines": b"\x1b[2J\n",
    "half escapes": b"\x1b[",
    "signs": b"0;",
}


@pytest.mark.parametrize("head", [b"", b"\x1b]", b"\x1b[", b"\x1b[0m", b"\xc2\x9d", b"\r"], ids=repr)
@pytest.mark.parametrize("token", SLOW.values(), ids=SLOW)
def test_no_output_whatever_stops_the_loop_for_long(token: bytes, head: bytes) -> None:
    # By the time limit of a test: each look takes milliseconds, unless it takes for ever.
    lines = LineFilter()
    piece = (head + token * LINE_LIMIT)[:LINE_LIMIT]
    for _ in range(3):
        lines.feed(piece)
        assert not ESCAPE_LEFT.search(lines.unfinished)
    lines.feed(b"\n")


def test_blank_lines_come_with_what_follows_them() -> None:
    lines = LineFilter()
    assert lines.feed(b"one\n\n\n") == b"one\n"
    assert lines.feed(b"two\n\n") == b"\n\ntwo\n"
    assert lines.flush() == b"\n"


@given(NASTY)
def test_an_unfinished_line_is_what_its_end_would_make_of_it(parts: list[bytes]):
    lines = LineFilter()
    lines.feed(b"".join(parts))
    assert lines.is_unfinished or not lines.unfinished
    shown = lines.unfinished
    assert not ESCAPE_LEFT.search(shown)
    assert not CONTROL_LEFT.search(shown)
    assert lines.feed(b"\n").endswith(shown + b"\n") or not shown


def test_looking_at_an_unfinished_line_leaves_it_as_it_is():
    lines = LineFilter()
    assert lines.feed(b"one\nContinue? ") == b"one\n"
    assert (lines.unfinished, lines.unfinished) == (b"Continue? ", b"Continue? ")
    assert lines.feed(b"y\r\n") == b"Continue? y\n"
    assert (lines.is_unfinished, lines.unfinished) == (False, b"")
