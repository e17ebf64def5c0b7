import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from devproxy.config.model import Logs
from devproxy.logs.log import Log
from devproxy.logs.stream import stream
from devproxy.sse import Event, Parser
from tests.support import run

SMALL = Logs(ring_lines=10)


async def read_until(source: AsyncIterator[bytes], count: int, parser: Parser) -> list[Event]:
    found: list[Event] = []
    while len(found) < count:
        found += parser.feed(await anext(source))
    return found


def backlog(log: Log, **options: Any) -> list[Event]:
    """All events of a stream that does not follow."""

    async def scenario() -> list[Event]:
        parser = Parser()
        return [event async for piece in stream(log, follow=False, **options) for event in parser.feed(piece)]

    return run(scenario())


def seqs(events: list[Event]) -> list[int]:
    return [json.loads(event.data)["seq"] for event in events if event.type == "line"]


def fed(count: int, directory: Path | None = None, settings: Logs = SMALL) -> Log:
    log = Log(directory, "s", settings)
    for number in range(1, count + 1):
        log.source("web" if number % 2 else "api").feed(b"line %d\n" % number)
    return log


def test_an_event_is_a_record_with_its_id():
    first, end = backlog(fed(1))
    assert (first.type, first.id, end.type) == ("line", "s-1", "end")
    record = json.loads(first.data)
    assert (record["id"], record["text"], record["service"], record["level"]) == ("s-1", "line 1", "web", None)


def test_the_stream_says_when_to_come_back():
    parser = Parser()

    async def scenario() -> None:
        async with aclosing(stream(fed(0), follow=False)) as source:
            parser.feed(await anext(source))

    run(scenario())
    assert parser.retry_ms == 1000


def test_the_backlog_is_the_last_lines():
    assert seqs(backlog(fed(8), backlog=3)) == [6, 7, 8]
    assert seqs(backlog(fed(8), backlog=0)) == []


def test_a_backlog_larger_than_the_ring_comes_from_the_files(tmp_path: Path):
    log = fed(50, tmp_path)
    assert seqs(backlog(log, backlog=30)) == list(range(21, 51))
    log.close()


def test_a_filter_shows_only_the_services_asked_for():
    assert seqs(backlog(fed(8), services=["api"])) == [2, 4, 6, 8]
    assert seqs(backlog(fed(8), services=["api", "web"], backlog=4)) == [5, 6, 7, 8]


def test_the_backlog_is_followed_without_a_gap_or_a_line_twice():
    async def scenario() -> list[int]:
        log = fed(5)
        parser = Parser()
        async with aclosing(stream(log, backlog=3)) as source:
            events = await read_until(source, 3, parser)
            for number in range(6, 9):
                log.source("web").feed(b"line %d\n" % number)
            events += await read_until(source, 3, parser)
        return seqs(events)

    assert run(scenario()) == [3, 4, 5, 6, 7, 8]


def test_it_waits_for_a_service_that_has_not_printed_yet():
    async def scenario() -> list[Event]:
        log = fed(5)
        async with aclosing(stream(log, services=["late"])) as source:
            await anext(source)
            waiting = asyncio.create_task(read_until(source, 1, Parser()))
            await asyncio.sleep(0)
            log.source("web").feed(b"not this\n")
            log.source("late").feed(b"here\n")
            return await waiting

    assert [json.loads(event.data)["text"] for event in run(scenario())] == ["here"]


def test_a_reader_that_comes_back_goes_on_behind_its_last_id():
    assert seqs(backlog(fed(8), last_event_id="s-5")) == [6, 7, 8]
    assert seqs(backlog(fed(8), last_event_id="s-8")) == []
    assert seqs(backlog(fed(8), last_event_id="s-999")) == []


