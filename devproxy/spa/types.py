"""What a file's name says: its media type, and how long it may be cached. Pure."""

import mimetypes
import re
from collections.abc import Mapping, Sequence

# Built-in tables only: what /etc/mime.types says differs between machines, and reading it costs 10 ms.
_STANDARD = mimetypes.MimeTypes(filenames=())

_WEB: Mapping[str, str] = {
    ".html": "text/html",
    ".htm": "text/html",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".cjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".ico": "image/x-icon",
    ".avif": "image/avif",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".otf": "font/otf",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".xml": "application/xml",
    ".gz": "application/gzip",
    ".br": "application/x-brotli",
    ".zst": "application/zstd",
}

CACHE_FOR_EVER = "public, max-age=31536000, immutable"  # RFC 8246
REVALIDATE = "no-cache"
DO_NOT_STORE = "no-store"

# Kinds of file that bundlers name by hash.
_BUNDLED = frozenset(
    {
        *(".js", ".mjs", ".css", ".map", ".wasm", ".json", ".svg", ".png", ".jpg", ".jpeg", ".gif"),
        *(".webp", ".avif", ".ico", ".woff", ".woff2", ".ttf", ".otf", ".eot", ".mp4", ".webm", ".mp3"),
    }
)

# Folders that bundlers put their files in; there, a hash may do without a digit (Vite: index-DiwrgTda.js).
_BUNDLE_FOLDERS = frozenset({"assets", "static", "chunks", "_next", "_app", "_astro", "immutable", "js", "css"})

_DECLARED_CHARSET = re.compile(rb"<meta[^>]{0,200}charset", re.IGNORECASE)
HEAD_BYTES = 1024  # where a declared charset must stand (WHATWG HTML §4.2.5.4)


def extension(name: str) -> str:
    """The extension, with its dot, in lower case; "" if there is none."""
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 else ""


def media_type(name: str) -> str:
    """The Content-Type of a file by its name."""
    suffix = extension(name)
    return _WEB.get(suffix) or _STANDARD.types_map[1].get(suffix) or "application/octet-stream"


def is_html(name: str) -> bool:
    """Whether the name is an HTML file's."""
    return extension(name) in (".html", ".htm")


def html_type(start: bytes) -> str:
    """The Content-Type of an HTML file that starts with these bytes.

    UTF-8, unless the page declares a charset itself, or is UTF-16: the field would override it.
    """
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or _DECLARED_CHARSET.search(start[:HEAD_BYTES]):
        return "text/html"
    return "text/html; charset=utf-8"


def caching(parts: Sequence[str]) -> str:
    """The Cache-Control of a file, by the parts of its path below the root."""
    return CACHE_FOR_EVER if is_hashed(parts) else REVALIDATE


def is_hashed(parts: Sequence[str]) -> bool:
    """Whether the name carries a content hash, as Vite, webpack, Parcel and esbuild write it.

    A hash that is missed costs a revalidation; a word taken for one would hide edits for a year. So
    it must look like no word: hex with letters and digits, or base64url with digits or mixed case.
    """
    name = parts[-1] if parts else ""
    if extension(name) not in _BUNDLED:
        return False
    in_bundle = not _BUNDLE_FOLDERS.isdisjoint(parts[:-1])
    pieces = name.split(".")[:-1]
    tokens = pieces[1:] + [piece[at + 1 :] for piece in pieces for at, c in enumerate(piece) if c == "-"]
    return any(_looks_random(token, in_bundle=in_bundle) for token in tokens)


def _looks_random(token: str, *, in_bundle: bool) -> bool:
    if not re.fullmatch(r"[A-Za-z0-9_-]{8,64}", token, re.ASCII):
        return False
    digit, upper, lower = (re.search(kind, token) is not None for kind in ("[0-9]", "[A-Z]", "[a-z]"))
    if re.search(r"[-_]", token):  # base64url; Rollup cuts it at 8
        return len(token) == 8 and digit and upper and lower
    if re.fullmatch(r"[0-9a-f]+", token):
        return digit and lower
    if digit:
        return (upper or lower) and not re.fullmatch(r"[A-Za-z][a-z]*[0-9]+", token)  # not: bootstrap5
    mixed_case = re.search(r"[a-z].*[A-Z]", token) is not None or (upper and not lower)
    return in_bundle and len(token) == 8 and mixed_case
