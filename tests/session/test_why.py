"""What is told of a service's state: by a real session, of real processes."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial, reduce
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from devproxy.cli.client import Client
from devproxy.config.load import load
from devproxy.config.model import Config, Ready
from devproxy.session import why
from devproxy.session.session import Session
from devproxy.session.why import probe_words, source_of
from tests.support import free_port, run, until
from tests.support.devproxy import RunningDevproxy, Start
from tests.support.services import write_config

CONFIG = """
[services.api]
command = "exec {python} server.py api"
port = PORT
watch = ["*.txt"]

[services.parent]
kind = "worker"
command = "exec {python} parent.py apart"

[services.broken]
kind = "worker"
restart = "never"
command = '''{python} -c "import sys; print(1); sys.exit('no such table')"'''

[services.killed]
kind = "worker"
restart = "never"
command = "kill -SEGV $$"

[services.late]
kind = "worker"
command = "true"
depends_on = { broken = "exited-ok" }

[services.mute]
kind = "backend"
command = "sleep 60"
port = MUTE

[services.pair]
kind = "worker"
restart = "never"
instances = 2
command = 'test "$DEVPROXY_SERVICE" = pair.1 && exec sleep 60; exit 3'

[services.elsewhere]
kind = "backend"
command = "PORT=OTHER exec {python} server.py elsewhere"
port = USUAL

[services.site]
static = "dist"

[[routes]]
prefix = "/"
to = "api"
"""


def told(session: RunningDevproxy, name: str) -> dict[str, Any]:
    with Client(session.cwd) as client:
        return client.get(f"/api/services/{name}/why")


def test_all_that_is_known_of_each_state(tmp_path: Path, devproxy: Start) -> None:
    port, mute, other, usual = (free_port() for _ in range(4))
    numbers = {"port = PORT": f"port = {port}", "MUTE": str(mute), "OTHER": str(other), "USUAL": str(usual)}
    write_config(tmp_path, reduce(lambda text, pair: text.replace(*pair), numbers.items(), CONFIG))
    session = devproxy(tmp_path)
    session.wait_for("api is ready")
    session.wait_for("grandchild")
    session.wait_for("elsewhere is ready")
    session.wait_for("broken exited with code 1")
    session.wait_for("pair.2 exited with code 3")
    session.wait_for("killed was ended by SIGSEGV")

    with ThreadPoolExecutor() as threads:  # at once, as each takes half a second
        names = ("api", "parent", "broken", "killed", "mute", "late", "site", "elsewhere", "pair")
        found = dict(zip(names, threads.map(partial(told, session), names), strict=True))
    api = found["api"]
    pid = api["service"]["pid"]
    assert (api["service"]["state"], api["cause"], api["source"]) == ("ready", "devproxy up", "devproxy.toml:3")
    assert api["service"]["usage"]["listens"] == [{"address": "127.0.0.1", "port": port, "pid": pid}]
    assert [one["pid"] for one in api["processes"]] == [pid]
    assert (api["declared_port"], api["probe"]) == (port, f"it listens on port {port}, within 60 s")
    assert (api["advice"], api["lines"], api["blockers"], api["answer"]) == ([], [], [], None)
    with Client(tmp_path) as client:
        given = client.get("/api/services/api/env")
    assert (given["pid"], given["env"]["PORT"]) == (pid, str(port))

    parent = found["parent"]
    assert [(one["depth"], one["escaped"]) for one in parent["processes"]] == [(0, False), (1, True)]
    assert parent["processes"][1]["parent"] == parent["service"]["pid"]
    assert parent["service"]["usage"]["processes"] == 2

    broken = found["broken"]
    assert (broken["service"]["state"], broken["service"]["last_exit"]["words"]) == ("crashed", "exit 1")
    assert [one["text"] for one in broken["lines"]] == ["1", "no such table"]
    assert (broken["processes"], broken["service"]["usage"]) == ([], None)

    assert found["killed"]["service"]["last_exit"]["words"] == "killed by SIGSEGV (11)"

    mute_ = found["mute"]
    assert (mute_["service"]["state"], mute_["probe"]) == ("starting", f"it listens on port {mute}, within 60 s")
    assert mute_["answer"].startswith(f"nothing of its tree listens on {mute} for ")

    pair = found["pair"]  # of several instances, the one that ails
    line = CONFIG[: CONFIG.index("command = 'test")].count("\n") + 1
    assert (pair["service"]["name"], pair["source"]) == ("pair.2", f"devproxy.toml:{line}")

    [advice] = found["elsewhere"]["advice"]
    assert advice["what"].startswith(f"it listens on {other}, not on {usual}: ")

    late = found["late"]
    assert (late["service"]["state"], late["service"]["waits_for"], late["cause"]) == ("waiting", ["broken"], None)
    [blocker] = late["blockers"]
    assert (blocker["service"], blocker["condition"], blocker["state"]) == ("broken", "exited-ok", "crashed")
    assert late["advice"][0]["command"] == "devproxy why broken"

    site = found["site"]
    assert (site["service"]["state"], site["static"], site["processes"]) == ("ready", "dist", [])

    with Client(tmp_path) as client:
        client.post("/api/services/broken/restart")
        until(lambda: told(session, "broken")["service"]["restarts"] == 1)
        until(lambda: (again := told(session, "broken"))["service"]["state"] == "crashed" and again["lines"])
        assert [one["text"] for one in told(session, "broken")["lines"]] == ["1", "no such table"]  # of this time only
        client.post("/api/services/api/restart")
        assert told(session, "api")["cause"] == "a restart that was asked for"
        (tmp_path / "saved.txt").touch()
        until(lambda: told(session, "api")["cause"] == "a save of saved.txt")
        listed = {one["name"]: one for one in client.get("/api/status", usage="true")["services"]}
    assert listed["parent"]["usage"]["processes"] == 2
    assert listed["broken"]["usage"] is None


def test_the_loop_turns_while_the_system_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the loop's own thread, what waits for a turn of the loop would wait in vain."""
    turned: list[bool] = []

    async def scene() -> None:
        loop = asyncio.get_running_loop()

        def survey(*_: object, **__: object) -> str:
            turn = threading.Event()
            loop.call_soon_threadsafe(turn.set)
            turned.append(turn.wait(20))
            return "a survey"

        monkeypatch.setattr(why, "_survey", survey)
        services = {"it": SimpleNamespace(child=SimpleNamespace(pid=1))}
        supervisor, place = SimpleNamespace(services=services), SimpleNamespace(id="s")
        session = cast(Session, SimpleNamespace(supervisor=supervisor, place=place))
        assert await why._look(session, ["it"], 0.0) == ("a survey", "a survey")

    run(scene())
    assert turned == [True, True]


