"""devproxy why."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from devproxy.cli import console
from devproxy.cli.status import size
from devproxy.cli.why import outlook, story
from devproxy.config.model import Logs
from devproxy.logs.log import Log
from devproxy.paths import state_dir
from devproxy.ports.records import ChildRecord, save
from tests.cli.conftest import Running
from tests.support import run
from tests.support.services import write_config

SGR = re.compile(r"\x1b\[[0-9;]*m")

STORY: dict[str, Any] = {
    "service": {
        "name": "api", "state": "crashed", "since": "2026-01-31T10:41:00.000000Z", "restarts": 3, "url": None,
        "last_exit": {"code": None, "signal": "SIGSEGV", "time": "2026-01-31T10:41:00.000000Z", "words": "killed by SIGSEGV (11)"},
        "message": "was ended by SIGSEGV; starts again in 4 s", "port": 8000,
        "usage": {"processes": 2, "cpu_percent": 101.5, "seconds": 0.5, "rss_bytes": 182 * 2**20,
                  "listens": [{"address": "127.0.0.1", "port": 5000, "pid": 12}, {"address": "::1", "port": 5000, "pid": 12}]},
    },
    "processes": [
        {"pid": 11, "parent": None, "depth": 0, "command": "npm run dev", "started": "2026-01-31T10:40:00.000000Z",
         "cpu_percent": 0.4, "rss_bytes": 2**20, "escaped": False},
        {"pid": 12, "parent": 11, "depth": 1, "command": "node " + "x" * 100, "started": "2026-01-31T10:40:00.000000Z",
         "cpu_percent": 101.1, "rss_bytes": 181 * 2**20, "escaped": True},
    ],
    "blockers": [{"service": "db", "condition": "ready", "state": "crashed", "message": "exited with code 1"}],
    "command": ["npm", "run", "dev"], "static": None, "dir": "backend", "source": "devproxy.toml:12", "reasons": [],
    "declared_port": 8000, "cause": "a save of main.py", "probe": "it listens on port 8000, within 60 s",
    "answer": None,
    "lines": [{"text": "Traceback", "ansi": "\x1b[31mTraceback\x1b[0m"}, {"text": "bad\x1b[2J" + "y" * 90}],
    "advice": [{"what": "all that it printed", "command": "devproxy logs api"}, {"what": "start it again", "command": "devproxy restart api"}],
}  # fmt: skip


def told(found: dict[str, Any] = STORY, columns: int | None = None) -> str:
    return "\n".join(story(found, columns=columns, colored=False))


@pytest.mark.parametrize(
    "words",
    [
        "✖ api  crashed  ",
        "was ended by SIGSEGV; starts again in 4 s",
        "waits for   db (ready), which is crashed: exited with code 1",
        "last exit   killed by SIGSEGV (11), ",
        "restarts    3",
        "started by  a save of main.py",
        "command     npm run dev  (devproxy.toml:12)",
        "folder      backend",
        "listens on  127.0.0.1:5000 (pid 12), [::1]:5000 (pid 12)",
        "port        8000 (declared)",
        "uses        2 processes, 102 % CPU (over 0.5 s), 182 MiB of memory (RSS)",
        "0 %     1 MiB  npm run dev\n",
        "101 %   181 MiB    node xxx",
        "x  (escaped)\n",
        "devproxy restart api  start it again",
    ],
)
def test_it_tells(words: str) -> None:
    assert words in told()


def test_what_tells_that_it_is_ready_matters_only_until_it_is() -> None:
    assert "ready when" not in told()
    starting = {**STORY, "service": {**STORY["service"], "state": "starting"}}
    assert "ready when  it listens on port 8000, within 60 s" in told(starting)


def test_with_colour_it_is_the_same_text_and_a_childs_line_keeps_its_own() -> None:
    colored = "\n".join(story(STORY, columns=None, colored=True))
    assert SGR.sub("", colored) == told()
    assert "\x1b[31mTraceback\x1b[0m\x1b[0m" in colored


def test_nothing_that_it_quotes_can_move_the_cursor() -> None:
    assert r"bad\x1b[2J" in told()
    assert "\x1b" not in told()


@pytest.mark.parametrize("columns", [50, 64, 80, 120])
def test_on_a_terminal_no_line_is_wider_than_it(columns: int) -> None:
    assert max(map(len, told(columns=columns).splitlines())) <= columns


def test_without_a_terminal_nothing_is_cut_or_folded() -> None:
    assert "x" * 100 in told()
    assert "y" * 90 in told()


def test_of_a_running_service_it_is_the_apis_object(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert console.run(["why", "api", "--json", "-C", str(running.root)]) == 0
    assert json.loads(capsys.readouterr().out) == run(running.session.explain("api")).to_json()
    assert console.run(["why", "api", "-C", str(running.root)]) == 0
    assert "● api  ready  " in capsys.readouterr().out


@pytest.mark.parametrize("runs", [True, False])
def test_an_unknown_service_is_answered_with_the_nearest(
    runs: bool, request: pytest.FixtureRequest, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if runs:
        request.getfixturevalue("running")
    else:
        write_config(project, CONFIG)
    assert console.run(["why", "apy", "-C", str(project)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "there is no service 'apy'" in err
    assert "did you mean 'api'?" in err


CONFIG = """
[services.api]
command = "uvicorn main:app --port $PORT"
port = 8000
depends_on = { db = "ready" }

