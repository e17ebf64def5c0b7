"""Ports for services: free as they are, freed, changed, or refused."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from devproxy.config.model import Service
from devproxy.errors import PortHeld
from devproxy.paths import make_state_dir, runtime_dir
from devproxy.ports import identity, records
from devproxy.ports.facts import Judged
from devproxy.ports.leases import Leases
from devproxy.ports.memory import Memory
from devproxy.ports.probe import choose, is_free
from devproxy.ports.records import ChildRecord
from devproxy.session.claims import LOWEST_AUTO, Choice, Claims, Manners
from tests.ports.children import closed_server
from tests.processes.stage import LISTEN, python, spec
from tests.support import free_port, until
from tests.support.race import race

Hold = Callable[..., subprocess.Popen[bytes]]


class Claiming:
    """Claims in a project, and all that they said."""

    leases: Leases  # of this process: set by the fixture below

    def __init__(
        self,
        root: Path,
        *services: Service,
        movable: tuple[str, ...] = (),
        manners: Manners | None = None,
        linked: bool = False,
    ) -> None:
        self.said: list[str] = []
        memory = Memory(make_state_dir(root), root)
        self.claims = Claims(
            root,
            services,
            movable,
            manners or Manners(),
            self.said.append,
            leases=self.leases,
            memory=memory,
            linked=linked,
        )

    def __call__(self, service: Service, *, again: bool = False) -> int | None:
        return self.claims.claim(service, again)


def api(root: Path, port: object, name: str = "api") -> Service:
    return spec(root, "true", name, port=port)


@pytest.fixture(autouse=True)
def leases(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Leases]:
    """This process's leases."""
    leases = Leases(runtime_dir())
    monkeypatch.setattr(Claiming, "leases", leases, raising=False)
    yield leases
    leases.close()


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


def test_what_time_wait_keeps_is_said_to_be_nobodys(root: Path) -> None:
    port = closed_server(reuse=False)
    with pytest.raises(PortHeld) as raised:
        Claiming(root)(api(root, port))
    assert raised.value.message.startswith(f"port {port}, which api needs, is not free yet: nobody listens there")
    assert raised.value.hint == "it is free within a minute"
    claiming = Claiming(root, movable=("api",))
    other = claiming(api(root, port))
    assert claiming.said == [f"api: port {port} is not free yet; it gets {other} instead"]


@pytest.mark.parametrize("where", ["neighbour", "stranger"])
def test_yes_frees_it_whoever_of_this_user_it_is(root: Path, tmp_path: Path, hold: Hold, where: str) -> None:
    port = free_port()
    holder = hold(port, cwd=root if where == "neighbour" else tmp_path)
    assert Claiming(root, manners=Manners(yes=True))(api(root, port)) == port
    assert holder.wait(20)
    assert is_free(port)


def test_not_even_yes_ends_what_devproxy_runs_in(root: Path) -> None:
    """This process is the untouchable one here."""
    with closing(socket.create_server(("127.0.0.1", 0))) as mine:
        port = mine.getsockname()[1]
        with pytest.raises(PortHeld):
            Claiming(root, manners=Manners(yes=True, force=True))(api(root, port))
        given = Claiming(root, movable=("api",), manners=Manners(yes=True))(api(root, port))
        assert given not in (None, port)


@pytest.mark.parametrize("answer", ["free", "use", "another", "quit"])
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
        given = claiming(api(root, port))
        assert (given == port, given is None) == (answer == "free", answer == "use")
        assert {name: used.url for name, used in claiming.claims.used.items()} == (
            {"api": f"http://localhost:{port}"} if given is None else {}
        )
    assert asked == [("api", port, True)]
    assert (neighbour.poll() is None) == (answer != "free")


def test_nobody_is_asked_any_more_once_the_terminal_shows_the_session(root: Path, hold: Hold) -> None:
    port = free_port()
    hold(port)
    claiming = Claiming(root, manners=Manners(ask=lambda *_: pytest.fail("asked")))
    claiming.claims.claim_all([])
    with pytest.raises(PortHeld):
        claiming(api(root, port))


