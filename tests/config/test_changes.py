"""What another config changes for a session that runs."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.config.changes import AT_ONCE, LATER, SWAPPED, Changes, compare
from devproxy.config.instances import expand
from devproxy.config.model import (
    Bus,
    Capture,
    Config,
    Hold,
    Logs,
    MaxRequests,
    Probe,
    Ready,
    Reload,
    ReloadSignal,
    Route,
    Service,
    Stop,
)

ROOT = Path("/shop")


def service(name: str = "api", **keys: Any) -> Service:
    what = {} if {"static", "url"} & keys.keys() else {"command": f"run {name}"}
    return Service(**{"name": name, "kind": "backend", "dir": ROOT, **what, **keys})


def config(*services: Service, **keys: Any) -> Config:
    return Config("shop", ROOT, services=services, **keys)


def test_the_same_config_changes_nothing() -> None:
    assert not compare(config(service()), config(service()))


RESTARTS = [
    {"command": "other"}, {"kind": "worker"}, {"dir": ROOT / "below"}, {"port": 8000}, {"env": {"A": "1"}},
    {"env_files": (ROOT / ".env",)}, {"ready": Ready(started=True)}, {"stderr": "separate"},
    {"venv": ROOT / ".venv"},
]  # fmt: skip
AT_ONCE_VALUES: list[dict[str, Any]] = [
    {"depends_on": {"db": "ready"}}, {"log_files": ("log/dev.log",)}, {"optional": True}, {"profiles": ("full",)},
    {"reload": ReloadSignal("HUP")}, {"restart": "always"}, {"start": "manual"}, {"stop": Stop(grace_seconds=1)},
    {"watch": ("*.py",)}, {"instances": 2}, {"balance": "sticky"}, {"probe": Probe()},
    {"max_requests": MaxRequests(in_flight=1)},
]  # fmt: skip


def test_every_key_of_a_service_is_on_one_of_the_two_lists() -> None:
    """A key that is new in the model restarts its service until somebody says that it need not."""
    of_other_kinds = {"name", "instance_of", "static", "url"}
    listed = {key for one in (*RESTARTS, *AT_ONCE_VALUES) for key in one}
    assert {key.name for key in fields(Service)} == listed | of_other_kinds
    assert {key for one in AT_ONCE_VALUES for key in one} == AT_ONCE


@pytest.mark.parametrize("key", RESTARTS, ids=lambda key: next(iter(key)))
def test_what_its_process_sees_restarts_that_service_alone(key: dict[str, Any]) -> None:
    changes = compare(config(service(), service("web")), config(service(**key), service("web")))
    assert changes == Changes(restarts=("api",))


@pytest.mark.parametrize("key", AT_ONCE_VALUES, ids=lambda key: next(iter(key)))
def test_what_only_we_look_at_changes_at_once(key: dict[str, Any]) -> None:
    assert compare(config(service()), config(service(**key))) == Changes(swaps=("api",))


def test_one_instance_more_is_one_service_more() -> None:
    two, three = (config(*expand([service(port=8000, instances=count)])) for count in (2, 3))
    assert compare(two, three) == Changes(starts=("api.3",), swaps=("api.1", "api.2"))
    assert compare(three, two) == Changes(stops=("api.3",), swaps=("api.1", "api.2"))


def test_services_come_and_go() -> None:
    before, after = config(service("a"), service("b"), service("c")), config(service("d"), service("b"))
    assert compare(before, after) == Changes(starts=("d",), stops=("a", "c"))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (service(), service(url="http://127.0.0.1:9000"), Changes(stops=("api",), swaps=("api",))),
        (service(url="http://127.0.0.1:9000"), service(), Changes(starts=("api",))),
        (service(static=ROOT / "a"), service(static=ROOT / "b"), Changes(swaps=("api",))),
        (service(static=ROOT / "a"), service(url="http://127.0.0.1:1"), Changes(swaps=("api",))),
    ],
    ids=["to a URL", "from a URL", "a folder", "a folder to a URL"],
)
def test_what_is_not_ours_to_run_is_swapped(before: Service, after: Service, expected: Changes) -> None:
    assert compare(config(before), config(after)) == expected


def test_folders_and_urls_that_come_and_go_start_and_stop_nothing() -> None:
    folder = service("web", static=ROOT / "dist")
    assert compare(config(), config(folder)) == compare(config(folder), config()) == Changes(swaps=("web",))


TOP = {
    "routes": (Route(to=("api",), prefix="/"),), "hold": Hold(1.0), "allowed_hosts": ("app.test",),
    "trusted_proxies": ("10.0.0.0/8",), "reload": Reload(enabled=False), "name": "other", "port": 4500,
    "logs": Logs(1), "capture": Capture(bodies=True), "bus": Bus("redis://127.0.0.1"),
}  # fmt: skip


def test_every_top_level_key_is_swapped_or_waits_for_the_next_up() -> None:
    assert set(TOP) == {*SWAPPED, *LATER} == {key.name for key in fields(Config)} - {"root", "source", "services"}


@pytest.mark.parametrize("key", TOP)
def test_a_top_level_key_restarts_nothing(key: str) -> None:
    changes = compare(config(service()), replace(config(service()), **{key: TOP[key]}))
    assert changes == (Changes(swaps=(key,)) if key in SWAPPED else Changes(later=(key,)))


def test_where_the_config_stands_is_no_change() -> None:
    assert not compare(config(service()), replace(config(service()), source=ROOT / "devproxy.toml"))


def test_a_reload_says_what_has_begun_and_what_only_is_declared_so_now() -> None:
    changes = Changes(restarts=("api", "web"), starts=("db", "mail"), swaps=("worker", "routes"))
    came_to = Changes(restarts=("web",), starts=("db", "worker"), swaps=("api", "mail", "routes"))
    assert changes.come_to(["db", "worker", "web"]) == came_to


SERVICES = st.lists(
    st.builds(
        service,
        st.sampled_from("abcd"),
        command=st.sampled_from([None, "x", "y"]),
        url=st.sampled_from([None, "http://127.0.0.1:1"]),
        optional=st.booleans(),
    ).filter(lambda one: (one.command is None) != (one.url is None)),
    unique_by=lambda one: one.name,
)


@given(SERVICES, SERVICES)
def test_every_process_has_one_fate_and_the_right_ones_run_in_the_end(old: list[Service], new: list[Service]) -> None:
    changes = compare(config(*old), config(*new))
    commands = {one.name: one.command for one in old if one.command}
    wanted = {one.name: one.command for one in new if one.command}
    for name in changes.stops:
        del commands[name]
    for name in (*changes.starts, *changes.restarts):
        assert (name in commands) == (name in changes.restarts)
        commands[name] = wanted[name]
    assert commands == wanted
    assert len({*changes.restarts, *changes.starts, *changes.stops}) == sum(
        map(len, (changes.restarts, changes.starts, changes.stops))
    )
    kept = [one.name for one in new if one.command and one in old]
    assert not {*kept} & {*changes.restarts, *changes.starts, *changes.stops, *changes.swaps}
