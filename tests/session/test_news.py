"""What happens in a session, told to whoever follows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from devproxy.config.model import Logs
from devproxy.events import Saved, StateChanged
from devproxy.logs.log import Log
from devproxy.session.news import SHOWN_PATHS, News


@pytest.fixture
def log() -> Iterator[Log]:
    log = Log(None, "s1", Logs())
    yield log
    log.close()


def test_of_a_checkout_some_files_are_named_and_the_log_says_how_many_there_were(log: Log) -> None:
    news = News(log, Path("/shop"))
    news.saved("api", {f"/shop/app/{number}.py" for number in range(20_000)})
    [(_, event)] = news.events.since(0)
    assert isinstance(event, Saved)
    assert event.services == ("api",)
    assert len(event.paths) == SHOWN_PATHS
    assert set(event.paths) <= {f"app/{number}.py" for number in range(20_000)}
    assert log.last_lines("devproxy", 1)[0].text.endswith("and 19999 more saved")


def test_pages_hear_by_the_name_that_they_know_when_a_service_is_there_and_when_it_is_gone(log: Log) -> None:
    news = News(log, Path("/shop"))
    for before, state in (
        ("waiting", "starting"),
        ("starting", "ready"),
        ("ready", "crashed"),
        ("crashed", "starting"),
    ):
        news.state_changed("pair.1", "pair", before, state)
    assert [event for _, event in news.live.since(0)] == [
        {"event": "ready", "service": "pair"},
        {"event": "down", "service": "pair", "state": "crashed"},
    ]
    states = [event.state for _, event in news.events.since(0) if isinstance(event, StateChanged)]
    assert states == ["starting", "ready", "crashed", "starting"]


def test_at_the_very_end_nobody_listens_any_more(log: Log) -> None:
    news = News(log, Path("/shop"))
    news.close()
    news.state_changed("api", "api", "starting", "ready")
    news.reloaded({"kind": "page"})
    assert [*news.live.since(0)] == []
