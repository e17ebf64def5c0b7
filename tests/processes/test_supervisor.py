"""All services: who starts when, in which order they stop, and who is told as failed."""

import asyncio
import signal
from dataclasses import replace
from pathlib import Path

import psutil

from devproxy.config.model import Ready, Stop
from tests.processes.stage import LISTEN, STAY, Stage, play, python, spec
from tests.support import auntil, free_port
from tests.support.devproxy import is_alive

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
        await stage.state("stopped", "polite")
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


def test_while_all_is_stopped_nothing_is_restarted(tmp_path: Path) -> None:
    """Else the end would never come."""

    async def scene(stage: Stage) -> None:
        await asyncio.gather(stage.line("here", "web"), stage.line("here", "db"))
        stopping = asyncio.create_task(stage.supervisor.stop_all())
        await auntil(lambda: stage["web"].life.next == "stopped")
        for name in ("web", "db"):
            stage.supervisor.ask_restart(name)
            stage.supervisor.ask_start(name)
            stage.supervisor.saved(name)
        stage.supervisor.hurry()
        async with asyncio.timeout(10):
            await stopping

    play(
        scene,
        spec(tmp_path, python(STAY, "SIGTERM"), "web", stop=Stop(grace_seconds=600), depends_on={"db": "started"}),
        spec(tmp_path, python(STAY), "db"),
    )


def test_a_stop_while_it_waits_for_its_next_start_is_heard(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("crashed")
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")
        await stage.supervisor.stop_all()

    stage = play(scene, spec(tmp_path, "exit 1"))
    assert [state for _, state in stage.states].count("starting") == 1


def test_all_trees_are_suspended_and_continue(tmp_path: Path) -> None:
    # Not a shell's loop: a shell may be caught in vfork(2), where it waits for its stopped child and is not stopped.
    ticking = python("import time\nwhile True: print('tick', flush=True); time.sleep(0.02)")

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


# -- other declarations


def test_one_whose_declaration_differs_restarts_and_the_others_do_not(tmp_path: Path) -> None:
    web, api = spec(tmp_path, "sleep 600", "web"), spec(tmp_path, "echo one; sleep 600", "api")

    async def scene(stage: Stage) -> None:
        await stage.line("one", "api")
        await stage.state("ready", "web")
        kept = stage["web"].child
        assert stage.adopt(web, replace(api, command="echo two; sleep 600"), restarts=["api"]) == ["api"]
        await stage.line("two", "api")
        await stage.state("ready", "api")
        assert stage["web"].child is kept
        assert stage["api"].restarts == 1

    stage = play(scene, web, api)
    assert ("api", "stopped") not in stage.states[: stage.states.index(("api", "restarting"))]


def test_two_that_swap_their_ports_both_get_them(tmp_path: Path) -> None:
    """Neither claims before the other has let go, though one of them takes its time."""
    slow = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), exit()))\n" + LISTEN
    ports = free_port(), free_port()
    api = spec(tmp_path, python(slow), "api", port=ports[0])
    web = spec(tmp_path, python(LISTEN), "web", port=ports[1])

    async def scene(stage: Stage) -> None:
        await stage.state("ready", "api")
        await stage.state("ready", "web")
        stage.adopt(replace(api, port=ports[1]), replace(web, port=ports[0]), restarts=["api", "web"])
        await auntil(lambda: all(stage[name].life.generation == 2 for name in ("api", "web")))
        await stage.state("ready", "api")
        await stage.state("ready", "web")
        assert (stage["api"].port, stage["web"].port) == (ports[1], ports[0])

    stage = play(scene, api, web)
    assert not [state for state in stage.states if state[1] == "crashed"]


def test_nobody_starts_before_all_that_end_are_gone(tmp_path: Path) -> None:
    """Whose port is whose is not looked at: the next one may want it by its own config file."""
    slow, quick = (
        spec(tmp_path, python(STAY, "SIGTERM"), "slow", stop=Stop(grace_seconds=0.5)),
        spec(tmp_path, "sleep 600", "quick"),
    )

    async def scene(stage: Stage) -> None:
        await stage.line("here", "slow")
        await stage.state("ready", "quick")
        pid = pid_of(stage, "slow")
        stage.adopt(replace(slow, env={"A": "1"}), replace(quick, command="sleep 601"), restarts=["slow", "quick"])
        await auntil(lambda: stage["quick"].life.generation == 2)
        assert not is_alive(pid)

    play(scene, slow, quick)


