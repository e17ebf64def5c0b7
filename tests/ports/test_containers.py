"""Ports that containers publish: named as what they are, and left alone."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devproxy.ports.free import Refused, free
from devproxy.ports.look import look
from devproxy.ports.probe import is_free
from devproxy.ports.whose import Whose, whose
from tests.ports.children import IPV4, Children
from tests.support import free_port, until
from tests.support.other_user import OtherUser

REAL = os.environ.get("DEVPROXY_DOCKER_PROXY") or shutil.which("docker-proxy", path=f"{os.environ['PATH']}:/usr/sbin")
"""Docker's own, from the package docker.io; .ci/run fetches it."""


@pytest.fixture(params=["the real one" if REAL else "a stand-in"])
def docker_proxy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    """The port that a docker-proxy listens on, and its process.

    Where there is no real one, a process with its name and its command line stands in: an interpreter under that
    name. The test's id says which of them it was.
    """
    port = free_port()
    options = ["-proto", "tcp", "-host-ip", "127.0.0.1", "-host-port", str(port)]
    options += ["-container-ip", "127.0.0.1", "-container-port", str(free_port())]
    if REAL:
        script = 'exec "$@" 3>&1'  # it tells its parent on descriptor 3 that it listens
        command = ["sh", "-c", script, "sh", REAL, *options]
    else:
        program = tmp_path / "docker-proxy"
        shutil.copy(os.path.realpath(sys.executable), program)
        (tmp_path / "listen.py").write_text(IPV4.replace("sys.argv[1]", f"{port}"))
        command = [str(program), str(tmp_path / "listen.py"), *options]
    home = {**os.environ, "PYTHONHOME": sys.base_prefix} if not REAL else None
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, env=home) as process:
        try:
            until(lambda: not is_free(port))
            yield port, process
        finally:
            process.kill()


@pytest.fixture
def no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can say which container it is."""
    monkeypatch.setenv("DOCKER_HOST", "ssh://elsewhere")
    monkeypatch.setenv("CONTAINER_HOST", "ssh://elsewhere")


def test_docker_s_proxy_is_told_as_what_it_is_and_left_alone(
    docker_proxy: tuple[int, "subprocess.Popen[bytes]"], repo: Path, no_docker: None
) -> None:
    port, process = docker_proxy
    [judged] = look(port, repo)
    assert judged.holder.process is not None
    assert judged.holder.process.pid == process.pid
    assert judged.verdict.kind == "untouchable"
    assert judged.verdict.reason == "it holds the port for a container or a virtual machine"
    assert "docker ps" in judged.verdict.hint
    outcome = free(port, [judged], repo, force=True)
    assert isinstance(outcome, Refused)
    assert outcome.may_not
    assert process.poll() is None


def test_it_is_recognised_also_by_who_may_not_look_into_it(
    docker_proxy: tuple[int, "subprocess.Popen[bytes]"], nobody: OtherUser
) -> None:
    """It is root's; its users mostly are not."""
    port, process = docker_proxy
    done = nobody.devproxy("kill-port", port, "--force")
    assert done.returncode == 3
    assert f"pid {process.pid}  " in done.stdout
    assert "it holds the port for a container or a virtual machine" in done.stderr
    ports = nobody.devproxy("ports")
    assert f"{port}  {process.pid}" in ports.stdout, ports.stderr
    assert process.poll() is None


def test_the_container_is_named_where_docker_can_say_it(
    docker_proxy: tuple[int, "subprocess.Popen[bytes]"], repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, process = docker_proxy
    client = tmp_path / "bin" / "docker"
    client.parent.mkdir()
    client.write_text(f"#!/bin/sh\nprintf 'shop-db-1\\t127.0.0.1:{port}->5432/tcp\\n'\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{client.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    [judged] = look(port, repo)
    assert judged.verdict.reason == "the container 'shop-db-1' publishes this port"
    assert judged.verdict.hint == "docker stop shop-db-1"
    assert process.poll() is None


def test_a_published_port_without_a_process_to_be_seen_is_the_containers(
    children: Children, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rootless and remote engines: somebody listens, and only the client knows for whom."""
    from devproxy.ports.facts import Context, Holder, Judged
    from devproxy.ports.verdict import judge

    holder = Holder(5432, None, container="shop-db-1")
    context = Context(repo, os.getuid(), frozenset(), os.getpid(), "boot")
    assert judge(holder, context).hint == "docker stop shop-db-1"
    assert whose(Judged(holder, judge(holder, context)), context) == Whose("container", "shop-db-1")
