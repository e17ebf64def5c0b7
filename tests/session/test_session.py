"""One run from outside: what a session says, records and leaves, and how its parts work on one another."""

import json
import re
import signal
import socket
import stat
from contextlib import closing
from pathlib import Path

import httpx
import psutil

from devproxy.logs import marks
from devproxy.paths import socket_path, state_dir
from devproxy.ports import records
from devproxy.session.place import SESSION_FILE
from tests.support import free_port, until
from tests.support.devproxy import Start, is_alive
from tests.support.devproxy import devproxy as run_devproxy
from tests.support.services import API, write_config


def test_its_first_line_says_what_is_being_done_before_any_child_prints(tmp_path: Path, devproxy: Start) -> None:
    write_config(tmp_path, API)
    first = devproxy(tmp_path).wait_for("api is here").splitlines()[0]
    assert "starting api behind http://localhost:" in first


def test_who_looks_finds_the_session_while_it_runs_and_nothing_after(tmp_path: Path, devproxy: Start) -> None:
    write_config(tmp_path, API)
    session = devproxy(tmp_path).wait_ready()
    facts = json.loads((state_dir(tmp_path) / SESSION_FILE).read_text())
    assert (facts["pid"], facts["url"]) == (session.pid, session.url)
    assert facts["socket"] == str(socket_path(tmp_path))
    assert stat.S_IMODE(socket_path(tmp_path).stat().st_mode) == 0o600
    session.stop()
    assert not socket_path(tmp_path).exists()
    assert not (state_dir(tmp_path) / SESSION_FILE).exists()


def test_one_that_cannot_write_down_where_it_is_runs_all_the_same(tmp_path: Path, devproxy: Start) -> None:
    """A full disk; here a folder stands in its way."""
    write_config(tmp_path, API)
    (state_dir(tmp_path) / SESSION_FILE).with_suffix(".new").mkdir(parents=True)
    session = devproxy(tmp_path).wait_ready()
    session.wait_for("devproxy ls will not list this session")
    assert httpx.get(f"{session.url}/x").text == "api /x"


def test_its_children_are_on_record_while_they_run(tmp_path: Path, devproxy: Start) -> None:
    write_config(tmp_path, API)
    session = devproxy(tmp_path).wait_ready()
    [record] = records.load(state_dir(tmp_path))
    api = session.services()["api"]
    assert (record.service, record.pid, record.ports) == ("api", api["pid"], (api["port"],))
    assert record.session.pid == session.pid
    session.stop()
    assert records.load(state_dir(tmp_path)) == []


def test_a_sigkill_leaves_nothing_running_not_even_daemons(tmp_path: Path, devproxy: Start) -> None:
    write_config(tmp_path, API + '[services.daemon]\nkind = "worker"\ncommand = "{python} parent.py apart"\n')
    session = devproxy(tmp_path).wait_ready()
    found = until(lambda: re.search(r"grandchild (\d+) is here", session.output))
    family = [*session.descendants(), psutil.Process(int(found[1]))]
    session.send(signal.SIGKILL)
    session.process.wait(20)
    until(lambda: not any(is_alive(one) for one in family))


def test_a_saved_file_restarts_who_watches_it_and_no_request_fails(tmp_path: Path, devproxy: Start) -> None:
    write_config(tmp_path, API.replace('port = "auto"', 'port = "auto"\nwatch = ["*.py"]'))
    session = devproxy(tmp_path).wait_ready()
    first = session.services()["api"]["pid"]
    (tmp_path / "extra.py").write_text("x = 1\n")
    session.wait_for("api: extra.py saved")

    def restarted() -> bool:
        assert httpx.get(f"{session.url}/page", timeout=20).text == "api /page"
        return session.services()["api"]["restarts"] >= 1  # a slow machine makes two saves of one

    until(restarted)
    api = until(lambda: (one := session.services()["api"])["state"] == "ready" and one)
    assert api["pid"] != first
    journal = (tmp_path / "journal").read_text().split("\n")
    assert journal[:4] == ["api listens", "api asked", "api gone", "api listens"]


