"""The public port: the usual one, another one, the same one again."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from devproxy.config.model import Config
from devproxy.paths import make_state_dir
from devproxy.ports.memory import PUBLIC, Memory
from devproxy.session.front import bind_front
from devproxy.session.launch import Launch, Options
from devproxy.session.place import Place
from tests.support import free_port
from tests.support.race import race


class Fronts:
    """Public ports that are held until the test ends."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.said: list[tuple[str, str]] = []

    def __call__(self, root: Path, usual: int, *, asked: int | None = None, linked: bool = False) -> int:
        root.mkdir(exist_ok=True)
        memory = Memory(make_state_dir(root), root)
        sockets = bind_front(usual, memory, asked=asked, linked=linked, say=lambda *it: self.said.append(it))
        for each in sockets:
            self._stack.enter_context(each)
        port: int = sockets[0].getsockname()[1]
        return port

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def front() -> Iterator[Fronts]:
    with ExitStack() as stack:
        yield Fronts(stack)


def test_the_usual_port_is_taken_without_a_word(front: Fronts, tmp_path: Path) -> None:
    usual = free_port()
    assert front(tmp_path, usual) == usual
    assert front.said == []
    assert Memory(make_state_dir(tmp_path), tmp_path).recall(PUBLIC) is None


def test_a_second_project_gets_another_port_which_is_said_and_then_the_same_one(front: Fronts, tmp_path: Path) -> None:
    usual = free_port()
    front(tmp_path / "one", usual)
    second = front(tmp_path / "two", usual)
    assert second > usual
    assert front.said == [(f"port {usual} is in use; this session is on {second}", "warning")]
    front.close()
    front(tmp_path / "one", usual)
    third = front(tmp_path / "three", usual)  # takes the next one, which is not what the second had
    assert front(tmp_path / "two", usual) == second != third


def test_a_project_whose_usual_port_is_free_again_has_it(front: Fronts, tmp_path: Path) -> None:
    usual = free_port()
    front(tmp_path / "one", usual)
    front(tmp_path / "two", usual)
    front.close()
    assert front(tmp_path / "two", usual) == usual


def test_a_linked_worktree_leaves_the_usual_port_to_the_primary_one_and_keeps_its_own(
    front: Fronts, tmp_path: Path
) -> None:
    usual = free_port()
    one = front(tmp_path / "one", usual, linked=True)
    two = front(tmp_path / "two", usual, linked=True)
    assert len({usual, one, two}) == 3
    front.close()
    assert front(tmp_path / "two", usual, linked=True) == two
    assert front(tmp_path / "one", usual, linked=True) == one
    assert front(tmp_path / "primary", usual) == usual
    assert [text for text, _ in front.said] == [
        f"a linked worktree: it gets the port {port} for itself, and keeps it" for port in (one, two)
    ]


def test_what_the_command_line_asks_for_is_taken_also_in_a_worktree_and_not_remembered(
    front: Fronts, tmp_path: Path
) -> None:
    usual, asked = free_port(), free_port()
    assert front(tmp_path, usual, asked=asked, linked=True) == asked
    assert Memory(make_state_dir(tmp_path), tmp_path).recall(PUBLIC) is None


@pytest.mark.parametrize("of_the_project", [True, False])
def test_a_gateway_alone_is_not_the_worktrees_session(tmp_path: Path, of_the_project: bool) -> None:
    """`devproxy proxy` gives up its place when it ends: there is nothing that it could keep."""
    git, usual = tmp_path / "shop" / ".git", free_port()
    (git / "worktrees" / "x").mkdir(parents=True)
    (git / "worktrees" / "x" / "commondir").write_text("../..\n")
    (git / "worktrees" / "x" / "HEAD").write_text("ref: refs/heads/topic\n")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / ".git").write_text(f"gitdir: {git}/worktrees/x\n")
    place = Place(linked if of_the_project else linked / "proxy 1")
    launch = Launch(Config("shop", linked, port=usual), place, Options())
    launch.abandon()
    place.leave()
    assert (launch.port == usual) == (not of_the_project)


RACER = """
import sys, time
from pathlib import Path
from devproxy.config.model import Config
from devproxy.paths import make_state_dir
from devproxy.ports.memory import Memory
from devproxy.session.front import bind_front
from devproxy.session.launch import Launch, Options
from devproxy.session.place import Place
root = Path(sys.argv[1])
memory = Memory(make_state_dir(root), root)
print("ready", flush=True)
sys.stdin.readline()
sockets = bind_front(int(sys.argv[2]), memory, asked=None, linked=False, say=lambda *_: None)
print(sockets[0].getsockname()[1], flush=True)
sys.stdin.readline()
"""


def test_sessions_that_start_at_the_same_instant_get_different_ports(tmp_path: Path) -> None:
    ports = race(RACER, [[str(tmp_path), str(free_port())]] * 6)
    assert len(set(ports)) == 6, ports
