"""Heads: what is accepted, what it becomes for a second parser, and what is refused."""

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devproxy.proxy.head import (
    MAX_FIELDS,
    MAX_HEAD,
    MAX_KNOWN_LINE,
    MAX_KNOWN_LINES,
    BadHead,
    FieldLines,
    check_incomplete_response,
    head_end,
    parse_request,
    parse_response,
)
from devproxy.proxy.headers import Hop, request_bytes

HOP = Hop(peer=b"127.0.0.1", scheme=b"http", port=b"4400", pseudonym=b"devproxy-test")
HOST = "Host: localhost\r\n"


def request(head: str) -> bytes:
    return f"{head}\r\n".encode("latin-1")


def get(fields: str = "", target: str = "/") -> bytes:
    return request(f"GET {target} HTTP/1.1\r\n{HOST}{fields}")


def status_of_refusal(head: bytes) -> int:
    with pytest.raises(BadHead) as refused:
        parse_request(head)
    assert refused.value.reason
    return refused.value.status


# -- a second, strict parser reads what we send as we read what we got

TOKENS = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=8)
VALUES = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=12)
FRAMING = st.sampled_from(
    ["Content-Length: 5", "Content-Length: 05", "content-length:7", "Content-Length: ", "Content-Length: 5, 5", "Transfer-Encoding: chunked",
     "Transfer-Encoding:CHUNKED ", "Transfer-Encoding: identity", "Transfer-Encoding: \x0bchunked", "Transfer-Encoding: chunked, gzip",
     "Connection: close", "Connection: keep-alive, X-A", "Connection: Content-Length, Transfer-Encoding, Host", "Connection: Upgrade\r\nUpgrade: websocket",
     "TE: trailers", "TE: gzip", "Expect: 100-continue", "Trailer: X-A", "Host: other", " folded", "X-A : b", "X-A: b\x01", "Keep-Alive: 5", "Cookie: a=b"]
)  # fmt: skip
FIELDS = st.lists(
    FRAMING | st.builds("{}:{}".format, TOKENS, VALUES) | st.builds("{}: {} ".format, TOKENS, VALUES), max_size=6
)
TARGETS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=10).map("/".__add__)
HEADS = st.builds(
    lambda method, target, version, fields: request(
        f"{method} {target} HTTP/{version}\r\n{HOST}" + "".join(f"{field}\r\n" for field in fields)
    ),
    TOKENS | st.sampled_from(["GET", "POST", "HEAD"]),
    TARGETS | st.just("http://localhost/x") | st.just("*"),
    st.sampled_from(["1.1", "1.1", "1.1", "1.0"]),
    FIELDS,
)


def by_h11(head: bytes) -> h11.Request | None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * MAX_HEAD)
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    assert isinstance(event, h11.Request)
    return event


