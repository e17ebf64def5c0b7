"""StaticApp: a folder as an ASGI application."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from devproxy.spa import types
from devproxy.spa.files import OpenFile, open_below
from devproxy.spa.inject import insert_script, script_tag
from devproxy.spa.paths import Wanted, directory_location, read_target
from devproxy.spa.ranges import Span, Unsatisfiable, wanted_span
from devproxy.spa.requests import SIBLINGS, Fields, encodings, is_document, is_unchanged, takes_script

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

INDEX = "index.html"
CHUNK = 256 * 1024  # up to here a file is one message, read at once: a thread hop costs more
LARGEST_DOCUMENT = 16 * 1024 * 1024  # a larger one is sent as it is, without the script
# A sibling older than its file is of another version. Two seconds: copying a folder does not keep order.
SIBLING_SLACK_NS = 2_000_000_000


class StaticApp:
    """Serves the files below `root` and the app's own routes.

    Args: inject: add the live-reload script to documents; index_fallback: answer documents that are no
    file with index.html; prefix: the path that the folder is served under; content: the version of
    what is served now (a page that is told another one later knows that it is outdated).
    Backpressure: files go out in pieces of 256 KiB, each after the client has taken the one before.
    """

    def __init__(
        self,
        root: Path,
        *,
        inject: bool,
        index_fallback: bool = True,
        prefix: str = "/",
        content: Callable[[], str] = str,
    ) -> None:
        self._root = root
        self._inject = inject
        self._index_fallback = index_fallback
        self._prefix = prefix
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; a WebSocket is refused."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        elif scope["type"] == "http":
            await self._answer(_Exchange(scope, receive, send))

    async def _answer(self, exchange: "_Exchange") -> None:
        if exchange.method not in ("GET", "HEAD"):
            await exchange.text(405, "405: only GET and HEAD\n", [(b"allow", b"GET, HEAD")])
            return
        wanted = read_target(exchange.path, self._prefix)
        found = self._find(wanted, exchange.fields)
        if isinstance(found, OpenFile):
            try:
                await self._send_file(exchange, found)
            finally:
                found.close()
        elif found == "directory":
            location = directory_location(wanted.parts, self._prefix, exchange.query)
            await exchange.text(307, "", [(b"location", location)])
        else:
            await self._nothing(exchange, wanted)

    def _find(self, wanted: Wanted, fields: Fields) -> OpenFile | str | None:
        """The file to send; "directory": it must be asked for with a slash; None: there is none."""
        if wanted.verdict == "never":
            return None
        if wanted.verdict == "file" and (found := self._find_file(wanted, fields)) is not None:
            return found
        if self._index_fallback and not wanted.is_well_known and is_document(fields):
            return self._file(INDEX)
        return None

    def _find_file(self, wanted: Wanted, fields: Fields) -> OpenFile | str | None:
        parts = wanted.parts
        if wanted.directory or not parts:
            return self._file(*parts, INDEX)
        found = open_below(self._root, parts)
        if isinstance(found, OpenFile):
            return found
        if found == "directory" and (index := self._file(*parts, INDEX)) is not None:
            index.close()
            return found
        # What static hosts do, and static site generators rely on: /about is about.html.
        return self._file(*parts[:-1], parts[-1] + ".html") if is_document(fields) else None

    def _file(self, *parts: str) -> OpenFile | None:
        found = open_below(self._root, parts)
        return found if isinstance(found, OpenFile) else None

    async def _nothing(self, exchange: "_Exchange", wanted: Wanted) -> None:
        """404, never HTML to a script. While there is no index.html, a document gets a page that waits."""
        unbuilt = is_document(exchange.fields) and wanted.verdict != "never" and not wanted.is_well_known
        if not (unbuilt and self._index_fallback):
            await exchange.text(404, "404: there is no such file here\n")
            return
        page = _UNBUILT.format(folder=escape(self._root.name)).encode()
        if self._inject:
            page = insert_script(page, script_tag(self._content()))
        await exchange.whole(404, [(b"content-type", b"text/html; charset=utf-8")], page)

    async def _send_file(self, exchange: "_Exchange", file: OpenFile) -> None:
        html = types.is_html(file.parts[-1])
        if html and self._inject and file.size <= LARGEST_DOCUMENT and takes_script(exchange.fields):
            await self._send_document(exchange, file)
            return
        headers = [
            (b"content-type", _content_type(file, html=html)),
            (b"cache-control", types.caching(file.parts).encode()),
            (b"accept-ranges", b"bytes"),
        ]
        chosen, coding, vary = self._sibling(exchange.fields, file)
        if vary or (html and self._inject):
            vary_on = [b"Accept-Encoding"] * vary + [b"Sec-Fetch-Dest"] * (html and self._inject)
            headers.append((b"vary", b", ".join(vary_on)))
        try:
            await self._send_bytes(exchange, chosen, coding, headers)
        finally:
            if chosen is not file:
                chosen.close()

    async def _send_document(self, exchange: "_Exchange", file: OpenFile) -> None:
        """A page with the script in it. Its ETag names the content it was made for."""
        version = self._content()
        validators = file.validators(f"live{version}")
        document = file.read(file.size, 0)
        headers = [
            (b"content-type", types.html_type(document).encode()),
            (b"cache-control", types.REVALIDATE.encode()),
            (b"vary", b"Sec-Fetch-Dest"),
            (b"etag", validators.etag.encode()),
            (b"last-modified", validators.last_modified.encode()),
        ]
        if is_unchanged(exchange.fields, validators):
            await exchange.head_only(304, headers)
        else:
            await exchange.whole(200, headers, insert_script(document, script_tag(version)))

    def _sibling(self, fields: Fields, file: OpenFile) -> tuple[OpenFile, str, bool]:
        """The file or its best precompressed copy, the copy's coding, and whether there is any copy.

        A range is of the file itself: pieces of two codings would not fit together.
        """
        name, folder = file.parts[-1], file.parts[:-1]
        siblings: dict[str, OpenFile] = {}
        chosen, coding = file, ""
        try:
            for each, suffix in SIBLINGS.items():
                sibling = self._file(*folder, name + suffix)
                if sibling is not None:
                    siblings[each] = sibling
            fresh = [c for c, s in siblings.items() if s.modified_ns + SIBLING_SLACK_NS >= file.modified_ns]
            usable = [] if fields.get("range") is not None else encodings(fields)
            coding = next((each for each in usable if each in fresh), "")
            chosen = siblings.pop(coding) if coding else file
            return chosen, coding, bool(fresh)
        finally:
            for sibling in siblings.values():
                sibling.close()

    async def _send_bytes(self, exchange: "_Exchange", file: OpenFile, coding: str, headers: Headers) -> None:
        validators = file.validators(coding)
        headers = [
            *headers,
            (b"etag", validators.etag.encode()),
            (b"last-modified", validators.last_modified.encode()),
        ]
        if is_unchanged(exchange.fields, validators):
            await exchange.head_only(304, headers)
            return
        if coding:
            headers.append((b"content-encoding", coding.encode()))
        try:
            span = wanted_span(exchange.fields, validators, file.size) if exchange.method == "GET" else None
        except Unsatisfiable:
            await exchange.text(416, "", [(b"content-range", b"bytes */%d" % file.size)])
            return
        if span is not None:
            headers.append((b"content-range", b"bytes %d-%d/%d" % (span.first, span.last, file.size)))
        await exchange.stream(200 if span is None else 206, headers, file, span or Span(0, file.size - 1))


def _content_type(file: OpenFile, *, html: bool) -> bytes:
    if html:
        return types.html_type(file.read(types.HEAD_BYTES, 0)).encode()
    return types.media_type(file.parts[-1]).encode()


_UNBUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Nothing here yet</title></head>
<body><h1>Nothing here yet</h1>
<p><code>{folder}/index.html</code> does not exist. Build the app; this page then reloads by itself.</p>
</body></html>
"""


