"""Every verdict by a real holder: orphans, worktrees, recorded children, neighbours, strangers, ourselves.

And what holds nothing: clients, UDP, TIME_WAIT, a local end of somebody's connection, a holder that exits as we look.
"""

import os
import signal
import socket
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from devproxy import paths
from devproxy.ports import family, identity, records, table_linux
from devproxy.ports.containers import published
from devproxy.ports.free import Freed, Refused, free
from devproxy.ports.look import is_broad, look
from devproxy.ports.records import ChildRecord
from tests.ports.children import CLIENT, IPV4, IPV6, REUSEPORT, Children, closed_server
from tests.support import free_port


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


# -- what does not listen


UDP = """
import socket, sys, time
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
time.sleep(60)
"""


def test_who_uses_the_number_for_udp_is_nobody(children: Children, repo: Path) -> None:
    port = free_port()
    other = children.start(UDP, port)
    assert look(port, repo) == []
    server = children.start(IPV4, port)
    assert kinds(port, repo) == [(server.pid, "stranger")]
    assert isinstance(free(port, look(port, repo), repo, force=True), Freed)
    assert other.poll() is None


def test_all_that_share_a_port_are_listed(children: Children, repo: Path) -> None:
    port = free_port()
    pids = {children.start(source, port).pid for source in (REUSEPORT, REUSEPORT, IPV6)}
    assert {pid for pid, _ in kinds(port, repo)} == pids


def test_time_wait_of_a_usual_server_holds_nothing(repo: Path) -> None:
    port = closed_server(reuse=True)
    assert look(port, repo) == []


def test_time_wait_that_does_hold_the_port_is_told_as_that_and_not_as_a_process(repo: Path) -> None:
    port = closed_server(reuse=False)
    [judged] = look(port, repo)
    assert (judged.holder.process, judged.holder.hold, judged.verdict.kind) == (None, "closed", "untouchable")
    assert "nobody listens there" in judged.verdict.reason
    assert "within a minute" in judged.verdict.hint


def test_the_own_end_of_a_clients_connection_is_told_as_that_and_its_process_lives_on(
    children: Children, repo: Path
) -> None:
    server, port = free_port(), free_port()
    children.start(IPV4, server)
    client = children.start(
        CLIENT.replace("int(sys.argv[1]))", 'int(sys.argv[1])), source_address=("127.0.0.1", int(sys.argv[2]))'),
        server,
        port,
    )
    [judged] = look(port, repo)
    assert judged.holder.process is not None
    assert (judged.holder.process.pid, judged.verdict.kind) == (client.pid, "untouchable")
    assert "it has a connection whose own end is this port" in judged.verdict.reason
    assert isinstance(free(port, [judged], repo, force=True), Refused)
    assert client.poll() is None


# -- what changes while we look


@pytest.mark.parametrize("when", ["before its descriptors are read", "before its facts are"])
def test_a_holder_that_ends_while_we_look_is_nobody(
    children: Children, repo: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    port = free_port()
    process = children.start(IPV4, port)

    def end() -> None:
        process.kill()
        process.wait()

    if when == "before its descriptors are read":
        all_pids = table_linux._all_pids
        monkeypatch.setattr(table_linux, "_all_pids", lambda: end() or all_pids())
    else:
        snapshot = family.snapshot
        calls = iter((snapshot, lambda: end() or snapshot()))
        monkeypatch.setattr(family, "snapshot", lambda: next(calls, snapshot)())
    assert look(port, repo) == []
    assert process.returncode == -signal.SIGKILL
