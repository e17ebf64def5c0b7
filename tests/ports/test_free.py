"""Freeing a port: SIGTERM to the right process (the reloader's parent, not its worker), grace, SIGKILL, then bind it.

IPv4, IPv6-only, dual-stack, SO_REUSEPORT and pre-forked holders; deaf, suspended and recycled ones; never a client.
"""

import json
import os
import signal
import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from devproxy import paths
from devproxy.ports.facts import Judged, Verdict
from devproxy.ports.free import Freed, Refused, free
from devproxy.ports.look import look
from devproxy.ports.probe import is_free
from tests.ports.children import (
    CLIENT,
    DEAF,
    DUAL,
    IPV4,
    IPV6,
    LISTEN,
    PREFORK,
    RELOADER,
    REUSEPORT,
    WILDCARD,
    Children,
)
from tests.support import free_port, until
from tests.support.devproxy import is_alive

SERVICES = """
import subprocess, sys
for script, port in ((sys.argv[1], sys.argv[2]), (sys.argv[3], sys.argv[4])):
    child = subprocess.Popen([sys.executable, script, port], stdout=subprocess.PIPE, text=True)
    child.stdout.readline()
print("ready", flush=True)
child.wait()
"""
CLOSES = LISTEN + "a = listen('127.0.0.1'); signal.signal(signal.SIGUSR1, lambda *_: a.close()); ready()"


