"""The state machine: a table of its steps, and what no sequence of events may lead to."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devproxy.processes.lifecycle import (
    FAST_DEATHS,
    MOST_CONTESTS,
    STABLE_SECONDS,
    AwaitPort,
    BecameAbsent,
    BecameReady,
    BecameUnready,
    Begin,
    Effect,
    EndTree,
    Event,
    Exit,
    Exited,
    FreePort,
    Life,
    PortFree,
    PortHeld,
    PortReleased,
    Probe,
    Reload,
    RestartAsked,
    RetryAfter,
    RetryDue,
    Rules,
    Saved,
    Spawn,
    Spawned,
    SpawnFailed,
    StopAsked,
    Wanted,
    runs,
    step,
)


def lived(*events: Event, rules: Rules | None = None) -> tuple[Life, list[Effect]]:
    """The life after these events, and the effects of the last one."""
    life, effects = Life(rules or Rules()), []
    for event in events:
        life, effects = step(life, event)
    return life, effects


STARTED = (Begin(), PortFree(1), Spawned(1))
READY = (*STARTED, BecameReady(1))
FAILED = Exited(1, Exit(code=1), 0.1)
FAILED_2 = Exited(2, Exit(code=1), 0.1)
FAILED_4 = Exited(4, Exit(code=1), 0.1)


def test_a_service_frees_its_port_starts_and_is_probed() -> None:
    assert lived(Begin()) == (Life(state="freeing", attempt=1), [FreePort(1)])
    life, effects = lived(Begin(), PortFree(1))
    assert (life.state, life.generation, life.alive, effects) == ("starting", 1, True, [Spawn(1)])
    assert lived(*STARTED)[1] == [Probe(1)]
    assert lived(*READY)[0].state == "ready"


def test_a_held_port_is_a_crash_that_says_why() -> None:
    life, effects = lived(Begin(), PortHeld(1, "no port is left"))
    assert (life.state, life.reason, life.awaits, effects) == ("crashed", "no port is left", None, [])


def test_one_whose_port_is_held_starts_when_it_is_released() -> None:
    life, effects = lived(Begin(), PortHeld(1, "somebody has it", 8000))
    assert (life.state, life.awaits, effects) == ("crashed", "port", [AwaitPort(1, 8000)])
    life, effects = step(life, PortReleased(1))
    assert (life.state, effects) == ("freeing", [FreePort(2)])
    assert step(life, PortReleased(1)) == (life, [])


def test_a_release_that_it_does_not_wait_for_any_more_starts_nothing() -> None:
    held = (Begin(), PortHeld(1, "somebody has it", 8000))
    life, _ = lived(*held, StopAsked())
    assert step(life, PortReleased(1)) == (life, [])
    life, _ = lived(*held, PortReleased(1), PortHeld(2, "somebody has it", 8000))
    assert step(life, PortReleased(1)) == (life, [])


def test_dying_of_a_taken_port_is_no_death_and_its_holder_is_seen_to() -> None:
    life, effects = lived(*STARTED, Exited(1, Exit(code=1), 0.1, 8000))
    assert (life.state, life.deaths, effects) == ("freeing", 0, [FreePort(2, 8000)])
    life, effects = step(life, PortHeld(2, "somebody has it", 8000))
    assert (life.state, life.awaits, effects) == ("crashed", "port", [AwaitPort(2, 8000)])


@pytest.mark.parametrize("ask", [RestartAsked(), Saved()], ids=["restart", "save"])
def test_a_port_that_is_taken_away_again_and_again_is_given_up_until_somebody_asks(ask: Event) -> None:
    life, effects = step(Life(), Begin())
    for _ in range(MOST_CONTESTS + 1):
        assert life.state == "freeing"
        life, _ = step(life, PortFree(life.attempt))
        life, effects = step(life, Exited(life.generation, Exit(code=1), 0.1, 8000))
    assert (life.state, life.awaits, effects) == ("crashed", "save", [])
    assert "8000" in life.reason
    life, effects = step(life, ask)
    assert (life.contests, effects) == (0, [FreePort(4)])


@pytest.mark.parametrize("between", [FAILED_2, PortHeld(2, "somebody has it", 8000)], ids=["a death", "a wait"])
def test_only_what_follows_at_once_counts_as_taken_away_again(between: Event) -> None:
    life, _ = lived(*STARTED, Exited(1, Exit(code=1), 0.1, 8000))
    assert life.contests == 1
    if isinstance(between, Exited):
        life, _ = step(life, PortFree(2))
    assert step(life, between)[0].contests == 0


def test_never_is_never_also_for_a_taken_port() -> None:
    life, effects = lived(*STARTED, Exited(1, Exit(code=1), 0.1, 8000), rules=Rules(restart="never"))
    assert (life.state, life.awaits, effects) == ("crashed", None, [])


def dying(times: int, rules: Rules | None = None, exit_: Exit | None = None) -> tuple[Life, list[Effect]]:
    """The life after so many fast deaths in a row, each but the last followed by another start."""
    life, effects = step(Life(rules or Rules()), Begin())
    for _ in range(times):
        if life.awaits is not None:
            life, _ = step(life, RetryDue(life.generation))
        life, _ = step(life, PortFree(life.attempt))
        life, effects = step(life, Exited(life.generation, exit_ or Exit(code=1), 0.1))
    return life, effects


def test_a_failure_is_retried_later_and_later() -> None:
    assert dying(1)[1] == [RetryAfter(0.5, 1)]
    assert dying(2)[1] == [RetryAfter(1, 2)]
    life, _ = dying(2)
    assert (life.state, life.awaits, life.backoff) == ("crashed", "timer", 1)
    life, effects = step(life, RetryDue(2))
    assert (life.state, life.awaits, life.backoff, effects) == ("freeing", None, None, [FreePort(3)])


def test_a_long_life_resets_the_backoff_and_the_brake() -> None:
    life, effects = step(dying(2)[0], RetryDue(2))
    life, _ = step(life, PortFree(3))
    life, effects = step(life, Exited(3, Exit(signal=9), 60))
    assert effects == [RetryAfter(0.5, 3)]
    assert life.deaths == 0


@pytest.mark.parametrize(("seconds", "deaths"), [(STABLE_SECONDS - 0.1, 1), (STABLE_SECONDS, 0)])
def test_a_long_life_begins_at(seconds: float, deaths: int) -> None:
    assert lived(*READY, Exited(1, Exit(code=1), seconds))[0].deaths == deaths


@pytest.mark.parametrize("rules", [Rules(), Rules(watched=True), Rules(restart="always")], ids=str)
def test_after_three_fast_deaths_it_waits_for_a_save_or_for_being_asked_and_for_no_timer(rules: Rules) -> None:
    life, effects = dying(FAST_DEATHS, rules)
    assert (life.state, life.awaits, life.backoff, life.is_braked, effects) == ("crashed", "save", None, True, [])
    saved, effects = step(life, Saved())
    assert (saved.state, effects) == ("freeing", [FreePort(4)])
    asked, effects = step(life, RestartAsked())
    assert (asked.state, asked.deaths, effects) == ("freeing", 0, [FreePort(4)])


def test_a_braked_one_gets_one_try_for_each_save() -> None:
    life, _ = step(dying(FAST_DEATHS)[0], Saved())
    life, _ = step(life, PortFree(4))
    life, effects = step(life, FAILED_4)
    assert (life.is_braked, effects) == (True, [])


def test_a_save_before_the_brake_begins_the_count_anew() -> None:
    life, _ = step(dying(2)[0], Saved())
    assert life.deaths == 0


def test_a_restart_ends_the_old_tree_before_it_frees_the_port() -> None:
    life, effects = lived(*READY, Saved())
    assert (life.state, effects) == ("restarting", [EndTree(1)])
    assert step(life, Saved())[1] == []
    life, effects = step(life, Exited(1, Exit(signal=15), 5))
    assert (life.state, life.alive, effects) == ("restarting", False, [FreePort(2)])
    life, effects = step(life, PortFree(2))
    assert effects == [Spawn(2)]


@pytest.mark.parametrize("ask", [RestartAsked(), StopAsked(), Saved()], ids=["restart", "stop", "save"])
def test_its_grace_does_not_begin_anew_by_asking_again(ask: Event) -> None:
    for first in (RestartAsked(), StopAsked()):
        life, effects = lived(*READY, first)
        assert effects == [EndTree(1)]
        assert step(life, ask)[1] == []


def test_it_claims_its_port_once_however_often_it_is_begun() -> None:
    life, _ = lived(Begin())
    assert step(life, Begin()) == (life, [])


def test_a_save_neither_begins_what_waits_nor_undoes_a_stop() -> None:
    assert lived(Saved()) == (Life(), [])
    life, _ = lived(*READY, StopAsked())
    assert step(life, Saved()) == (life, [])


def test_a_stop_wins_over_a_restart_and_over_a_crash() -> None:
    life, _ = lived(*READY, RestartAsked(), StopAsked())
    assert step(life, Exited(1, Exit(signal=15), 5))[0].state == "stopped"
    life, _ = lived(*READY, FAILED, StopAsked())
    assert life.state == "stopped"
    assert step(life, RetryDue(1)) == (life, [])


def test_a_stop_while_it_claims_its_port_is_not_undone_by_the_answer() -> None:
    life, effects = lived(Begin(), StopAsked())
    assert (life.state, effects) == ("stopped", [])
    for answer in (PortFree(1), PortHeld(1, "somebody has it", 8000)):
        assert step(life, answer) == (life, [])


@pytest.mark.parametrize("events", [(Begin(),), STARTED, READY], ids=["claims", "starts", "runs"])
def test_wanted_is_only_who_neither_runs_nor_is_about_to(events: tuple[Event, ...]) -> None:
    life, _ = lived(*events)
    assert step(life, Wanted()) == (life, [])


def test_a_done_one_lives_on_in_what_it_has_left_behind_until_it_is_asked_to_end() -> None:
    life, _ = lived(*READY, Exited(1, Exit(code=0), 1, stays=True))
    assert (life.state, life.alive) == ("done", True)
    life, effects = step(life, StopAsked())
    assert (life.alive, effects) == (True, [EndTree(1)])
    assert step(life, Exited(1, Exit(code=0), 0))[0].state == "stopped"


def test_one_that_was_done_as_it_was_asked_to_end_has_not_ended_before_the_rest_has() -> None:
    life, _ = lived(*READY, StopAsked())
    life, effects = step(life, Exited(1, Exit(code=0), 1, stays=True))
    assert (life.alive, life.next, life.exit, effects) == (True, "stopped", Exit(code=0), [])
    assert step(life, Exited(1, Exit(code=0), 0))[0].state == "stopped"


def test_a_start_asked_for_while_stopping_follows_the_stop() -> None:
    life, _ = lived(*READY, StopAsked(), Begin())
    life, effects = step(life, Exited(1, Exit(signal=15), 5))
    assert effects == [FreePort(2)]


def test_a_save_does_not_start_what_the_user_stopped() -> None:
    life, _ = lived(*READY, StopAsked(), Exited(1, Exit(signal=15), 5))
    assert step(life, Saved()) == (life, [])


def test_a_save_may_only_signal_it_while_it_runs() -> None:
    rules = Rules(watched=True, reload="HUP")
    life, effects = lived(*READY, Saved(), rules=rules)
    assert (life.state, life.reloads, effects) == ("ready", 1, [Reload(1)])
    assert lived(*STARTED, Saved(), rules=rules)[1] == [EndTree(1)]
    assert lived(*READY, FAILED, Saved(), rules=rules)[1] == [FreePort(2)]
    assert lived(*READY, RestartAsked(), Saved(), rules=rules)[1] == []


def test_what_is_there_to_be_reached_has_crashed_whatever_it_exits_with() -> None:
    life, effects = lived(*READY, Exited(1, Exit(code=0), 1), rules=Rules(serves=True))
    assert (life.state, life.awaits, effects) == ("crashed", "save", [])


def test_exiting_with_zero_is_done_unless_it_must_always_run() -> None:
    assert lived(*READY, Exited(1, Exit(code=0), 1))[0].state == "done"
    life, effects = lived(*READY, Exited(1, Exit(code=0), 1), rules=Rules(restart="always"))
    assert (life.state, effects) == ("crashed", [RetryAfter(0.5, 1)])


@pytest.mark.parametrize("rules", [Rules(restart="never"), Rules(finite=True)], ids=str)
def test_never_means_never_and_a_failed_task_stays_failed(rules: Rules) -> None:
    life, effects = lived(*READY, FAILED, rules=rules)
    assert (life.awaits, effects) == (None, [])


@pytest.mark.parametrize("contested", [None, 8000])
def test_one_that_is_never_restarted_but_watches_files_starts_when_one_is_saved(contested: int | None) -> None:
    rules = Rules(restart="never", watched=True)
    life, effects = lived(*STARTED, Exited(1, Exit(code=1), 0.1, contested), rules=rules)
    assert (life.state, life.awaits, effects) == ("crashed", "save", [])


def test_one_that_is_done_has_not_died() -> None:
    life, _ = step(dying(2)[0], RetryDue(2))
    life, _ = step(life, PortFree(3))
    life, _ = step(life, Exited(3, Exit(code=0), 0.1))
    assert (life.state, life.deaths) == ("done", 0)


def test_unready_is_failing_until_it_is_ready_again() -> None:
    life, _ = lived(*STARTED, BecameUnready(1, "nothing listens"))
    assert (life.state, life.reason) == ("failing", "nothing listens")
    life, _ = lived(*STARTED, BecameUnready(1, "nothing listens"), BecameUnready(1, "it answers 503"))
    assert (life.state, life.reason) == ("failing", "it answers 503")
    assert step(life, BecameReady(1))[0].state == "ready"
    life, _ = lived(*READY, BecameUnready(1, "nothing listens"))
    assert (life.state, life.was_ready) == ("failing", True)


def test_one_whose_own_reloader_restarts_it_is_restarting_until_it_serves_again_or_fails() -> None:
    life, effects = lived(*READY, BecameAbsent(1))
    assert (life.state, life.alive, effects) == ("restarting", True, [])
    assert step(life, BecameReady(1))[0].state == "ready"
    assert step(life, BecameUnready(1, "its worker has ended"))[0].state == "failing"
    assert step(life, Saved())[1] == [EndTree(1)]
    assert step(life, Exited(1, Exit(code=1), 0.1))[0].state == "crashed"
    life, effects = step(replace(life, rules=Rules(reload="HUP")), Saved())
    assert (life.state, effects) == ("restarting", [Reload(1)])


def test_only_what_was_ready_can_be_absent() -> None:
    for life in (lived(*STARTED)[0], lived(*READY, StopAsked())[0], lived(*READY, BecameUnready(1, ""))[0]):
        assert step(life, BecameAbsent(1)) == (life, [])


@pytest.mark.parametrize("event", [BecameReady(1), BecameUnready(1, "nothing listens")], ids=["ready", "unready"])
def test_one_that_is_being_stopped_becomes_neither_ready_nor_failing(event: Event) -> None:
    life, _ = lived(*STARTED, StopAsked())
    assert step(life, event) == (life, [])


def test_one_that_has_ended_is_not_probed_however_late_its_start_is_told() -> None:
    life, _ = lived(Begin(), PortFree(1), FAILED)
    assert step(life, Spawned(1)) == (life, [])


def test_an_exit_is_told_once() -> None:
    life, _ = lived(*READY, FAILED)
    assert step(life, Exited(1, Exit(signal=9), 60)) == (life, [])


def test_each_generation_has_its_own_readiness_to_reach() -> None:
    life, _ = lived(*READY, FAILED, RetryDue(1), PortFree(2))
    assert not life.was_ready


def test_one_that_became_ready_has_its_port() -> None:
    life, _ = lived(*STARTED, Exited(1, Exit(code=1), 0.1, 8000), PortFree(2), Spawned(2))
    assert (life.contested, life.contests) == (8000, 1)
    life, _ = step(life, BecameReady(2))
    assert (life.contested, life.contests) == (None, 0)


def test_a_late_event_of_an_earlier_generation_changes_nothing() -> None:
    life, _ = lived(*READY, FAILED, RetryDue(1), PortFree(2), Spawned(2))
    for late in (FAILED, BecameReady(1), BecameUnready(1, ""), RetryDue(1), SpawnFailed(1, "")):
        assert step(life, late) == (life, [])


class World:
    """What performs the effects, and answers them when the test says so."""

    def __init__(self, rules: Rules) -> None:
        self.life = Life(rules)
        self.processes: set[int] = set()
        self.claims: list[int] = []
        self.timers: list[int] = []
        self.port_waits: list[int] = []
        self.probes: set[int] = set()
        self.asked_to_end: list[int] = []
        self.exits: list[Exit] = []
        self.spawn_fails = False

    def tell(self, event: Event) -> None:
        self.life, effects = step(self.life, event)
        for effect in effects:
            self.perform(effect)

    def perform(self, effect: Effect) -> None:
        match effect:
            case FreePort(attempt):
                self.claims.append(attempt)
            case AwaitPort(attempt, _):
                self.port_waits.append(attempt)
            case Spawn(generation):
                assert not self.processes, "two live copies"
                if self.spawn_fails:
                    self.exits.append(Exit(code=127))
                    self.tell(SpawnFailed(generation, "x"))
                else:
                    self.processes.add(generation)
                    self.tell(Spawned(generation))
            case Probe(generation):
                assert generation in self.processes
                self.probes.add(generation)
            case Reload(generation):
                assert generation in self.processes
                assert self.life.state in ("ready", "restarting", "failing")
            case EndTree(generation):
                assert generation in self.processes
                assert generation not in self.asked_to_end, "its grace would begin anew"
                self.asked_to_end.append(generation)
            case RetryAfter(seconds, generation):
                assert seconds > 0
                self.timers.append(generation)

    def happen(self, what: str) -> None:
        generation = self.life.generation
        if what in ("free", "held", "refused") and self.claims:
            attempt = self.claims.pop(0)
            answers = {
                "free": PortFree(attempt),
                "held": PortHeld(attempt, "x", 1),
                "refused": PortHeld(attempt, "x"),
            }
            self.tell(answers[what])
        elif what in EXITS and self.processes:
            gone = self.processes.pop()
            self.probes.discard(gone)
            exit_, lived_, contested = EXITS[what]
            self.exits.append(exit_)
            self.tell(Exited(gone, exit_, lived_, contested))
        elif what == "timer" and self.timers:
            self.tell(RetryDue(self.timers.pop(0)))
        elif what == "port released" and self.port_waits:
            self.tell(PortReleased(self.port_waits.pop(0)))
        elif what in PROBED and generation in self.probes:
            self.tell(PROBED[what](generation))
        elif what == "spawning breaks":
            self.spawn_fails = True
        elif what == "spawning works":
            self.spawn_fails = False
        elif what in ASKED:
            self.tell(ASKED[what])

    def check(self) -> None:
        """Whoever waits, waits for something that will come, and every exit is known."""
        life = self.life
        assert life.alive == bool(self.processes)
        assert not life.alive or life.generation in self.processes
        assert (runs(life) or life.next is not None) == life.alive
        assert not runs(life) or life.state in ("starting", "ready", "restarting", "failing")
        assert (life.next is not None) == (life.alive and life.generation in self.asked_to_end)
        assert life.exit == (self.exits[-1] if self.exits else None), "a lost exit"
        if life.state in ("freeing", "restarting") and not life.alive:
            assert life.attempt in self.claims
        if runs(life) and life.state != "ready":
            assert life.generation in self.probes
        assert life.state == "crashed" or life.awaits is None
        assert (life.awaits == "timer") == (life.backoff is not None)
        if life.awaits == "timer":
            assert life.generation in self.timers
        if life.awaits == "port":
            assert life.attempt in self.port_waits


EXITS: dict[str, tuple[Exit, float, int | None]] = {
    "exit 0": (Exit(code=0), 0.1, None),
    "exit 1": (Exit(code=1), 0.1, None),
    "not found": (Exit(code=127), 0.1, None),
    "killed after long": (Exit(signal=9), 60, None),
    "exit for its port": (Exit(code=1), 0.1, 1),
}
ASKED: dict[str, Event] = {
    "begin": Begin(),
    "restart": RestartAsked(),
    "stop": StopAsked(),
    "save": Saved(),
    "wanted": Wanted(),
}
PROBED: dict[str, Callable[[int], Event]] = {
    "ready": BecameReady,
    "absent": BecameAbsent,
    "unready": lambda generation: BecameUnready(generation, "x"),
}
ANSWERS = ["free", "held", "refused", *EXITS, "timer", "port released", *PROBED]
# Left to itself hypothesis makes lists of six on average, and most of what comes early is impossible, and does nothing.
HAPPENINGS = st.lists(
    st.sampled_from([*ANSWERS, "spawning breaks", "spawning works", *ASKED]), min_size=30, max_size=80
)
RULES = st.builds(
    Rules,
    restart=st.sampled_from(["on-failure", "always", "never"]),
    finite=st.booleans(),
    serves=st.booleans(),
    watched=st.booleans(),
    reload=st.sampled_from([None, "HUP"]),
)


@given(HAPPENINGS, RULES)
@settings(max_examples=200)
def test_no_sequence_of_events_leads_to_two_copies_a_lost_exit_or_a_state_without_a_way_out(
    happenings: list[str], rules: Rules
) -> None:
    world = World(rules)
    for what in happenings:
        world.happen(what)
        world.check()
    # From anywhere, asking to stop and letting things end stops it; asking to start then starts it.
    world.happen("spawning works")
    world.tell(StopAsked())
    world.happen("exit 1")
    world.check()
    assert world.life.state == "stopped"
    world.tell(RestartAsked())
    while world.claims:
        world.happen("free")
    world.happen("ready")
    world.check()
    assert world.life.state == "ready"


@given(HAPPENINGS, RULES)
@settings(max_examples=100)
def test_left_to_itself_it_comes_to_rest(happenings: list[str], rules: Rules) -> None:
    """Nobody asks, nobody saves: each answer moves it on, and a service that always dies is not started for ever."""
    world = World(rules)
    for what in happenings:
        world.happen(what)
    for _ in range(200):
        for what in ("free", "exit 1", "timer", "port released"):
            world.happen(what)
            world.check()
        if not (world.claims or world.processes or world.timers or world.port_waits):
            break
    else:
        raise AssertionError(f"it never rests: {world.life}")
    assert world.life.state in ("waiting", "stopped", "done", "crashed")


@given(HAPPENINGS, RULES)
def test_an_event_of_the_past_changes_nothing(happenings: list[str], rules: Rules) -> None:
    world = World(rules)
    for what in happenings:
        world.happen(what)
        life = world.life
        for late in range(life.generation):
            for event in (
                Spawned(late),
                SpawnFailed(late, "x"),
                BecameReady(late),
                BecameAbsent(late),
                BecameUnready(late, "x"),
                Exited(late, Exit(code=1), 0.1, 1),
                RetryDue(late),
            ):
                assert step(life, event) == (life, [])
        for late in range(life.attempt):
            for answer in (PortFree(late), PortHeld(late, "x", 1), PortReleased(late)):
                assert step(life, answer) == (life, [])


@pytest.mark.parametrize("code", [126, 127])
def test_a_command_that_cannot_be_run_is_not_tried_again_by_a_timer(code: int) -> None:
    life, effects = lived(*READY, Exited(1, Exit(code=code), 0.1))
    assert (life.state, life.awaits, effects) == ("crashed", "save", [])
    assert step(life, RestartAsked())[1] == [FreePort(2)]