def test_services_that_start_at_the_same_moment_get_different_ports(tmp_path: Path, devproxy: Start) -> None:
    """Their ports are claimed in threads: what they wait for becomes ready for all of them at once."""
    names = ("a", "b", "c", "d")
    server = 'kind = "worker"\ncommand = "sleep 600"\nport = "auto"\nready = { started = true }\n'
    server += 'depends_on = { db = "started" }\n'
    config = '[services.db]\nkind = "worker"\ncommand = "exec sleep 600"\n'
    write_config(tmp_path, config + "".join(f"[services.{name}]\n{server}" for name in names))
    found = devproxy(tmp_path).wait_ready().services()
    assert len({found[name]["port"] for name in names}) == len(names)


def test_a_held_port_is_exit_3_with_its_holder_and_leaves_nothing_running(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", free_port()))) as mine:
        port = mine.getsockname()[1]
        write_config(
            tmp_path,
            '[services.early]\nkind = "worker"\ncommand = "{python} parent.py"\n'
            + API.replace('port = "auto"', f"port = {port}"),
        )
        done = run_devproxy(tmp_path, ["up", "--port", str(free_port())])
    assert done.returncode == 3, done.stderr
    assert f"port {port}, which api needs, is held by" in done.stderr
    assert "Traceback" not in done.stderr
    left = [one for one in psutil.process_iter(["cmdline"]) if "parent.py" in (one.info["cmdline"] or [])]
    assert [one for one in left if is_alive(one) and one.cwd() == str(tmp_path)] == []


def test_a_held_port_of_an_optional_service_is_its_crash_and_nobody_elses(tmp_path: Path, devproxy: Start) -> None:
    with closing(socket.create_server(("127.0.0.1", free_port()))) as mine:
        port = mine.getsockname()[1]
        late = f'kind = "backend"\ncommand = "true"\noptional = true\nport = {port}\ndepends_on = {{ api = "ready" }}\n'
        write_config(tmp_path, f"{API}[services.late]\n{late}")
        session = devproxy(tmp_path)
        session.wait_for(f"late could not be started: port {port}, which late needs, is held by")
        assert httpx.get(f"{session.url}/page").text == "api /page"
        assert f"devproxy kill-port {port}" in str(session.services()["late"]["message"])


def test_a_crash_is_told_after_the_last_words_and_to_who_asks(tmp_path: Path, devproxy: Start) -> None:
    broken = API.replace('"exec {python} server.py api"', '"echo no database; exit 7"')
    write_config(tmp_path, broken.replace('port = "auto"', 'port = "auto"\nrestart = "never"'))
    session = devproxy(tmp_path)
    printed = session.wait_for("api exited with code 7; it is not started again")
    assert printed.index("no database") < printed.index("exited with code 7")
    answer = httpx.get(f"{session.url}/page", headers={"Sec-Fetch-Dest": "empty", "Accept": "application/json"})
    assert answer.status_code == 502
    assert "no database" in answer.text
    assert "exited with code 7" in answer.text


def test_a_missing_program_says_what_to_do(tmp_path: Path, devproxy: Start) -> None:
    write_config(tmp_path, API.replace("exec {python} server.py api", "no-such-program --port $PORT"))
    done = run_devproxy(tmp_path, ["up", "--port", str(free_port())])
    assert done.returncode == 6
    assert "api cannot start: no-such-program is not installed, or not in PATH" in done.stderr
    assert "install no-such-program, or correct the command" in done.stderr


def test_a_program_that_only_the_shell_misses_is_exit_6_and_leaves_nothing_running(tmp_path: Path) -> None:
    early = '[services.early]\nkind = "worker"\ncommand = "{python} parent.py"\n'
    write_config(tmp_path, early + API.replace("exec {python} server.py api", "true && no-such-program"))
    done = run_devproxy(tmp_path, ["up", "--port", str(free_port())])
    assert done.returncode == 6
    assert re.search(r"api cannot start: .*no-such-program: not found", done.stderr)
    left = [one for one in psutil.process_iter(["cmdline"]) if "parent.py" in (one.info["cmdline"] or [])]
    assert [one for one in left if is_alive(one) and one.cwd() == str(tmp_path)] == []


def test_an_optional_service_without_its_program_ends_nothing(tmp_path: Path, devproxy: Start) -> None:
    extra = '[services.extra]\nkind = "worker"\noptional = true\ncommand = "no-such-program"\n'
    write_config(tmp_path, API + extra)
    assert devproxy(tmp_path).wait_ready().services()["extra"]["state"] == "crashed"


def test_a_static_folder_and_an_url_need_no_process(tmp_path: Path, devproxy: Start) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "index.html").write_text("<p>built</p>")
    write_config(
        tmp_path,
        '[hold]\nrefused_seconds = 0.2\n[services.web]\nkind = "static"\nstatic = "dist"\n'
        f'[services.other]\nkind = "backend"\nurl = "http://127.0.0.1:{free_port()}"\n'
        '[[routes]]\nprefix = "/"\nto = "web"\n[[routes]]\nprefix = "/api"\nto = "other"\n',
    )
    session = devproxy(tmp_path).wait_ready()
    assert "built" in httpx.get(session.url, headers={"Accept": "text/html"}).text
    answer = httpx.get(f"{session.url}/api/x", headers={"Accept": "application/json"})
    assert answer.status_code in (502, 503)
    assert "not started by devproxy" in answer.text


