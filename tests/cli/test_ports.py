"""`devproxy ports`: what listens, whose it is, and what was ended."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from devproxy.cli.ports import whose_words
from devproxy.ports.whose import Whose
from tests.ports.children import CLIENT, IPV4, Children
from tests.support import free_port
from tests.support.devproxy import Start, devproxy
from tests.support.services import API, write_config


def listed(cwd: Path, *arguments: str) -> dict[int, dict[str, Any]]:
    """What `ports --json` says, by port."""
    done = devproxy(cwd, ["ports", "--json", *arguments])
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["schema"] == 1
    return {one["port"]: one for one in report["ports"]}


def test_what_listens_is_listed_with_its_process_and_whose_it_is(
    children: Children, repo: Path, tmp_path: Path, devproxy: Start
) -> None:
    mine, left, elsewhere = free_port(), free_port(), free_port()
    by_hand = children.start(IPV4, mine, cwd=repo)
    children.start(CLIENT, mine, cwd=repo)
    orphan = children.orphan(IPV4, left, cwd=repo)
    stranger = children.start(IPV4, elsewhere)
    (tmp_path / "shop").mkdir()
    write_config(tmp_path / "shop", API)
    session = devproxy(tmp_path / "shop").wait_ready()
    found = listed(repo)
    pids = {mine: by_hand.pid, left: orphan, elsewhere: stranger.pid, session.port: session.pid}
    assert {port: found[port]["pid"] for port in pids} == pids
    assert found[mine]["cwd"] == str(repo)
    assert found[mine]["addresses"] == ["127.0.0.1"]
    assert found[mine]["command"].endswith(f" {mine}")
    assert 0 <= found[mine]["age_seconds"] < 120
    shop = str(tmp_path / "shop")
    assert {port: found[port]["whose"] for port in pids} == {
        mine: {"kind": "project", "name": "", "root": str(repo)},
        left: {"kind": "left", "name": "", "root": str(repo)},
        elsewhere: {"kind": "other", "name": "", "root": ""},
        session.port: {"kind": "devproxy", "name": "", "root": shop},
    }
    [api] = [one for one in found.values() if one["whose"] == {"kind": "service", "name": "api", "root": shop}]
    [line] = [line for line in session.run("ports").splitlines() if line.startswith(f"{api['port']} ")]
    assert "service api  " in line
    assert f" {api['pid']} " in line


def test_what_is_no_development_servers_is_only_counted(children: Children, repo: Path) -> None:
    """A unit of systemd, by the mark that systemd gives it."""
    port = free_port()
    script = children.script(IPV4)
    unit = (
        "import os, sys; os.execve(sys.executable, sys.argv[2:], {**os.environ, 'SYSTEMD_EXEC_PID': str(os.getpid())})"
    )
    process = children.start(unit, port, sys.executable, script, port)
    assert port not in listed(repo)
    assert listed(repo, "--all")[port]["pid"] == process.pid
    done = devproxy(repo, ["ports"])
    assert "more are other users' or the system's: devproxy ports --all" in done.stderr


def test_what_was_ended_when_and_why_is_told_from_any_folder(children: Children, repo: Path, tmp_path: Path) -> None:
    assert "has ended nothing yet" in devproxy(tmp_path, ["ports", "--killed"]).stdout
    port = free_port()
    pid = children.orphan(IPV4, port, cwd=repo)
    assert devproxy(repo, ["kill-port", str(port)]).returncode == 0
    shown = devproxy(tmp_path, ["ports", "--killed"]).stdout
    assert f"port {port}  SIGTERM to pid {pid}" in shown
    assert "ours: left behind in this project" in shown
    [entry] = json.loads(devproxy(tmp_path, ["ports", "--killed", "--json"]).stdout)["killed"]
    assert (entry["pid"], entry["port"], entry["root"]) == (pid, port, str(repo))


def test_a_command_line_cannot_move_the_cursor(children: Children, repo: Path) -> None:
    children.start(IPV4, free_port(), "\x1b[2Jboo\x07")
    shown = devproxy(repo, ["ports"]).stdout
    assert "boo" in shown
    assert "\x1b" not in shown


def test_a_reader_that_leaves_is_no_error(children: Children, repo: Path) -> None:
    children.start(IPV4, free_port())
    command = f"{sys.executable} -m devproxy ports | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=repo, capture_output=True, text=True, timeout=30)
    assert (done.returncode in (0, 141), done.stderr.count("Traceback")) == (True, 0)


@pytest.mark.parametrize(
    ("it", "words"),
    [
        (Whose("devproxy", root="/p"), "devproxy"),
        (Whose("devproxy", root="/q"), "devproxy of /q"),
        (Whose("service", "api", "/q"), "service api of /q"),
        (Whose("left", "api", "/p"), "left behind by api"),
        (Whose("left", "", "/p"), "left behind here"),
        (Whose("container", "db-1"), "container db-1"),
        (Whose("container"), "container"),
        (Whose("project", root="/p"), "this project"),
        (Whose("other", root="/q"), "/q"),
        (Whose("other"), "no project"),
        (Whose("user", "root"), "user root"),
        (Whose("unseen"), "not to be seen"),
    ],
)
def test_whose_it_is_is_told_from_where_one_stands(it: Whose, words: str) -> None:
    assert whose_words(it, Path("/p")) == words