def framing(fields: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    return {name: value for name, value in fields if name in (b"content-length", b"transfer-encoding")}


@given(HEADS)
@example(get("Content-Length: 00000000000000005\r\n"))
@example(get("X:\t a \t b \t\r\n"))
@example(get("X: \xe9\r\n"))
def test_what_is_accepted_and_sent_on_is_read_identically_by_a_strict_second_parser(head: bytes) -> None:
    try:
        ours = parse_request(head)
    except BadHead:
        return
    theirs = by_h11(request_bytes(ours, HOP))
    assert theirs is not None
    assert (theirs.method, theirs.target, theirs.http_version) == (ours.method, ours.target, b"1.1")
    fields = [(bytes(name), bytes(value)) for name, value in theirs.headers]
    sent = [(name.lower(), value.strip(b" \t")) for name, value in ours.fields]
    assert [field for field in fields if field in sent] == [field for field in sent if field in fields]
    assert set(sent) <= set(fields)
    assert [value for name, value in fields if name == b"host"] == [ours.host]
    expected = {b"transfer-encoding": b"chunked"} if ours.chunked else {}
    if ours.length is not None:
        expected = {b"content-length": b"%d" % ours.length}
    assert {name: value.lstrip(b"0") or b"0" for name, value in framing(fields).items()} == dict(expected.items())


@given(HEADS)
def test_where_two_strict_parsers_accept_a_head_they_agree_about_its_body(head: bytes) -> None:
    theirs = by_h11(head)
    try:
        ours = parse_request(head)
    except BadHead:
        return
    if theirs is None:
        return
    read = framing([(bytes(name), bytes(value)) for name, value in theirs.headers])
    assert ours.chunked == (b"transfer-encoding" in read)
    if b"content-length" in read:
        assert ours.length == int(read[b"content-length"])


@given(HEADS, st.lists(st.integers(0, 400)))
def test_the_end_of_a_head_is_found_however_its_bytes_arrive(head: bytes, cuts: list[int]) -> None:
    assert head_end(head + b"\r\n\r\n") == len(head)
    for cut in cuts:
        try:
            assert head_end(head[: cut % len(head)]) == 0
        except BadHead as error:  # it will never be one: the whole says the same
            assert status_of_refusal(head) == error.status


@given(st.binary(max_size=200))
def test_any_bytes_end_in_our_error_or_in_a_head(junk: bytes) -> None:
    for head in (junk, b"GET / HTTP/1.1\r\nHost: a\r\n" + junk + b"\r\n\r\n"):
        for parse in (parse_request, parse_response):
            try:
                parse(head)
            except BadHead as error:
                assert 400 <= error.status < 600 and error.reason.isascii()


@given(HEADS)
def test_a_head_is_read_the_same_the_second_time(head: bytes) -> None:
    def read() -> object:
        try:
            found = parse_request(head)
        except BadHead as error:
            return error.reason, error.status
        return found.noted, found.lines, found.length, found.chunked, found.keep_alive, found.upgrade

    assert read() == read()


def test_what_is_remembered_of_field_lines_is_bounded_and_what_is_none_is_never_remembered() -> None:
    known = FieldLines(frozenset({b"cookie"}), frozenset())
    assert known[b"X-A: 1"] is None
    assert known[b"Cookie: a"] == (b"cookie", b"a", False)
    assert set(known) == {b"X-A: 1", b"Cookie: a"}
    assert known[b"Cookie: " + b"a" * MAX_KNOWN_LINE] is not None
    for malformed in (b" folded", b"X : a"):
        with pytest.raises(BadHead):
            known[malformed]
    assert set(known) == {b"X-A: 1", b"Cookie: a"}
    for number in range(2 * MAX_KNOWN_LINES):
        assert known[b"X-A: %d" % number] is None
        assert len(known) <= MAX_KNOWN_LINES


# -- refusals


@pytest.mark.parametrize(
    "fields",
    [
        # two framings, CL.TE and TE.CL
        "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 0\r\nTransfer-Encoding: chunked", "Transfer-Encoding: identity\r\nContent-Length: 5",
        # TE.TE
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: identity, chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked;a=b",
        "Transfer-Encoding: chunked, identity", "Transfer-Encoding: xchunked", "Transfer-Encoding: chunkedx", "Transfer-Encoding: chunk", "Transfer-Encoding:",
        "Transfer-Encoding: \x0bchunked", "Transfer-Encoding: chunked\x0c", "Transfer-Encoding: \xa0chunked", "Transfer-Encoding: chunked\x85",
        "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: chunked,", "Transfer-Encoding: ,chunked", "Transfer-Encoding: \x00chunked",
        "Transfer-Encoding\r\n : chunked", "Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked", " Transfer-Encoding: chunked", "Transfer-Encoding chunked",
        "Transfer-Encoding:\r\n chunked", "X: y\r\n Transfer-Encoding: chunked", "Transfer-Encoding\x00: chunked", "\x00Transfer-Encoding: chunked",
        # lengths that some parsers read and others do not
        "Content-Length:", "Content-Length: ,", "Content-Length: +5", "Content-Length: -5", "Content-Length: 5_0", "Content-Length: 0x5", "Content-Length: 5.0",
        "Content-Length: 5e1", "Content-Length: 5 5", "Content-Length: 5, 5", "Content-Length: 5,6", "Content-Length: 5\x0b", "Content-Length: \xa05",
        "Content-Length: \x855", "Content-Length: \xb2", "Content-Length: \xd9\xa5", "Content-Length: 5;", "Content-Length: \"5\"",
        "Content-Length: 9999999999999999999", "Content-Length: 18446744073709551621", "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\ncontent-length: 6", "Content-Length : 5", "Content-Length\x0b: 5",
        # lines
        "X: a\nY: b", "X: a\rY: b", "X: a\r\r\nY: b", "X\n: a", "X: a\n", "\nX: a", "X: a\x00b", "X: a\x7fb", "X: a\x1bb", ": a", "X", "X\xe9: a", "X(: a", "X Y: a",
        "X: a\r\n\tfolded", "X: a\r\n folded",
    ],
)  # fmt: skip
def test_a_head_that_two_parsers_could_read_differently_is_refused(fields: str) -> None:
    assert status_of_refusal(get(fields + "\r\n")) == 400


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET / HTTP/1.1\r", 400), ("GET /\tHTTP/1.1", 400), ("GET  / HTTP/1.1", 400), (" GET / HTTP/1.1", 400), ("GET / HTTP/1.1 ", 400), ("GET /", 400),
        ("GET / HTTP/1.1\r\n folded", 400), ("G@T / HTTP/1.1", 400), ("GET / HTTP/1", 505), ("GET / http/1.1", 400), ("GET / HTTP/2.0", 505),
        ("GET / HTTP/1.10", 400), ("GET / HTTP/01.1", 400), ("GET / HTTPS/1.1", 400), ("GET /a b HTTP/1.1", 400), ("GET /\x00 HTTP/1.1", 400),
        ("GET /\x7f HTTP/1.1", 400), ("GET /# HTTP/1.1", 400), ("GET /a#b HTTP/1.1", 400), ("GET * HTTP/1.1", 400), ("GET x HTTP/1.1", 400),
        ("GET localhost:80 HTTP/1.1", 400), ("GET ftp://localhost/ HTTP/1.1", 400), ("GET http:///x HTTP/1.1", 400), ("CONNECT localhost:1 HTTP/1.1", 405),
        ("CONNECT / HTTP/1.1", 405), ("CONNECT * HTTP/1.1", 405), ("", 400),
    ],
)  # fmt: skip
def test_a_request_line_that_is_not_one_is_refused(line: str, status: int) -> None:
    assert status_of_refusal(request(f"{line}\r\n{HOST}")) == status


