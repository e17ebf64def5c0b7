"""Who waits for whom, what brings what, and how a failure is passed on: chains, rhombs, one for many.

A ready line that never comes, a restart or a stop while a dependency is pending, dependents that run on (no cascade).
"""

import asyncio
import signal
from pathlib import Path

import pytest

from devproxy.config.model import Condition, Ready
from devproxy.processes.dependencies import Wait, levels, satisfies, waits, with_needs
from devproxy.processes.lifecycle import Life
from tests.processes.stage import Stage, play, spec
from tests.support import auntil

NOT_YET = "while [ ! -e go ]; do sleep 0.01; done; "
CRASHED, READY, WAITING = Life(state="crashed"), Life(state="ready"), Life(state="waiting")


# -- decisions


@pytest.mark.parametrize(
    ("condition", "states"),
    [
        ("started", {"starting", "ready", "failing", "done"}),
        ("ready", {"ready", "done"}),
        ("exited-ok", {"done"}),
    ],
)
def test_a_condition_is_met_in_these_states(condition: Condition, states: set[str]) -> None:
    everything = ("waiting", "freeing", "starting", "ready", "restarting", "failing", "crashed", "stopped", "done")
    assert {state for state in everything if satisfies(Life(state=state), condition)} == states


def test_levels_follow_the_dependencies_and_then_the_order_of_declaration(tmp_path: Path) -> None:
    specs = [
        spec(tmp_path, "x", "web", depends_on={"api": "ready", "elsewhere": "ready"}),
        spec(tmp_path, "x", "api", depends_on={"db": "ready", "cache": "started"}),
        spec(tmp_path, "x", "db"),
        spec(tmp_path, "x", "cache"),
    ]
    assert levels(specs) == [["db", "cache"], ["api"], ["web"]]


def test_a_wait_is_in_vain_when_what_stands_at_its_end_has_given_up(tmp_path: Path) -> None:
    specs = {
        "api": spec(tmp_path, "x", "api", depends_on={"migrate": "exited-ok", "cache": "ready", "folder": "ready"}),
        "migrate": spec(tmp_path, "x", "migrate", depends_on={"db": "ready"}),
        "db": spec(tmp_path, "x", "db"),
        "cache": spec(tmp_path, "x", "cache"),
    }
    lives = {"api": WAITING, "migrate": WAITING, "db": CRASHED, "cache": READY}
    [wait] = waits("api", specs, lives)
    assert wait == Wait("migrate", "exited-ok", WAITING, (Wait("db", "ready", CRASHED),))
    assert (wait.is_vain, wait.culprit) == (True, "db")
    [wait] = waits("api", specs, {**lives, "db": Life(state="crashed", backoff=0.5)})
    assert (wait.is_vain, wait.culprit) == (False, None)


def test_what_is_named_brings_what_it_depends_on_each_once_and_first(tmp_path: Path) -> None:
    specs = {
        "top": spec(tmp_path, "x", "top", depends_on={"left": "ready", "right": "ready"}),
        "left": spec(tmp_path, "x", "left", depends_on={"base": "ready"}),
        "right": spec(tmp_path, "x", "right", depends_on={"base": "ready", "folder": "ready"}),
        "base": spec(tmp_path, "x", "base"),
        "other": spec(tmp_path, "x", "other"),
    }
    assert with_needs(["top"], specs) == ["base", "left", "right", "top"]


# -- with children


def order(stage: Stage, state: str) -> list[str]:
    return [name for name, reached in stage.states if reached == state]


