"""`devproxy up` on projects of small Python services: no Node, no browser, the real command."""

import json
import os
import re
import signal
from pathlib import Path

import httpx
import pytest

from tests.support import free_port, until
from tests.support.devproxy import RunningDevproxy, Start, is_alive
from tests.support.devproxy import devproxy as run_devproxy
from tests.support.services import SERVERS, WEB_AND_API, write_config, write_procfile

# `web` needs `api`: so api is started first and stopped last.
ORDERED = WEB_AND_API.replace('port = "auto"\n', 'port = "auto"\ndepends_on = { api = "ready" }\n', 1)

STUBBORN = """
[services.mule]
kind = "worker"
command = "exec {python} stubborn.py"
stop = { grace_seconds = 600 }

[services.horse]
kind = "worker"
command = "sleep 600"
"""


def journal(root: Path) -> list[str]:
    return (root / "journal").read_text().splitlines()


def printed_pid(session: RunningDevproxy) -> int:
    found = until(lambda: re.search(r"grandchild (\d+) is here", session.output))
    return int(found[1])


def test_it_prints_the_url_and_every_line_behind_its_services_name(tmp_path: Path, devproxy: Start) -> None:
    write_procfile(tmp_path, **SERVERS)
    session = devproxy(tmp_path).wait_ready()
    session.wait_for(session.url)
    printed = session.wait_for("api is here")
    assert re.search(r"^.*\bapi\b.*api is here$", printed, re.MULTILINE)


def test_requests_reach_the_service_that_the_path_belongs_to(tmp_path: Path, devproxy: Start) -> None:
    write_procfile(tmp_path, **SERVERS)
    session = devproxy(tmp_path).wait_ready()
    with httpx.Client(base_url=session.url) as client:
        assert client.get("/some/page?q=1").text == "web /some/page?q=1"
        assert client.get("/api/items").text == "api /api/items"


def test_both_loopback_families_answer(tmp_path: Path, devproxy: Start) -> None:
    write_procfile(tmp_path, **SERVERS)
    session = devproxy(tmp_path).wait_ready()
    for host in ("127.0.0.1", "[::1]"):
        assert httpx.get(f"http://{host}:{session.port}/").text == "web /"


def test_a_request_made_before_the_service_listens_is_answered(tmp_path: Path, devproxy: Start) -> None:
    """It is held: nobody has to know when a service is ready."""
    write_procfile(tmp_path, web=SERVERS["web"], api=f"sleep 1; exec {SERVERS['api']}")
    session = devproxy(tmp_path)

    def answered() -> httpx.Response | None:
        try:
            return httpx.get(f"{session.url}/api/items", timeout=30)
        except httpx.ConnectError:  # the gateway itself is not there yet
            return None

    answer = until(answered, within=20)
    assert answer is not None
    assert (answer.status_code, answer.text) == (200, "api /api/items")


def test_ctrl_c_stops_the_children_in_reverse_order_and_it_dies_by_sigint(tmp_path: Path, devproxy: Start) -> None:
    write_config(tmp_path, ORDERED)
    session = devproxy(tmp_path).wait_ready()
    assert session.stop(signal.SIGINT) == -signal.SIGINT
    assert journal(tmp_path) == [
        "api listens",
        "web listens",
        "web asked",
        "web gone",
        "api asked",
        "api gone",
    ]
    assert "Traceback" not in session.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_it_stops_everything_and_dies_by_the_signal_that_asked(
    tmp_path: Path, devproxy: Start, number: signal.Signals
) -> None:
    write_config(tmp_path, ORDERED)
    session = devproxy(tmp_path).wait_ready()
    children = session.descendants()
    assert children
    assert session.stop(number) == -number
    assert [child for child in children if is_alive(child)] == []
    assert journal(tmp_path)[-4:] == ["web asked", "web gone", "api asked", "api gone"]


def test_a_service_behind_a_shell_may_end_in_its_own_way(tmp_path: Path, devproxy: Start) -> None:
    """The shell leads the session: if it dies first, the kernel sends SIGHUP to the service behind it."""
    write_procfile(tmp_path, **SERVERS)
    devproxy(tmp_path).wait_ready().stop()
    assert {"web asked", "web gone", "api asked", "api gone"} <= set(journal(tmp_path))


def test_one_that_is_stopped_before_all_is_ready_does_not_sum_up_what_is_not(tmp_path: Path, devproxy: Start) -> None:
    write_procfile(tmp_path, web="echo not yet; exec sleep 600")
    session = devproxy(tmp_path)
    session.wait_for("not yet")
    session.stop()
    assert "devproxy | stopped" in session.output
    assert "➜" not in session.output


def test_a_second_ctrl_c_ends_the_grace_period(tmp_path: Path, devproxy: Start) -> None:
    write_config(tmp_path, STUBBORN)
    session = devproxy(tmp_path)
    session.wait_for("stubborn is here")
    session.send(signal.SIGINT)
    session.wait_for("I stay")
    assert "mule" in session.wait_for("Ctrl-C again")
    session.wait_for("horse stopped")
    session.wait_for("still waiting for mule, which is killed in 59")  # seconds, of 600
    assert session.process.poll() is None
    assert session.stop(signal.SIGINT) == -signal.SIGINT


