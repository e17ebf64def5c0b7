"""A session of a part of the services: what is left out, what a request for it gets, what brings it."""

import subprocess
from pathlib import Path

import httpx

from tests.support.devproxy import RunningDevproxy, Start
from tests.support.devproxy import devproxy as run_devproxy
from tests.support.services import write_config

SERVER = 'kind = "backend"\ncommand = "exec {python} server.py NAME"\nport = "auto"\n'
ROUTE = '[[routes]]\nprefix = "/NAME"\nto = "NAME"\n'


def config(**services: str) -> str:
    """Servers that answer below their names; each with more lines of its table."""
    tables = [f"[services.{name}]\n{SERVER.replace('NAME', name)}{more}\n" for name, more in services.items()]
    return "".join([*tables, *(ROUTE.replace("NAME", name) for name in services)])


def states(session: RunningDevproxy) -> dict[str, str]:
    return {name: one["state"] for name, one in session.services().items()}


def get(session: RunningDevproxy, path: str) -> httpx.Response:
    return httpx.get(session.url + path, headers={"Sec-Fetch-Dest": "empty"}, timeout=20)


def test_what_is_named_starts_with_what_it_depends_on_and_the_rest_when_it_is_asked(
    tmp_path: Path, devproxy: Start
) -> None:
    write_config(tmp_path, config(web="", api='depends_on = { db = "ready" }', db=""))
    session = devproxy(tmp_path, "api").wait_ready()
    assert states(session) == {"web": "stopped", "api": "ready", "db": "ready"}
    assert "starting api, db behind" in session.output
    assert "left out: web (see devproxy start)" in session.output
    answer = get(session, "/web")  # at once, not after 30 s
    assert (answer.status_code, answer.json()["title"]) == (503, "web is not started")
    assert "devproxy start web" in answer.json()["hint"]
    session.run("start", "web")
    assert get(session, "/web").text == "web /web"
    assert states(session)["web"] == "ready"


def test_a_profile_brings_its_services_and_up_again_brings_them_later(tmp_path: Path, devproxy: Start) -> None:
    write_config(tmp_path, config(api="", mail='profiles = ["full"]', queue='profiles = ["full", "queue"]'))
    session = devproxy(tmp_path, "--profile", "queue").wait_ready()
    assert states(session) == {"api": "ready", "mail": "stopped", "queue": "ready"}
    again = run_devproxy(tmp_path, ["up", "-d", "--wait", "--profile", "full"])
    assert again.stdout == f"{session.url}\n"
    assert "already ran here, and starts mail:" in again.stderr
    assert states(session) == {"api": "ready", "mail": "ready", "queue": "ready"}


def test_the_environment_may_name_the_profiles(tmp_path: Path, devproxy: Start) -> None:
    write_config(tmp_path, config(api="", mail='profiles = ["full"]'))
    session = devproxy(tmp_path, env={"DEVPROXY_PROFILES": "other,full"}).wait_ready()
    assert states(session) == {"api": "ready", "mail": "ready"}


def test_a_name_that_there_is_not_is_misuse_and_starts_nothing(tmp_path: Path) -> None:
    write_config(tmp_path, config(api=""))
    for words in (["up", "apii"], ["up", "--profile", "full"], ["up", "-d", "apii"]):
        done: subprocess.CompletedProcess[str] = run_devproxy(tmp_path, words)
        assert done.returncode == 2, done.stderr
    assert "there is no service 'apii'" in done.stderr
    assert not (tmp_path / "journal").exists()


def test_the_first_request_starts_what_waits_for_one_and_is_held_meanwhile(tmp_path: Path, devproxy: Start) -> None:
    write_config(
        tmp_path, config(api="", docs='start = "on-demand"\ndepends_on = { index = "ready" }', index='start = "manual"')
    )
    session = devproxy(tmp_path).wait_ready()
    assert states(session) == {"api": "ready", "docs": "waiting", "index": "stopped"}
    assert "with the first request: docs; left out: index" in session.output
    assert get(session, "/docs").text == "docs /docs"
    assert states(session) == {"api": "ready", "docs": "ready", "index": "ready"}
    session.run("stop", "docs")
    assert get(session, "/docs").status_code == 503
    assert states(session)["docs"] == "stopped"
