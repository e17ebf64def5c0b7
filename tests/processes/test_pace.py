"""How fast a child is read that prints without end."""

from hypothesis import given
from hypothesis import strategies as st

from devproxy.processes.pace import CREDIT_SECONDS, RECENT_SECONDS, SHARE, Pace


def test_without_requests_nobody_rests() -> None:
    pace = Pace(lambda: 0)
    assert [pace.rest(1.0, 10.0 + n) for n in range(5)] == [0.0] * 5


def test_beside_requests_one_that_prints_a_little_does_not_rest_either() -> None:
    requests = iter(range(1, 100))
    pace = Pace(lambda: next(requests))
    assert [pace.rest(CREDIT_SECONDS / 4, 10.0 + n / 1000) for n in range(4)] == [0.0] * 4


def test_who_has_used_up_the_credit_rests_for_as_long_as_its_share_takes() -> None:
    pace = Pace(lambda: 1)
    assert pace.rest(CREDIT_SECONDS, 10.0) == 0.0
    assert round(pace.rest(0.001, 10.0), 9) == round(0.001 / SHARE, 9)


def test_it_ends_when_the_requests_have() -> None:
    pace = Pace(lambda: 1)
    assert pace.rest(1.0, 10.0) > 0
    assert pace.rest(1.0, 10.0 + RECENT_SECONDS) == 0.0
    assert pace.rest(1.0, 20.0) == 0.0


@given(st.lists(st.floats(0, 0.1), min_size=1, max_size=200))
def test_reads_take_their_share_of_the_time_however_long_each_takes(reads: list[float]) -> None:
    requests = iter(range(1, 1000))
    pace = Pace(lambda: next(requests))
    now, rested = 10.0, 0.0
    for spent in reads:
        now += spent
        rested = pace.rest(spent, now)
        now += rested
    assert sum(reads) <= CREDIT_SECONDS + (now - 10.0) * SHARE + 1e-6
