"""Who gets a request, who is left out and for how long, and how many requests come through a rate."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.config.model import Balance
from devproxy.proxy.choice import (
    FIRST_BACKOFF_SECONDS,
    LONGEST_BACKOFF_SECONDS,
    Bucket,
    Candidate,
    Ejection,
    choose,
    joint_state,
    may_leave,
    smoothed,
)

SECONDS = st.floats(0, 1e6, allow_nan=False)
BALANCES = st.sampled_from(["round-robin", "least-latency", "sticky"])
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        name=st.sampled_from("abcdef"),
        turn=st.integers(0, 9),
        is_well=st.sampled_from([True, None, False]),
        is_ejected=st.booleans(),
        latency=st.one_of(st.none(), st.floats(0, 2)),
        is_full=st.booleans(),
        is_strict=st.booleans(),
    ),
    min_size=1,
    unique_by=lambda one: one.name,
)


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ("ready crashed starting", "ready"),
        ("crashed starting stopped", "starting"),
        ("restarting waiting", "restarting"),
        ("stopped crashed done", "crashed"),
        ("done stopped", "stopped"),
    ],
)
def test_the_state_of_several_is_that_of_who_will_answer_first(states: str, state: str) -> None:
    assert joint_state(states.split()) == state


# -- whose turn it is


@given(BALANCES, CANDIDATES, st.sampled_from([None, *"abcdefg"]))
def test_only_who_takes_it_gets_it_and_never_one_that_is_out_while_another_is_well(
    balance: Balance, candidates: list[Candidate], wanted: str | None
) -> None:
    chosen = choose(balance, candidates, wanted)
    if chosen is None:
        assert any(one.is_full for one in candidates)
    else:
        assert not chosen.is_full
        assert not chosen.is_out or all(one.is_out for one in candidates)


@given(BALANCES, CANDIDATES)
def test_somebody_gets_it_if_nobody_is_full(balance: Balance, candidates: list[Candidate]) -> None:
    empty = [one for one in candidates if not one.is_full]
    assert (choose(balance, empty) is None) == (not empty)


@given(st.integers(1, 6), st.integers(0, 40))
def test_in_turn_nobody_gets_two_more_than_another(count: int, requests: int) -> None:
    turns, given_to = [0] * count, [0] * count
    for number in range(1, requests + 1):
        chosen = choose("round-robin", [Candidate(str(one), turn) for one, turn in enumerate(turns)])
        assert chosen is not None
        turns[int(chosen.name)] = number
        given_to[int(chosen.name)] += 1
    assert max(given_to) - min(given_to) <= 1


@given(st.lists(st.floats(0, 2), min_size=1, max_size=6))
def test_the_least_latency_wins(latencies: list[float]) -> None:
    chosen = choose("least-latency", [Candidate(str(one), latency=it) for one, it in enumerate(latencies)])
    assert chosen is not None
    assert chosen.latency == min(latencies)


def test_who_was_not_measured_yet_waits_for_that() -> None:
    new, slow = Candidate("new", is_well=None), Candidate("slow", turn=9, latency=1.9)
    for balance in ("round-robin", "least-latency", "sticky"):
        assert choose(balance, [new, slow]) == slow
    assert choose("round-robin", [new]) == new


@given(CANDIDATES, st.sampled_from("abcdef"))
def test_a_client_stays_with_whom_it_was_while_that_one_is_well(candidates: list[Candidate], wanted: str) -> None:
    chosen = choose("sticky", candidates, wanted)
    there = next((one for one in candidates if one.name == wanted and not one.is_out), None)
    assert may_leave(candidates, wanted) == (there is None)
    if there is not None and not there.is_full:
        assert chosen == there


@pytest.mark.parametrize(("is_strict", "expected"), [(True, None), (False, "b")])
def test_who_is_full_refuses_what_is_its_own_or_leaves_it_to_the_next(is_strict: bool, expected: str | None) -> None:
    full, free = Candidate("a", turn=1, is_full=True, is_strict=is_strict), Candidate("b", turn=2)
    chosen = choose("round-robin", [full, free])
    assert (chosen.name if chosen is not None else None) == expected
    assert choose("round-robin", [full]) is None


def test_who_is_out_does_not_get_what_those_that_are_well_cannot_take() -> None:
    full, out = Candidate("a", is_full=True, is_strict=False), Candidate("b", is_well=False)
    assert choose("round-robin", [full, out]) is None


# -- latency


@given(SECONDS, SECONDS)
def test_a_new_latency_moves_the_old_one_towards_it(before: float, latency: float) -> None:
    assert smoothed(None, latency) == latency
    assert min(before, latency) <= smoothed(before, latency) * (1 + 1e-9) + 1e-9
    assert smoothed(before, latency) <= max(before, latency) * (1 + 1e-9)


# -- ejection


@given(st.lists(SECONDS, min_size=1).map(sorted))
def test_each_failure_in_a_row_leaves_it_out_for_longer_up_to_the_longest(moments: list[float]) -> None:
    ejection, spans = Ejection(), []
    for now in moments:
        if now >= ejection.until:
            ejection = ejection.after_failure(now)
            spans.append(ejection.until - now)
    assert spans[0] == pytest.approx(FIRST_BACKOFF_SECONDS)
    assert all(later == pytest.approx(min(2 * earlier, LONGEST_BACKOFF_SECONDS)) for earlier, later in pairwise(spans))


def test_many_failures_at_once_count_as_one() -> None:
    once = Ejection().after_failure(100.0)
    assert once.after_failure(100.1) == once
    assert once.after_failure(once.until) == Ejection(2, once.until + 2 * FIRST_BACKOFF_SECONDS)


# -- the rate


@given(st.integers(1, 50), st.lists(st.floats(0, 3), max_size=200))
def test_no_span_of_time_gets_more_than_the_rate_and_one_second_of_it_at_once(rate: int, pauses: list[float]) -> None:
    bucket, now, taken = Bucket(rate, rate), 0.0, []
    for pause in pauses:
        now += pause
        if bucket.has_token(now):
            bucket = bucket.taken(now)
            taken.append(now)
    for first, since in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= rate * (1 + taken[last] - since) + 1e-6


@given(st.integers(1, 50), st.floats(0, 1e5))
def test_who_asks_more_seldom_than_the_rate_always_gets_through(rate: int, start: float) -> None:
    bucket, now = Bucket(rate, rate), start
    for _ in range(3 * rate):
        now += 1.001 / rate
        assert bucket.has_token(now)
        bucket = bucket.taken(now)


def test_a_clock_that_stands_still_fills_nothing() -> None:
    bucket = Bucket(2, 2)
    for _ in range(2):
        bucket = bucket.taken(5.0)
    assert not bucket.has_token(5.0)
    assert not bucket.has_token(4.0)
    assert bucket.has_token(5.5)
