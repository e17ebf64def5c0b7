"""The config while a session runs: an edit is told, a reload applies it, and a wrong one changes nothing."""

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from devproxy.cli.client import Client
from devproxy.errors import DevproxyError, NoSession
from tests.support import free_port, until
from tests.support.devproxy import RunningDevproxy, Start, is_alive
from tests.support.devproxy import devproxy as run_devproxy
from tests.support.services import WEB_AND_API, write_config, write_procfile


def reload(session: RunningDevproxy) -> dict[str, Any]:
    return Client(session.cwd).post("/api/session/reload")


def test_only_what_changed_restarts_and_no_request_fails_meanwhile(tmp_path: Path, devproxy: Start) -> None:
    write_config(tmp_path, WEB_AND_API)
    session = devproxy(tmp_path).wait_ready()
    before = session.services()
    answers: list[tuple[int, str]] = []
    over = threading.Event()

    def visit() -> None:
        while not over.is_set():
            for path in ("/page", "/api/x"):
                answer = httpx.get(f"{session.url}{path}", timeout=30)
                answers.append((answer.status_code, answer.text))

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        until(lambda: answers)
        write_config(tmp_path, WEB_AND_API.replace("server.py api", "server.py other"))
        session.wait_for("devproxy.toml changed: `devproxy reload` restarts api\n")
        assert session.services() == before  # an edit alone changes nothing
        assert reload(session)["restarted"] == ["api"]
        until(lambda: (200, "other /api/x") in answers)
    finally:
        over.set()
        visitor.join()
    after = until(lambda: (found := session.services())["api"]["state"] == "ready" and found)
    assert after["web"] == before["web"]
    assert after["api"]["pid"] != before["api"]["pid"]
    assert after["api"]["port"] == before["api"]["port"]
    assert {status for status, _ in answers} == {200}


def test_services_and_routes_come_and_go(tmp_path: Path, devproxy: Start) -> None:
    write_config(tmp_path, WEB_AND_API)
    session = devproxy(tmp_path).wait_ready()
    before, web = session.services(), WEB_AND_API.split("[services.api]")[0]
    (old,) = [one for one in session.descendants() if one.pid == before["api"]["pid"]]
    mail = f'[services.mail]\nkind = "backend"\ncommand = "exec {{python}} server.py mail"\nport = {free_port()}\n'
    routes = '[[routes]]\nprefix = "/"\nto = "web"\n[[routes]]\nprefix = "/mail"\nto = "mail"\n'
    write_config(tmp_path, web + mail + routes)
    said = reload(session)
    assert (said["started"], said["stopped"], said["restarted"], said["changed"]) == (["mail"], ["api"], [], ["routes"])
    assert list(session.services()) == ["web", "mail"]
    assert httpx.get(f"{session.url}/mail/x").text == "mail /mail/x"
    assert httpx.get(f"{session.url}/api/x").text == "web /api/x"
    until(lambda: not is_alive(old))
    assert session.services()["web"] == before["web"]
    session.stop()
    assert "mail gone" in (tmp_path / "journal").read_text()


def test_a_config_that_became_wrong_is_said_at_once_and_changes_nothing(tmp_path: Path, devproxy: Start) -> None:
    write_config(tmp_path, WEB_AND_API)
    session = devproxy(tmp_path).wait_ready()
    before = session.services()
    write_config(tmp_path, WEB_AND_API.replace('kind = "backend"', 'kind = "backside"'))
    session.wait_for("devproxy.toml changed, and has errors; everything runs on as it was\n")
    said = session.wait_for("devproxy.toml:8: services.api.kind: expected")
    refused = run_devproxy(tmp_path, ["reload"])
    assert refused.returncode == 2
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "devproxy.toml").write_text((tmp_path / "devproxy.toml").read_text())
    assert run_devproxy(elsewhere, ["up"]).stderr == refused.stderr
    assert refused.stderr.splitlines()[0].removeprefix("devproxy: ") in said
    assert session.services() == before
    write_config(tmp_path, WEB_AND_API)
    session.wait_for("devproxy.toml changed: it is what runs again")


def test_what_a_session_is_built_on_waits_for_the_next_up_and_the_rest_counts_at_once(
    tmp_path: Path, devproxy: Start
) -> None:
    write_config(tmp_path, WEB_AND_API)
    session = devproxy(tmp_path).wait_ready()
    foreign = {"Host": f"app.test:{session.port}"}
    assert httpx.get(f"{session.url}/page", headers=foreign).status_code == 403
    pids = {name: one["pid"] for name, one in session.services().items()}
    write_config(tmp_path, f'port = {free_port()}\nname = "new"\nallowed_hosts = ["app.test"]\n{WEB_AND_API}')
    session.wait_for("name and port: take effect at the next `devproxy up`")
    said = reload(session)
    assert (said["changed"], said["later"]) == (["allowed_hosts"], ["name", "port"])
    assert httpx.get(f"{session.url}/page", headers=foreign).text == "web /page"
    assert Client(tmp_path).get("/api/status")["name"] == tmp_path.name
    assert {name: one["pid"] for name, one in session.services().items()} == pids
    assert reload(session)["later"] == ["name", "port"]  # it still does