def test_what_the_ring_lost_comes_from_the_files(tmp_path: Path):
    log = fed(100, tmp_path)
    assert log.topic.first == 91
    events = backlog(log, last_event_id="s-5")
    assert seqs(events) == list(range(6, 101))
    assert [event.type for event in events if event.type != "line"] == ["end"]
    assert seqs(backlog(log, last_event_id="s-5", services=["api"])) == list(range(6, 101, 2))
    log.close()


def test_what_nobody_has_any_more_is_told_as_a_gap():
    gap, *rest = backlog(fed(100), last_event_id="s-5")
    assert (gap.type, json.loads(gap.data)) == ("gap", {"dropped": 85})
    assert seqs(rest) == list(range(91, 101))


def test_what_the_disk_did_not_take_is_told_as_a_gap(tmp_path: Path):
    log = fed(100, tmp_path)
    idx = tmp_path / "api.0001.idx"
    idx.write_text("".join(idx.read_text().splitlines(keepends=True)[10:]))  # 2 to 20 are gone
    events = backlog(log, last_event_id="s-0")
    assert sum(json.loads(event.data)["dropped"] for event in events if event.type == "gap") == 10
    assert seqs(events) == [*range(1, 21, 2), *range(21, 101)]
    log.close()


def test_an_id_of_an_earlier_session_begins_this_one_at_its_first_line(tmp_path: Path):
    Log(tmp_path, "earlier", SMALL).close()
    log = fed(30, tmp_path)
    assert seqs(backlog(log, last_event_id="earlier-7")) == list(range(1, 31))
    log.close()


def test_an_id_that_is_not_ours_is_a_new_reader():
    for nonsense in ("", "x", "other-5", "s-", "s--1", "s-1e9", "s-٣", "-5"):
        assert seqs(backlog(fed(8), backlog=2, last_event_id=nonsense)) == [7, 8]


def test_a_slow_reader_is_told_its_gap_and_the_log_goes_on():
    async def scenario() -> list[Event]:
        log = fed(0)
        parser = Parser()
        async with aclosing(stream(log)) as source:
            await anext(source)
            waiting = asyncio.create_task(read_until(source, 1, parser))
            await asyncio.sleep(0)
            log.source("web").feed(b"first\n")
            events = await waiting
            for number in range(100):
                log.source("web").feed(b"%d\n" % number)
            return events + await read_until(source, 11, parser)

    first, gap, *rest = run(scenario())
    assert (first.type, gap.type, json.loads(gap.data)) == ("line", "gap", {"dropped": 90})
    assert seqs(rest) == list(range(92, 102))


def test_silence_is_filled_with_comments():
    async def scenario() -> list[bytes]:
        async with aclosing(stream(fed(0), heartbeat=0.01)) as source:
            return [await anext(source) for _ in range(3)]

    _, *beats = run(scenario())
    assert beats == [b": heartbeat\n\n"] * 2


def test_the_end_of_the_log_ends_the_stream_after_its_last_line():
    async def scenario() -> list[str]:
        log = fed(0)
        parser = Parser()
        source = stream(log)
        await anext(source)
        log.source("web").feed(b"bye\n")
        log.close()
        return [event.type async for piece in source for event in parser.feed(piece)]

    assert run(scenario()) == ["line", "end"]


def test_the_lines_of_a_traceback_are_errors_on_the_stream_too():
    async def scenario() -> list[str | None]:
        log = fed(0)
        async with aclosing(stream(log)) as source:
            await anext(source)
            waiting = asyncio.create_task(read_until(source, 3, Parser()))
            await asyncio.sleep(0)
            log.source("api").feed(b"Traceback (most recent call last):\n")
            log.source("api").feed(b"  File x\nValueError: no\n")
            return [json.loads(event.data)["level"] for event in await waiting]

    assert run(scenario()) == ["error"] * 3


def test_a_chunk_of_many_lines_comes_whole():
    log = Log(None, "s", Logs())
    log.source("web").feed(b"x\n" * 3000)
    assert seqs(backlog(log, last_event_id="s-0")) == list(range(1, 3001))
