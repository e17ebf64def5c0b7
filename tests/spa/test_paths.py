"""No way out of the root: spellings against real files, links, a FIFO and dotfiles around it."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.spa.app import StaticApp
from devproxy.spa.files import OpenFile, open_below
from devproxy.spa.paths import directory_location, read_target
from tests.spa.asking import DOCUMENT, SCRIPT, ask

SECRET = b"SECRET-that-must-not-leave"
INDEX = b"<!doctype html><title>index</title>"

UPS = [
    "..", "%2e%2e", "%2E%2E", ".%2e", "%2e.", "%252e%252e", "%25%32%65%25%32%65", "....", "..;", "..%00", "..%20",
    "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%uff0e%uff0e", "%ef%bc%8e%ef%bc%8e", "..%0d", "..%c0%af", "%2e%2e%3b",
]  # fmt: skip
SLASHES = ["/", "//", "%2f", "%2F", "%252f", "%5c", "%5C", "\\", "%255c", "/./", "%c0%af", "%e2%88%95"]
TARGETS = ["secret.txt", "outside/secret.txt", "../secret.txt"]

SPELLINGS = [f"/{up}{slash}{target}" for up in UPS for slash in SLASHES for target in TARGETS] + [
    f"/assets/{up}{slash}{up}{slash}secret.txt" for up in UPS for slash in SLASHES
]

SINGLE = [
    "/.env", "/.env.local", "/%2eenv", "/.git/config", "/%2egit/config", "/assets/.hidden", "/assets/%2ehidden",
    "/link.txt", "/link-dir/secret.txt", "/link-dir", "/link-dir/", "/link-to-env", "/chain.txt", "/fifo",
    "/absolute.txt", "//secret.txt", "///secret.txt", "/./.env", "/assets/../.env", "/assets/..", "/..", "/../",
    "/%2e%2e", "/.", "/%2e", "/assets//../../secret.txt", "/C:/secret.txt", "/file:///etc/passwd", "/etc/passwd",
    "//etc/passwd", "/@fs/etc/passwd", "/@fs//etc/passwd", "/~root/.bashrc", "/proc/self/environ", "/dev/stdin",
    "/dev/zero", "/null", "/%00", "/index.html%00.js", "/index.html%00", "/secret.txt%00.html", "/%", "/%2",
    "/%zz", "/%%32%65%%32%65/secret.txt", "/index.html/../../secret.txt", "/.well-known/../../secret.txt",
    "/.well-known/../.env", "/.well-known/.env", "/assets/.well-known/x", "/.well-known/link.txt", "/" + "a" * 5000,
    "/" + "a/" * 1500 + "x", "/" + "../" * 400 + "etc/passwd", "/%2e%2e%2f" * 50 + "etc/passwd", "/loop/x", "/loop",
    "/socket", "/assets\\..\\..\\secret.txt", "/x%0d%0aset-cookie:a", "/%7f", "/self/../../secret.txt",
    "/WEB-INF/web.xml", "/..%252f..%252fsecret.txt", "/%ff%fe", "/..%u2216secret.txt",
]  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A site with every trap a folder can hold; its secrets lie beside it and in dotfiles."""
    base = tmp_path_factory.mktemp("site")
    root, outside = base / "root", base / "outside"
    for folder in (root / "assets/.well-known", root / ".git", root / ".well-known", outside):
        folder.mkdir(parents=True)
    for secret in (
        *(base / "secret.txt", outside / "secret.txt", root / ".env", root / ".env.local", root / ".git/config"),
        *(root / "assets/.hidden", root / ".well-known/.env", root / "assets/.well-known/x"),
    ):
        secret.write_bytes(SECRET)
    (root / "index.html").write_bytes(INDEX)
    (root / "assets/app.js").write_bytes(b"app")
    (root / ".well-known/ok.txt").write_bytes(b"known")
    links = {
        "link.txt": "../secret.txt",
        "link-dir": "../outside",
        "link-to-env": ".env",
        "chain.txt": "link.txt",
        "absolute.txt": str(base / "secret.txt"),
        ".well-known/link.txt": "../../secret.txt",
        "null": "/dev/null",
        "loop": "loop",
        "self": ".",
        "inside.js": "assets/app.js",
        "inside-dir": "assets",
    }
    for name, to in links.items():
        (root / name).symlink_to(to)
    os.mkfifo(root / "fifo")
    return root


@pytest.mark.parametrize("index_fallback", [True, False])
@pytest.mark.parametrize("headers", [{}, DOCUMENT], ids=["data", "document"])
def test_no_spelling_leads_out_of_the_root(site: Path, headers: dict[str, str], index_fallback: bool) -> None:
    app = StaticApp(site, inject=False, index_fallback=index_fallback)
    assert len(SPELLINGS + SINGLE) > 900
    for target in SPELLINGS + SINGLE:
        answer = ask(app, target, headers)
        harmless = answer.status == 404 or (index_fallback and answer.body == INDEX and headers == DOCUMENT)
        assert harmless, (target, answer)
        assert SECRET not in answer.body
        assert "set-cookie" not in answer.fields