def test_folders_watches_and_readiness_follow(tmp_path: Path, devproxy: Start) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(f"<p>{name}</p>")
    site = '[services.web]\nkind = "static"\nstatic = "one"\n' + WEB_AND_API.split('port = "auto"\n', 1)[1]
    write_config(tmp_path, site)
    session = devproxy(tmp_path).wait_ready()
    document = {"Accept": "text/html"}
    assert "one" in httpx.get(session.url, headers=document).text
    write_config(tmp_path, site.replace('"one"', '"two"').replace('port = "auto"', 'port = "auto"\nwatch = ["*.py"]'))
    pid = session.services()["api"]["pid"]
    assert reload(session)["changed"] == ["web", "api"]
    assert "two" in httpx.get(session.url, headers=document).text
    assert session.services()["api"]["pid"] == pid
    with httpx.stream("GET", f"{session.url}/__devproxy/live", timeout=30) as live:
        lines = live.iter_lines()
        next(line for line in lines if line.startswith("data:"))  # the greeting: it listens
        (tmp_path / "two" / "index.html").write_text("<p>changed</p>")
        assert next(line for line in lines if line == "event: reload")
    (tmp_path / "extra.py").write_text("x = 1\n")
    session.wait_for("api: extra.py")  # perhaps with what was written just before the reload


def test_without_a_config_the_project_is_looked_at_again(tmp_path: Path, devproxy: Start) -> None:
    write_procfile(tmp_path, web="{python} server.py web")
    session = devproxy(tmp_path).wait_ready()
    (tmp_path / ".env").write_text("NAME=one\n")
    session.wait_for(".env changed: `devproxy reload` restarts web\n")
    write_procfile(tmp_path, web="{python} server.py web", api="{python} server.py api")
    session.wait_for("Procfile.dev changed: `devproxy reload` ")
    assert reload(session)["started"] == ["api"]
    assert httpx.get(f"{session.url}/api/x").text == "api /api/x"
    write_config(tmp_path, WEB_AND_API)  # as `devproxy init` does
    session.wait_for("devproxy.toml changed: `devproxy reload` restarts ")


def test_other_variables_for_a_service_are_said_and_a_reload_restarts_just_that_one(
    tmp_path: Path, devproxy: Start
) -> None:
    write_config(tmp_path, WEB_AND_API.replace("server.py api", "server.py $NAME"))
    (tmp_path / "devproxy.toml").write_text(
        (tmp_path / "devproxy.toml").read_text().replace('kind = "backend"', 'kind = "backend"\nenv_files = [".env"]')
    )
    (tmp_path / ".env").write_text("NAME=one\n")
    session = devproxy(tmp_path).wait_ready()
    before = session.services()
    (tmp_path / ".env").write_text("# the same\nNAME=one\n")
    (tmp_path / ".env").write_text("NAME=one two\nthree\n= four")
    session.wait_for(".env changed, and has errors; everything runs on as it was")
    with pytest.raises(DevproxyError, match=r"\.env:"):
        reload(session)
    (tmp_path / ".env").write_text("NAME=other\n")
    session.wait_for(".env changed: `devproxy reload` restarts api\n")
    assert session.services() == before
    assert reload(session)["restarted"] == ["api"]
    until(lambda: httpx.get(f"{session.url}/api/x").text == "other /api/x")
    assert session.services()["web"] == before["web"]
    assert reload(session)["restarted"] == []


def test_a_session_that_ran_nothing_gets_its_first_service_and_loses_its_last(tmp_path: Path, devproxy: Start) -> None:
    (tmp_path / "index.html").write_text("<p>static</p>")
    site = '[services.web]\nkind = "static"\nstatic = "."\n'
    write_config(tmp_path, site)
    session = devproxy(tmp_path).wait_ready()
    api = '[services.api]\nkind = "backend"\ncommand = "exec {python} server.py api"\nport = "auto"\n'
    for _ in range(2):
        write_config(tmp_path, site + api)
        assert reload(session)["started"] == ["api"]
        until(lambda: session.services()["api"]["state"] == "ready")
        write_config(tmp_path, site)
        assert reload(session)["stopped"] == ["api"]
        until(lambda: len(session.descendants()) == 1)  # the guard


def test_a_session_that_is_ending_takes_no_other_config(tmp_path: Path, devproxy: Start) -> None:
    """It would start services behind the back of who stops them."""
    stays = '[services.stays]\nkind = "worker"\ncommand = "exec {python} stubborn.py"\nstop = { grace_seconds = 60 }\n'
    write_config(tmp_path, stays)
    session = devproxy(tmp_path).wait_ready()
    session.wait_for("stubborn is here")
    Client(tmp_path).post("/api/session/stop")
    session.wait_for("I stay")
    write_config(tmp_path, stays + '[services.late]\nkind = "worker"\ncommand = "echo late is here; sleep 600"\n')
    with pytest.raises(NoSession, match="just ending"):
        reload(session)
    Client(tmp_path).post("/api/session/stop")
    assert session.wait() == 0
    assert "late is here" not in session.output