def test_who_is_new_takes_the_port_of_who_is_gone(tmp_path: Path) -> None:
    slow = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), exit()))\n" + LISTEN
    old = spec(tmp_path, python(slow), "old", port=free_port())

    async def scene(stage: Stage) -> None:
        await stage.state("ready", "old")
        pid = pid_of(stage, "old")
        stage.adopt(replace(old, name="new", command=python(LISTEN)))
        assert list(stage.supervisor.services) == ["new"]
        assert stage.supervisor.still_alive() == ["old"]
        await stage.state("ready", "new")
        assert not is_alive(pid)
        assert stage.supervisor.still_alive() == ["new"]

    stage = play(scene, old)
    assert ("new", "crashed") not in stage.states


def test_one_that_left_and_comes_back_begins_when_its_last_process_is_gone(tmp_path: Path) -> None:
    it, other = (
        spec(tmp_path, python(STAY, "SIGTERM"), stop=Stop(grace_seconds=0.5)),
        spec(tmp_path, "sleep 600", "other"),
    )

    async def scene(stage: Stage) -> None:
        await stage.line("here")
        pid = pid_of(stage, "it")
        stage.adopt(other)
        stage.adopt(it, other)
        await auntil(lambda: stage.it.child is not None)
        assert not is_alive(pid)

    play(scene, it, other)


def test_who_depends_on_one_that_restarts_too_waits_for_its_new_process(tmp_path: Path) -> None:
    db = spec(tmp_path, "echo up; sleep 600", "db", ready=Ready(log="up"))
    api = spec(tmp_path, "sleep 600", "api", depends_on={"db": "ready"})

    async def scene(stage: Stage) -> None:
        await stage.state("ready", "api")
        stage.states.clear()
        later = replace(db, command=f"{NOT_YET} echo up; sleep 600")
        stage.adopt(replace(api, command="sleep 601"), later, restarts=["api", "db"])
        await stage.state("starting", "db")
        assert [wait.service for wait in stage.supervisor.waits_for("api")] == ["db"]
        assert stage["api"].life.generation == 1
        (tmp_path / "go").touch()
        await auntil(lambda: stage["api"].life.generation == 2)
        await stage.state("ready", "api")

    stage = play(scene, api, db)
    assert stage.states.index(("db", "ready")) < stage.states.index(("api", "starting"))


