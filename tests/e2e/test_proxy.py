"""`devproxy proxy`: the gateway alone, in front of servers that it neither starts nor stops."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support import free_port, until
from tests.support.devproxy import RunningDevproxy, Start
from tests.support.devproxy import devproxy as run_devproxy
from tests.support.services import write_services

Serve = Callable[..., int]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Run a small server as somebody else would: `serve("web")` returns its port. It ends with the test."""
    write_services(tmp_path)
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, port: int | None = None) -> int:
        port = port or free_port()
        words = [sys.executable, "server.py", name]
        env = {**os.environ, "PORT": str(port)}
        started.append(subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL))
        until(lambda: answers(port))
        return port

    yield start
    for process in started:
        process.kill()
        process.wait(20)


@pytest.fixture
def proxy(tmp_path: Path, devproxy: Start) -> Start:
    """Run `devproxy proxy` in a folder of its own until it listens: `proxy(URL, "--route", …)`."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()

    def start(*arguments: str, **options: object) -> RunningDevproxy:
        return devproxy(folder, *arguments, command="proxy", **options)

    return start


def answers(port: int) -> str:
    """What a server says to GET /; empty while it is not there."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/").text
    return ""


def test_each_path_goes_to_the_server_of_its_longest_prefix(proxy: Start, serve: Serve) -> None:
    ports = {name: serve(name) for name in ("web", "api", "admin")}
    routes = ["--route", f"/api=http://localhost:{ports['api']}", "--route", f"/api/admin=127.0.0.1:{ports['admin']}"]
    session = proxy(f"http://localhost:{ports['web']}", *routes).wait_ready()
    with httpx.Client(base_url=session.url) as client:
        assert client.get("/page?q=1").text == "web /page?q=1"
        assert client.get("/api/items").text == "api /api/items"
        assert client.get("/api/admin/users").text == "admin /api/admin/users"
        assert client.get("/apis").text == "web /apis"


def test_routes_of_like_names_keep_their_own_servers(proxy: Start, serve: Serve) -> None:
    """Services are named after prefixes; two prefixes can come to one name."""
    ports = {name: serve(name) for name in ("root", "one", "two", "three")}
    prefixes = {"/web": "one", "/a/b": "two", "/a-b": "three"}
    routes = [word for prefix, name in prefixes.items() for word in ("--route", f"{prefix}=localhost:{ports[name]}")]
    session = proxy(f"localhost:{ports['root']}", *routes).wait_ready()
    for path, name in {"/": "root", **prefixes}.items():
        assert httpx.get(session.url + path).text == f"{name} {path}"


def test_a_server_that_comes_late_still_answers_the_request(proxy: Start, serve: Serve) -> None:
    port = free_port()
    session = proxy(f"localhost:{port}").wait_ready()
    found: list[str] = []
    asking = threading.Thread(target=lambda: found.append(httpx.get(f"{session.url}/late", timeout=20).text))
    asking.start()
    asking.join(0.5)
    assert asking.is_alive()  # it waits, and is not refused
    serve("web", port)
    asking.join(10)
    assert found == ["web /late"]


def test_a_server_that_never_comes_is_a_502_after_the_five_seconds_of_the_contract(proxy: Start) -> None:
    session = proxy(f"localhost:{free_port()}").wait_ready()
    began = time.monotonic()
    answer = httpx.get(f"{session.url}/x", headers={"Accept": "application/json"}, timeout=20)
    took = time.monotonic() - began
    assert (answer.status_code, answer.json()["service"]) == (502, "web")
    assert took > 4.5


def test_ctrl_c_ends_the_gateway_and_leaves_the_servers_alone(proxy: Start, serve: Serve) -> None:
    web, api = serve("web"), serve("api")
    session = proxy(f"localhost:{web}", "--route", f"/api=localhost:{api}").wait_ready()
    assert session.stop(signal.SIGINT) == -signal.SIGINT
    assert (answers(web), answers(api)) == ("web /", "api /")
    assert "Traceback" not in session.output


def test_it_leaves_nothing_in_the_folder_nor_in_the_state(proxy: Start, serve: Serve, own_folders: Path) -> None:
    session = proxy(f"localhost:{serve('web')}").wait_ready()
    session.stop()
    assert os.listdir(session.cwd) == []
    assert os.listdir(own_folders / "state") == []


def test_two_in_one_folder_that_want_the_same_port_get_two(proxy: Start, serve: Serve) -> None:
    first = proxy(f"localhost:{serve('one')}").wait_ready()
    second = proxy(f"localhost:{serve('two')}", port=first.port)
    second.wait_for(f"port {first.port} is in use; this session is on ")
    port = int(second.output.split("this session is on ")[1].split()[0])
    assert until(lambda: answers(port)) == "two /"
    assert answers(first.port) == "one /"


@pytest.mark.parametrize(
    "arguments",
    [
        ["http://"],
        ["ftp://localhost:21"],
        ["localhost:0"],
        ["localhost:99999"],
        ["localhost:8000/path?query"],
        ["https://user@localhost:8000"],
        ["localhost:8000?query"],
        ["localhost:8000", "--route", "/api"],
        ["localhost:8000", "--route", "api=localhost:8001"],
        ["localhost:8000", "--route", "/api=nonsense://x"],
        ["localhost:8000", "--route", "/=localhost:8001"],
        ["localhost:8000", "--route", "/api=localhost:1", "--route", "/api=localhost:2"],
        [],
    ],
    ids=" ".join,
)
def test_what_is_no_address_or_no_route_is_exit_2_in_one_message(tmp_path: Path, arguments: list[str]) -> None:
    done = run_devproxy(tmp_path, ["proxy", *arguments])
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("devproxy: ")
    assert "Traceback" not in done.stderr