def test_an_optional_service_is_asked_about_with_the_others_and_stops_nobody(root: Path, hold: Hold) -> None:
    port = free_port()
    hold(port)
    optional = replace(api(root, port), optional=True)
    claims = Claiming(root, manners=Manners(ask=lambda *_: "quit")).claims
    claims.claim_all([optional])
    assert not claims.used
    claims = Claiming(root, manners=Manners(ask=lambda *_: "use")).claims
    claims.claim_all([optional])
    assert claims.used["api"].port == port
    claims.adopt([optional], [])  # declared anew, as one that is to be started
    assert not claims.used


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


# -- kept, and kept apart


def test_an_automatic_port_is_the_same_after_a_restart_of_the_session(root: Path, hold: Hold) -> None:
    service, lowest = api(root, "auto"), choose(LOWEST_AUTO)
    in_the_way = hold(lowest)
    first = Claiming(root)(service)
    in_the_way.kill()
    in_the_way.wait()
    assert first != lowest
    assert Claiming(root)(service) == first  # and not the lowest one that is free now


def test_what_another_root_was_given_is_not_given_to_this_one(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first = Claiming(tmp_path / "other")(api(tmp_path / "other", "auto"))
    assert Claiming(root)(api(root, "auto")) != first


def test_an_automatic_port_that_somebody_else_took_is_changed_without_a_question(root: Path, hold: Hold) -> None:
    service = api(root, "auto")
    first = Claiming(root)(service)
    assert first is not None
    neighbour = hold(first)
    claiming = Claiming(root, movable=("api",), manners=Manners(ask=lambda *_: pytest.fail("asked"), yes=True))
    second = claiming(service)
    assert second not in (None, first)
    assert f"it gets {second} instead" in claiming.said[-1]
    assert neighbour.poll() is None
    assert Claiming(root, movable=("api",))(service) == second


def test_what_an_earlier_session_left_on_our_automatic_port_is_freed(root: Path, hold: Hold) -> None:
    service = api(root, "auto")
    port = Claiming(root)(service)
    assert port is not None
    child = hold(port)
    who = identity.of(child.pid)
    assert who is not None
    record = ChildRecord("api", child.pid, who.create_time, identity.boot_id(), child.pid, (port,), 2**22 - 1, 1.0)
    records.save(make_state_dir(root), [record])
    assert Claiming(root, movable=("api",))(service) == port
    assert child.wait(20)


def test_a_service_that_was_moved_gets_the_same_other_port_again(root: Path, hold: Hold) -> None:
    usual = free_port()
    neighbour = hold(usual)
    moved = Claiming(root, movable=("api",))(api(root, usual))
    with closing(socket.create_server(("127.0.0.1", usual + 1 if moved != usual + 1 else usual + 2))):
        assert Claiming(root, movable=("api",))(api(root, usual)) == moved
    neighbour.kill()
    neighbour.wait()
    assert Claiming(root, movable=("api",))(api(root, usual)) == usual


def test_a_linked_worktree_leaves_usual_ports_to_the_primary_one_and_keeps_its_own(root: Path) -> None:
    usual = free_port()
    linked = Claiming(root, movable=("api",), linked=True)(api(root, usual))
    assert linked is not None and linked > usual
    assert Claiming(root, movable=("api",), linked=True)(api(root, usual)) == linked


def test_a_port_that_is_meant_is_the_same_in_a_linked_worktree(root: Path) -> None:
    usual = free_port()
    assert Claiming(root, linked=True)(api(root, usual)) == usual


RACER = """
import sys
from pathlib import Path
from devproxy.config.model import Service
from devproxy.errors import PortHeld
from devproxy.paths import make_state_dir, runtime_dir, state_home
from devproxy.ports.leases import Leases
from devproxy.ports.memory import Memory
from devproxy.session.claims import Claims, Manners

root = Path(sys.argv[1])
root.mkdir()
port = "auto" if sys.argv[2] == "auto" else int(sys.argv[2])
movable = ["api"] if sys.argv[3] == "movable" else []
service = Service("api", "backend", root, command="true", port=port)
memory = Memory(make_state_dir(root), root)
claims = Claims(root, [service], movable, Manners(), lambda _: None, leases=Leases(runtime_dir()), memory=memory)
print("ready", flush=True)
sys.stdin.readline()
try:
    print(claims.claim(service, False), flush=True)
except PortHeld as held:
    print(held.message, flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("port", ["auto", "usual"])
def test_sessions_that_choose_at_the_same_instant_get_different_ports(tmp_path: Path, port: str) -> None:
    """None of them binds: a look at the port would find it free for all."""
    wanted = "auto" if port == "auto" else free_port()
    ports = race(RACER, [(tmp_path / f"root{number}", wanted, "movable") for number in range(6)])
    assert len({int(each) for each in ports}) == 6, ports


def test_of_sessions_that_need_the_same_port_at_the_same_instant_one_gets_it(tmp_path: Path) -> None:
    port = free_port()
    said = race(RACER, [(tmp_path / f"root{number}", port, "fixed") for number in range(4)])
    assert sorted(said, key=len)[0] == str(port)
    refused = sorted(said, key=len)[1:]
    assert all(each.startswith(f"port {port}, which api needs, is taken by another devproxy (pid ") for each in refused)


def test_who_rests_lets_others_have_its_port(root: Path, tmp_path: Path) -> None:
    port = free_port()
    claiming = Claiming(root)
    assert claiming(api(root, port)) == port
    [refused] = race(RACER, [(tmp_path / "one", port, "fixed")])
    claiming.claims.release("api")
    [had] = race(RACER, [(tmp_path / "two", port, "fixed")])
    assert (refused.startswith(f"port {port}, which api needs"), had) == (True, str(port))


def test_a_port_that_could_not_be_had_is_not_kept_from_others(root: Path, hold: Hold, tmp_path: Path) -> None:
    port = free_port()
    neighbour = hold(port)
    claiming = Claiming(root)
    with pytest.raises(PortHeld):
        claiming(api(root, port))
    neighbour.kill()
    neighbour.wait()
    assert race(RACER, [(tmp_path / "other", port, "fixed")]) == [str(port)]


# -- all at once, before anything is started


def test_all_ports_are_claimed_and_the_first_that_is_held_is_told(root: Path, hold: Hold) -> None:
    free, held = free_port(), free_port()
    hold(held)
    services = [api(root, free, "web"), api(root, None, "worker"), api(root, held)]
    with pytest.raises(PortHeld) as raised:
        Claiming(root, *services).claims.claim_all(services)
    assert f"port {held}, which api needs" in raised.value.message


def test_an_optional_service_is_no_reason_to_start_nothing(root: Path, hold: Hold) -> None:
    held = free_port()
    hold(held)
    service = spec(root, "true", "api", port=held, optional=True)
    Claiming(root, service).claims.claim_all([service])


def test_with_another_config_who_has_another_port_gets_that_and_the_others_keep_theirs(root: Path) -> None:
    first, second = free_port(), free_port()
    kept, moved = api(root, "auto", "kept"), api(root, first, "moved")
    claiming = Claiming(root, kept, moved)
    before = claiming(kept)
    assert claiming(moved) == first
    moved = api(root, second, "moved")
    claiming.claims.adopt((kept, moved), ())
    assert (claiming(kept), claiming(moved)) == (before, second)


def test_a_service_that_another_config_lets_move_may_move(root: Path, hold: Hold) -> None:
    port = free_port()
    hold(port)
    service = api(root, port)
    claiming = Claiming(root, service)
    with pytest.raises(PortHeld):
        claiming(service)
    claiming.claims.adopt((service,), ("api",))
    assert claiming(service) != port