@pytest.mark.parametrize("target", ["/.env", "/.git/config", "/..", "/%00", "/a%5cb", "/%zz", "/assets/.hidden"])
def test_a_document_is_no_excuse_for_a_dotfile_or_a_broken_path(site: Path, target: str) -> None:
    assert ask(StaticApp(site, inject=False), target, DOCUMENT).status == 404


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/assets/app.js", b"app"),
        ("/assets/app%2ejs", b"app"),
        ("/%61ssets/app.js", b"app"),
        ("/inside.js", b"app"),
        ("/inside-dir/app.js", b"app"),
        ("/self/assets/app.js", b"app"),
        ("/.well-known/ok.txt", b"known"),
        ("/", INDEX),
    ],
)
def test_what_lies_below_the_root_is_served(site: Path, target: str, body: bytes) -> None:
    answer = ask(StaticApp(site, inject=False), target)
    assert (answer.status, answer.body) == (200, body)


def test_a_name_with_odd_characters_is_decoded_once(tmp_path: Path) -> None:
    for name in ("ü ä.txt", "100%.txt", "%2e%2e.txt", "a+b.txt", "q?.txt", "#.txt", "..a.txt"[2:]):
        (tmp_path / name).write_text(name)
    app = StaticApp(tmp_path, inject=False)
    for target, name in {
        "/%C3%BC%20%C3%A4.txt": "ü ä.txt",
        "/100%25.txt": "100%.txt",
        "/%252e%252e.txt": "%2e%2e.txt",
        "/a+b.txt": "a+b.txt",
        "/q%3f.txt": "q?.txt",
        "/%23.txt": "#.txt",
    }.items():
        assert ask(app, target).body.decode() == name


def test_a_directory_that_turns_into_a_link_while_a_file_is_opened_never_leads_out(tmp_path: Path) -> None:
    """A race, run many times: the path is resolved while `place` is a directory, and walked when it is a link."""
    root, bad = tmp_path / "root", tmp_path / "bad"
    place, aside = root / "place", root / "aside"
    for folder, text in ((place, b"fine"), (bad, SECRET)):
        folder.mkdir(parents=True)
        (folder / "x.txt").write_bytes(text)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            place.rename(aside)
            place.symlink_to("../bad")
            place.unlink()
            aside.rename(place)

    bodies = set()
    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(20_000):
            found = open_below(root, ("place", "x.txt"))
            if isinstance(found, OpenFile):
                bodies.add(found.read(100, 0))
                found.close()
    finally:
        stop.set()
        swapper.join()
    assert bodies == {b"fine"}


def test_a_link_that_leads_out_is_404_and_not_some_other_file(tmp_path: Path) -> None:
    for folder in ("root", "evil"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.js").write_text(folder)
    (tmp_path / "root/link.js").symlink_to("../evil/x.js")
    assert ask(StaticApp(tmp_path / "root", inject=False), "/link.js").status == 404


@pytest.mark.parametrize(
    "target",
    ["//evil.example", "//evil.example/", "/\\evil.example", "/%2fevil.example", "//evil.example/%2e%2e/assets"],
)
def test_no_redirect_leaves_the_origin(site: Path, target: str) -> None:
    for headers in ({}, DOCUMENT, SCRIPT):
        assert "location" not in ask(StaticApp(site, inject=False), target, headers).fields


@given(st.binary(max_size=60))
def test_any_bytes_are_read_without_error_and_name_nothing_hidden(path: bytes) -> None:
    wanted = read_target(b"/" + path)
    assert not any(part.startswith(".") for part in wanted.parts[1:])
    assert not any("/" in part or "\0" in part or part == "" for part in wanted.parts)


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4), st.binary(max_size=20))
def test_a_redirect_is_one_line_and_one_slash(parts: list[str], query: bytes) -> None:
    parts = [part.encode("utf-8", "ignore").decode() or "x" for part in parts]
    location = directory_location(tuple(parts), "/", query)
    assert location.startswith(b"/")
    assert not location.startswith((b"//", b"/\\"))
    assert not any(byte in location for byte in b"\r\n\0")


def test_a_prefix_is_taken_off_and_nothing_else_is_served(site: Path) -> None:
    app = StaticApp(site, inject=False, prefix="/docs")
    assert ask(app, "/docs/assets/app.js").body == b"app"
    assert ask(app, "/docs").body == INDEX
    assert ask(app, "/docs/").body == INDEX
    assert ask(app, "/assets/app.js").status == 404
    assert ask(app, "/docsassets/app.js").status == 404
