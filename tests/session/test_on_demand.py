"""start = "on-demand": the first request starts a service, and waits for it."""

import asyncio
import json
from pathlib import Path

from devproxy.session.session import Session
from tests.support import auntil, free_port
from tests.support.in_process import play_session
from tests.support.saves import UVICORN, Answer, ask, upgrade
from tests.support.services import write_config

CONFIG = """
[services.docs]
kind = "backend"
command = "COMMAND"
port = PORT
start = "on-demand"
restart = "never"

[[routes]]
prefix = "/"
to = "docs"
"""
SERVES = CONFIG.replace("COMMAND", "exec {python} -m uvicorn main:app --port $PORT")


def write_project(folder: Path, config: str = SERVES) -> None:
    write_config(folder, config.replace("= PORT", f"= {free_port()}"))
    (folder / "main.py").write_text(UVICORN.replace("VERSION", "here"))


def starts(session: Session) -> int:
    return session.supervisor.services["docs"].life.generation


def facts(answer: Answer) -> dict[str, object]:
    found: dict[str, object] = json.loads(answer.body)
    return found


def test_many_first_requests_are_one_start_and_all_are_answered(tmp_path: Path) -> None:
    write_project(tmp_path)

    async def scene(session: Session) -> None:
        assert starts(session) == 0
        asked = [ask(session.port, f"/{number}", body=b"1" if number % 2 else None) for number in range(20)]
        answers = await asyncio.gather(*asked)
        assert [(answer.status, answer.body) for answer in answers] == [(200, b"here")] * 20
        assert starts(session) == 1

    play_session(tmp_path, scene)
    assert (tmp_path / "ran").read_text().count("\n") == 10


def test_a_websocket_may_be_the_first(tmp_path: Path) -> None:
    write_project(tmp_path)

    async def scene(session: Session) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", session.port)
        writer.write(upgrade(session.port, "/ws"))
        assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
        assert starts(session) == 1
        writer.close()

    play_session(tmp_path, scene)


def test_who_may_not_wait_starts_it_all_the_same(tmp_path: Path) -> None:
    write_project(tmp_path, SERVES + "\n[hold]\nrequest_seconds = 0\n")

    async def scene(session: Session) -> None:
        assert (await ask(session.port, "/")).status == 503
        await auntil(lambda: session.supervisor.services["docs"].life.state == "ready")
        assert (await ask(session.port, "/")).status == 200

    play_session(tmp_path, scene)


def test_a_start_that_crashes_is_a_502_with_its_traceback(tmp_path: Path) -> None:
    write_project(tmp_path, CONFIG.replace("COMMAND", "exec {python} crashes.py"))
    (tmp_path / "crashes.py").write_text("raise RuntimeError('no database')\n")

    async def scene(session: Session) -> None:
        answers = await asyncio.gather(ask(session.port, "/"), ask(session.port, "/", body=b"1"))
        assert [answer.status for answer in answers] == [502, 502]
        assert "RuntimeError: no database" in str(facts(answers[0])["traceback"])
        assert starts(session) == 1

    play_session(tmp_path, scene)


def test_one_that_somebody_stopped_stays_stopped_and_says_how_to_start_it(tmp_path: Path) -> None:
    write_project(tmp_path)

    async def scene(session: Session) -> None:
        assert (await ask(session.port, "/")).status == 200
        session.supervisor.ask_stop("docs")
        await auntil(lambda: session.supervisor.services["docs"].life.state == "stopped")
        assert (await ask(session.port, "/")).status == 503
        refused = await ask(session.port, "/")  # the first has not started it, either
        assert (refused.status, facts(refused)["hint"]) == (503, "Start it: `devproxy start docs`.")
        assert starts(session) == 1
        session.supervisor.ask_start("docs")
        assert (await ask(session.port, "/")).status == 200
        assert starts(session) == 2

    play_session(tmp_path, scene)
