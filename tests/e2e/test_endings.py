"""How a session begins and ends among others: shells, racing commands, open streams.

`up && more` after Ctrl-C, two `up`s at the same instant, `down` during the start, a server that waits for its event
streams, descriptors and locks that no child inherits.
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.sync.client import connect

from devproxy.ports.probe import is_free
from devproxy.session.place import is_taken
from tests.support import free_port, until
from tests.support.devproxy import COMMAND, Start, is_alive
from tests.support.devproxy import devproxy as run_devproxy
from tests.support.services import SERVERS, write_config, write_procfile

# It streams until its client leaves, as frameworks do; uvicorn waits for that before it ends.
STREAMING = """
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
    if scope["type"] != "http":
        return
    await receive()
    gone = asyncio.ensure_future(receive())
    head = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    await send(head)
    while not gone.done():
        await send({"type": "http.response.body", "body": b"data: tick\\n\\n", "more_body": True})
        await asyncio.sleep(0.05)
"""


def test_after_ctrl_c_a_shell_goes_no_further(tmp_path: Path) -> None:
    """concurrently#470: `up && more`, and SIGINT for the whole group, as from a terminal."""
    write_procfile(tmp_path, **SERVERS)
    words = " ".join(COMMAND)
    shell = subprocess.Popen(
        ["sh", "-c", f"{words} up --port {free_port()} && echo STILL"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert shell.stdout is not None
    printed = []
    with shell:
        for line in shell.stdout:
            printed.append(line)
            if "ready in" in line and "devproxy  " in line:
                os.killpg(shell.pid, signal.SIGINT)
    assert "STILL\n" not in printed
    assert any("stopped" in line for line in printed)
    assert shell.returncode != 0


def test_two_ups_at_the_same_instant_are_one_session_and_the_other_says_so(tmp_path: Path, devproxy: Start) -> None:
    write_procfile(tmp_path, **SERVERS)
    both = [devproxy(tmp_path), devproxy(tmp_path)]
    until(lambda: any(one.process.poll() is not None for one in both), within=40)
    [other] = [one for one in both if one.process.poll() is not None]
    [session] = [one for one in both if one is not other]
    assert other.wait() == 0
    session.wait_ready()
    assert other.output.strip() == session.url
    assert session.stop() == -signal.SIGINT


def test_down_while_it_is_starting_waits_and_ends_it(tmp_path: Path, devproxy: Start) -> None:
    write_procfile(tmp_path, **SERVERS)
    session = devproxy(tmp_path)
    until(lambda: is_taken(tmp_path))
    done = run_devproxy(tmp_path, ["down"])
    assert done.returncode == 0, done.stderr
    session.wait()
    assert not is_taken(tmp_path)
    assert session.descendants() == []


@pytest.mark.parametrize(
    ("verb", "code", "reason"),
    [
        ("restart", 1012, "the service restarts"),
        ("stop", 1001, "the service goes away"),
        ("down", 1001, "the service goes away"),
    ],
)
def test_an_open_event_stream_or_websocket_does_not_keep_a_server_from_ending(
    tmp_path: Path, devproxy: Start, verb: str, code: int, reason: str
) -> None:
    """polar#3100: uvicorn waits for its clients, and an EventSource never leaves. A WebSocket is told why."""
    port = free_port()
    (tmp_path / "streaming.py").write_text(STREAMING)
    write_config(
        tmp_path,
        f"""
[services.api]
kind = "backend"
command = "exec {sys.executable} -m uvicorn streaming:app --port $PORT"
port = {port}
stop = {{ grace_seconds = 20 }}
""",
    )
    session = devproxy(tmp_path).wait_ready()
    ticking = threading.Event()

    def listen() -> None:
        try:
            with httpx.stream("GET", f"{session.url}/api/stream", timeout=60) as answer:
                for _ in answer.iter_bytes():
                    ticking.set()
        except httpx.HTTPError:
            pass  # ended in the middle, as it is to be

    client = threading.Thread(target=listen)
    client.start()
    assert ticking.wait(20)
    with connect(f"ws://localhost:{session.port}/api/ws") as websocket:
        session.run(verb, *(["api"] if verb != "down" else []))
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(20)
    assert closed.value.rcvd == Close(code, reason)
    if verb != "restart":
        assert is_free(port)
    session.wait_for("Finished server process")  # in its own way, and not by SIGKILL
    if verb != "down":
        session.stop()
    client.join(20)
    assert not client.is_alive()


def test_children_inherit_nothing_but_their_terminal(tmp_path: Path, devproxy: Start) -> None:
    """No listening socket: else the address would be in use after our death. No lock: else the root would be."""
    tables = [f'[services.{name}]\nkind = "worker"\ncommand = "exec sleep 600"\n' for name in ("one", "two")]
    write_config(tmp_path, "\n".join(tables))
    session = devproxy(tmp_path).wait_ready()
    files = {
        one.pid: sorted(os.listdir(f"/proc/{one.pid}/fd"))
        for one in session.descendants()
        if is_alive(one) and "sleep" in one.name()
    }
    assert len(files) == 2
    assert {tuple(names) for names in files.values()} == {("0", "1", "2")}
    [guard] = [one for one in psutil.Process(session.pid).children() if "guard.py" in " ".join(one.cmdline())]
    assert sorted(os.listdir(f"/proc/{guard.pid}/fd")) == ["0", "1", "2"]
