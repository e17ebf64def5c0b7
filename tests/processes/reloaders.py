"""Programs that reload themselves, for real ones' reloaders, and who asks them."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.processes.stage import Stage
from tests.support import auntil

APP = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"VERSION"})
"""
SERVER_JS = """
const http = require("http")
http.createServer((request, response) => response.end("VERSION")).listen(process.env.PORT, "127.0.0.1")
"""
# A whole Django project, but for its urls.py. It says when its reloader has begun to watch that: what is saved before,
# though it serves already, it takes for what has always been there.
MANAGE = """
import logging, os, sys
from django.conf import settings
from django.core.management import execute_from_command_line

URLS = os.path.abspath("urls.py")

class Watched(logging.Filter):
    def filter(self, record):
        return URLS in map(str, record.args) and record.msg.startswith("File %s first seen")

settings.configure(
    DEBUG=True,
    SECRET_KEY="no secret",
    ROOT_URLCONF="urls",
    LOGGING={
        "version": 1,
        "filters": {"watched": {"()": Watched}},
        "handlers": {"it": {"class": "logging.StreamHandler", "filters": ["watched"]}},
        "loggers": {"django.utils.autoreload": {"handlers": ["it"], "level": "DEBUG", "propagate": False}},
    },
)
execute_from_command_line(sys.argv)
"""
URLS = """
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse("VERSION"))]
"""


async def answer(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    try:
        return (await reader.read()).decode()
    finally:
        writer.close()


async def answers(port: int, text: str) -> bool:
    try:
        async with asyncio.timeout(1):
            return text in await answer(port)
    except OSError:
        return False


def save(path: Path, text: str) -> None:
    """By a rename, so that no reloader sees half of it."""
    (path.parent / ".saving").write_text(text)
    (path.parent / ".saving").replace(path)


async def save_until(has_come: Callable[[], bool], path: Path, text: str) -> None:
    """Save, and again if nothing comes of it: a reloader may serve before it looks, and what was saved by then it takes
    for what has always been there."""
    for _ in range(5):
        if path.suffix == ".js":
            path.write_text(text)  # a rename would be lost on Node 20
        else:
            save(path, text)
        with suppress(AssertionError):
            await auntil(has_come, within=10)
            return
    raise AssertionError(f"nothing came of saving {path.name}")


def outages(stage: Stage) -> int:
    return sum(state == "failing" for _, state in stage.states)


async def watches(stage: Stage, starts: int) -> None:
    """Wait until Django's reloader watches urls.py, after so many starts."""
    await auntil(lambda: sum("first seen" in line for line in stage.lines()) == starts, within=30)
