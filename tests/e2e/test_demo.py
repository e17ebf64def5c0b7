"""`devproxy demo`: what README's first command shows works through the one origin, and is gone afterwards."""

import re
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from websockets.sync.client import connect

from tests.support.devproxy import RunningDevproxy, is_alive


@pytest.fixture
def demo(tmp_path: Path, devproxy: Callable[..., RunningDevproxy]) -> RunningDevproxy:
    """A running demo, ready; its temporary folder is below the test's own."""
    return devproxy(tmp_path, command="demo", env={"TMPDIR": str(tmp_path)}).wait_ready()


def folder_of(demo: RunningDevproxy) -> Path:
    found = re.search(r"The demo lies in (.+): edit", demo.output)
    assert found
    return Path(found[1])


def test_the_page_and_its_script_are_served(demo: RunningDevproxy) -> None:
    page = httpx.get(f"{demo.url}/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "app.js" in page.text
    assert httpx.get(f"{demo.url}/app.js").text == (folder_of(demo) / "site" / "app.js").read_text()


def test_rest_events_and_the_websocket_answer_through_the_origin(demo: RunningDevproxy) -> None:
    assert httpx.get(f"{demo.url}/api/hello?name=you").json()["message"] == "Hello, you!"
    with httpx.stream("GET", f"{demo.url}/api/ticks", headers={"Accept": "text/event-stream"}, timeout=20) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        lines = events.iter_lines()
        assert next(lines) == "id: 0"
        assert next(lines).startswith("data: tick 0")
    with connect(f"ws://localhost:{demo.port}/api/echo") as socket:
        socket.send("hello")
        assert socket.recv(timeout=20) == "echo: hello"


def test_after_ctrl_c_its_folder_its_state_and_its_processes_are_gone(
    demo: RunningDevproxy, tmp_path: Path, own_folders: Path
) -> None:
    assert folder_of(demo).is_relative_to(tmp_path)
    children: list[psutil.Process] = demo.descendants()
    assert children
    assert demo.stop(signal.SIGINT) == -signal.SIGINT
    assert list(tmp_path.iterdir()) == []
    assert list((own_folders / "state").iterdir()) == []
    assert [child for child in children if is_alive(child)] == []
    assert "Traceback" not in demo.output


def test_an_open_event_stream_does_not_keep_it_from_ending(demo: RunningDevproxy) -> None:
    with httpx.stream("GET", f"{demo.url}/api/ticks", timeout=20) as events:
        next(events.iter_lines())
        assert demo.stop(signal.SIGINT) == -signal.SIGINT
