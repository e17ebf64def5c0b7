"""The bundled demo, as a user gets it."""

import asyncio
import os
import subprocess
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from devproxy.config.load import load
from devproxy.demo import copy_to
from tests.support import free_port, run, until


@pytest.fixture
def project(tmp_path: Path) -> Path:
    copy_to(tmp_path / "demo")
    return tmp_path / "demo"


def test_the_copy_is_complete_and_holds_no_template(project: Path) -> None:
    names = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    assert names == {
        "README.md",
        "app.py",
        "devproxy.toml",
        *(f"site/{name}" for name in ("index.html", "app.js", "style.css", "icon.svg")),
    }


def test_its_config_is_one_that_devproxy_accepts(project: Path) -> None:
    config = load(project)
    assert config is not None
    assert config.service("api").command == (sys.executable, "app.py")
    assert config.service("site").static == project / "site"


def test_an_interpreter_with_an_awkward_path_is_written_as_toml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = '/opt/a "b"/ü\U0001f40d\\python'
    monkeypatch.setattr(sys, "executable", path)
    copy_to(tmp_path)
    written = tomllib.loads((tmp_path / "devproxy.toml").read_text(encoding="utf-8"))
    assert written["services"]["api"]["command"] == [path, "app.py"]


def test_every_button_of_the_page_is_in_its_script(project: Path) -> None:
    page = (project / "site/index.html").read_text()
    script = (project / "site/app.js").read_text()
    for button in ("rest", "slow", "sse", "ws", "fail", "crash"):
        assert f'<button data-testid="{button}">' in page
        assert f'$("{button}")' in script


def test_its_api_runs_and_answers(project: Path) -> None:
    port = free_port()
    environment = {**os.environ, "PORT": str(port)}
    with subprocess.Popen([sys.executable, "app.py"], cwd=project, env=environment, stderr=subprocess.PIPE) as api:
        try:
            assert b"Hello, x!" in until(lambda: answer(f"http://127.0.0.1:{port}/api/hello?name=x"))
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/ticks", timeout=20) as ticks:
                assert ticks.readline() == b"id: 0\n"
            assert run(echo(port)) == "echo: hi"
            with pytest.raises(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/crash", data=b"", timeout=20)
            assert api.wait(10) == 1
        finally:
            api.kill()


def answer(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            body: bytes = response.read()
            return body
    except OSError:  # not listening yet
        return b""


async def echo(port: int) -> str:
    async with asyncio.timeout(5), connect(f"ws://127.0.0.1:{port}/api/echo") as socket:
        await socket.send("hi")
        return str(await socket.recv())
