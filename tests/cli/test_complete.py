"""What completions are told: the services, what the log has, the ports."""

import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from devproxy.cli import console
from devproxy.config.model import Logs
from devproxy.logs.log import Log
from devproxy.paths import socket_path, state_dir
from tests.cli.conftest import Running

CONFIG = """
[services.db]
command = "true"
[services.worker]
command = "true"
"""


@pytest.fixture
def planned(project: Path) -> Path:
    """The project's config plans db and worker."""
    (project / "devproxy.toml").write_text(CONFIG)
    return project


def complete(capfd: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert console.run(["complete", *arguments]) == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    return printed.out.splitlines()


def test_the_running_sessions_services_are_named(running: Running, capfd: pytest.CaptureFixture[str]) -> None:
    (running.root / "devproxy.toml").write_text(CONFIG)  # changed since
    assert complete(capfd, "services", "-C", str(running.root)) == ["web", "api"]


def test_without_a_session_the_configs_services_are_named(planned: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert complete(capfd, "services", "-C", str(planned)) == ["db", "worker"]


def test_without_a_config_the_discovered_services_are_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Procfile.dev").write_text("web: python3 -m http.server\nmailer: sleep 1\n")
    assert complete(capfd, "services", "-C", str(tmp_path)) == ["web", "mailer"]


def test_the_project_is_the_one_that_we_are_in(
    planned: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (planned / "src").mkdir()
    monkeypatch.chdir(planned / "src")
    assert complete(capfd, "services") == ["db", "worker"]


def test_a_suspended_session_is_not_waited_for(planned: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_UNIX) as suspended:
        suspended.bind(str(socket_path(planned)))
        suspended.listen()
        assert complete(capfd, "services", "-C", str(planned)) == ["db", "worker"]


def test_a_socket_that_a_crash_left_behind_is_passed_over(planned: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_path(planned)))
    assert complete(capfd, "services", "-C", str(planned)) == ["db", "worker"]


def test_the_folder_may_be_as_it_was_typed(
    planned: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(planned.parent))
    monkeypatch.setenv("WORK", str(planned.parent))
    assert complete(capfd, "services", "-C", f"~/{planned.name}") == ["db", "worker"]
    assert complete(capfd, "services", "-C", f"$WORK/{planned.name}") == ["db", "worker"]


def test_the_log_has_names_that_are_no_services(planned: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fill_log(planned)
    assert sorted(complete(capfd, "logged", "-C", str(planned))) == ["db", "devproxy", "old", "worker"]


def test_the_logs_names_do_not_need_a_valid_config(planned: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fill_log(planned)
    (planned / "devproxy.toml").write_text("[services")
    assert sorted(complete(capfd, "logged", "-C", str(planned))) == ["devproxy", "old"]


def fill_log(root: Path) -> None:
    log = Log(state_dir(root) / "logs", "before", Logs())
    log.source("old").feed(b"a line\n")
    log.say("a line of ours")
    log.close()


def test_a_port_that_something_listens_on_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert str(listening.getsockname()[1]) in complete(capfd, "ports")


@pytest.mark.parametrize("config", ["[services", "port = 'x'", "[services.'a b']\ncommand = 'true'"])
def test_a_broken_config_is_met_with_silence(config: str, project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "devproxy.toml").write_text(config)
    assert complete(capfd, "services", "-C", str(project)) == []


def test_a_project_of_nothing_known_is_met_with_silence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert complete(capfd, "services", "-C", str(tmp_path)) == []


def test_a_folder_that_is_not_there_is_met_with_silence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert complete(capfd, "services", "-C", str(tmp_path / "nowhere")) == []


def test_a_kind_that_there_is_not_is_met_with_silence(planned: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert complete(capfd, "planets", "-C", str(planned)) == []


def test_a_folder_that_is_gone_is_met_with_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert complete(capfd, "services") == []


def test_a_name_that_is_an_option_or_more_than_one_word_is_left_out(
    running: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    services = running.session.services
    for name in ("-rf", "two words", "$(id)", "new\nline"):
        services[name] = replace(services["web"], name=name)
    assert complete(capfd, "services", "-C", str(running.root)) == ["web", "api"]


@pytest.mark.parametrize("kind", ["services", "logged", "ports"])
def test_answering_loads_nothing_heavy(kind: str, planned: Path) -> None:
    program = (
        f"import sys; from devproxy.cli.console import run; run(['complete', {kind!r}, '-C', {str(planned)!r}]); "
        "heavy = {'rich', 'httpx', 'psutil', 'fastapi', 'uvicorn', 'asyncio', 'watchfiles'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines()[-1] == "[]"
