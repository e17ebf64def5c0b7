"""Backends that are saved while requests arrive, each restarted by another reloader, and who asks and counts.

Every answer names the version of the source that gave it; every POST that runs is noted, by its number, in a file.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes.reloaders import MANAGE, save
from tests.support import auntil, free_port
from tests.support.services import PYTHON

UVICORN = """
import time

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    assert scope["type"] == "http"
    events = scope["path"].endswith("/events")
    kind = b"text/event-stream" if events else b"text/plain"
    if scope["method"] == "POST":
        number = b""
        while True:
            message = await receive()
            number += message["body"]
            if not message.get("more_body"):
                break
        with open("ran", "ab") as ran:
            ran.write(number + b" %f\\n" % time.time())
    length = [] if events else [(b"content-length", b"%d" % len("VERSION"))]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind), *length]})
    if events:
        await send({"type": "http.response.body", "body": b": here\\n\\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
    else:
        await send({"type": "http.response.body", "body": b"VERSION"})
"""
NODE = """
const http = require("http"), fs = require("fs"), crypto = require("crypto")
const server = http.createServer((request, response) => {
  if (request.url.endsWith("/events")) {
    response.writeHead(200, { "Content-Type": "text/event-stream" })
    return response.write(": here\\n\\n")
  }
  let number = ""
  request.on("data", (data) => { number += data })
  request.on("end", () => {
    if (request.method === "POST") fs.appendFileSync("ran", `${number} ${Date.now() / 1000}\\n`)
    response.end("VERSION")
  })
})
server.on("upgrade", (request, socket) => {
  const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
  const accept = crypto.createHash("sha1").update(key).digest("base64")
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n" +
    `Sec-WebSocket-Accept: ${accept}\\r\\n\\r\\n`)
  socket.resume()
})
server.listen(process.env.PORT, "127.0.0.1")
"""
DJANGO = """
import time
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import re_path

def ticks():
    while True:
        yield ": here\\n\\n"
        time.sleep(0.1)

def view(request):
    if request.path.endswith("/events"):
        return StreamingHttpResponse(ticks(), content_type="text/event-stream")
    if request.method == "POST":
        with open("ran", "ab") as ran:
            ran.write(request.body + b" %f\\n" % time.time())
    return HttpResponse("VERSION", headers={"Content-Length": str(len("VERSION"))})

urlpatterns = [re_path("", view)]
"""


@dataclass(frozen=True)
class Reloader:
    """How a backend is restarted when its source is saved. in_place: it must not be saved by a rename."""

    name: str
    command: str
    file: str
    source: str
    broken: str = "def broken(:\n"
    config: str = ""
    in_place: bool = False

    def write(self, folder: Path, version: str) -> None:
        """Save the source; without a version, a syntax error."""
        text = self.source.replace("VERSION", version) if version else self.broken
        path = folder / self.name / self.file
        if self.in_place:
            path.write_text(text)
        else:
            save(path, text)


RELOADERS = {
    one.name: one
    for one in (
        Reloader(
            "watch", "exec {python} -m uvicorn main:app --port $PORT", "main.py", UVICORN, config='watch = ["*.py"]'
        ),
        Reloader("uvicorn", "exec {python} -m uvicorn main:app --reload --port $PORT", "main.py", UVICORN),
        Reloader("node", "exec node --watch server.js", "server.js", NODE, broken="const broken = (\n", in_place=True),
        Reloader("django", "exec {python} manage.py runserver 127.0.0.1:$PORT", "urls.py", DJANGO),
    )
}


def write_project(folder: Path, reloaders: list[Reloader], more: str = "") -> None:
    """A project with a backend for each of these, below its name."""
    config = more
    for one in reloaders:
        (folder / one.name).mkdir()
        one.write(folder, "0")
        command = one.command.replace("{python}", PYTHON)
        config += f'[services.{one.name}]\nkind = "backend"\ndir = "{one.name}"\nport = {free_port()}\n{one.config}\n'
        config += f"command = '''{command}'''\n[[routes]]\nprefix = '/{one.name}'\nto = '{one.name}'\n"
        (folder / one.name / "manage.py").write_text(MANAGE)
    (folder / "devproxy.toml").write_text(config)


# -- asking


@dataclass(frozen=True)
class Answer:
    """What came back, and when it was complete (time.time()). status 0: the connection broke."""

    status: int
    body: bytes
    seconds: float
    moment: float


async def ask(port: int, target: str, *, body: bytes | None = None) -> Answer:
    """One request as a script makes it; an answer that is cut counts as none."""
    began = time.time()
    method, length = ("GET", "") if body is None else ("POST", f"Content-Length: {len(body)}\r\n")
    head = f"{method} {target} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n{length}\r\n"
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(head.encode() + (body or b""))
            answer = await reader.read()
        finally:
            writer.close()
    except OSError as error:
        answer = str(error).encode()
    found, _, rest = answer.partition(b"\r\n\r\n")
    whole = b"\r\ncontent-length: %d\r\n" % len(rest) in found.lower() + b"\r\n"
    now = time.time()
    return Answer(int(found[9:12]) if whole else 0, rest if whole else answer, now - began, now)


def upgrade(port: int, target: str) -> bytes:
    """A WebSocket's handshake."""
    fields = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    return f"GET {target} HTTP/1.1\r\nHost: localhost:{port}\r\n{fields}{key}\r\n".encode()


@dataclass
class Storm:
    """Requests to one backend, `rate` a second, every fourth a POST, until it is told to stop."""

    port: int
    reloader: Reloader
    folder: Path
    rate: float = 20.0
    gets: list[Answer] = field(default_factory=list)
    posts: dict[str, Answer] = field(default_factory=dict)
    name: str = field(default_factory=lambda: secrets.token_hex(4))  # what its POSTs are known by
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        number = 0
        async with asyncio.TaskGroup() as tasks:
            while not self._over.is_set():
                number += 1
                tasks.create_task(self._ask(f"{self.name}.{number}" if number % 4 == 0 else None))
                with suppress(TimeoutError):
                    async with asyncio.timeout(1 / self.rate):
                        await self._over.wait()

    async def _ask(self, number: str | None) -> None:
        answer = await ask(self.port, f"/{self.reloader.name}/x", body=None if number is None else number.encode())
        if number is None:
            self.gets.append(answer)
        else:
            self.posts[number] = answer

    def stop(self) -> None:
        """Ask no more; `run` returns when all is answered."""
        self._over.set()

    def serves(self, version: str) -> bool:
        """Whether a GET was answered by this version."""
        return any(answer.body == version.encode() for answer in self.gets[-20:])

    async def save(self, version: str) -> None:
        """Save the source, and wait until it answers."""
        await self._save(version, lambda: self.serves(version))

    async def break_it(self) -> None:
        """Save a syntax error, and wait until it is shown."""
        await self._save("", lambda: any(b"SyntaxError" in answer.body for answer in self.gets))

    async def _save(self, version: str, has_come: Callable[[], bool]) -> None:
        """What was saved before a reloader looks is saved again."""
        for _ in range(10):
            self.reloader.write(self.folder, version)
            with suppress(AssertionError):
                await auntil(has_come, within=10)
                return
        raise AssertionError(f"{self.reloader.name}: version {version!r} never came")

    # -- what came of it

    @property
    def failed(self) -> list[Answer]:
        """The GETs that got something else than a page."""
        return [answer for answer in self.gets if answer.status != 200]

    @property
    def ran(self) -> dict[str, list[float]]:
        """When each POST ran."""
        found: dict[str, list[float]] = {}
        path = self.folder / self.reloader.name / "ran"
        for line in path.read_text().splitlines() if path.exists() else ():
            number, moment = line.split()
            found.setdefault(number, []).append(float(moment))
        return found

    @property
    def twice(self) -> list[str]:
        """The POSTs that ran more than once."""
        return [number for number, moments in self.ran.items() if len(moments) > 1]

    @property
    def late(self) -> list[str]:
        """The POSTs that ran after they had been told to have failed."""
        return [n for n, moments in self.ran.items() if n in self.posts and max(moments) > self.posts[n].moment]

    @property
    def lost(self) -> list[str]:
        """The POSTs that were told to have been done, and were not."""
        return [number for number, answer in self.posts.items() if answer.status == 200 and number not in self.ran]

    @property
    def worst(self) -> float:
        """The longest time that anybody waited for an answer."""
        return max(answer.seconds for answer in (*self.gets, *self.posts.values()))
