"""What a change is called in the log."""

from dataclasses import replace

import pytest

from devproxy.config.changes import Changes
from devproxy.processes.dependencies import Wait
from devproxy.processes.lifecycle import Exit, Life, Rules, State
from devproxy.session.words import (
    change_words,
    edit_words,
    exit_label,
    exit_words,
    reload_words,
    signal_name,
    waits_words,
)


def said(
    life: Life, before: State = "starting", *, ready_seconds: float | None = None, note: str = ""
) -> tuple[str, str]:
    return change_words("api", Life(state=before, alive=True), life, ready_seconds=ready_seconds, note=note)


@pytest.mark.parametrize(
    ("exit_", "words"),
    [
        (Exit(code=3), "exited with code 3"),
        (Exit(code=0), "exited with code 0"),
        (Exit(signal=9), "was ended by SIGKILL"),
        (Exit(code=143), "exited with code 143 (SIGTERM)"),
        (Exit(code=127), "exited with code 127 (a command was not found)"),
        (Exit(code=126), "exited with code 126 (a command cannot be executed)"),
        (Exit(code=250), "exited with code 250"),
        (Exit(signal=200), "was ended by signal 200"),
    ],
)
def test_an_exit_in_words(exit_: Exit, words: str) -> None:
    assert exit_words(exit_) == words


@pytest.mark.parametrize(
    ("exit_", "label"),
    [
        (Exit(code=0), "exit 0"),
        (Exit(code=3), "exit 3"),
        (Exit(signal=11), "killed by SIGSEGV (11)"),
        (Exit(signal=200), "killed by signal 200"),
        (Exit(code=137), "exit 137: usually SIGKILL, out of memory?"),
        (Exit(code=143), "exit 143: usually SIGTERM"),
        (Exit(code=127), "exit 127: a command was not found"),
        (Exit(code=250), "exit 250"),
    ],
)
def test_an_exit_in_a_table(exit_: Exit, label: str) -> None:
    assert exit_label(exit_) == label


def test_a_signals_name() -> None:
    assert signal_name(15) == "SIGTERM"
    assert signal_name(200) == "200"


def test_nothing_is_said_of_a_change_within_a_state() -> None:
    assert said(Life(state="ready"), "ready") == ("", "info")


def test_ready_says_how_long_it_took_and_what_is_to_be_known() -> None:
    assert said(Life(state="ready"), ready_seconds=1.25, note="") == ("api is ready in 1.2 s", "info")
    assert said(Life(state="ready"), note="listens on 3001, not on 3000") == (
        "api is ready; it listens on 3001, not on 3000",
        "info",
    )


def test_a_crash_says_how_and_what_comes_next() -> None:
    crash = Life(state="crashed", exit=Exit(code=3))
    assert said(crash) == ("api exited with code 3; it is not started again", "error")
    assert said(replace(crash, awaits="timer", backoff=0.5))[0] == "api exited with code 3; it starts again in 0.5 s"
    assert said(Life(state="crashed", exit=Exit(signal=11), awaits="save", deaths=1))[0] == (
        "api was ended by SIGSEGV; it starts again when a file is saved"
    )
    assert said(replace(crash, awaits="save", deaths=3))[0] == (
        "api exited with code 3; after 3 crashes in a row it waits for the next save of a file, or to be restarted"
    )
    held = Life(state="crashed", reason="port 8000, which api needs, is held", awaits="port", contested=8000)
    assert said(held)[0] == (
        "api could not be started: port 8000, which api needs, is held; it starts when port 8000 is free"
    )


def test_dying_of_a_taken_port_names_it() -> None:
    assert said(Life(state="freeing", exit=Exit(code=1), contested=8000)) == (
        "api exited with code 1: port 8000, which it wants, is taken",
        "warning",
    )


def test_an_outage_ends_with_ready_again() -> None:
    before = Life(state="failing", was_ready=True)
    again = change_words("api", before, Life(state="ready", was_ready=True), ready_seconds=1.2, note="")
    assert again == ("api is ready again", "info")