@pytest.mark.parametrize("source", [IPV4, IPV6, WILDCARD, DUAL, REUSEPORT, PREFORK])
def test_a_holder_is_asked_to_end_and_the_port_binds(source: str, children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(source, port)
    outcome = free(port, look(port, repo), repo)
    assert isinstance(outcome, Freed)
    assert outcome.signal == "SIGTERM"
    assert process.wait(20) == -signal.SIGTERM
    assert is_free(port)


def test_several_holders_of_one_port_all_end(children: Children, repo: Path) -> None:
    port = free_port()
    started = [children.start(source, port) for source in (IPV4, IPV6)]
    assert isinstance(free(port, look(port, repo), repo), Freed)
    assert [process.wait(20) for process in started] == [-signal.SIGTERM] * 2


def test_two_that_share_the_port_knowingly_both_end(children: Children, repo: Path) -> None:
    port = free_port()
    started = [children.start(REUSEPORT, port) for _ in range(2)]
    assert isinstance(free(port, look(port, repo), repo), Freed)
    assert [process.wait(20) for process in started] == [-signal.SIGTERM] * 2


def test_clients_of_the_port_live_on(children: Children, repo: Path) -> None:
    port = free_port()
    children.start(IPV4, port)
    client = children.start(CLIENT, port)
    assert isinstance(free(port, look(port, repo), repo, force=True), Freed)
    assert is_alive(client.pid)


def test_who_does_not_listen_to_the_request_is_killed_after_the_grace(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(DEAF, port)
    outcome = free(port, look(port, repo), repo, grace=0.3)
    assert isinstance(outcome, Freed)
    assert outcome.signal == "SIGKILL"
    assert outcome.seconds >= 0.3
    assert process.wait(20) == -signal.SIGKILL


def test_force_kills_at_once(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(IPV4, port)
    outcome = free(port, look(port, repo), repo, force=True, grace=30)
    assert isinstance(outcome, Freed)
    assert process.wait(20) == -signal.SIGKILL


def test_a_suspended_holder_ends_politely(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(IPV4, port)
    os.kill(process.pid, signal.SIGSTOP)
    assert isinstance(free(port, look(port, repo), repo), Freed)
    assert process.wait(20) == -signal.SIGTERM


@pytest.mark.parametrize("source", [IPV4, DEAF])
def test_a_reloader_does_not_bring_its_worker_back(source: str, children: Children, repo: Path) -> None:
    port = free_port()
    parent, worker = children.reloader(source, port)
    outcome = free(port, look(port, repo), repo, grace=0.5)
    assert isinstance(outcome, Freed)
    assert parent.wait(20) == -signal.SIGTERM
    assert not is_alive(worker)
    assert is_free(port)


def test_an_orphaned_reloader_ends_with_its_worker(children: Children, repo: Path) -> None:
    port = free_port()
    worker_script = children.script(IPV4)
    pid = children.orphan(RELOADER.replace("sys.argv[2]", repr(str(worker_script))), port, cwd=repo)
    until(lambda: not is_free(port))
    [judged] = look(port, repo)
    assert judged.verdict.kind == "ours"
    assert isinstance(free(port, [judged], repo), Freed)
    assert not is_alive(pid)


def test_the_other_service_of_the_same_runner_lives_on(children: Children, repo: Path) -> None:
    port, other = free_port(), free_port()
    one, two = children.script(IPV4), children.script(IPV4)
    runner = children.start(SERVICES, one, port, two, other)
    assert isinstance(free(port, look(port, repo), repo), Freed)
    assert is_alive(runner.pid)
    assert not is_free(other)


def test_a_holder_that_was_gone_before_we_came_is_no_trouble(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(IPV4, port)
    judged = look(port, repo)
    process.kill()
    process.wait()
    outcome = free(port, judged, repo)
    assert isinstance(outcome, Freed)
    assert outcome.signal == ""


def test_a_process_that_has_the_pid_now_is_not_touched(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(IPV4, port)
    [judged] = look(port, repo)
    assert judged.holder.process is not None
    assert judged.holder.process.create_time is not None
    earlier = replace(judged.holder.process, create_time=judged.holder.process.create_time - 1)
    outcome = free(port, [replace(judged, holder=replace(judged.holder, process=earlier))], repo)
    assert isinstance(outcome, Refused)
    assert is_alive(process.pid)


def test_one_that_no_longer_listens_is_not_touched(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(CLOSES, port)
    judged = look(port, repo)
    process.send_signal(signal.SIGUSR1)
    until(lambda: is_free(port))
    assert isinstance(free(port, judged, repo), Freed)
    assert is_alive(process.pid)


def test_an_untouchable_holder_refuses_the_whole_and_nobody_is_ended(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(IPV4, port)
    [judged] = look(port, repo)
    never = Judged(judged.holder, Verdict("untouchable", "because"))
    outcome = free(port, [judged, never], repo, force=True)
    assert outcome == Refused(port, "because", may_not=True)
    assert is_alive(process.pid)


def test_we_do_not_end_ourselves(repo: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        outcome = free(port, look(port, repo), repo, force=True)
    assert isinstance(outcome, Refused)
    assert outcome.may_not


def test_who_took_the_port_meanwhile_is_named(children: Children, repo: Path) -> None:
    port = free_port()
    children.start(IPV4, port)
    judged = look(port, repo)
    other = children.start(IPV6, port)  # came after we looked; nobody was asked about it
    outcome = free(port, judged, repo)
    assert isinstance(outcome, Refused)
    assert f"pid {other.pid}" in outcome.reason
    assert is_alive(other.pid)


def test_what_was_ended_and_why_is_written_down(children: Children, repo: Path) -> None:
    port = free_port()
    process = children.start(DEAF, port)
    free(port, look(port, repo), repo, grace=0.1)
    file = paths.state_dir(repo) / "killed.jsonl"
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(entry["pid"], entry["port"], entry["signal"]) for entry in entries] == [
        (process.pid, port, "SIGTERM"),
        (process.pid, port, "SIGKILL"),
    ]
    assert {entry["verdict"] for entry in entries} == {"stranger"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_state_folder_that_cannot_be_written_stops_nothing(
    children: Children, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repo / "file").write_text("")
    monkeypatch.setenv("DEVPROXY_STATE_DIR", str(repo / "file"))
    port = free_port()
    children.start(IPV4, port)
    assert isinstance(free(port, look(port, repo), repo), Freed)
