"""One declaration, N services: their names, ports and dependencies, and the way back."""

from pathlib import Path
from typing import Any

from devproxy.config.instances import collapse, expand
from devproxy.config.model import Config, Service


def service(name: str, **fields: Any) -> Service:
    return Service(name=name, kind="worker", dir=Path("/"), command="x", **fields)


DECLARED = (
    service("api", port=8000, instances=3, log_files=("a.log",)),
    service("db", port=5000),
    service("worker", port="auto", instances=2, depends_on={"api": "ready", "db": "started"}),
)


def test_each_instance_has_a_name_and_a_port_of_its_own() -> None:
    found = expand(DECLARED)
    assert [(one.name, one.instance_of, one.port) for one in found] == [
        ("api.1", "api", 8000),
        ("api.2", "api", 8001),
        ("api.3", "api", 8002),
        ("db", "", 5000),
        ("worker.1", "worker", "auto"),
        ("worker.2", "worker", "auto"),
    ]
    assert [one.group for one in found] == ["api", "api", "api", "db", "worker", "worker"]


def test_who_depends_on_it_depends_on_all_of_them() -> None:
    [first, _] = expand(DECLARED)[-2:]
    assert first.depends_on == {"api.1": "ready", "api.2": "ready", "api.3": "ready", "db": "started"}


def test_a_log_file_that_all_write_is_followed_once() -> None:
    assert [one.log_files for one in expand(DECLARED)[:3]] == [("a.log",), (), ()]


def test_the_declaration_can_be_had_back() -> None:
    config = Config("shop", Path("/"), services=expand(DECLARED))
    assert collapse(config).services == DECLARED