def test_a_missing_or_second_host_and_codings_in_http10_are_refused() -> None:
    assert status_of_refusal(b"GET / HTTP/1.1\r\n\r\n") == 400
    assert status_of_refusal(b"GET / HTTP/1.0\r\n\r\n") == 400
    assert status_of_refusal(get(HOST)) == 400
    assert status_of_refusal(request(f"GET / HTTP/1.0\r\n{HOST}Transfer-Encoding: chunked\r\n")) == 400


def test_a_head_has_a_size_and_a_number_of_fields() -> None:
    fields = "X: y\r\n" * (MAX_FIELDS - 1)  # and Host
    assert parse_request(get(fields)).fields
    assert status_of_refusal(get(fields + "X: y\r\n")) == 431
    with pytest.raises(BadHead) as complete:
        head_end(get(f"X: {'a' * MAX_HEAD}\r\n"))
    with pytest.raises(BadHead) as incomplete:
        head_end(b"GET /" + b"a" * MAX_HEAD)
    assert (complete.value.status, incomplete.value.status) == (431, 414)


@pytest.mark.parametrize(
    "begun", [b"GET / HTTP/1.1\nHost: localhost\n\n", b"GET / HTTP/1.1\r\nHost: localhost\n", b"GET /\r\n", b"G@", b"\x16", b"\x16\x03\x01\x02", b"SSH-2.0-x\r\n", b"GET / HTTP/1.1\x00", b"\rG", b" "]
)  # fmt: skip
def test_what_will_never_be_a_head_is_told_before_it_is_complete(begun: bytes) -> None:
    with pytest.raises(BadHead) as refused:
        head_end(begun)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "begun", [b"", b"\r", b"G", b"GET ", b"GET /", b"GET / H", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\nX", b"\r\n\r"]
)
def test_what_may_still_become_a_head_is_waited_for(begun: bytes) -> None:
    assert head_end(begun.removeprefix(b"\r\n")) == 0


@pytest.mark.parametrize(
    "begun", [b"SSH-2.0", b"HTTP/2", b"\r\n", b"HTTP/1.1 20\r\n", b"HTTP/1.x", b"HTTP/1.1 200 \x00", b"HTTP/1.1 200 OK\n", b"HTTP/1.1 200 OK\r\nX: y\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000]
)  # fmt: skip
def test_what_will_never_be_an_answer_is_told_before_it_is_complete(begun: bytes) -> None:
    with pytest.raises(BadHead) as refused:
        check_incomplete_response(begun)
    assert refused.value.status == 502


def test_what_may_still_become_an_answer_is_waited_for() -> None:
    answer = b"HTTP/1.1 200 OK\r\nX: y\r\n\r"
    for end in range(len(answer) + 1):
        check_incomplete_response(answer[:end])


# -- what is accepted


def test_target_and_fields_keep_their_bytes_names_and_order() -> None:
    head = parse_request(
        b"GET /a%2f//../b;c?d=%zz&\xe9 HTTP/1.1\r\nx-b: 1\r\nHost: localhost\r\nX-A:  2 \r\nX-b:\r\n\r\n"
    )
    assert head.target == b"/a%2f//../b;c?d=%zz&\xe9"
    assert head.fields == [(b"x-b", b"1"), (b"X-A", b"2 "), (b"X-b", b"")]


@pytest.mark.parametrize(
    ("target", "host", "path"),
    [("http://shop.example/x?y", b"shop.example", b"/x?y"), ("HTTPS://A:1", b"A:1", b"/"), ("http://a?q", b"a", b"/?q"), ("http://u@a/", b"u@a", b"/")],
)  # fmt: skip
def test_the_authority_of_an_absolute_target_replaces_host(target: str, host: bytes, path: bytes) -> None:
    head = parse_request(get(target=target))
    assert (head.host, head.target) == (host, path)


def test_an_asterisk_is_a_target_of_options_only() -> None:
    assert parse_request(request(f"OPTIONS * HTTP/1.1\r\n{HOST}")).target == b"*"


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [("1.1", "", True), ("1.1", "Connection: close\r\n", False), ("1.1", "Connection: X, CLOSE\r\n", False), ("1.1", "Connection: X\r\nConnection: close\r\n", False),
     ("1.0", "", False), ("1.0", "Connection: Keep-Alive\r\n", True), ("1.0", "Connection: keep-alive, close\r\n", False)],
)  # fmt: skip
def test_whether_the_connection_may_be_kept(version: str, connection: str, kept: bool) -> None:
    assert parse_request(request(f"GET / HTTP/{version}\r\n{HOST}{connection}")).keep_alive is kept


