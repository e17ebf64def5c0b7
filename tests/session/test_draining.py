"""The end of a session, or of a service: what is being answered is answered, who waits is told, and streams keep nobody."""

import asyncio
from pathlib import Path

import pytest

from devproxy.session.session import Session
from tests.support import auntil, free_port
from tests.support.in_process import play_session
from tests.support.saves import UVICORN, ask
from tests.support.services import write_config

# Dies at once when it is asked to, as many servers do; answers when there is a file `go`.
SLOW = """
import os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        open("asked", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.01)
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"done")

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"do")
        open("asked", "w").close()
        while not os.path.exists("go"):
            time.sleep(0.01)
        self.wfile.write(b"ne")

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
CONFIG = """
[services.api]
kind = "backend"
command = "COMMAND"
port = PORT

[[routes]]
prefix = "/"
to = "api"
"""


def write_project(folder: Path, command: str) -> None:
    write_config(folder, CONFIG.replace("COMMAND", command).replace("= PORT", f"= {free_port()}"))
    (folder / "slow.py").write_text(SLOW)
    (folder / "main.py").write_text(UVICORN.replace("VERSION", "here"))


def is_said(session: Session, text: str) -> bool:
    return any(text in record.text for record in session.log.last_lines("devproxy", 100))


def test_an_answer_that_has_begun_is_finished_before_its_service_is_stopped(tmp_path: Path) -> None:
    write_project(tmp_path, "exec {python} slow.py")

    async def scene(session: Session) -> None:
        await auntil(lambda: session.supervisor.is_ready)
        answer = asyncio.create_task(ask(session.port, "/"))
        await auntil((tmp_path / "asked").exists)
        session.end()
        await auntil(lambda: is_said(session, "stopping api"))
        assert (await ask(session.port, "/late")).status == 503
        (tmp_path / "go").touch()
        assert ((await answer).status, (await answer).body) == (200, b"done")

    play_session(tmp_path, scene)


@pytest.mark.parametrize("how", ["the grace period ends", "somebody hurries"])
def test_an_answer_that_does_not_come_keeps_nobody_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    grace = 0.1 if how == "the grace period ends" else 600.0
    monkeypatch.setattr("devproxy.session.session.DRAIN_SECONDS", grace)
    write_project(tmp_path, "exec {python} slow.py")

    async def scene(session: Session) -> None:
        await auntil(lambda: session.supervisor.is_ready)
        answer = asyncio.create_task(ask(session.port, "/"))
        await auntil((tmp_path / "asked").exists)
        session.end()
        await auntil(lambda: is_said(session, "stopping api"))
        if how == "somebody hurries":
            session.end()
        assert (await answer).status == 0

    play_session(tmp_path, scene)


def test_a_restart_waits_for_the_answer_to_a_post_and_holds_who_comes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not be sent again."""
    monkeypatch.setattr("devproxy.proxy.upstream.ANSWER_SECONDS", 600.0)
    write_project(tmp_path, "exec {python} slow.py")

    async def scene(session: Session) -> None:
        await auntil(lambda: session.supervisor.is_ready)
        api = session.supervisor.services["api"]
        answer = asyncio.create_task(ask(session.port, "/", body=b"x"))
        await auntil((tmp_path / "asked").exists)
        session.supervisor.ask_restart("api")
        await auntil(lambda: api.life.state == "restarting")
        held = asyncio.create_task(ask(session.port, "/"))
        await auntil(lambda: session.backends.by_name["api"]._waiting)
        assert (api.life.generation, api.life.alive) == (1, True)
        (tmp_path / "go").touch()
        assert ((await answer).status, (await held).status) == (200, 200)
        assert api.life.generation == 2

    play_session(tmp_path, scene)


def test_a_post_that_gets_no_answer_keeps_no_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devproxy.proxy.upstream.ANSWER_SECONDS", 0.1)
    write_project(tmp_path, "exec {python} slow.py")

    async def scene(session: Session) -> None:
        await auntil(lambda: session.supervisor.is_ready)
        answer = asyncio.create_task(ask(session.port, "/", body=b"x"))
        await auntil((tmp_path / "asked").exists)
        session.supervisor.ask_restart("api")
        assert (await answer).status == 502
        await auntil(lambda: session.supervisor.services["api"].life.generation == 2)

    play_session(tmp_path, scene)


def test_who_is_held_is_told_that_it_stops(tmp_path: Path) -> None:
    write_project(tmp_path, "exec sleep 600")

    async def scene(session: Session) -> None:
        answer = asyncio.create_task(ask(session.port, "/"))
        await auntil(lambda: session.backends.by_name["api"]._waiting)
        session.end()
        found = await answer
        assert (found.status, b"devproxy is stopping" in found.body) == (503, True)

    play_session(tmp_path, scene)


def test_an_open_event_stream_keeps_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devproxy.session.session.DRAIN_SECONDS", 600.0)
    write_project(tmp_path, "exec {python} -m uvicorn main:app --port $PORT")

    async def scene(session: Session) -> None:
        await auntil(lambda: session.supervisor.is_ready)
        reader, writer = await asyncio.open_connection("127.0.0.1", session.port)
        writer.write(f"GET /events HTTP/1.1\r\nHost: localhost:{session.port}\r\n\r\n".encode())
        await reader.readuntil(b": here")
        session.end()
        await reader.read()
        writer.close()

    play_session(tmp_path, scene)