@asynccontextmanager
async def _gone(receive: Receive) -> AsyncIterator[asyncio.Task[None]]:
    """A task that is done once the client has left."""

    async def wait() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    task = asyncio.create_task(wait())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


class _Exchange:
    """One request and the ways to answer it; HEAD gets the fields and no body."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        # A server that keeps no raw path has decoded it; encode it again, so that it is decoded once.
        self.path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        self.query: bytes = scope.get("query_string", b"")
        self.fields = Fields(scope["headers"])
        self._receive = receive
        self._send = send

    async def text(self, status: int, message: str, headers: Headers | None = None) -> None:
        """A short answer that is not to be kept."""
        await self.whole(status, [(b"content-type", b"text/plain; charset=utf-8"), *(headers or [])], message.encode())

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """An answer that is in memory; not to be kept unless it says otherwise."""
        if not any(name == b"cache-control" for name, _ in headers):
            headers = [*headers, (b"cache-control", types.DO_NOT_STORE.encode())]
        await self._head(status, [*headers, (b"content-length", b"%d" % len(body))])
        await self._body(b"" if self.method == "HEAD" else body)

    async def head_only(self, status: int, headers: Headers) -> None:
        """An answer that has no body by its status; the representation's own fields stay away from it."""
        kept = [(name, value) for name, value in headers if name not in (b"content-type", b"accept-ranges")]
        await self._head(status, kept)
        await self._body(b"")

    async def stream(self, status: int, headers: Headers, file: OpenFile, span: Span) -> None:
        """Bytes of a file.

        When the file shrinks meanwhile, the answer is left incomplete: the server then closes the
        connection, and the client knows that it has not got the whole.
        """
        small = file.read(span.length, span.first) if span.length <= CHUNK else None
        if small is not None and len(small) < span.length and span.first == 0:
            span = Span(0, len(small) - 1)  # truncated since it was opened: then this is the file
        await self._head(status, [*headers, (b"content-length", b"%d" % span.length)])
        if self.method == "HEAD":
            await self._body(b"")
        elif small is not None:
            if len(small) == span.length:
                await self._body(small)
        else:
            await self._stream_large(file, span)

    async def _stream_large(self, file: OpenFile, span: Span) -> None:
        sent = 0
        async with _gone(self._receive) as gone:
            while sent < span.length and not gone.done():
                size = min(CHUNK, span.length - sent)
                piece = await asyncio.to_thread(file.read, size, span.first + sent)
                if len(piece) < size:
                    return
                sent += size
                await self._body(piece, more=sent < span.length)

    async def _head(self, status: int, headers: Headers) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _body(self, body: bytes, *, more: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