@pytest.mark.parametrize("how", ["", "apart"], ids=["in its parent's group", "in a session of its own"])
def test_a_grandchild_is_gone_when_it_has_stopped(tmp_path: Path, devproxy: Start, how: str) -> None:
    write_procfile(tmp_path, web=SERVERS["web"], worker=f"{{python}} parent.py {how}")
    session = devproxy(tmp_path)
    grandchild = printed_pid(session)
    assert is_alive(grandchild)
    session.stop()
    assert not is_alive(grandchild)


def test_children_do_not_outlive_a_devproxy_that_was_killed(tmp_path: Path, devproxy: Start) -> None:
    write_procfile(tmp_path, web=SERVERS["web"], worker="{python} parent.py")
    session = devproxy(tmp_path).wait_ready()
    grandchild = printed_pid(session)
    children = session.descendants()
    session.send(signal.SIGKILL)
    session.process.wait(20)
    until(lambda: not is_alive(grandchild) and not any(is_alive(child) for child in children), within=15)
    assert f"grandchild {grandchild} is here" in session.run("logs", "worker")  # what they printed is not lost


def test_after_a_kill_the_next_start_just_works(tmp_path: Path, devproxy: Start) -> None:
    """On the same ports, which nobody moves: all that was left is gone, and that is no more than one message."""
    ports = free_port(), free_port()
    config = ORDERED
    for port in ports:
        config = config.replace('"auto"', str(port), 1)
    write_config(tmp_path, config)
    first = devproxy(tmp_path).wait_ready()
    first.send(signal.SIGKILL)
    first.process.wait(20)
    second = devproxy(tmp_path, port=first.port).wait_ready()
    assert second.url == json.loads(second.run("status", "--json"))["url"]
    assert httpx.get(f"{second.url}/api/again").text == "api /api/again"
    said = [line for line in second.output.splitlines() if line.startswith("devproxy |") and "earlier session" in line]
    assert len(said) <= 1
    assert "error" not in second.output.lower()


def test_a_child_that_exits_at_once_is_one_message_with_its_status(tmp_path: Path, devproxy: Start) -> None:
    write_config(
        tmp_path,
        ORDERED + '\n[services.seed]\nkind = "worker"\ncommand = "echo no database; exit 7"\nrestart = "never"\n',
    )
    session = devproxy(tmp_path)
    session.wait_for("no database")
    told = session.wait_for("exited with code 7")
    session.wait_for("web is here")  # the others run on
    assert session.process.poll() is None
    assert len([line for line in told.splitlines() if "code 7" in line]) == 1
    assert "Traceback" not in session.output


def test_a_missing_program_is_named(tmp_path: Path, devproxy: Start) -> None:
    write_config(
        tmp_path,
        '[services.web]\nkind = "frontend"\ncommand = ["no-such-program-here"]\nport = "auto"\n'
        '\n[[routes]]\nprefix = "/"\nto = "web"\n',
    )
    session = devproxy(tmp_path)
    session.wait_for("no-such-program-here")
    assert "Traceback" not in session.output


def test_a_folder_with_nothing_recognised_exits_2_and_says_what_was_looked_for(tmp_path: Path) -> None:
    done = run_devproxy(tmp_path, ["up"])
    assert done.returncode == 2
    assert "Procfile" in done.stderr
    assert "devproxy.toml" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_config_exits_2_and_starts_nothing(tmp_path: Path) -> None:
    write_config(tmp_path, ORDERED.replace('kind = "backend"', 'kindd = "backend"'))
    done = run_devproxy(tmp_path, ["up"])
    assert done.returncode == 2
    assert "devproxy.toml" in done.stderr
    assert "kindd" in done.stderr
    assert not (tmp_path / "journal").exists()


def test_a_held_public_port_is_left_alone_and_another_one_taken(tmp_path: Path, devproxy: Start) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    write_procfile(tmp_path / "one", web="{python} server.py one", api=SERVERS["api"])
    write_procfile(tmp_path / "two", web="{python} server.py two", api=SERVERS["api"])
    first = devproxy(tmp_path / "one").wait_ready()
    second = devproxy(tmp_path / "two", port=first.port)
    found = until(lambda: re.search(r"http://localhost:(\d+)", second.output), within=20)
    assert found
    assert int(found[1]) != first.port

    def ready() -> bool:
        try:
            return httpx.get(f"{found[0]}/").text == "two /"
        except httpx.TransportError:
            return False

    until(ready, within=20)
    assert httpx.get(f"{first.url}/").text == "one /"


def test_a_second_up_in_the_same_folder_prints_the_url_and_exits_0(tmp_path: Path, devproxy: Start) -> None:
    write_procfile(tmp_path, **SERVERS)
    session = devproxy(tmp_path).wait_ready()
    done = run_devproxy(tmp_path, ["up"])
    assert done.returncode == 0, done.stderr
    assert session.url in done.stdout


def test_nothing_is_written_into_the_project(tmp_path: Path, devproxy: Start) -> None:
    write_procfile(tmp_path, web="exec sleep 600", worker="exec sleep 600")
    before = sorted(os.listdir(tmp_path))
    session = devproxy(tmp_path)
    session.wait_for("worker")
    session.stop()
    assert sorted(os.listdir(tmp_path)) == before
