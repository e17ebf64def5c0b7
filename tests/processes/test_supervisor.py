"""All services: who starts when, in which order they stop, and who is told as failed."""

import asyncio
import signal
from pathlib import Path

import psutil

from devproxy.config.model import Ready, Stop
from tests.processes.stage import STAY, Stage, play, python, spec
from tests.support import auntil

NOT_YET = "while [ ! -e go ]; do sleep 0.01; done; "


# -- starting


def test_one_that_depends_on_nothing_starts_before_there_is_a_loop(tmp_path: Path) -> None:
    stage = Stage(spec(tmp_path, "sleep 600", "db"), spec(tmp_path, "sleep 600", "api", depends_on={"db": "ready"}))
    stage.prepare()
    assert stage["db"].child is not None
    assert stage["api"].child is None

    async def scene(stage: Stage) -> None:
        await stage.state("ready", "api")

    asyncio.run(stage.play(scene))
    stage.close()


def test_a_dependent_waits_until_its_dependency_is_ready_and_says_for_what(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("starting", "db")
        assert stage["api"].life.state == "waiting"
        [wait] = stage.supervisor.waits_for("api")
        assert (wait.service, wait.condition, wait.is_vain) == ("db", "ready", False)
        assert not stage.supervisor.is_ready
        (tmp_path / "go").touch()
        await stage.state("ready", "api")
        assert stage.supervisor.waits_for("api") == ()
        assert stage.supervisor.is_ready

    stage = play(
        scene,
        spec(tmp_path, "sleep 600", "api", depends_on={"db": "ready"}),
        spec(tmp_path, f"{NOT_YET} echo up; sleep 600", "db", ready=Ready(log="up")),
    )
    assert stage.states.index(("db", "ready")) < stage.states.index(("api", "starting"))


def test_started_is_enough_where_it_says_so(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("ready", "api")
        assert stage["db"].life.state == "starting"

    play(
        scene,
        spec(tmp_path, "sleep 600", "api", depends_on={"db": "started"}),
        spec(tmp_path, "sleep 600", "db", ready=Ready(log="never")),
    )


def test_a_task_must_have_ended_well_where_it_says_so(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("starting", "migrate")
        assert [wait.service for wait in stage.supervisor.waits_for("api")] == ["migrate"]
        (tmp_path / "go").touch()
        await stage.state("ready", "api")
        assert stage["migrate"].life.state == "done"

    play(
        scene,
        spec(tmp_path, "sleep 600", "api", depends_on={"migrate": "exited-ok"}),
        spec(tmp_path, f"{NOT_YET} true", "migrate", kind="task"),
    )


def test_what_was_declared_manual_starts_when_it_is_asked(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("ready", "web")
        assert stage["tool"].life.state == "stopped"
        assert stage.supervisor.is_ready
        stage.supervisor.ask_start("tool")
        await stage.state("ready", "tool")

    play(scene, spec(tmp_path, "sleep 600", "web"), spec(tmp_path, "sleep 600", "tool", start="manual"))


def test_a_user_may_start_what_still_waits(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("starting", "db")
        stage.supervisor.ask_start("api")
        await stage.state("ready", "api")

    play(
        scene,
        spec(tmp_path, "sleep 600", "api", depends_on={"db": "ready"}),
        spec(tmp_path, "sleep 600", "db", ready=Ready(log="never")),
    )


# -- stopping


def test_the_order_of_stopping_is_that_of_starting_reversed(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("here", "web")
        await stage.supervisor.stop_all()

    stage = play(
        scene,
        spec(tmp_path, python(STAY), "web", depends_on={"api": "ready"}),
        spec(tmp_path, python(STAY), "api", depends_on={"db": "ready"}),
        spec(tmp_path, python(STAY), "db"),
    )
    assert [name for name, state in stage.states if state == "stopped"] == ["web", "api", "db"]


def test_all_of_one_level_are_asked_at_once(tmp_path: Path) -> None:
    """One that takes its time holds up no other."""

    async def scene(stage: Stage) -> None:
        await asyncio.gather(stage.line("here", "deaf"), stage.line("here", "polite"))
        stopping = asyncio.create_task(stage.supervisor.stop_all())
        await stage.state("stopped", "polite", within=3)
        assert stage.supervisor.still_alive() == ["deaf"]
        stage.supervisor.hurry()
        await stopping

    play(
        scene,
        spec(tmp_path, python(STAY), "polite"),
        spec(tmp_path, python(STAY, "SIGTERM"), "deaf", stop=Stop(grace_seconds=600)),
    )


def test_a_second_request_ends_the_grace_of_all_that_are_still_to_stop(tmp_path: Path) -> None:
    """Also of those whose turn comes later: nobody presses Ctrl-C once a service."""

    async def scene(stage: Stage) -> None:
        await asyncio.gather(stage.line("here", "web"), stage.line("here", "db"))
        stopping = asyncio.create_task(stage.supervisor.stop_all())
        await auntil(lambda: stage["web"].life.next == "stopped")
        stage.supervisor.hurry()
        async with asyncio.timeout(3):
            await stopping

    deaf, patient = python(STAY, "SIGTERM"), Stop(grace_seconds=600)
    play(
        scene,
        spec(tmp_path, deaf, "web", stop=patient, depends_on={"db": "started"}),
        spec(tmp_path, deaf, "db", stop=patient),
    )


def test_while_all_is_stopped_nothing_starts(tmp_path: Path) -> None:
    """`web` has waited for `api`, which becomes ready while `deaf` takes its time."""

    async def scene(stage: Stage) -> None:
        await stage.line("here", "deaf")
        stopping = asyncio.create_task(stage.supervisor.stop_all())
        await stage.state("stopped", "web")
        (tmp_path / "go").touch()
        await stage.state("ready", "api")
        await auntil(lambda: stage["web"].is_idle)
        stage.supervisor.hurry()
        await stopping

    stage = play(
        scene,
        spec(tmp_path, f"{NOT_YET} echo up; sleep 600", "api", ready=Ready(log="up")),
        spec(tmp_path, "sleep 600", "web", depends_on={"api": "ready"}),
        spec(tmp_path, python(STAY, "SIGTERM"), "deaf", stop=Stop(grace_seconds=600), depends_on={"api": "started"}),
    )
    assert ("web", "freeing") not in stage.states


def test_a_stop_while_it_waits_for_its_next_start_is_heard(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("crashed")
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")
        await stage.supervisor.stop_all()

    stage = play(scene, spec(tmp_path, "exit 1"))
    assert [state for _, state in stage.states].count("starting") == 1


def test_all_trees_are_suspended_and_continue(tmp_path: Path) -> None:
    ticking = "while true; do echo tick; sleep 0.02; done"

    async def scene(stage: Stage) -> None:
        names = ("one", "two")
        for name in names:
            await stage.line("tick", name)
        children = [child for name in names if (child := stage[name].child) is not None]
        stage.supervisor.pause(signal.SIGSTOP)
        await auntil(lambda: all(psutil.Process(child.pid).status() == psutil.STATUS_STOPPED for child in children))
        stage.supervisor.pause(signal.SIGCONT)
        counts = [len(stage.lines(name)) for name in names]
        await auntil(lambda: all(len(stage.lines(name)) > count for name, count in zip(names, counts, strict=True)))

    play(scene, spec(tmp_path, ticking, "one"), spec(tmp_path, ticking, "two"))


# -- what it says of all


def test_an_optional_service_keeps_nobody_waiting_and_is_not_told_as_failed(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("crashed", "extra")
        await stage.state("ready", "web")
        assert stage.supervisor.is_ready
        assert stage.supervisor.failed() == []

    play(
        scene,
        spec(tmp_path, "sleep 600", "web"),
        spec(tmp_path, "exit 1", "extra", optional=True, restart="never"),
    )


def test_one_that_will_start_again_has_not_failed_for_good(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("crashed")
        assert stage.supervisor.failed() == []
        assert not stage.supervisor.is_ready

    play(scene, spec(tmp_path, "exit 1"))
