"""What a file's name says."""

import pytest

from devproxy.spa.types import html_type, is_hashed, media_type


@pytest.mark.parametrize(
    "path",
    [
        "assets/index-DiwrgTda.js",  # Vite
        "assets/index-B7x_9-aQ.css",
        "assets/logo-BX3rTa29.svg",
        "main.8e0d62a03b1c.js",  # webpack
        "static/js/main.5f3a9c1d.chunk.js",  # Create React App
        "index.7a3d8e1f.css",  # Parcel
        "chunk-2QVZ5KXA.js",  # esbuild
        "main-5CHTGNGZ.js",  # Angular
        "_next/static/chunks/main-0a1b2c3d4e5f6a7b.js",
        "assets/inter-latin-wght-normal-Dx4kXJAl.woff2",
    ],
)
def test_names_with_a_content_hash(path: str) -> None:
    assert is_hashed(path.split("/"))


@pytest.mark.parametrize(
    "path",
    [
        "index.html",
        "app.js",
        "jquery-validate.js",
        "bootstrap-datepicker.min.js",
        "jquery-3.7.1.min.js",
        "report-20240131.css",
        "site-bootstrap5.css",
        "user-Settings.js",
        "my-long-component-name.js",
        "service-worker.js",
        "UserSettings.js",
        "pages-HomePage.js",
        "page-DiwrgTda.html",
        "feedface.js",
        "notes-8e0d62a03b1c.txt",
        "",
    ],
)
def test_names_that_could_be_words_are_revalidated(path: str) -> None:
    assert not is_hashed(path.split("/"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.MJS", "text/javascript; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.wasm", "application/wasm"),
        ("a.svg", "image/svg+xml"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.png", "image/png"),
        ("a.pdf", "application/pdf"),
        ("a.unheard-of", "application/octet-stream"),
        ("LICENSE", "application/octet-stream"),
    ],
)
def test_media_types(name: str, expected: str) -> None:
    assert media_type(name) == expected


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"<!doctype html><p>", "text/html; charset=utf-8"),
        (b'<meta charset="koi8-r">', "text/html"),
        (b'<META http-equiv="Content-Type" content="text/html; CHARSET=latin1">', "text/html"),
        (b"\xff\xfe<\0", "text/html"),
        (b" " * 1024 + b"<meta charset=x>", "text/html; charset=utf-8"),
    ],
)
def test_a_declared_charset_is_not_overruled(start: bytes, expected: str) -> None:
    assert html_type(start) == expected
