"""`devproxy up -d` and the commands that act on what then runs in the background: what scripts rely on."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from devproxy.ports.probe import is_free
from tests.support import free_port, until
from tests.support.devproxy import COMMAND, RunningDevproxy, assert_none_left, living
from tests.support.devproxy import devproxy as run_devproxy
from tests.support.services import SERVERS, WEB_AND_API, write_config, write_procfile

Done = subprocess.CompletedProcess[str]
Devproxy = Callable[..., Done]

BROKEN = WEB_AND_API.replace(
    '"exec {python} server.py api"\nport = "auto"\n', '"COMMAND"\nport = "auto"\nrestart = "never"\n'
)

STATUS_KEYS = {"schema", "name", "root", "pid", "url", "urls", "ready", "services"}
SERVICE_KEYS = {"name", "kind", "state", "pid", "port", "url", "since", "restarts", "last_exit"}


@pytest.fixture
def run(own_folders: Path) -> Iterator[Devproxy]:
    """Run a devproxy command in a folder, `run(root, "up", "-d")`; what it leaves in the background ends with the test.

    Give `code` when another exit code than 0 is meant.
    """

    def command(root: Path, *arguments: str, code: int = 0) -> Done:
        done = run_devproxy(root, arguments)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done

    yield command
    for file in own_folders.glob("state/*/session.json"):
        run_devproxy(Path(json.loads(file.read_text())["root"]), ["down"])
    assert_none_left(own_folders)


def up(run: Devproxy, root: Path, *arguments: str) -> dict[str, Any]:
    """`up -d --json` on a free public port; return the object it printed."""
    answer: dict[str, Any] = json.loads(run(root, "up", "-d", "--json", "--port", str(free_port()), *arguments).stdout)
    return answer


def status(run: Devproxy, root: Path) -> dict[str, Any]:
    """What `status --json` prints, as `up --json` does: without what each service uses at this moment."""
    answer: dict[str, Any] = json.loads(run(root, "status", "--json").stdout)
    for one in answer["services"]:
        assert one["usage"] is None or one["usage"]["processes"] > 0
        one["usage"] = None
    return answer


def service(status: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in status["services"] if one["name"] == name)
    return found


# ---- up -d


def test_up_d_returns_when_the_gateway_listens_though_no_service_is_ready(tmp_path: Path, run: Devproxy) -> None:
    write_procfile(tmp_path, web="exec sleep 600")
    port = free_port()
    run(tmp_path, "up", "-d", "--port", str(port))
    assert httpx.get(f"http://localhost:{port}/__devproxy/health").json() == {"ready": False}


def test_up_d_prints_the_url_and_nothing_else_on_stdout(tmp_path: Path, run: Devproxy) -> None:
    write_procfile(tmp_path, **SERVERS)
    port = free_port()
    done = run(tmp_path, "up", "-d", "--port", str(port))
    assert done.stdout == f"http://localhost:{port}\n"
    assert "devproxy down" in done.stderr


def test_wait_returns_when_the_services_are_ready(tmp_path: Path, run: Devproxy) -> None:
    write_procfile(tmp_path, web=SERVERS["web"], api=f"sleep 1; exec {SERVERS['api']}")
    found = up(run, tmp_path, "--wait")
    assert found["ready"] is True
    assert {one["state"] for one in found["services"]} == {"ready"}
    api = service(found, "api")
    with socket.create_connection(("127.0.0.1", api["port"]), timeout=20):
        pass


def test_wait_does_not_wait_for_an_optional_service(tmp_path: Path, run: Devproxy) -> None:
    write_config(tmp_path, BROKEN.replace("COMMAND", "exec sleep 600").replace("restart", "optional = true\nrestart"))
    assert service(up(run, tmp_path, "--wait"), "api")["state"] == "starting"


def test_json_is_one_object_with_the_keys_of_the_contract(tmp_path: Path, run: Devproxy) -> None:
    write_procfile(tmp_path, **SERVERS)
    found = up(run, tmp_path, "--wait")  # json.loads fails on anything more than one document
    assert set(found) >= STATUS_KEYS
    assert found["schema"] == 1
    assert found["root"] == str(tmp_path)
    assert found["urls"] == [found["url"]]
    assert [one["name"] for one in found["services"]] == ["web", "api"]
    for one in found["services"]:
        assert set(one) >= SERVICE_KEYS
    assert status(run, tmp_path) == found


def test_a_service_that_crashes_is_exit_4_with_its_last_lines_and_what_to_do(tmp_path: Path, run: Devproxy) -> None:
    write_config(tmp_path, BROKEN.replace("COMMAND", "echo no database; exit 7"))
    done = run(tmp_path, "up", "-d", "--wait", "--json", "--port", str(free_port()), code=4)
    assert "api" in done.stderr
    assert "no database" in done.stderr
    assert re.search(r"\b7\b", done.stderr)
    assert "devproxy logs" in done.stderr
    assert done.stdout == ""


def test_with_exit_on_failure_a_crash_ends_the_session_too(tmp_path: Path, run: Devproxy) -> None:
    write_config(tmp_path, BROKEN.replace("COMMAND", "echo no database; exit 7"))
    done = run(tmp_path, "up", "-d", "--wait", "--exit-on-failure", "--port", str(free_port()), code=4)
    assert "exited with code 7" in done.stderr
    until(lambda: run_devproxy(tmp_path, ["status"]).returncode == 5, within=30)  # it may be ending still


def test_after_a_crash_the_session_is_still_there_and_down_stops_it(
    tmp_path: Path, run: Devproxy, own_folders: Path
) -> None:
    write_config(tmp_path, BROKEN.replace("COMMAND", "exit 7"))
    run(tmp_path, "up", "-d", "--wait", "--port", str(free_port()), code=4)
    api = service(status(run, tmp_path), "api")
    assert (api["state"], api["last_exit"]["code"]) == ("crashed", 7)
    run(tmp_path, "down")
    assert living(own_folders) == []


def test_a_service_that_crashes_over_and_over_is_exit_4_too(tmp_path: Path, run: Devproxy) -> None:
    config = BROKEN.replace("COMMAND", "echo no database; exit 7").replace('restart = "never"', "")
    write_config(tmp_path, config)
    done = run(tmp_path, "up", "-d", "--wait", "--port", str(free_port()), code=4)  # long before 60 s
    assert "api failed: exited with code 7" in done.stderr
    assert "no database" in done.stderr


def test_who_waits_for_a_service_that_failed_is_exit_4_with_its_reason_and_the_others_last_lines(
    tmp_path: Path, run: Devproxy
) -> None:
    config = BROKEN.replace("COMMAND", "exec {python} server.py api") + (
        '[services.migrate]\nkind = "task"\ncommand = "echo no such table; exit 3"\noptional = true\n'
    )
    write_config(tmp_path, config.replace("restart =", 'depends_on = { migrate = "exited-ok" }\nrestart ='))
    done = run(tmp_path, "up", "-d", "--wait", "--port", str(free_port()), code=4)  # long before 60 s
    assert "api waits for migrate, which crashed: exited with code 3\n    migrate | no such table" in done.stderr
    # So do the commands that wait for one service, and the page of who waits.
    assert "api waits for migrate, which crashed" in run(tmp_path, "restart", "api", code=4).stderr
    url = status(run, tmp_path)["url"]
    answer = httpx.get(f"{url}/api/x", headers={"Sec-Fetch-Dest": "empty"}, timeout=20)  # else it is held for 30 s
    assert answer.status_code == 503
    assert "migrate, which crashed: exited with code 3" in answer.json()["detail"]


@pytest.mark.parametrize("command", ['["no-such-program-here"]', '"no-such-program-here --now"'], ids=["list", "shell"])
def test_a_missing_program_is_exit_6_and_named(tmp_path: Path, run: Devproxy, command: str) -> None:
    write_config(tmp_path, BROKEN.replace('"COMMAND"', command))
    done = run(tmp_path, "up", "-d", "--wait", "--port", str(free_port()), code=6)
    assert "no-such-program-here" in done.stderr


def test_when_the_time_is_up_it_is_exit_4_and_says_who_is_not_ready(tmp_path: Path, run: Devproxy) -> None:
    write_config(tmp_path, BROKEN.replace("COMMAND", "echo still thinking; exec sleep 600"))
    done = run(tmp_path, "up", "-d", "--wait", "--timeout", "1.5", "--port", str(free_port()), code=4)
    assert "api not ready after 1.5 s" in done.stderr
    assert "still thinking" in done.stderr
    assert "web not ready" not in done.stderr


def test_a_held_port_of_a_service_is_exit_3_and_names_the_port(
    tmp_path: Path, run: Devproxy, own_folders: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        command = BROKEN.replace("COMMAND", "exec {python} server.py api").replace('"auto"', str(port), 1)
        write_config(tmp_path, command)
        done = run(tmp_path, "up", "-d", "--port", str(free_port()), code=3)
    assert str(port) in done.stderr
    until(lambda: living(own_folders) == [])


def test_a_wrong_config_is_exit_2_and_said_here(tmp_path: Path, run: Devproxy) -> None:
    write_config(tmp_path, BROKEN.replace("restart", "restarts"))
    done = run(tmp_path, "up", "-d", code=2)
    assert "devproxy.toml" in done.stderr
    assert "restarts" in done.stderr


@pytest.mark.parametrize("option", ["--wait", "--json"])
def test_an_option_of_the_background_alone_is_misuse_in_the_foreground(
    tmp_path: Path, run: Devproxy, option: str
) -> None:
    write_procfile(tmp_path, **SERVERS)
    done = run(tmp_path, "up", option, code=2)
    assert done.stdout == ""
    assert option in done.stderr


# ---- up where one runs


def test_up_without_a_terminal_where_one_runs_prints_the_url_only(tmp_path: Path, run: Devproxy) -> None:
    write_procfile(tmp_path, **SERVERS)
    found = up(run, tmp_path)
    done = run(tmp_path, "up")
    assert (done.stdout, done.stderr) == (found["url"] + "\n", "")


def test_up_d_where_one_runs_finds_that_one(tmp_path: Path, run: Devproxy) -> None:
    write_procfile(tmp_path, **SERVERS)
    found = up(run, tmp_path)
    assert run(tmp_path, "up", "-d").stdout == found["url"] + "\n"
    again = up(run, tmp_path, "--wait")
    assert (again["pid"], again["url"]) == (found["pid"], found["url"])


def test_two_up_d_at_the_same_moment_come_to_one_session(tmp_path: Path, run: Devproxy) -> None:
    write_procfile(tmp_path, **SERVERS)
    found = at_once([tmp_path, tmp_path], free_port())
    assert found[0]["pid"] == found[1]["pid"] == status(run, tmp_path)["pid"]


def test_two_roots_at_once_get_two_public_ports(tmp_path: Path, run: Devproxy) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        root.mkdir()
        write_procfile(root, web=f"{{python}} server.py {root.name}", api=SERVERS["api"])
    found = at_once(roots, free_port(), "--wait")
    assert found[0]["url"] != found[1]["url"]
    assert [httpx.get(one["url"]).text for one in found] == ["one /", "two /"]


def at_once(roots: list[Path], port: int, *arguments: str) -> list[dict[str, Any]]:
    """`up -d --json` in all these folders at the same time, all asking for one public port."""
    words = [*COMMAND, "up", "-d", "--json", "--port", str(port), *arguments]
    started = [
        subprocess.Popen(words, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for root in roots
    ]
    told = [process.communicate(timeout=30) for process in started]
    assert [process.returncode for process in started] == [0] * len(roots), told
    return [json.loads(out) for out, _ in told]


# ---- status, restart, stop, start, down


def test_restart_gives_a_service_a_new_process_and_leaves_the_others(tmp_path: Path, run: Devproxy) -> None:
    write_procfile(tmp_path, **SERVERS)
    before = up(run, tmp_path, "--wait")
    run(tmp_path, "restart", "api")
    after = status(run, tmp_path)
    assert service(after, "api")["pid"] != service(before, "api")["pid"]
    assert service(after, "api")["state"] == "ready"
    assert service(after, "web") == service(before, "web")
    assert httpx.get(f"{after['url']}/api/x").text == "api /api/x"


def test_stop_ends_a_service_and_start_brings_it_back(tmp_path: Path, run: Devproxy) -> None:
    write_procfile(tmp_path, **SERVERS)
    api = service(up(run, tmp_path, "--wait"), "api")
    run(tmp_path, "stop", "api")
    stopped = status(run, tmp_path)
    assert service(stopped, "api")["state"] == "stopped"
    assert is_free(api["port"])
    assert httpx.get(f"{stopped['url']}/api/x").status_code == 503
    assert httpx.get(f"{stopped['url']}/").text == "web /"
    run(tmp_path, "start", "api")
    assert httpx.get(f"{stopped['url']}/api/x").text == "api /api/x"


def test_after_down_no_process_lives_and_every_port_binds(tmp_path: Path, run: Devproxy, own_folders: Path) -> None:
    write_procfile(tmp_path, **SERVERS, worker="{python} parent.py apart")
    found = up(run, tmp_path, "--wait")
    ports = [int(found["url"].rpartition(":")[2]), *(one["port"] for one in found["services"] if one["port"])]
    assert len(ports) == 4
    assert len(living(own_folders)) >= 5  # the session, three services, the worker's own child
    run(tmp_path, "down")
    assert living(own_folders) == []
    assert [port for port in ports if not is_free(port)] == []


@pytest.mark.parametrize(
    "command",
    [["status"], ["status", "--json"], ["down"], ["restart", "web"], ["stop", "web"], ["start", "web"], ["open"]],
    ids=" ".join,
)
def test_without_a_session_it_is_exit_5(tmp_path: Path, run: Devproxy, command: list[str]) -> None:
    write_procfile(tmp_path, **SERVERS)
    done = run(tmp_path, *command, code=5)
    assert done.stdout == ""
    assert "devproxy up" in done.stderr


def test_after_down_it_is_exit_5(tmp_path: Path, run: Devproxy) -> None:
    write_procfile(tmp_path, **SERVERS)
    up(run, tmp_path)
    run(tmp_path, "down")
    run(tmp_path, "status", code=5)
    run(tmp_path, "down", code=5)


def test_a_service_that_is_not_there_is_misuse(tmp_path: Path, run: Devproxy) -> None:
    write_procfile(tmp_path, **SERVERS)
    up(run, tmp_path)
    assert "nobody" in run(tmp_path, "restart", "nobody", code=2).stderr


def test_logs_are_read_after_the_session_has_ended(tmp_path: Path, run: Devproxy) -> None:
    write_procfile(tmp_path, **SERVERS)
    up(run, tmp_path, "--wait")
    run(tmp_path, "down")
    assert "api is here" in run(tmp_path, "logs").stdout
    records = [json.loads(line) for line in run(tmp_path, "logs", "api", "--json").stdout.splitlines()]
    assert {record["service"] for record in records} == {"api"}
    assert "api is here" in [record["text"] for record in records]


# ---- all sessions of this machine


def test_ls_shows_every_session_and_down_all_stops_them(tmp_path: Path, run: Devproxy, own_folders: Path) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        root.mkdir()
        write_procfile(root, **SERVERS)
    found = at_once(roots, free_port(), "--wait")
    listed = json.loads(run(tmp_path, "ls", "--json").stdout)["sessions"]
    assert [(one["root"], one["url"], one["pid"]) for one in listed] == [
        (one["root"], one["url"], one["pid"]) for one in found
    ]
    os.kill(found[0]["pid"], signal.SIGKILL)
    until(lambda: [one["name"] for one in json.loads(run(tmp_path, "ls", "--json").stdout)["sessions"]] == ["two"])
    run(tmp_path, "down", "--all")
    assert living(own_folders) == []


def test_down_stops_the_proxy_that_was_started_in_its_folder(
    tmp_path: Path, run: Devproxy, devproxy: Callable[..., RunningDevproxy]
) -> None:
    proxy = devproxy(tmp_path, f"localhost:{free_port()}", command="proxy")
    until(lambda: json.loads(run(tmp_path, "ls", "--json").stdout)["sessions"])
    assert "proxy is down" in run(tmp_path, "down").stderr
    assert proxy.wait() == 0


# ---- when it is killed


def test_the_services_of_a_killed_session_are_gone(tmp_path: Path, run: Devproxy, own_folders: Path) -> None:
    write_procfile(tmp_path, **SERVERS, worker="{python} parent.py apart")
    os.kill(up(run, tmp_path, "--wait")["pid"], signal.SIGKILL)
    until(lambda: living(own_folders) == [])


def test_after_a_kill_the_next_up_d_just_works(tmp_path: Path, run: Devproxy) -> None:
    write_procfile(tmp_path, **SERVERS)
    killed = up(run, tmp_path, "--wait")
    os.kill(killed["pid"], signal.SIGKILL)
    port = killed["url"].rpartition(":")[2]
    found = json.loads(run(tmp_path, "up", "-d", "--wait", "--json", "--port", port).stdout)
    assert found["ready"] is True
    assert found["pid"] != killed["pid"]
    assert found["url"] == killed["url"]
    assert httpx.get(f"{found['url']}/api/x").text == "api /api/x"
