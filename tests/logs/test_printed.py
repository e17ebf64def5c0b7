"""A ready line is not missed, however much others print."""

import asyncio
import re
from pathlib import Path

import pytest

from devproxy.config.model import Logs
from devproxy.hub.topic import TopicClosed
from devproxy.logs.log import Log
from devproxy.logs.printed import printed
from tests.support import run

UP = re.compile(r"^up \d$")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "logs", "s", Logs(ring_lines=100))


def flood(log: Log) -> None:
    """More than the ring holds, in one piece and in several."""
    for lines in (1, 99, 500):
        log.source("chatty").feed(b"up 9\n" * lines)


def test_a_line_that_was_printed_before_counts_and_one_that_is_too_old_does_not(log: Log) -> None:
    async def scene() -> None:
        log.source("api").feed(b"up 1\nmore\n")
        await printed(log, "api", UP, 0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await printed(log, "api", UP, 1)

    run(scene())
    log.close()


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_line_that_others_have_pushed_out_of_the_ring_is_found(log: Log, when: str) -> None:
    async def scene() -> None:
        log.source("api").feed(b"starting\n")
        if when == "before":
            log.source("api").feed(b"\x1b[32mup 2\x1b[0m\n")
            flood(log)
        waiting = asyncio.create_task(printed(log, "api", UP, 0))
        await asyncio.sleep(0)  # it has looked, and waits
        if when == "meanwhile":
            log.source("api").feed(b"\x1b[32mup 2\x1b[0m\n")
            flood(log)
        assert log.topic.first > 3
        async with asyncio.timeout(10):
            await waiting

    run(scene())
    log.close()


def test_it_waits_for_the_service_itself_and_beyond_the_end_of_the_log(log: Log) -> None:
    async def scene() -> None:
        waiting = asyncio.create_task(printed(log, "api", UP, 0))
        flood(log)
        await printed(log, "chatty", UP, 0)  # who has begun after it, and finds what it looks for
        other = log.topic.subscribe(0)
        log.close()
        with pytest.raises(TopicClosed):
            while True:
                await other.next()
        await asyncio.sleep(0)  # the end is told to all in one turn
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    run(scene())
