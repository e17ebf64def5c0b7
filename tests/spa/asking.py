"""Asking an ASGI application one question, byte for byte."""

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from devproxy.spa.app import StaticApp
from tests.support import run

DOCUMENT = {"sec-fetch-dest": "document", "accept": "text/html,*/*;q=0.8"}
SCRIPT = {"sec-fetch-dest": "script", "accept": "*/*"}


@dataclass(frozen=True)
class Answer:
    status: int
    fields: dict[str, str]
    body: bytes
    pieces: int
    complete: bool


def ask(app: StaticApp, target: str | bytes, headers: dict[str, str] | None = None, *, method: str = "GET") -> Answer:
    """Send one request (target: raw path and query) and return the whole answer."""
    raw = target.encode() if isinstance(target, str) else target
    path, _, query = raw.partition(b"?")
    scope = {
        "type": "http",
        "method": method,
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": [(name.encode(), value.encode()) for name, value in (headers or {}).items()],
    }
    sent: list[MutableMapping[str, Any]] = []
    waiting: list[MutableMapping[str, Any]] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        if waiting:
            return waiting.pop()
        await asyncio.Future()  # the client stays
        raise AssertionError

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    run(app(scope, receive, send))
    start, *bodies = sent
    fields = [(name.decode(), value.decode()) for name, value in start["headers"]]
    assert len(fields) == len(dict(fields)), f"a field was sent twice: {fields}"
    return Answer(
        start["status"],
        dict(fields),
        b"".join(message["body"] for message in bodies),
        len(bodies),
        bool(bodies) and not bodies[-1]["more_body"],
    )
