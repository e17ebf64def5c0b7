"""A child, its group, and what has left the group."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from devproxy.processes.child import Child, Command, spawn
from devproxy.processes.tree import Tree
from tests.processes.stage import PARENT, adopting, python
from tests.support import free_port, until
from tests.support.devproxy import is_alive


class Family:
    """A parent and its child, in a session of its own."""

    def __init__(self, folder: Path, *arguments: str, session: str = "s1", service: str = "api") -> None:
        env = {**os.environ, "DEVPROXY_SESSION": session, "DEVPROXY_SERVICE": service}
        self.parent: Child = spawn(Command(python(PARENT, *arguments), folder, env))
        [output] = self.parent.outputs
        printed = b""

        def said() -> bytes:
            nonlocal printed
            printed += self.parent.read(output) or b""
            return printed if printed.endswith(b"\n") else b""

        self.pid = int(until(said).split()[1])

    def end(self) -> None:
        self.parent.signal_group(signal.SIGKILL)
        for pid in (self.pid, self.parent.pid):
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        os.waitpid(self.parent.pid, 0)
        for fd in tuple(self.parent.outputs):
            self.parent.close_output(fd)


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Family]:
    family = Family(tmp_path, "apart")
    yield family
    family.end()


def tree(family: Family, **names: str) -> Tree:
    return Tree(family.parent, **{"session": "s1", "service": "api", **names})


def test_a_descendant_outside_the_group_belongs_to_the_tree(apart: Family) -> None:
    assert os.getpgid(apart.pid) != apart.parent.pid
    assert [who.pid for who in tree(apart).escaped()] == [apart.pid]


def test_one_inside_the_group_has_not_escaped(tmp_path: Path) -> None:
    family = Family(tmp_path)
    try:
        assert tree(family).escaped() == []
    finally:
        family.end()


@pytest.mark.parametrize("names", [{"session": "s2"}, {"service": "web"}], ids=["another session", "another service"])
def test_what_carries_another_name_is_not_ours(apart: Family, names: dict[str, str]) -> None:
    assert tree(apart, **names).escaped() == []


def test_a_signal_reaches_all_of_it(apart: Family) -> None:
    tree(apart).signal(signal.SIGTERM)
    until(lambda: not is_alive(apart.pid) and not is_alive(apart.parent.pid))


def test_it_is_not_gone_while_the_group_is_not(apart: Family) -> None:
    whole = tree(apart)
    os.kill(apart.pid, signal.SIGKILL)
    until(lambda: whole.escaped() == [])
    assert not whole.is_gone()


def test_it_is_not_gone_while_the_rest_is_not(tmp_path: Path) -> None:
    with adopting():
        family = Family(tmp_path, "apart", "leave")
        whole = tree(family)
        os.waitpid(family.parent.pid, 0)
        assert family.parent.group_is_gone()
        assert not whole.is_gone()
        os.kill(family.pid, signal.SIGKILL)
        until(whole.is_gone)
        os.waitpid(family.pid, 0)
    [output] = family.parent.outputs
    family.parent.close_output(output)


# Starts a process that has cleaned its environment, in a session of its own; says its pid. `orphan`: leaves it to who
# adopts orphans. `listen`: on this port.
NAMELESS = """
import os, subprocess, sys
listen = "one = socket.create_server(('127.0.0.1', int(sys.argv[1])));" if sys.argv[2:] else ""
source = "import signal, socket, sys;" + listen + "print(1, flush=True); signal.pause()"
words = ["env", "-i", sys.executable, "-c", source, *sys.argv[2:]]
child = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline()
print("child", child.pid, flush=True)
if sys.argv[1] == "stay":
    child.wait()
"""


def nameless(folder: Path, *arguments: object) -> tuple[Child, int]:
    """A child that starts one without a name, and that one's pid."""
    env = {**os.environ, "DEVPROXY_SESSION": "s1", "DEVPROXY_SERVICE": "api"}
    child = spawn(Command(python(NAMELESS, *arguments), folder, env))
    printed = b""
    [output] = child.outputs

    def said() -> bytes:
        nonlocal printed
        printed += child.read(output) or b""
        return printed if printed.endswith(b"\n") else b""

    return child, int(until(said).split()[1])


def reap(child: Child, *adopted: int) -> None:
    for pid in (child.pid, *adopted):
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    for fd in tuple(child.outputs):
        child.close_output(fd)


def test_one_that_has_cleaned_its_environment_is_known_by_its_parent_and_then_for_good(tmp_path: Path) -> None:
    with adopting():
        child, pid = nameless(tmp_path, "stay")
        whole = Tree(child, service="api", session="s1")
        assert [who.pid for who in whole.escaped()] == [pid]
        os.kill(child.pid, signal.SIGKILL)
        os.waitpid(child.pid, 0)
        assert [who.pid for who in whole.escaped()] == [pid]
        whole.signal(signal.SIGKILL)
        until(whole.is_gone)
        reap(child, pid)


def test_a_nameless_orphan_is_known_by_the_port_that_it_holds(tmp_path: Path) -> None:
    port = free_port()
    with adopting():
        child, pid = nameless(tmp_path, "leave", port)
        os.waitpid(child.pid, 0)
        whole = Tree(child, service="api", session="s1", is_child=lambda pid: False)
        assert whole.is_gone()
        assert not whole.take_holders([free_port()])
        assert whole.take_holders([port])
        assert [who.pid for who in whole.escaped()] == [pid]
        whole.signal(signal.SIGKILL)
        until(whole.is_gone)
        reap(child, pid)


def test_another_services_child_is_not_taken_for_an_orphan(tmp_path: Path) -> None:
    port = free_port()
    with adopting():
        child, pid = nameless(tmp_path, "leave", port)
        os.waitpid(child.pid, 0)
        assert not Tree(child, service="api", session="s1", is_child=lambda one: one == pid).take_holders([port])
        os.kill(pid, signal.SIGKILL)
        reap(child, pid)


def test_a_group_that_was_gone_once_is_never_signalled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number may be somebody else's by now."""
    child = spawn(Command(["true"], tmp_path, dict(os.environ)))
    whole = Tree(child, service="api", session="s1")
    os.waitpid(child.pid, 0)
    assert whole.is_gone()
    monkeypatch.setattr(child, "group_is_gone", lambda: False)  # another one has the number
    monkeypatch.setattr(child, "signal_group", lambda number: pytest.fail("a stranger was signalled"))
    assert whole.is_gone()
    whole.signal(signal.SIGKILL)
    reap(child)
