"""What StaticApp answers."""

import asyncio
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from devproxy.spa.app import CHUNK, StaticApp
from tests.spa.asking import DOCUMENT, SCRIPT, ask
from tests.support import run

PAGE = "<!doctype html><html><head><title>x</title></head><body></body></html>"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/index-DiwrgTda.js").write_text("console.log(1)")
    (tmp_path / "app.js").write_text("0123456789")
    (tmp_path / "blog").mkdir()
    (tmp_path / "blog/index.html").write_text("<p>blog</p>")
    (tmp_path / "about.html").write_text("<p>about</p>")
    return tmp_path


@pytest.fixture
def app(root: Path) -> StaticApp:
    return StaticApp(root, inject=False)


# --- index fallback ---


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-dest": "document"},
        {"sec-fetch-dest": "iframe"},
        {"sec-fetch-dest": "document", "accept": "*/*"},
        {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"},
        {"accept": "TEXT/HTML"},
    ],
)
@pytest.mark.parametrize("target", ["/users/1", "/users/jane.doe", "/a.js", "/files/a%2Fb", "//x", "/assets/nothing"])
def test_a_document_that_is_no_file_is_the_index(app: StaticApp, headers: dict[str, str], target: str) -> None:
    answer = ask(app, target, headers)
    assert (answer.status, answer.body.decode()) == (200, PAGE)
    assert answer.fields["content-type"] == "text/html; charset=utf-8"
    assert answer.fields["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"accept": "*/*"},
        {"accept": "application/json"},
        {"accept": "text/html;q=0"},
        {"sec-fetch-dest": "script", "accept": "text/html"},
        {"sec-fetch-dest": "style"},
        {"sec-fetch-dest": "image"},
        {"sec-fetch-dest": "empty", "accept": "text/html"},
        {"sec-fetch-dest": "worker"},
    ],
)
@pytest.mark.parametrize("target", ["/users/1", "/assets/gone.js", "/assets/gone"])
def test_anything_else_that_is_missing_is_404_and_not_html(
    app: StaticApp, headers: dict[str, str], target: str
) -> None:
    answer = ask(app, target, headers)
    assert (answer.status, answer.fields["content-type"]) == (404, "text/plain; charset=utf-8")
    assert answer.fields["cache-control"] == "no-store"


def test_without_the_fallback_a_missing_document_is_404(root: Path) -> None:
    assert ask(StaticApp(root, inject=False, index_fallback=False), "/users/1", DOCUMENT).status == 404


def test_well_known_paths_never_fall_back(app: StaticApp) -> None:
    assert ask(app, "/.well-known/appspecific/com.chrome.devtools.json", DOCUMENT).status == 404


def test_a_folder_that_is_not_built_yet_says_so_and_waits_for_it(tmp_path: Path) -> None:
    answer = ask(StaticApp(tmp_path / "d<i>st", inject=True), "/", DOCUMENT)
    assert answer.status == 404
    assert b"d&lt;i&gt;st/index.html" in answer.body
    assert b"/__devproxy/client.js" in answer.body


# --- methods, directories ---


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "get"])
def test_other_methods_are_refused(app: StaticApp, method: str) -> None:
    answer = ask(app, "/app.js", method=method)
    assert (answer.status, answer.fields["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("target", ["/", "/app.js", "/missing.js", "/blog", "/assets/index-DiwrgTda.js"])
def test_head_has_the_fields_of_get_and_no_body(app: StaticApp, target: str) -> None:
    get, head = ask(app, target), ask(app, target, method="HEAD")
    assert (head.status, head.fields, head.body) == (get.status, get.fields, b"")


def test_a_directory_is_asked_for_again_with_its_slash(app: StaticApp) -> None:
    answer = ask(app, "/blog?page=2")
    assert (answer.status, answer.fields["location"]) == (307, "/blog/?page=2")
    assert ask(app, "/blog/").body == b"<p>blog</p>"


def test_the_redirect_keeps_the_prefix(root: Path) -> None:
    answer = ask(StaticApp(root, inject=False, prefix="/site"), "/site/blog")
    assert answer.fields["location"] == "/site/blog/"


def test_a_directory_without_an_index_is_never_listed(app: StaticApp) -> None:
    for target in ("/assets", "/assets/"):
        assert ask(app, target).status == 404


def test_a_page_is_found_without_its_extension(app: StaticApp) -> None:
    assert ask(app, "/about", DOCUMENT).body == b"<p>about</p>"
    assert ask(app, "/about", SCRIPT).status == 404


def test_a_file_with_a_slash_behind_it_is_no_file(app: StaticApp) -> None:
    assert ask(app, "/app.js/").status == 404


# --- caching, conditions ---


@pytest.mark.parametrize(
    ("target", "cached"),
    [
        ("/", "no-cache"),
        ("/app.js", "no-cache"),
        ("/assets/index-DiwrgTda.js", "public, max-age=31536000, immutable"),
    ],
)
def test_only_hashed_assets_are_kept(app: StaticApp, target: str, cached: str) -> None:
    assert ask(app, target).fields["cache-control"] == cached


def test_a_good_copy_is_304_with_its_fields(app: StaticApp) -> None:
    full = ask(app, "/app.js")
    answer = ask(app, "/app.js", {"if-none-match": full.fields["etag"]})
    assert (answer.status, answer.body) == (304, b"")
    for name in ("etag", "last-modified", "cache-control"):
        assert answer.fields[name] == full.fields[name]
    assert "content-length" not in answer.fields


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": "ETAG"}, 304),
        ({"if-none-match": "W/ETAG"}, 304),
        ({"if-none-match": '"x", ETAG'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"x"'}, 200),
        ({"if-none-match": '"x"', "if-modified-since": "DATE"}, 200),
        ({"if-modified-since": "DATE"}, 304),
        ({"if-modified-since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
        ({"if-modified-since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        ({"if-modified-since": ""}, 200),
        ({"if-modified-since": "Mon, 99 Jan 2001 00:00:00 GMT"}, 200),
    ],
)
@pytest.mark.parametrize("inject", [True, False])
def test_conditions(root: Path, headers: dict[str, str], status: int, inject: bool) -> None:
    app = StaticApp(root, inject=inject)
    for target in ("/app.js", "/"):
        full = ask(app, target).fields
        given = {
            name: value.replace("ETAG", full["etag"]).replace("DATE", full["last-modified"])
            for name, value in headers.items()
        }
        assert ask(app, target, given).status == status


def test_the_etag_changes_with_the_content_even_within_a_second(app: StaticApp, root: Path) -> None:
    before = ask(app, "/app.js").fields["etag"]
    stat = (root / "app.js").stat()
    (root / "app.js").write_text("abcdefghij")
    os.utime(root / "app.js", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1000))
    assert ask(app, "/app.js").fields["etag"] != before


# --- ranges ---


@pytest.mark.parametrize(
    ("value", "status", "body", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=9-99", 206, b"9", "bytes 9-9/10"),
        ("Bytes=0-0", 206, b"0", "bytes 0-0/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=5-4", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=a-b", 200, b"0123456789", None),
        ("bytes=+1-3", 200, b"0123456789", None),
        ("bytes=1_0-", 200, b"0123456789", None),
        ("items=0-1", 200, b"0123456789", None),
        ("bytes 0-1", 200, b"0123456789", None),
    ],
)
def test_ranges(app: StaticApp, value: str, status: int, body: bytes, content_range: str | None) -> None:
    answer = ask(app, "/app.js", {"range": value})
    assert (answer.status, answer.body, answer.fields.get("content-range")) == (status, body, content_range)
    assert answer.fields["content-length"] == str(len(body))


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        ("ETAG", 206),
        ("W/ETAG", 200),
        ('"other"', 200),
        ("DATE", 206),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 200),
        ("x", 200),
    ],
)
def test_a_range_of_another_version_is_the_whole(app: StaticApp, if_range: str, status: int) -> None:
    full = ask(app, "/app.js").fields
    value = if_range.replace("ETAG", full["etag"]).replace("DATE", full["last-modified"])
    assert ask(app, "/app.js", {"range": "bytes=0-1", "if-range": value}).status == status


def test_head_ignores_ranges(app: StaticApp) -> None:
    assert ask(app, "/app.js", {"range": "bytes=0-1"}, method="HEAD").status == 200


def test_a_good_copy_goes_before_a_range(app: StaticApp) -> None:
    etag = ask(app, "/app.js").fields["etag"]
    assert ask(app, "/app.js", {"range": "bytes=0-1", "if-none-match": etag}).status == 304


# --- precompressed siblings ---


@pytest.fixture
def compressed(root: Path) -> StaticApp:
    for suffix in ("br", "gz", "zst"):
        (root / f"app.js.{suffix}").write_text(suffix)
    return StaticApp(root, inject=False)


@pytest.mark.parametrize(
    ("accept", "coding", "body"),
    [
        ("gzip, deflate, br, zstd", "br", b"br"),
        ("gzip, deflate", "gzip", b"gz"),
        ("x-gzip", "gzip", b"gz"),
        ("zstd, gzip", "zstd", b"zst"),
        ("br;q=0.5, gzip;q=0.9", "gzip", b"gz"),
        ("br;q=0, *", "zstd", b"zst"),
        ("*", "br", b"br"),
        ("GZIP", "gzip", b"gz"),
        ("gzip;q=0.5, identity", None, b"0123456789"),
        ("gzip;q=0", None, b"0123456789"),
        ("br;q=x", None, b"0123456789"),
        ("identity", None, b"0123456789"),
        ("", None, b"0123456789"),
    ],
)
def test_the_best_sibling_that_the_client_takes(
    compressed: StaticApp, accept: str, coding: str | None, body: bytes
) -> None:
    answer = ask(compressed, "/app.js", {"accept-encoding": accept})
    assert (answer.fields.get("content-encoding"), answer.body) == (coding, body)
    assert answer.fields["content-type"] == "text/javascript; charset=utf-8"
    assert answer.fields["vary"] == "Accept-Encoding"


def test_each_coding_has_its_own_etag(compressed: StaticApp) -> None:
    tags = {ask(compressed, "/app.js", {"accept-encoding": coding}).fields["etag"] for coding in ("br", "gzip", "")}
    assert len(tags) == 3


def test_a_good_compressed_copy_is_304_and_varies(compressed: StaticApp) -> None:
    etag = ask(compressed, "/app.js", {"accept-encoding": "br"}).fields["etag"]
    answer = ask(compressed, "/app.js", {"accept-encoding": "br", "if-none-match": etag})
    assert (answer.status, answer.fields["vary"]) == (304, "Accept-Encoding")


def test_a_range_is_of_the_file_itself(compressed: StaticApp) -> None:
    answer = ask(compressed, "/app.js", {"accept-encoding": "br", "range": "bytes=0-1"})
    assert (answer.status, answer.body, answer.fields.get("content-encoding")) == (206, b"01", None)


def test_a_range_resumed_after_a_compressed_answer_is_the_whole(compressed: StaticApp) -> None:
    etag = ask(compressed, "/app.js", {"accept-encoding": "br"}).fields["etag"]
    answer = ask(compressed, "/app.js", {"accept-encoding": "br", "range": "bytes=1-", "if-range": etag})
    assert (answer.status, answer.body) == (200, b"0123456789")


def test_a_sibling_older_than_its_file_is_not_sent(compressed: StaticApp, root: Path) -> None:
    for suffix in ("br", "gz", "zst"):
        os.utime(root / f"app.js.{suffix}", (1, 1))
    answer = ask(compressed, "/app.js", {"accept-encoding": "br"})
    assert (answer.body, answer.fields.get("vary")) == (b"0123456789", None)


def test_a_sibling_that_leads_out_is_not_sent(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "x.br"
    outside.write_text("secret")
    (root / "app.js.br").symlink_to(outside)
    assert ask(StaticApp(root, inject=False), "/app.js", {"accept-encoding": "br"}).body == b"0123456789"


# --- the live-reload script ---


def test_a_document_carries_the_script_once(root: Path) -> None:
    answer = ask(StaticApp(root, inject=True), "/users/1", DOCUMENT)
    assert answer.body.count(b'<script src="/__devproxy/client.js" async></script></head>') == 1
    assert answer.fields["content-length"] == str(len(answer.body))


def test_the_script_carries_the_version_of_the_content_and_so_does_the_etag(root: Path) -> None:
    version = "one"
    app = StaticApp(root, inject=True, content=lambda: version)
    first = ask(app, "/", DOCUMENT)
    assert b'data-version="one"' in first.body
    version = "two"
    assert ask(app, "/", {**DOCUMENT, "if-none-match": first.fields["etag"]}).status == 200


@pytest.mark.parametrize("headers", [{"sec-fetch-dest": "empty"}, {"sec-fetch-dest": "iframe"}, {"range": "bytes=0-"}])
def test_html_as_data_in_a_frame_or_in_pieces_is_left_alone(root: Path, headers: dict[str, str]) -> None:
    answer = ask(StaticApp(root, inject=True), "/index.html", headers)
    assert answer.body.decode() == PAGE
    assert answer.fields["vary"] == "Sec-Fetch-Dest"


def test_a_document_with_the_script_is_never_compressed(root: Path) -> None:
    (root / "index.html.br").write_text("br")
    answer = ask(StaticApp(root, inject=True), "/", {**DOCUMENT, "accept-encoding": "br"})
    assert "content-encoding" not in answer.fields
    assert b"client.js" in answer.body


def test_the_etag_of_a_document_with_the_script_is_not_the_files_own(root: Path) -> None:
    plain, injected = (ask(StaticApp(root, inject=inject), "/").fields["etag"] for inject in (False, True))
    assert plain != injected


def test_a_page_that_declares_its_charset_keeps_it(root: Path) -> None:
    (root / "old.html").write_bytes('<meta charset="latin-1"><p>é'.encode("latin-1"))
    for inject in (True, False):
        assert ask(StaticApp(root, inject=inject), "/old.html").fields["content-type"] == "text/html"


# --- large files ---


def test_a_large_file_goes_out_in_pieces(root: Path) -> None:
    content = os.urandom(3 * CHUNK + 5)
    (root / "big.bin").write_bytes(content)
    answer = ask(StaticApp(root, inject=False), "/big.bin")
    assert (answer.body, answer.pieces, answer.complete) == (content, 4, True)


def test_a_range_of_a_large_file(root: Path) -> None:
    content = os.urandom(3 * CHUNK)
    (root / "big.bin").write_bytes(content)
    answer = ask(StaticApp(root, inject=False), "/big.bin", {"range": f"bytes=7-{2 * CHUNK + 9}"})
    assert answer.body == content[7 : 2 * CHUNK + 10]


def test_an_empty_file_is_empty(root: Path) -> None:
    (root / "empty.js").touch()
    answer = ask(StaticApp(root, inject=False), "/empty.js")
    assert (answer.status, answer.body, answer.fields["content-length"]) == (200, b"", "0")
    assert ask(StaticApp(root, inject=False), "/empty.js", {"range": "bytes=0-"}).status == 416


class Client:
    """A client that takes a large file piece by piece; `after_piece` is what happens after each."""

    def __init__(self) -> None:
        self.sent: list[MutableMapping[str, Any]] = []
        self.left = asyncio.Event()

    async def receive(self) -> MutableMapping[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def after_piece(self) -> None:
        pass

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body":
            await self.after_piece()

    async def get(self, app: StaticApp, target: str) -> None:
        scope = {"type": "http", "method": "GET", "path": target, "raw_path": target.encode(), "headers": []}
        await app(scope, self.receive, self.send)


def test_a_client_that_leaves_ends_the_reading(root: Path) -> None:
    class Leaves(Client):
        async def after_piece(self) -> None:
            self.left.set()
            for _ in range(3):
                await asyncio.sleep(0)

    (root / "big.bin").write_bytes(bytes(20 * CHUNK))

    async def scenario() -> None:
        client = Leaves()
        await client.get(StaticApp(root, inject=False), "/big.bin")
        assert len(client.sent) < 5

    run(scenario())


def test_a_file_that_shrinks_meanwhile_is_left_incomplete(root: Path) -> None:
    class Shrinks(Client):
        async def after_piece(self) -> None:
            os.truncate(root / "big.bin", 10)

    (root / "big.bin").write_bytes(bytes(4 * CHUNK))

    async def scenario() -> None:
        client = Shrinks()
        await client.get(StaticApp(root, inject=False), "/big.bin")
        assert client.sent[-1]["more_body"] is True

    run(scenario())


def test_no_descriptor_is_left_open(compressed: StaticApp, root: Path) -> None:
    (root / "big.bin").write_bytes(bytes(2 * CHUNK))
    before = len(os.listdir("/dev/fd"))
    for target in ("/app.js", "/", "/blog", "/nothing", "/assets", "/big.bin"):
        for headers in ({}, {"accept-encoding": "br, gzip"}, {"range": "bytes=99-"}, {"if-none-match": "*"}, DOCUMENT):
            ask(compressed, target, headers)
    assert len(os.listdir("/dev/fd")) == before


def test_a_websocket_is_refused(app: StaticApp) -> None:
    async def scenario() -> None:
        client = Client()
        await app({"type": "websocket", "path": "/"}, client.receive, client.send)
        assert client.sent == [{"type": "websocket.close"}]

    run(scenario())
