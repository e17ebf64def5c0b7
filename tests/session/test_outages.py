"""What a failure is told as, for each state that a service can be in."""

import pytest

from devproxy.processes.lifecycle import Exit, Life, State
from devproxy.proxy.exchange import Failure
from devproxy.proxy.failures import Outage
from devproxy.session.outages import describe

REFUSED = Failure(502, "")


def told(life: Life | None, failure: Failure = REFUSED, waits_for: str = "") -> Outage:
    return describe(
        failure,
        service="api",
        life=life,
        port=8000,
        waits_for=waits_for,
        lines=["one", "two"],
        traceback=["Traceback", "NameError"],
    )


def test_the_status_is_the_failures_and_the_last_lines_are_there() -> None:
    outage = told(Life(state="starting"), Failure(503, ""))
    assert (outage.status, outage.service, outage.lines) == (503, "api", ("one", "two"))


@pytest.mark.parametrize(
    ("state", "title"),
    [
        ("freeing", "api is starting"),
        ("starting", "api is starting"),
        ("restarting", "api is restarting"),
        ("failing", "api is failing"),
        ("stopped", "api does not run"),
        ("done", "api does not run"),
        ("waiting", "api has not started yet"),
        ("crashed", "api has crashed"),
        ("ready", "api refuses connections"),
    ],
)
def test_the_title_tells_the_state(state: State, title: str) -> None:
    outage = told(Life(state=state, generation=1))
    assert (outage.title, outage.state) == (title, state)


def test_one_that_was_never_started_is_not_said_to_have_been_stopped() -> None:
    outage = told(Life(state="stopped"), Failure(503, ""))
    assert (outage.title, outage.hint) == ("api is not started", "Start it: `devproxy start api`.")


def test_one_that_waits_says_for_what() -> None:
    assert told(Life(state="waiting"), waits_for="db to be ready and seed to finish").detail == (
        "It waits for db to be ready and seed to finish."
    )


def test_a_crash_has_its_exit_its_traceback_and_what_happens_next() -> None:
    crash = told(Life(state="crashed", exit=Exit(code=1), awaits="timer", backoff=2))
    assert crash.exit == "exited with code 1"
    assert crash.detail == "It exited with code 1."
    assert crash.traceback == ("Traceback", "NameError")
    assert crash.hint == "It starts again in 2 s. Or restart it by hand: `devproxy restart api`."


def test_a_crash_that_waits_for_a_save_says_so() -> None:
    crash = told(Life(state="crashed", exit=Exit(code=1), awaits="save"))
    assert crash.hint.startswith("It starts again when a file is saved.")


def test_a_crash_loop_that_is_braked_says_what_ends_it_once() -> None:
    crash = told(Life(state="crashed", exit=Exit(code=1), awaits="save", deaths=3))
    assert crash.hint == (
        "After 3 crashes in a row it waits for the next save of a file, or to be restarted: `devproxy restart api`."
    )


def test_a_crash_for_good_says_how_to_start_it() -> None:
    assert told(Life(state="crashed", exit=Exit(code=1))).hint == "Start it again: `devproxy restart api`."


def test_what_could_not_be_started_says_why() -> None:
    assert (
        told(Life(state="crashed", exit=Exit(code=127), reason="npm is not installed")).detail == "npm is not installed"
    )


def test_an_earlier_crash_is_not_shown_once_it_runs_again() -> None:
    outage = told(Life(state="starting", exit=Exit(code=1)))
    assert outage.exit == ""
    assert outage.traceback == ()


def test_a_stopped_one_says_how_to_start_it_also_while_it_is_being_stopped() -> None:
    for life in (Life(state="stopped"), Life(state="ready", alive=True, next="stopped")):
        outage = told(life)
        assert outage.state == "stopped"
        assert outage.hint == "Start it: `devproxy start api`."


def test_one_that_listens_elsewhere_says_where_it_was_looked_for() -> None:
    assert "nothing of it answers on port 8000" in told(Life(state="ready")).detail


def test_an_answer_that_broke_off_is_not_a_refusal() -> None:
    outage = told(Life(state="ready"), Failure(502, "It closed the connection."))
    assert (outage.title, outage.detail) == ("api gave no answer", "It closed the connection.")


def test_a_page_comes_back_by_itself_unless_the_service_runs() -> None:
    assert told(Life(state="crashed", exit=Exit(code=1))).recovers
    assert not told(Life(state="ready")).recovers


def test_an_upstream_that_is_not_ours_is_not_said_to_have_crashed() -> None:
    outage = told(None)
    assert (outage.title, outage.state) == ("api cannot be reached", "")
    assert "not started by devproxy" in outage.hint
