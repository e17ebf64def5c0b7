import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from devproxy import paths
from devproxy.ports import identity, records
from devproxy.ports.containers import published
from devproxy.ports.look import is_broad, look
from devproxy.ports.records import ChildRecord
from tests.ports.children import CLIENT, IPV4, Children, free_port


def kinds(port: int, root: Path) -> list[tuple[int | None, str]]:
    return [(one.holder.process.pid if one.holder.process else None, one.verdict.kind) for one in look(port, root)]


def record_of(pid: int, session_pid: int, root: Path) -> ChildRecord:
    child, session = identity.of(pid), identity.of(session_pid)
    assert child is not None
    assert session is not None
    return ChildRecord(
        "api",
        pid,
        child.create_time,
        identity.boot_id(),
        pid,
        (),
        session_pid,
        session.create_time,
        str(root),
    )


def test_a_free_port_has_no_holders(repo: Path) -> None:
    assert look(free_port(), repo) == []


def test_an_orphan_in_this_root_is_ours(children: Children, repo: Path) -> None:
    port = free_port()
    pid = children.orphan(IPV4, port, cwd=repo)
    assert kinds(port, repo) == [(pid, "ours")]


def test_an_orphan_in_a_nested_worktree_is_not(children: Children, repo: Path) -> None:
    port, nested = free_port(), repo / "worktrees" / "x"
    nested.mkdir(parents=True)
    (nested / ".git").write_text("gitdir: elsewhere\n")
    pid = children.orphan(IPV4, port, cwd=nested)
    assert kinds(port, repo) == [(pid, "stranger")]


def test_a_live_process_of_this_root_is_a_neighbour_and_its_client_is_nobody(children: Children, repo: Path) -> None:
    port = free_port()
    server = children.start(IPV4, port, cwd=repo)
    children.start(CLIENT, port, cwd=repo)
    assert kinds(port, repo) == [(server.pid, "neighbour")]


def test_a_process_elsewhere_is_a_stranger(children: Children, repo: Path) -> None:
    port = free_port()
    server = children.start(IPV4, port)
    assert kinds(port, repo) == [(server.pid, "stranger")]


def test_a_recorded_child_is_ours_only_once_its_session_is_gone(children: Children, repo: Path) -> None:
    port = free_port()
    server = children.start(IPV4, port)
    session = children.start(IPV4, free_port())
    record = record_of(server.pid, session.pid, repo)
    records.save(paths.make_state_dir(repo), [record])
    assert kinds(port, repo) == [(server.pid, "neighbour")]
    session.kill()
    session.wait()
    assert kinds(port, repo) == [(server.pid, "ours")]
    records.save(paths.make_state_dir(repo), [replace(record, boot_id="an earlier boot")])
    assert kinds(port, repo) == [(server.pid, "stranger")]


def test_a_service_of_another_projects_session_is_a_neighbour(children: Children, repo: Path) -> None:
    port, other = free_port(), repo.parent / "other"
    other.mkdir()
    server = children.start(IPV4, port, cwd=other)
    records.save(paths.make_state_dir(other), [record_of(server.pid, os.getppid(), other)])
    [found] = look(port, repo)
    assert found.verdict.kind == "neighbour"
    assert str(other) in found.verdict.reason


def test_we_ourselves_are_untouchable(repo: Path) -> None:
    import socket

    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert kinds(port, repo) == [(os.getpid(), "untouchable")]


def test_home_and_what_holds_it_are_too_broad_for_a_project(tmp_path: Path) -> None:
    assert is_broad(Path.home())
    assert is_broad(Path("/"))
    assert is_broad(Path(tempfile.gettempdir()))
    assert not is_broad(tmp_path)


def test_containers_are_asked_for_the_ports_that_they_publish_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = tmp_path / "docker"
    ports = "0.0.0.0:5432->5432/tcp, [::]:5432->5432/tcp, 127.0.0.1:8000-8002->80-82/tcp, 0.0.0.0:53->53/udp, 443/tcp"
    docker.write_text(f"#!/bin/sh\nprintf 'shop-db-1\\t{ports}\\nother\\t\\n'\n")
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    assert published() == dict.fromkeys((5432, 8000, 8001, 8002), "shop-db-1")
    monkeypatch.setenv("DOCKER_HOST", "ssh://elsewhere")
    assert published() == {}
