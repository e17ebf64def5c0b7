"""The state machine: a table of its steps, and what no sequence of events may lead to."""

from hypothesis import given
from hypothesis import strategies as st

from devproxy.processes.lifecycle import (
    LIVE,
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
    Probe,
    RestartAsked,
    RetryAfter,
    RetryDue,
    Rules,
    Saved,
    Spawn,
    Spawned,
    SpawnFailed,
    StopAsked,
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


def test_a_service_frees_its_port_starts_and_is_probed() -> None:
    assert lived(Begin()) == (Life(state="freeing", attempt=1), [FreePort(1)])
    life, effects = lived(Begin(), PortFree(1))
    assert (life.state, life.generation, life.alive, effects) == ("starting", 1, True, [Spawn(1)])
    assert lived(*STARTED)[1] == [Probe(1)]
    assert lived(*READY)[0].state == "ready"


def test_a_held_port_is_a_crash_that_says_why() -> None:
    life, effects = lived(Begin(), PortHeld(1, "somebody has it"))
    assert (life.state, life.reason, effects) == ("crashed", "somebody has it", [])


def test_a_failure_is_retried_later_and_later() -> None:
    life, seconds = Life(), []
    life, _ = step(life, Begin())
    for generation in range(1, 8):
        life, _ = step(life, PortFree(life.attempt))
        life, effects = step(life, Exited(generation, Exit(code=1), 0.1))
        assert life.state == "crashed"
        assert isinstance(effects[0], RetryAfter)
        seconds.append(effects[0].seconds)
        life, effects = step(life, RetryDue(generation))
        assert effects == [FreePort(generation + 1)]
    assert seconds == [0.5, 1, 2, 4, 8, 10, 10]


def test_a_long_life_resets_the_backoff() -> None:
    life, effects = lived(*READY, FAILED, RetryDue(1), PortFree(2), Exited(2, Exit(signal=9), 60))
    assert effects == [RetryAfter(0.5, 2)]
    assert life.deaths == 1


def test_after_three_fast_deaths_a_watched_service_waits_for_a_save() -> None:
    rules = Rules(watched=True)
    life = Life(rules)
    life, _ = step(life, Begin())
    effects: list[Effect] = []
    for generation in (1, 2, 3):
        life, _ = step(life, PortFree(life.attempt))
        life, effects = step(life, Exited(generation, Exit(code=1), 0.1))
        if generation < 3:
            life, _ = step(life, RetryDue(generation))
    assert (life.state, life.backoff, effects) == ("crashed", None, [])
    life, effects = step(life, Saved())
    assert (life.state, life.deaths, effects) == ("freeing", 0, [FreePort(4)])


def test_a_restart_ends_the_old_tree_before_it_frees_the_port() -> None:
    life, effects = lived(*READY, Saved())
    assert (life.state, effects) == ("restarting", [EndTree(1)])
    assert step(life, Saved())[1] == []
    life, effects = step(life, Exited(1, Exit(signal=15), 5))
    assert (life.state, life.alive, effects) == ("restarting", False, [FreePort(2)])
    life, effects = step(life, PortFree(2))
    assert effects == [Spawn(2)]


def test_a_stop_wins_over_a_restart_and_over_a_crash() -> None:
    life, _ = lived(*READY, RestartAsked(), StopAsked())
    assert step(life, Exited(1, Exit(signal=15), 5))[0].state == "stopped"
    life, _ = lived(*READY, FAILED, StopAsked())
    assert life.state == "stopped"
    assert step(life, RetryDue(1)) == (life, [])


def test_a_start_asked_for_while_stopping_follows_the_stop() -> None:
    life, _ = lived(*READY, StopAsked(), Begin())
    life, effects = step(life, Exited(1, Exit(signal=15), 5))
    assert effects == [FreePort(2)]


def test_a_save_does_not_start_what_the_user_stopped() -> None:
    life, _ = lived(*READY, StopAsked(), Exited(1, Exit(signal=15), 5))
    assert step(life, Saved()) == (life, [])


def test_exiting_with_zero_is_done_unless_it_must_always_run() -> None:
    assert lived(*READY, Exited(1, Exit(code=0), 1))[0].state == "done"
    life, effects = lived(*READY, Exited(1, Exit(code=0), 1), rules=Rules(restart="always"))
    assert (life.state, effects) == ("crashed", [RetryAfter(0.5, 1)])


def test_never_means_never_and_a_failed_task_stays_failed() -> None:
    assert lived(*READY, FAILED, rules=Rules(restart="never"))[1] == []
    assert lived(*READY, FAILED, rules=Rules(finite=True))[1] == []


def test_unready_is_failing_until_it_is_ready_again() -> None:
    life, _ = lived(*STARTED, BecameUnready(1, "nothing listens"))
    assert (life.state, life.reason) == ("failing", "nothing listens")
    life, _ = lived(*STARTED, BecameUnready(1, "nothing listens"), BecameUnready(1, "it answers 503"))
    assert (life.state, life.reason) == ("failing", "it answers 503")
    assert step(life, BecameReady(1))[0].state == "ready"


def test_a_late_event_of_an_earlier_generation_changes_nothing() -> None:
    life, _ = lived(*READY, FAILED, RetryDue(1), PortFree(2), Spawned(2))
    for late in (FAILED, BecameReady(1), BecameUnready(1, ""), RetryDue(1), SpawnFailed(1, "")):
        assert step(life, late) == (life, [])


class World:
    """What performs the effects: at most one process, whose end it announces when the test says so."""

    def __init__(self, rules: Rules) -> None:
        self.life = Life(rules)
        self.processes: set[int] = set()
        self.claims: list[int] = []
        self.retry: int | None = None

    def tell(self, event: Event) -> None:
        self.life, effects = step(self.life, event)
        for effect in effects:
            match effect:
                case FreePort(attempt):
                    self.claims.append(attempt)
                case Spawn(generation):
                    assert not self.processes, "two live copies"
                    self.processes.add(generation)
                    self.tell(Spawned(generation))
                case EndTree(generation):
                    assert generation in self.processes
                case RetryAfter(_, generation):
                    self.retry = generation

    def happen(self, what: str) -> None:
        generation = self.life.generation
        if what == "free" and self.claims:
            self.tell(PortFree(self.claims.pop(0)))
        elif what == "held" and self.claims:
            self.tell(PortHeld(self.claims.pop(0), "x"))
        elif what in ("exit 0", "exit 1") and self.processes:
            gone = self.processes.pop()
            self.tell(Exited(gone, Exit(code=int(what[-1])), 0.1))
        elif what == "retry" and self.retry is not None:
            due, self.retry = self.retry, None
            self.tell(RetryDue(due))
        elif what == "ready":
            self.tell(BecameReady(generation))
        elif what == "unready":
            self.tell(BecameUnready(generation, "x"))
        elif what in ASKED:
            self.tell(ASKED[what])


ASKED: dict[str, Event] = {"begin": Begin(), "restart": RestartAsked(), "stop": StopAsked(), "save": Saved()}
HAPPENINGS = st.lists(
    st.sampled_from(["free", "held", "exit 0", "exit 1", "retry", "ready", "unready", *ASKED]), max_size=60
)
RULES = st.builds(
    Rules, restart=st.sampled_from(["on-failure", "always", "never"]), finite=st.booleans(), watched=st.booleans()
)


@given(HAPPENINGS, RULES)
def test_no_sequence_of_events_leads_to_two_copies_a_lost_exit_or_a_state_without_a_way_out(
    happenings: list[str], rules: Rules
) -> None:
    world = World(rules)
    for what in happenings:
        world.happen(what)
        assert world.life.alive == bool(world.processes)
        assert (world.life.state in LIVE or world.life.next is not None) == world.life.alive
        assert world.life.attempt in world.claims or world.life.state != "freeing", "it waits for nothing"
    # From anywhere, asking to stop and letting things end stops it; asking to start then starts it.
    world.tell(StopAsked())
    world.happen("exit 1")
    assert world.life.state == "stopped"
    world.tell(RestartAsked())
    while world.claims:
        world.happen("free")
    world.happen("ready")
    assert world.life.state == "ready"


def test_a_command_that_is_not_found_is_not_tried_again() -> None:
    life, effects = lived(*READY, Exited(1, Exit(code=127), 0.1))
    assert (life.state, effects) == ("crashed", [])
    assert step(life, RestartAsked())[1] == [FreePort(2)]
