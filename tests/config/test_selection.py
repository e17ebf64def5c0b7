"""Which services are to run: by themselves, by name, by profile, with what they depend on."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from devproxy.config.model import Service
from devproxy.config.selection import Selection, named, profiles_from, select
from devproxy.errors import UsageError


def service(name: str, **fields: Any) -> Service:
    return Service(name=name, kind="worker", dir=Path("/"), command="x", **fields)


SERVICES = (
    service("web", depends_on={"api": "ready"}),
    service("api", depends_on={"db": "ready"}),
    service("db"),
    service("mail", profiles=("full", "mail"), depends_on={"queue": "started"}),
    service("queue", start="manual"),
    service("docs", start="on-demand"),
    service("stats", start="on-demand", profiles=("full",)),
    service("tool", start="manual", profiles=("full",)),
)


@pytest.mark.parametrize(
    ("names", "profiles", "wanted", "on_demand"),
    [
        ((), (), "web api db", "docs"),
        ((), ("full",), "web api db mail queue", "docs stats"),
        ((), ("mail", "full"), "web api db mail queue", "docs stats"),
        (("api",), (), "api db", ""),
        (("db", "web"), (), "web api db", ""),
        (("api",), ("mail",), "api db mail queue", ""),
        (("docs",), (), "docs", ""),
        (("tool", "mail"), (), "tool mail queue", ""),
    ],
)
def test_what_is_to_run(names: Collection[str], profiles: Collection[str], wanted: str, on_demand: str) -> None:
    expected = Selection(frozenset(wanted.split()), frozenset(on_demand.split()))
    assert select(SERVICES, names, profiles) == expected


def test_what_runs_brings_what_would_wait_for_a_request() -> None:
    services = (service("web", depends_on={"api": "ready"}), service("api", start="on-demand"))
    assert select(services) == Selection(frozenset({"web", "api"}))


def test_what_was_named_is_in_the_order_of_the_config_and_without_what_it_depends_on() -> None:
    assert named(SERVICES, ("queue", "api"), ("mail",)) == ["api", "mail", "queue"]


@pytest.mark.parametrize(
    ("names", "profiles", "words"),
    [
        (("apii",), (), "there is no service 'apii'; did you mean \"api\"?"),
        (("api",), ("ful",), "no service has the profile 'ful'; did you mean \"full\"?"),
    ],
)
def test_a_name_that_there_is_not_is_misuse(names: Collection[str], profiles: Collection[str], words: str) -> None:
    for choose in (select, named):
        with pytest.raises(UsageError) as raised:
            choose(SERVICES, names, profiles)
        assert raised.value.message == words


def test_an_environment_may_name_profiles_of_other_projects() -> None:
    assert profiles_from("full, other,,mail", SERVICES) == ("full", "mail")
    assert profiles_from("", SERVICES) == ()