[services.db]
command = "postgres"

[services.mail]
command = "mailhog"
start = "manual"

[services.extra]
command = "true"
profiles = ["full"]

[services.docs]
command = "mkdocs serve"
port = 8001
start = "on-demand"

[services.pair]
command = "work"
instances = 2

[[routes]]
prefix = "/docs"
to = "docs"

[services.site]
static = "dist"
"""


def offline(project: Path, name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert console.run(["why", name, "--json", "-C", str(project)]) == 5
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_without_a_session_it_says_what_up_would_do_and_the_exit_status_is_5(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(project, CONFIG)
    api = offline(project, "api", capsys)
    assert (api["service"], api["would"], api["source"]) == (
        None,
        "run it on port 8000, when db is ready",
        "devproxy.toml:3",
    )
    assert offline(project, "mail", capsys)["would"] == "not start it: devproxy up mail does"
    assert offline(project, "extra", capsys)["would"] == "not start it: devproxy up --profile full does"
    assert offline(project, "docs", capsys)["would"] == "start it when the first request for it comes"
    assert offline(project, "site", capsys)["would"].startswith("serve dist")
    assert offline(project, "pair", capsys)["command"] == offline(project, "pair.2", capsys)["command"] == "work"
    assert console.run(["why", "api", "-C", str(project)]) == 5
    out, err = capsys.readouterr()
    assert "○ api  does not run" in out
    assert "last time   it has not run yet" in out
    assert "devproxy up  start it" in out
    assert "nothing runs in" in err


def test_without_a_session_it_says_how_the_last_one_left_it(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(project, CONFIG)
    log = Log(state_dir(project) / "logs", "last", Logs())
    log.source("api", "stdout").feed(b"listening\nboom\n")
    log.say("api was ended by SIGKILL; it is not started again")
    log.say("apis are something else")
    log.close()
    gone = 2**22 + 1  # beyond what a kernel gives out (proc_sys_kernel(5), pid_max)
    record = ChildRecord("api", gone, 1.0, "boot", gone, (8000,), gone + 1, 1.0, str(project))
    save(state_dir(project), [record])
    last = offline(project, "api", capsys)["last"]
    assert last["said"]["text"] == "api was ended by SIGKILL; it is not started again"
    assert (last["line"]["text"], last["session_was_killed"], last["left_running"]) == ("boom", True, [])
    assert offline(project, "db", capsys)["last"] is None
    lines = "\n".join(outlook(offline(project, "api", capsys), columns=None, colored=False))
    assert "last time   its session was killed" in lines
    assert "last line   boom (0s ago)" in lines


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 KiB"), (650_000, "635 KiB"), (2**20, "1 MiB"), (200_000_000, "191 MiB"), (2**31, "2.0 GiB")],
)
def test_bytes_are_in_the_unit_that_fits(count: int, shown: str) -> None:
    assert size(count) == shown
