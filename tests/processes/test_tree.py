"""A child, its group, and what has left the group."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from devproxy.processes.child import Child, Command, spawn
from devproxy.processes.tree import Tree
from tests.processes.stage import PARENT, adopting, alive, python
from tests.support import until


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
            if alive(pid):
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
    until(lambda: not alive(apart.pid) and not alive(apart.parent.pid))


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
