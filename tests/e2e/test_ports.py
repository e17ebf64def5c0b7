"""Ports of whole sessions: parallel checkouts of one repo, and two sessions that want the same port."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from devproxy.cli.client import Client
from devproxy.errors import DevproxyError
from devproxy.ports.probe import is_free
from tests.support import free_port, until
from tests.support.devproxy import COMMAND, Start
from tests.support.devproxy import devproxy as run_devproxy
from tests.support.services import write_config
from tests.support.terminal import terminal

SHOP = """
port = {public}

[services.api]
kind = "backend"
command = "exec {python} server.py api"
port = {port}

[[routes]]
prefix = "/"
to = "api"
"""


def config(port: object, public: int | None = None) -> str:
    return SHOP.replace("{port}", str(port)).replace("{public}", str(public or free_port()))


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.test")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkouts(tmp_path: Path) -> Iterator[list[Path]]:
    """A repo and a linked worktree of it; what runs there is stopped."""
    primary = tmp_path / "shop"
    primary.mkdir()
    write_config(primary, config('"auto"'))
    git(primary, "init", "-b", "main")
    git(primary, "add", ".")
    git(primary, "commit", "-m", "first")
    roots = [primary, tmp_path / "linked"]
    git(primary, "worktree", "add", "-b", "fix/One", str(roots[1]))
    yield roots
    for root in roots:
        run_devproxy(root, ["down"])


def up(root: Path) -> dict[str, Any]:
    """Start it in the background; what it says of itself."""
    done = run_devproxy(root, ["up", "-d", "--wait", "--json"])
    assert done.returncode == 0, done.stderr
    status: dict[str, Any] = json.loads(done.stdout)
    return status


def ports_of(status: dict[str, Any]) -> tuple[int, int]:
    return httpx.URL(status["url"]).port or 0, status["services"][0]["port"]


@pytest.mark.timeout(180)  # whole sessions, one after the other
def test_parallel_checkouts_run_side_by_side_and_keep_their_ports(checkouts: list[Path]) -> None:
    primary, linked = checkouts
    first = ports_of(up(linked))
    assert len({*first, *ports_of(up(primary))}) == 4
    assert run_devproxy(linked, ["down"]).returncode == 0
    assert json.loads(run_devproxy(primary, ["status", "--json"]).stdout)["ready"]  # nobody else's is ended
    assert ports_of(up(linked)) == first


@pytest.mark.timeout(180)
def test_each_branch_has_a_name_of_its_own_that_is_served(checkouts: list[Path]) -> None:
    one = checkouts[1]
    status = up(one)
    port = ports_of(status)[0]
    assert status["urls"] == [f"http://localhost:{port}", f"http://fix-one.shop.localhost:{port}"]
    assert status["url"] == f"http://localhost:{port}"
    # httpx asks the resolver, and not every machine's knows *.localhost (browsers do)
    host = {"Host": f"fix-one.shop.localhost:{port}"}
    assert httpx.get(f"http://127.0.0.1:{port}/there", headers=host).text == "api /there"
    assert f"http://fix-one.shop.localhost:{port}" in run_devproxy(one, ["status"]).stdout
    git(one, "switch", "--detach")
    assert json.loads(run_devproxy(one, ["status", "--json"]).stdout)["urls"] == [status["url"]]


def test_the_name_of_the_branch_is_shown_when_all_is_ready(checkouts: list[Path], devproxy: Start) -> None:
    session = devproxy(checkouts[0]).wait_ready()
    session.wait_for(f"http://main.shop.localhost:{session.port}\n")


def test_of_two_that_want_the_same_port_at_once_one_starts_and_the_other_exits_3(
    tmp_path: Path, devproxy: Start
) -> None:
    port = free_port()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_config(tmp_path / name, config(port))
    sessions = [devproxy(tmp_path / name) for name in ("one", "two")]
    loser = until(lambda: next((one for one in sessions if one.process.poll() is not None), None), within=30)
    [winner] = [one for one in sessions if one is not loser]
    assert loser.wait() == 3, loser.output
    assert f"port {port}, which api needs, is" in loser.output
    winner.wait_ready()
    assert httpx.get(winner.url).text == "api /"
    assert winner.stop(signal.SIGTERM) == -signal.SIGTERM


def test_devproxys_own_port_is_refused_with_the_way_to_end_it_and_from_inside_even_by_force(
    tmp_path: Path, devproxy: Start
) -> None:
    public = free_port()
    inside = f"{{python}} -m devproxy kill-port --force {public}; echo it exited with $?; exec sleep 600"
    write_config(tmp_path, config('"auto"') + f'\n[services.inside]\nkind = "worker"\ncommand = "{inside}"\n')
    session = devproxy(tmp_path, port=public).wait_ready()
    done = run_devproxy(tmp_path, ["kill-port", str(public)])
    assert done.returncode == 3
    assert f"pid {session.pid}" in done.stdout
    assert "the devproxy that runs for this project" in done.stdout
    assert "devproxy down" in done.stderr
    assert "it exited with 3" in session.wait_for("it exited with")
    assert "devproxy was started from inside this process" in session.output
    assert httpx.get(session.url).text == "api /"


def test_a_held_port_of_a_service_that_starts_later_is_told_before_anything_starts(tmp_path: Path) -> None:
    later = '\n[services.later]\nkind = "worker"\ncommand = "true"\nport = {held}\ndepends_on = {{ api = "ready" }}\n'
    with closing(socket.create_server(("127.0.0.1", 0))) as holder:
        held = holder.getsockname()[1]
        write_config(tmp_path, config('"auto"') + later.format(held=held))
        done = run_devproxy(tmp_path, ["up"])
    assert done.returncode == 3, done.stderr
    assert f"port {held}, which later needs, is held by" in done.stderr
    assert not (tmp_path / "journal").exists(), "api was started"


def test_on_a_terminal_a_held_port_can_be_used_as_it_is(tmp_path: Path) -> None:
    with terminal(tmp_path) as shell:
        port, public = free_port(), free_port()
        write_config(tmp_path, config(port, public))
        server = [sys.executable, "server.py", "byhand"]
        hand = subprocess.Popen(server, cwd=tmp_path, env={**os.environ, "PORT": str(port)})
        try:
            until(lambda: not is_free(port))
            shell.type(f"{shlex.join([*COMMAND, 'up'])}; echo status=$?\n")
            shell.see("[u]se it as it is, [f]ree it or [q]uit")
            shell.type("u\n")
            shell.see("q quit")
            assert httpx.get(f"http://localhost:{public}/page").text == "byhand /page"
            client = Client(tmp_path)
            [api] = client.get("/api/status")["services"]
            assert (api["state"], api["pid"], api["url"]) == ("ready", None, f"http://localhost:{port}")
            assert "not started by devproxy" in api["message"]
            for verb in ("stop", "restart"):
                with pytest.raises(
                    DevproxyError, match=f"devproxy did not start api, but uses what listened on port {port}"
                ):
                    client.post(f"/api/services/api/{verb}")
            why = client.get("/api/services/api/why")
            assert [one["command"] for one in why["advice"]] == [f"devproxy kill-port {port}", "devproxy reload"]
            assert client.post("/api/session/reload")["started"] == []  # it is still there
            hand.kill()
            hand.wait()
            [api] = client.get("/api/status")["services"]
            assert (api["state"], "devproxy reload does" in api["message"]) == ("failing", True)
            assert client.post("/api/session/reload")["started"] == ["api"]
            until(lambda: httpx.get(f"http://localhost:{public}/page").text == "api /page")
            assert client.post("/api/session/reload")["started"] == []  # what listens there now is ours
            assert client.get("/api/services/api")["pid"] is not None
        finally:
            hand.kill()
            hand.wait()
        shell.type("q")
        shell.see("status=0")