def test_who_was_stopped_stays_so_and_starts_as_declared_now(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("ready")
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")
        assert stage.adopt(spec(tmp_path, "echo two; sleep 600"), restarts=["it"]) == []
        assert stage.it.life.state == "stopped"
        stage.supervisor.ask_start("it")
        await stage.line("two")

    play(scene, spec(tmp_path, "echo one; sleep 600"))


def test_who_is_to_run_now_and_was_not_begins_unless_somebody_has_started_it(tmp_path: Path) -> None:
    web, api, db = (spec(tmp_path, "sleep 600", name, start="manual") for name in ("web", "api", "db"))

    async def scene(stage: Stage) -> None:
        stage.supervisor.ask_start("api")
        await stage.state("ready", "api")
        child = stage["api"].child
        assert stage.adopt(replace(web, start="auto"), replace(api, start="auto"), db) == ["web"]
        await stage.state("ready", "web")
        assert stage["api"].child is child
        assert stage["db"].life.state == "stopped"
        assert stage.supervisor.is_required("api")
        assert not stage.supervisor.is_required("db")

    play(scene, web, api, db)


def test_who_is_being_stopped_is_not_restarted_either(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.line("here")
        stage.supervisor.ask_stop("it")
        await auntil(lambda: stage.it.life.next == "stopped")
        assert stage.adopt(spec(tmp_path, "echo two; sleep 600"), restarts=["it"]) == []
        await stage.state("stopped")

    play(scene, spec(tmp_path, python(STAY, "SIGTERM"), stop=Stop(grace_seconds=0.3)))


def test_one_that_crashed_is_tried_again_as_declared_now(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("crashed")
        stage.adopt(spec(tmp_path, "sleep 600", restart="never"), restarts=["it"])
        await stage.state("ready")

    play(scene, spec(tmp_path, "exit 3", restart="never"))


def test_how_it_is_stopped_counts_from_now_on_without_a_restart(tmp_path: Path) -> None:
    it = spec(tmp_path, python(STAY, "SIGTERM"), stop=Stop(grace_seconds=60))

    async def scene(stage: Stage) -> None:
        await stage.line("here")
        child = stage.it.child
        assert stage.adopt(replace(it, stop=Stop(grace_seconds=0.1))) == []
        assert stage.it.child is child
        stage.supervisor.ask_stop("it")
        await stage.state("stopped")

    play(scene, it)


def test_one_that_is_new_and_waits_for_somebody_begins_when_that_is_there(tmp_path: Path) -> None:
    db = spec(tmp_path, f"{NOT_YET} echo up; sleep 600", "db", ready=Ready(log="up"))

    async def scene(stage: Stage) -> None:
        await stage.state("starting", "db")
        stage.adopt(db, spec(tmp_path, "sleep 600", "api", depends_on={"db": "ready"}))
        assert [wait.service for wait in stage.supervisor.waits_for("api")] == ["db"]
        (tmp_path / "go").touch()
        await stage.state("ready", "api")

    play(scene, db)


def test_one_that_is_new_and_not_to_run_waits_for_somebody_to_start_it(tmp_path: Path) -> None:
    async def scene(stage: Stage) -> None:
        await stage.state("ready")
        assert stage.adopt(stage.it.spec, spec(tmp_path, "sleep 600", "new", start="manual")) == []
        assert stage["new"].life.state == "stopped"
        stage.supervisor.ask_start("new")
        await stage.state("ready", "new")

    play(scene, spec(tmp_path, "sleep 600"))


def test_one_that_waits_with_its_new_declaration_can_be_started_and_stopped_all_the_same(tmp_path: Path) -> None:
    """What it waits for never comes: asked to start, it starts; asked to stop, it never does."""
    db = spec(tmp_path, "exit 3", "db", restart="never", ready=Ready(log="never"))
    api, web = (spec(tmp_path, "sleep 600", name) for name in ("api", "web"))

    async def scene(stage: Stage) -> None:
        await stage.state("ready", "api")
        await stage.state("ready", "web")
        needy = [replace(one, command="sleep 601", depends_on={"db": "ready"}) for one in (api, web)]
        stage.adopt(db, *needy, restarts=["api", "web"])
        await stage.state("crashed", "db")
        await auntil(lambda: not stage["api"].life.alive and not stage["web"].life.alive)
        stage.supervisor.ask_stop("web")
        await stage.state("stopped", "web")
        stage.supervisor.ask_start("api")
        await stage.state("ready", "api")
        assert (stage["api"].life.generation, stage["web"].life.generation) == (2, 1)

    play(scene, api, web)


def test_all_are_stopped_in_the_middle_of_it_too(tmp_path: Path) -> None:
    """Also who has left, and does not hear; who is to take its place never starts."""

    async def scene(stage: Stage) -> None:
        await stage.line("here", "old")
        pid = pid_of(stage, "old")
        stage.adopt(spec(tmp_path, "sleep 600", "new"))
        await auntil(lambda: stage["new"].life.state == "freeing")
        stage.supervisor.hurry()
        await stage.supervisor.stop_all()
        assert not is_alive(pid)
        assert stage["new"].child is None

    stage = play(scene, spec(tmp_path, python(STAY, "SIGTERM"), "old", stop=Stop(grace_seconds=60)))
    assert ("new", "starting") not in stage.states


def pid_of(stage: Stage, name: str) -> int:
    child = stage[name].child
    assert child is not None
    return child.pid
