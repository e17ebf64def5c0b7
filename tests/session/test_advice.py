"""What to do next about a service."""

from pathlib import Path

import pytest

from devproxy.control.models import Listening
from devproxy.processes.lifecycle import Exit, Life
from devproxy.session.advice import advise
from tests.processes.stage import spec


def commands(life: Life, *, port: int | None = None, waits_for: tuple[str, ...] = ()) -> list[str]:
    found = advise("api", life, spec(Path("/p"), "true", "api", port=port), waits_for=waits_for)
    return [one.command or one.what for one in found]


@pytest.mark.parametrize(
    ("life", "expected"),
    [
        (Life(state="ready"), []),
        (Life(state="stopped"), ["devproxy start api"]),
        (Life(state="ready", next="stopped"), ["devproxy start api"]),
        (Life(state="done"), ["devproxy restart api"]),
        (Life(state="starting"), ["devproxy logs -f api"]),
        (Life(state="failing"), ["devproxy logs api", "devproxy restart api"]),
        (Life(state="crashed", exit=Exit(code=1)), ["devproxy logs api", "devproxy restart api"]),
        (Life(state="crashed", exit=Exit(signal=9)), ["dmesg | tail", "devproxy logs api", "devproxy restart api"]),
        (Life(state="crashed", exit=Exit(code=137)), ["dmesg | tail", "devproxy logs api", "devproxy restart api"]),
        (
            Life(state="crashed", exit=Exit(code=127)),
            ["devproxy env api --all", "devproxy logs api", "devproxy restart api"],
        ),
        (
            Life(state="crashed", exit=Exit(code=1), awaits="save"),
            ["devproxy logs api", "it starts again when a file is saved", "devproxy restart api"],
        ),
        (Life(state="crashed", exit=Exit(code=1), awaits="timer", backoff=1.0), ["devproxy logs api", "devproxy restart api"]),
        (Life(state="crashed", reason="uvicorn is not installed, or not in PATH"), ["devproxy restart api"]),
    ],
)  # fmt: skip
def test_each_state_has_its_next_step(life: Life, expected: list[str]) -> None:
    assert commands(life) == expected


def test_who_waits_is_led_to_what_it_waits_for() -> None:
    waiting = Life(state="waiting")
    assert commands(waiting, waits_for=("db", "seed")) == ["devproxy why db", "devproxy why seed", "devproxy start api"]


def test_a_held_port_is_to_be_freed() -> None:
    held = Life(state="crashed", reason="port 8000, which api needs, is held by node (pid 7)")
    assert commands(held, port=8000) == ["devproxy kill-port 8000", "devproxy restart api"]


def test_a_port_that_nobody_listens_on_is_told_with_the_one_that_is() -> None:
    declared, elsewhere = spec(Path("/p"), "true", "api", port=8000), [Listening("127.0.0.1", 5000, 1)]
    [advice] = advise("api", Life(state="ready"), declared, listens=elsewhere)
    assert advice.what.startswith("it listens on 5000, not on 8000: pass $PORT")
    assert advise("api", Life(state="ready"), declared, listens=[*elsewhere, Listening("::1", 8000, 1)]) == []
