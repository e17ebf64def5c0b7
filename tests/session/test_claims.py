"""Ports for services: free as they are, freed, changed, or refused."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from devproxy.config.model import Service
from devproxy.errors import PortHeld
from devproxy.paths import make_state_dir
from devproxy.ports import identity, records
from devproxy.ports.facts import Judged
from devproxy.ports.probe import is_free
from devproxy.ports.records import ChildRecord
from devproxy.session.claims import Choice, Claims, Manners
from tests.processes.stage import LISTEN, python, spec
from tests.support import free_port, until

Hold = Callable[..., subprocess.Popen[bytes]]


class Claiming:
    """Claims in a project, and all that they said."""

    def __init__(
        self, root: Path, *services: Service, movable: tuple[str, ...] = (), manners: Manners | None = None
    ) -> None:
        self.said: list[str] = []
        self.claims = Claims(root, services, movable, manners or Manners(), self.said.append)

    def __call__(self, service: Service, *, again: bool = False) -> int | None:
        return self.claims.claim(service, again)


def api(root: Path, port: object, name: str = "api") -> Service:
    return spec(root, "true", name, port=port)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project, so that what runs in it is this project's."""
    root = tmp_path / "project"
    (root / ".git").mkdir(parents=True)
    return root


@pytest.fixture
def hold(root: Path) -> Iterator[Hold]:
    """Somebody who listens on a port: by default a neighbour, which is to say a live process of this project."""
    started: list[subprocess.Popen[bytes]] = []

    def hold(port: int, *, cwd: Path = root) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(python(LISTEN, port), cwd=cwd, stdout=subprocess.PIPE, start_new_session=True))
        output = started[-1].stdout
        assert output is not None
        assert output.readline() == b"listening\n"
        return started[-1]

    yield hold
    for one in started:
        with one:
            one.kill()


def test_a_free_port_is_had_as_it_is_and_nothing_is_said(root: Path) -> None:
    claiming, port = Claiming(root), free_port()
    assert claiming(api(root, port)) == port
    assert claiming.said == []


def test_a_service_that_does_not_listen_has_none(root: Path) -> None:
    assert Claiming(root)(api(root, None)) is None


def test_an_automatic_port_is_free_and_kept(root: Path) -> None:
    service = api(root, "auto")
    claiming = Claiming(root, service)
    port = claiming(service)
    assert port is not None and is_free(port)
    assert claiming(service, again=True) == port


def test_automatic_ports_are_distinct_even_when_they_are_chosen_at_once(root: Path) -> None:
    services = [api(root, "auto", f"s{n}") for n in range(8)]
    claiming = Claiming(root, *services)
    with ThreadPoolExecutor(8) as threads:
        ports = list(threads.map(claiming, services))
    assert len(set(ports)) == 8


def test_an_automatic_port_is_never_one_that_another_service_declares(root: Path) -> None:
    first = Claiming(root)(api(root, "auto"))
    declared, auto = api(root, first, "web"), api(root, "auto")
    assert Claiming(root, declared, auto)(auto) != first


def test_ours_is_freed_without_asking_and_said(root: Path, hold: Hold) -> None:
    """A child of an earlier session of this project that is gone."""
    port = free_port()
    child = hold(port)
    state, who = make_state_dir(root), identity.of(child.pid)
    assert who is not None
    record = ChildRecord("api", child.pid, who.create_time, identity.boot_id(), child.pid, (port,), 2**22 - 1, 1.0)
    records.save(state, [record])
    claiming = Claiming(root)
    assert claiming(api(root, port)) == port
    assert is_free(port)
    assert f"freed port {port}" in claiming.said[-1]
    assert str(child.pid) in claiming.said[-1]


def test_beside_a_neighbour_a_movable_service_gets_another_port(root: Path, hold: Hold) -> None:
    port = free_port()
    neighbour = hold(port)
    claiming = Claiming(root, movable=("api",))
    given = claiming(api(root, port))
    assert given is not None and given > port and is_free(given)
    assert neighbour.poll() is None
    assert claiming.said == [f"api: port {port} is held by {claiming.said[0].split(' by ')[1]}"]
    assert f"(pid {neighbour.pid}); it gets {given} instead" in claiming.said[0]
    assert claiming(api(root, port), again=True) == given


def test_beside_a_neighbour_any_other_is_refused_with_the_holder_and_what_to_do(root: Path, hold: Hold) -> None:
    port = free_port()
    neighbour = hold(port)
    with pytest.raises(PortHeld) as raised:
        Claiming(root)(api(root, port))
    assert raised.value.exit_code == 3
    assert f"port {port}, which api needs, is held by" in raised.value.message
    assert f"(pid {neighbour.pid})" in raised.value.message
    assert f"devproxy kill-port {port}" in raised.value.hint
    assert neighbour.poll() is None


@pytest.mark.parametrize("where", ["neighbour", "stranger"])
def test_yes_frees_it_whoever_of_this_user_it_is(root: Path, tmp_path: Path, hold: Hold, where: str) -> None:
    port = free_port()
    holder = hold(port, cwd=root if where == "neighbour" else tmp_path)
    assert Claiming(root, manners=Manners(yes=True))(api(root, port)) == port
    assert holder.wait(5)
    assert is_free(port)


def test_not_even_yes_ends_what_devproxy_runs_in(root: Path) -> None:
    """This process is the untouchable one here."""
    with closing(socket.create_server(("127.0.0.1", 0))) as mine:
        port = mine.getsockname()[1]
        with pytest.raises(PortHeld):
            Claiming(root, manners=Manners(yes=True, force=True))(api(root, port))
        given = Claiming(root, movable=("api",), manners=Manners(yes=True))(api(root, port))
        assert given not in (None, port)


@pytest.mark.parametrize("answer", ["free", "another", "quit"])
def test_on_a_terminal_the_user_is_asked_and_obeyed(root: Path, hold: Hold, answer: Choice) -> None:
    port = free_port()
    neighbour = hold(port)
    asked: list[tuple[str, int, bool]] = []

    def ask(service: Service, port: int, judged: list[Judged], movable: bool) -> Choice:
        asked.append((service.name, port, movable))
        return answer

    claiming = Claiming(root, movable=("api",), manners=Manners(ask=ask))
    if answer == "quit":
        with pytest.raises(PortHeld):
            claiming(api(root, port))
    else:
        assert (claiming(api(root, port)) == port) == (answer == "free")
    assert asked == [("api", port, True)]
    assert (neighbour.poll() is None) == (answer != "free")


def test_nobody_is_asked_any_more_once_the_terminal_shows_the_session(root: Path, hold: Hold) -> None:
    port = free_port()
    hold(port)
    claiming = Claiming(root, manners=Manners(ask=lambda *_: pytest.fail("asked")))
    claiming.claims.ask_no_more()
    with pytest.raises(PortHeld):
        claiming(api(root, port))


def test_after_its_own_child_a_port_is_waited_for(root: Path, hold: Hold, monkeypatch: pytest.MonkeyPatch) -> None:
    port, looks = free_port(), []

    def look(port: int) -> bool:
        looks.append(port)
        return is_free(port)

    monkeypatch.setattr("devproxy.session.claims.is_free", look)
    ending = hold(port)
    with ThreadPoolExecutor(1) as threads:
        claimed = threads.submit(Claiming(root), api(root, port), again=True)
        until(lambda: len(looks) >= 3 or claimed.done())
        ending.kill()
        ending.wait()
        assert claimed.result(5) == port