@pytest.mark.parametrize(
    ("version", "fields", "upgrade"),
    [("1.1", "Connection: Upgrade\r\nUpgrade: WebSocket\r\n", b"websocket"), ("1.1", "Connection: keep-alive, upgrade\r\nUpgrade: h2c\r\n", b"h2c"),
     ("1.1", "Upgrade: websocket\r\n", b""), ("1.1", "Connection: upgrade\r\n", b""), ("1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n", b"")],
)  # fmt: skip
def test_an_upgrade_is_one_that_connection_names_in_http11(version: str, fields: str, upgrade: bytes) -> None:
    assert parse_request(request(f"GET / HTTP/{version}\r\n{HOST}{fields}")).upgrade == upgrade


def test_what_connection_names_ends_here_but_not_framing_and_host() -> None:
    head = parse_request(
        get("Connection: X-A, Cookie, Content-Length, Host\r\nX-A: 1\r\nCookie: a=b\r\nX-B: 2\r\nContent-Length: 3\r\n")
    )
    assert head.fields == [(b"X-B", b"2")]
    assert head.length == 3 and head.host == b"localhost"
    assert head.noted[b"cookie"] == b"a=b"  # read before it ends here


# -- responses


def response(fields: str, line: str = "HTTP/1.1 200 OK") -> bytes:
    return f"{line}\r\n{fields}\r\n".encode("latin-1")


@pytest.mark.parametrize("line", ["HTTP/1.1 200 ", "HTTP/1.1 200", "HTTP/1.0 999 Odd \xe9", "HTTP/1.1 200 Two words"])
def test_a_status_line_may_have_no_reason(line: str) -> None:
    assert parse_response(response("", line)).status in (200, 999)


@pytest.mark.parametrize(
    "line", ["HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 000 OK", "HTTP/2 200", "HTTP/1.1  200 OK", "ICY 200 OK", "HTTP/1.1 200 O\x00K", "HTTP/1.1 +20 OK"]
)  # fmt: skip
def test_a_status_line_that_is_not_one_is_refused(line: str) -> None:
    with pytest.raises(BadHead):
        parse_response(response("", line))


@pytest.mark.parametrize(
    "fields",
    ["Content-Length: 1\r\nContent-Length: 1\r\n", "Content-Length: +1\r\n", "Content-Length: 1, 1\r\n", "Transfer-Encoding: gzip\r\n",
     "Transfer-Encoding: chunked, chunked\r\n", "X: a\nY: b\r\n", "X: a\r\n folded\r\n", "X : a\r\n", "X: \x00\r\n", "Content-Length:\r\n"],
)  # fmt: skip
def test_an_answer_whose_end_is_not_certain_is_refused(fields: str) -> None:
    with pytest.raises(BadHead):
        parse_response(response(fields))


def test_an_answer_with_length_and_coding_is_chunked_and_its_connection_is_not_trusted() -> None:
    head = parse_response(response("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"))
    assert head.chunked and head.length is None and not head.keep_alive


def test_set_cookie_stays_a_list_and_hop_by_hop_fields_end_here() -> None:
    head = parse_response(
        response("Set-Cookie: a\r\nKeep-Alive: 5\r\nConnection: X-A\r\nX-A: 1\r\nset-cookie: b, c\r\nUpgrade: h2c\r\n")
    )
    assert head.fields == [(b"Set-Cookie", b"a"), (b"set-cookie", b"b, c")]