def test_a_reload_by_signal_is_said() -> None:
    rules = Rules(reload="HUP")
    before, after = Life(rules, "ready", reloads=1), Life(rules, "ready", reloads=2)
    assert change_words("api", before, after, ready_seconds=1, note="")[0] == "api is sent SIGHUP to reload"


def test_one_that_never_ran_could_not_be_started() -> None:
    life = Life(state="crashed", exit=Exit(code=127), reason="npm is not installed")
    assert said(life)[0] == "api could not be started: npm is not installed; it is not started again"


def test_failing_says_why() -> None:
    assert said(Life(state="failing", reason="not ready after 60 s")) == (
        "api is failing: not ready after 60 s",
        "error",
    )


def test_an_asked_end_is_no_error() -> None:
    assert said(Life(state="restarting"), "ready") == ("api restarts", "info")
    assert said(Life(state="done"), "ready") == ("api is done", "info")
    assert said(Life(state="stopped"), "ready") == ("api stopped", "info")


def test_what_never_ran_does_not_stop() -> None:
    assert change_words("api", Life(state="waiting"), Life(state="stopped"), ready_seconds=None, note="") == (
        "",
        "info",
    )


DB = Life(state="crashed", exit=Exit(code=1))


@pytest.mark.parametrize(
    ("waits", "words"),
    [
        ([Wait("db", "ready", Life(state="starting"))], "db to be ready"),
        ([Wait("db", "started", Life()), Wait("seed", "exited-ok", Life())], "db to start and seed to finish"),
        ([Wait("db", "ready", DB)], "db, which crashed: exited with code 1"),
        ([Wait("db", "ready", Life(state="crashed", reason="no port"))], "db, which crashed: no port"),
        (
            [Wait("db", "ready", Life(state="crashed", exit=Exit(signal=9), backoff=2))],
            "db, which crashed: was ended by SIGKILL (it starts again in 2 s)",
        ),
        ([Wait("db", "ready", Life(state="failing", reason="it is deaf"))], "db, which is failing: it is deaf"),
        ([Wait("db", "ready", Life(state="stopped"))], "db, which is stopped"),
        (
            [Wait("seed", "exited-ok", Life(), (Wait("db", "ready", DB),))],
            "seed, which waits for db, which crashed: exited with code 1",
        ),
        ([Wait("seed", "exited-ok", Life(), (Wait("db", "ready", Life(state="starting")),))], "seed to finish"),
    ],
)
def test_what_is_waited_for_in_words(waits: list[Wait], words: str) -> None:
    assert waits_words(waits) == words


# -- another config


def test_an_edit_is_told_with_the_command_that_applies_it() -> None:
    changes = Changes(restarts=("api",), starts=("db", "mail"), stops=("a", "b", "c"), swaps=("routes",))
    assert edit_words("devproxy.toml", changes) == (
        "devproxy.toml changed: `devproxy reload` restarts api, starts db and mail, stops a, b and c, changes routes"
    )
    assert edit_words("devproxy.toml", Changes()) == ""


def test_what_no_reload_can_do_is_said_to_wait() -> None:
    later = "devproxy.toml changed: port: takes effect at the next `devproxy up`"
    assert edit_words("devproxy.toml", Changes(later=("port",))) == later
    assert edit_words("devproxy.toml", Changes(swaps=("hold",), later=("name", "port"))) == (
        "devproxy.toml changed: `devproxy reload` changes hold; name and port: take effect at the next `devproxy up`"
    )


def test_a_reload_says_what_it_does_also_if_that_is_nothing() -> None:
    assert reload_words("devproxy.toml", Changes(restarts=("api",), swaps=("routes",))) == (
        "reloaded devproxy.toml: restarting api, changed: routes"
    )
    assert reload_words("devproxy.toml", Changes()) == "reloaded devproxy.toml: nothing differs"