@pytest.mark.parametrize(
    ("ready", "words"),
    [
        (Ready(), "it listens on port 80, within 60 s"),
        (Ready(http="/health", status=204, timeout_seconds=5), "GET /health on port 80 answers 204, within 5 s"),
        (Ready(http="/"), "GET / on port 80 answers below 500, within 60 s"),
        (Ready(log="up.*"), "a line that matches 'up.*', within 60 s"),
        (Ready(command="pg_isready"), "'pg_isready' exits with 0, within 60 s"),
        (Ready(started=True), "it is ready as soon as it has started"),
    ],
)
def test_what_tells_that_it_is_ready_in_words(ready: Ready, words: str) -> None:
    assert probe_words(ready, 80, listens=True) == words


def test_what_does_not_listen_is_ready_when_it_has_started() -> None:
    assert probe_words(Ready(), None, listens=False) == "it is ready as soon as it has started"
    assert probe_words(Ready(port=True), None, listens=False) == "it listens, within 60 s"


@pytest.mark.parametrize(
    ("file", "text", "where"),
    [
        ("devproxy.toml", "# x\n[services.api]\nport = 80\ncommand = 'x'\n", "devproxy.toml:4"),
        ("devproxy.toml", "services.api.static = 'x'\n", "devproxy.toml:1"),
        ("pyproject.toml", "[tool.devproxy.services.api]\n\nurl = 'http://h'\n", "pyproject.toml:3"),
    ],
)
def test_where_a_services_command_stands(file: str, text: str, where: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text)
    config = load(tmp_path)
    assert config is not None
    assert source_of(config, "api") == where
    (tmp_path / file).unlink()
    assert source_of(config, "api") == file


def test_what_nobody_wrote_down_was_discovered(tmp_path: Path) -> None:
    assert source_of(Config(name="x", root=tmp_path), "api") == "discovered"