def test_what_a_service_writes_into_its_log_files_is_in_its_log(tmp_path: Path, devproxy: Start) -> None:
    (tmp_path / "dev.log").write_text("before\n")
    writes = "echo 'from the file' >> dev.log; exec sleep 1000"
    write_config(tmp_path, f'[services.job]\nkind = "worker"\ncommand = "{writes}"\nlog_files = ["dev.log"]\n')
    session = devproxy(tmp_path)
    assert "job      | before" not in session.wait_for("job      | from the file")
    session.stop()


def test_starts_and_readiness_are_noted_where_logs_finds_them(tmp_path: Path, devproxy: Start) -> None:
    write_config(tmp_path, API)
    session = devproxy(tmp_path).wait_ready()
    directory = state_dir(tmp_path) / "logs"
    started, ready = marks.last(directory, "restart", ["api"]), marks.last(directory, "ready", ["api"])
    assert started is not None
    assert ready is not None
    assert started.time_us < ready.time_us
    session.stop()


def test_one_that_dies_at_once_waits_for_a_save_and_then_starts(tmp_path: Path, devproxy: Start) -> None:
    """Though it names no files to be watched."""
    write_config(
        tmp_path, API.replace('"exec {python} server.py api"', '"[ -e fixed.py ] && exec {python} server.py api"')
    )
    session = devproxy(tmp_path)
    session.wait_for("api exited with code 1; it starts again in 0.5 s")
    session.wait_for("after 3 crashes in a row it waits for the next save of a file, or to be restarted")
    api = session.services()["api"]
    assert (api["state"], api["restarts"], api["retry_in"]) == ("crashed", 2, None)
    until(lambda: (tmp_path / "fixed.py").write_text("x = 1\n") and "fixed.py saved" in session.output)
    session.wait_for("api is ready")


def test_a_request_that_a_dead_worker_leaves_hanging_gets_the_traceback(tmp_path: Path, devproxy: Start) -> None:
    """uvicorn's reloader keeps the listening socket: the kernel accepts, and nobody ever answers."""
    app = "async def app(scope, receive, send):\n    assert scope['type'] == 'http'\n"
    app += "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
    app += "    await send({'type': 'http.response.body', 'body': b'works'})\n"
    (tmp_path / "main.py").write_text(app)
    command = "{python} -m uvicorn main:app --reload --port $PORT"
    write_config(tmp_path, API.replace("exec {python} server.py api", command))
    session = devproxy(tmp_path).wait_ready()
    assert httpx.get(session.url, timeout=20).text == "works"
    (tmp_path / "main.py").write_text("def broken(:\n")
    session.wait_for("SyntaxError")
    answer = httpx.get(session.url, headers={"Accept": "application/json"}, timeout=20)
    assert answer.status_code == 502
    assert answer.json()["state"] == "failing"
    assert "SyntaxError" in answer.text
    (tmp_path / "main.py").write_text(app)
    session.wait_for("api is ready again")
    assert httpx.get(session.url, timeout=20).text == "works"
    assert session.output.count("api is failing") == 1
