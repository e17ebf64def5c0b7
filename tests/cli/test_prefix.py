from devproxy.cli.prefix import Painter, prefix
from devproxy.logs.records import Chunk


def chunk(data: bytes, service: str = "web", level: str | None = None) -> Chunk:
    return Chunk(1, data.count(b"\n"), 0, service, "stdout", data, level)


def test_prefixes_are_aligned():
    painter = Painter(["web", "a-long-name"], color=False)
    assert painter.paint(chunk(b"a\nb\n")) == b"web         | a\nweb         | b\n"
    assert painter.paint(chunk(b"c\n", "a-long-name")) == b"a-long-name | c\n"


def test_the_prefix_of_devproxy_itself_fits_too():
    assert Painter(["x"], color=False).paint(chunk(b"a\n", "x")) == b"x        | a\n"


def test_each_service_has_its_colour_in_whatever_order_they_are_named():
    one, other = Painter(["web", "api"], color=True), Painter(["devproxy", "api", "web"], color=True)
    assert one.paint(chunk(b"a\n")) == other.paint(chunk(b"a\n"))
    assert one.paint(chunk(b"a\n")) != one.paint(chunk(b"a\n", "api")).replace(b"api", b"web")


def test_a_line_that_sets_a_colour_does_not_colour_the_next():
    painted = Painter(["web"], color=True).paint(chunk(b"\x1b[31mred\nplain\n"))
    assert painted == (prefix("web", 8, "36") + b"\x1b[31mred\x1b[0m\n" + prefix("web", 8, "36") + b"plain\x1b[0m\n")


def test_without_colour_there_is_no_escape_at_all():
    assert Painter(["web"], color=False).paint(chunk(b"\x1b[1;31mred\x1b[0m\n")) == b"web      | red\n"


def test_bytes_that_are_no_utf8_reach_no_terminal():
    assert Painter(["web"], color=False).paint(chunk(b"a\x9b2Jb\n")) == "web      | a\ufffd2Jb\n".encode()


def test_our_own_warnings_are_coloured_and_those_of_others_are_not():
    painter = Painter(["web"], color=True)
    assert b"\x1b[33mcareful\x1b[0m\n" in painter.paint(chunk(b"careful\n", "devproxy", "warning"))
    assert painter.paint(chunk(b"careful\n", "web", "warning")).endswith(b" careful\n")


def test_a_service_that_nobody_announced_is_painted_too():
    assert Painter([], color=False).line("surprise", "hi") == b"surprise | hi\n"
    assert Painter([], color=True).line("surprise", "hi").endswith(b" hi\n")


def test_a_note_is_a_line_of_ours():
    assert Painter([], color=False).note("3 lines not shown") == b"devproxy | 3 lines not shown\n"
