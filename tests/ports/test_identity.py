"""Recycled pids: a process is its pid, its creation time and the boot; zombies are dead."""

import os
import signal
from dataclasses import replace

from devproxy.ports import identity
from devproxy.ports.signals import send, send_group
from tests.ports.children import IPV4, Children
from tests.support import free_port, until
from tests.support.devproxy import is_alive


def test_we_are_alive_and_ourselves() -> None:
    me = identity.of(os.getpid())
    assert me is not None
    assert me.is_alive()


def test_another_process_with_the_same_pid_is_not_the_same() -> None:
    me = identity.of(os.getpid())
    assert me is not None
    assert not replace(me, create_time=me.create_time - 1).is_alive()


def test_a_zombie_counts_as_dead(children: Children) -> None:
    process = children.start(IPV4, free_port())
    who = identity.of(process.pid)
    assert who is not None
    os.kill(process.pid, signal.SIGKILL)  # and not reaped yet
    until(lambda: not who.is_alive())
    assert identity.of(process.pid) is None


def test_a_boot_has_one_id() -> None:
    assert identity.boot_id() == identity.boot_id() != ""


def test_a_signal_reaches_the_process_it_is_for(children: Children) -> None:
    process = children.start(IPV4, free_port())
    who = identity.of(process.pid)
    assert who is not None
    assert send(who, signal.SIGTERM)
    assert process.wait(10) == -signal.SIGTERM
    assert not send(who, signal.SIGTERM)


def test_a_signal_never_reaches_another_process_with_that_pid(children: Children) -> None:
    process = children.start(IPV4, free_port())
    who = identity.of(process.pid)
    assert who is not None
    earlier = replace(who, create_time=who.create_time - 1)
    assert not send(earlier, signal.SIGKILL)
    assert not send_group(earlier, signal.SIGKILL)
    assert is_alive(process.pid)


def test_a_group_is_signalled_only_through_its_leader(children: Children) -> None:
    parent, worker = children.reloader(IPV4, free_port())
    member, leader = identity.of(worker), identity.of(parent.pid)
    assert member is not None
    assert leader is not None
    assert not send_group(member, signal.SIGKILL)
    assert is_alive(worker)
    assert send_group(leader, signal.SIGKILL)
    until(lambda: not is_alive(worker) and not is_alive(parent.pid))