def test_a_chain_starts_one_after_the_other(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("ready", "web")

    stage = play(
        scene,
        spec(tmp_path, "echo up; sleep 600", "web", ready=Ready(log="up"), depends_on={"api": "ready"}),
        spec(tmp_path, "echo up; sleep 600", "api", ready=Ready(log="up"), depends_on={"seed": "exited-ok"}),
        spec(tmp_path, "true", "seed", kind="task", depends_on={"db": "ready"}),
        spec(tmp_path, "echo up; sleep 600", "db", ready=Ready(log="up")),
    )
    assert order(stage, "starting") == ["db", "seed", "api", "web"]
    for first, then in (("db", "seed"), ("api", "web")):
        assert stage.states.index((first, "ready")) < stage.states.index((then, "starting"))
    assert stage.states.index(("seed", "done")) < stage.states.index(("api", "starting"))


def test_a_rhombus_waits_for_both_of_its_sides(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("ready", "quick")
        await stage.state("starting", "slow")
        assert stage["top"].life.state == "waiting"
        (tmp_path / "go").touch()
        await stage.state("ready", "top")

    stage = play(
        scene,
        spec(tmp_path, "sleep 600", "top", depends_on={"quick": "ready", "slow": "ready"}),
        spec(tmp_path, "sleep 600", "quick", depends_on={"base": "ready"}),
        spec(tmp_path, f"{NOT_YET} echo up; sleep 600", "slow", ready=Ready(log="up"), depends_on={"base": "ready"}),
        spec(tmp_path, "sleep 600", "base"),
    )
    assert order(stage, "starting")[0] == "base"
    assert order(stage, "starting")[-1] == "top"
    assert len(order(stage, "starting")) == 4


def test_one_releases_all_that_wait_for_it_at_once(tmp_path: Path) -> None:
    names = ("a", "b", "c", "d")

    async def scene(stage: Stage) -> None:
        await stage.state("starting", "base")
        assert {stage[name].life.state for name in names} == {"waiting"}
        (tmp_path / "go").touch()
        await asyncio.gather(*(stage.state("ready", name) for name in names))

    play(
        scene,
        spec(tmp_path, f"{NOT_YET} echo up; sleep 600", "base", ready=Ready(log="up")),
        *(spec(tmp_path, "sleep 600", name, depends_on={"base": "ready"}) for name in names),
    )


@pytest.mark.parametrize("condition", ["exited-ok", "ready", "started"])
def test_who_waits_for_one_that_failed_is_told_so_through_the_chain_and_comes_when_it_is_mended(
    tmp_path: Path, condition: Condition
) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("crashed", "db")
        assert stage.supervisor.failed() == ["api", "migrate", "db"]
        [wait] = stage.supervisor.waits_for("api")
        assert (wait.service, wait.culprit) == ("migrate", "db")
        assert [stage[name].life.state for name in ("api", "migrate")] == ["waiting", "waiting"]
        (tmp_path / "mended").touch()
        stage.supervisor.ask_restart("db")
        await stage.state("ready", "api")
        assert stage.supervisor.failed() == []

    play(
        scene,
        spec(tmp_path, "sleep 600", "api", depends_on={"migrate": condition}),
        spec(tmp_path, "true", "migrate", kind="task", depends_on={"db": "ready"}),
        spec(tmp_path, "[ -e mended ] && echo up && sleep 600", "db", restart="never", ready=Ready(log="up")),
    )


def test_an_optional_dependency_that_failed_leaves_its_dependent_waiting_in_vain(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("crashed", "db")
        assert stage.supervisor.failed() == ["api"]
        assert not stage.supervisor.is_ready

    play(
        scene,
        spec(tmp_path, "sleep 600", "api", depends_on={"db": "ready"}),
        spec(tmp_path, "exit 1", "db", optional=True, restart="never", ready=Ready(log="up")),
    )


def test_one_that_is_never_ready_keeps_its_dependents_waiting_and_says_why(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("failing", "db")
        [wait] = stage.supervisor.waits_for("api")
        assert "up" in wait.life.reason
        assert stage["api"].life.state == "waiting"
        assert set(stage.supervisor.failed()) == {"db", "api"}

    play(
        scene,
        spec(tmp_path, "sleep 600", "api", depends_on={"db": "ready"}),
        spec(tmp_path, "sleep 600", "db", ready=Ready(log="up", timeout_seconds=0.2)),
    )


def test_a_restart_of_one_that_waits_leaves_it_waiting_and_makes_no_second_copy(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("starting", "db")
        for _ in range(3):
            stage.supervisor.ask_restart("api")
            await asyncio.sleep(0)
        assert stage["api"].life.state == "waiting"
        (tmp_path / "go").touch()
        await stage.state("ready", "api")
        assert stage["api"].restarts == 0

    stage = play(
        scene,
        spec(tmp_path, "sleep 600", "api", depends_on={"db": "ready"}),
        spec(tmp_path, f"{NOT_YET} echo up; sleep 600", "db", ready=Ready(log="up")),
    )
    assert stage.states.count(("api", "starting")) == 1


def test_one_that_was_stopped_while_it_waited_does_not_come(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("starting", "db")
        stage.supervisor.ask_stop("api")
        await stage.state("stopped", "api")
        (tmp_path / "go").touch()
        await stage.state("ready", "db")
        assert stage["api"].life.state == "stopped"
        stage.supervisor.ask_start("api")
        await stage.state("ready", "api")

    play(
        scene,
        spec(tmp_path, "sleep 600", "api", depends_on={"db": "ready"}),
        spec(tmp_path, f"{NOT_YET} echo up; sleep 600", "db", ready=Ready(log="up")),
    )


def test_a_start_brings_what_was_stopped_below_it_and_waits_for_that(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        (tmp_path / "go").touch()
        await stage.state("ready", "api")
        for name in ("api", "db"):
            stage.supervisor.ask_stop(name)
            await stage.state("stopped", name)
        (tmp_path / "go").unlink()
        stage.supervisor.ask_start("api")
        await stage.state("waiting", "api")
        await stage.state("starting", "db")
        (tmp_path / "go").touch()
        await stage.state("ready", "api")

    play(
        scene,
        spec(tmp_path, "sleep 600", "api", depends_on={"db": "ready"}),
        spec(tmp_path, f"{NOT_YET} echo up; sleep 600", "db", ready=Ready(log="up")),
    )


def test_who_depends_on_one_that_restarts_crashes_or_is_stopped_runs_on(tmp_path: Path) -> None:
    """A dependency is for the start: no cascade. While a backend restarts, requests wait; nobody else need."""

    async def scene(stage: Stage) -> None:
        api = (await stage.state("ready", "api")).child
        first = stage["db"].child
        assert first is not None
        stage.supervisor.saved("db")
        await auntil(lambda: stage["db"].life.state == "ready" and stage["db"].child is not first)
        again = stage["db"].child
        assert again is not None
        again.signal_group(signal.SIGKILL)
        await stage.state("crashed", "db")
        await stage.state("ready", "db")
        stage.supervisor.ask_stop("db")
        await stage.state("stopped", "db")
        assert (stage["api"].life.state, stage["api"].restarts, stage["api"].child) == ("ready", 0, api)

    play(
        scene,
        spec(tmp_path, "sleep 600", "api", depends_on={"db": "ready"}),
        spec(tmp_path, "sleep 600", "db", watch=("*.sql",)),
    )


# -- tasks


def test_a_task_is_not_ready_before_it_is_done(tmp_path: Path) -> None:
    """Else who waits for the session, or for it to be ready, would go on with half a migration."""

    async def scene(stage: Stage) -> None:
        await stage.state("starting", "migrate")
        await stage.line("half", "migrate")
        assert not stage.supervisor.is_ready
        assert stage["api"].life.state == "waiting"
        (tmp_path / "go").touch()
        await stage.state("ready", "api")
        assert stage.supervisor.is_ready

    stage = play(
        scene,
        spec(tmp_path, f"echo half; {NOT_YET} true", "migrate", kind="task"),
        spec(tmp_path, "sleep 600", "api", depends_on={"migrate": "ready"}),
    )
    assert ("migrate", "ready") not in stage.states


def test_a_task_that_failed_is_not_tried_again_until_somebody_asks(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("crashed", "migrate")
        assert stage["migrate"].life.backoff is None
        assert stage.supervisor.failed() == ["api", "migrate"]
        assert stage["api"].life.state == "waiting"
        (tmp_path / "mended").touch()
        stage.supervisor.ask_restart("migrate")
        await stage.state("ready", "api")

    play(
        scene,
        spec(tmp_path, "sleep 600", "api", depends_on={"migrate": "exited-ok"}),
        spec(tmp_path, "[ -e mended ]", "migrate", kind="task"),
    )


def test_a_task_that_is_done_runs_again_when_it_is_asked_to(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("ready", "api")
        stage.supervisor.ask_restart("migrate")
        await stage.line("run 2", "migrate")
        await stage.state("done", "migrate")
        assert stage["api"].restarts == 0

    play(
        scene,
        spec(tmp_path, "sleep 600", "api", depends_on={"migrate": "exited-ok"}),
        spec(tmp_path, "echo x >> runs; echo run $(wc -l < runs)", "migrate", kind="task"),
    )


def test_all_are_restarted_but_what_is_done_or_was_stopped(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("ready", "api")
        stage.supervisor.ask_stop("extra")
        await stage.state("stopped", "extra")
        first = stage["api"].child
        stage.supervisor.restart_all()
        await auntil(lambda: ("api", "restarting") in stage.states)
        await stage.state("ready", "api")
        assert stage["api"].child is not first

    stage = play(
        scene,
        spec(tmp_path, "sleep 600", "api", depends_on={"migrate": "exited-ok"}),
        spec(tmp_path, "true", "migrate", kind="task"),
        spec(tmp_path, "sleep 600", "extra"),
        spec(tmp_path, "sleep 600", "tool", start="manual"),
    )
    assert [order(stage, "starting").count(name) for name in ("migrate", "extra", "tool")] == [1, 1, 0]
