import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from devproxy.config.model import Logs
from devproxy.logs import records
from devproxy.logs import stream as module
from devproxy.logs.log import Log
from devproxy.logs.query import Query
from devproxy.logs.stream import Encoder, stream
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
    assert seqs(backlog(fed(8), query=Query(("api",)))) == [2, 4, 6, 8]
    assert seqs(backlog(fed(8), query=Query(("api", "web")), backlog=4)) == [5, 6, 7, 8]


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
        async with aclosing(stream(log, query=Query(("late",)))) as source:
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
    assert seqs(backlog(log, last_event_id="s-5", query=Query(("api",)))) == list(range(6, 101, 2))
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


def test_an_id_of_an_earlier_session_brings_its_rest_and_then_all_of_this_one(tmp_path: Path):
    for session, count in (("first", 20), ("second", 15)):
        earlier = Log(tmp_path, session, SMALL)
        for number in range(count):
            earlier.source("web").feed(b"%d\n" % number)
        earlier.close()
    log = fed(30, tmp_path)
    events = backlog(log, last_event_id="first-7")
    ids = [f"first-{seq}" for seq in range(8, 21)] + [f"second-{seq}" for seq in range(1, 16)]
    assert [event.id for event in events[:-1]] == ids + [f"s-{seq}" for seq in range(1, 31)]
    assert events[-1].type == "end"
    log.close()


def test_an_earlier_session_is_gone_on_from_without_a_file_of_this_one(tmp_path: Path):
    earlier = Log(tmp_path, "first", SMALL)
    earlier.source("web").feed(b"1\n2\n")
    earlier.close()
    log = Log(tmp_path, "s", SMALL)
    assert [event.id for event in backlog(log, last_event_id="first-1")[:-1]] == ["first-2"]
    log.source("api").feed(b"1\n2\n")
    for path in tmp_path.glob("api.*"):
        path.unlink()  # a disk that did not take them
    assert [event.id for event in backlog(log, last_event_id="first-1")[:-1]] == ["first-2", "s-1", "s-2"]
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


def test_a_filter_that_takes_nothing_is_silence_too():
    async def scenario() -> bytes:
        log = fed(0)
        async with aclosing(stream(log, Query(("api",)), heartbeat=0.05)) as source:
            await anext(source)
            waiting = asyncio.create_task(anext(source))
            while not waiting.done():
                log.source("web").feed(b"busy\n")
                await asyncio.sleep(0.005)
            return await waiting

    assert run(scenario()) == b": heartbeat\n\n"


TRACEBACK = b"Traceback (most recent call last):\n  File x\nValueError: no\n"


def errors(*feeds: tuple[str, bytes], count: int, query: Query) -> list[dict[str, Any]]:
    """What a stream with a filter tells of lines that come after it has begun."""

    async def scenario() -> list[dict[str, Any]]:
        log = fed(0)
        async with aclosing(stream(log, query)) as source:
            await anext(source)
            waiting = asyncio.create_task(read_until(source, count, Parser()))
            await asyncio.sleep(0)
            for service, data in feeds:
                log.source(service).feed(data)
            return [json.loads(event.data) for event in await waiting]

    return run(scenario())


def test_lines_are_filtered_by_pattern_and_its_opposite():
    lines = ("web", b"GET /a\nPOST /b\nGET /c\n")
    assert [one["text"] for one in errors(lines, count=2, query=Query(grep=re.compile("GET")))] == ["GET /a", "GET /c"]
    assert [one["text"] for one in errors(lines, count=1, query=Query(grep=re.compile("GET"), invert=True))] == [
        "POST /b"
    ]


def test_with_a_level_an_error_is_one_record_sent_when_its_service_goes_on_or_is_quiet():
    query = Query(level="error")
    (one,) = errors(("api", TRACEBACK), ("web", b"noise\n"), ("api", b"next\n"), count=1, query=query)
    assert (one["seq"], one["lines"], one["level"]) == (3, 3, "error")
    (one,) = errors(("api", TRACEBACK), ("web", b"noise\n"), count=1, query=query)
    assert one["text"].endswith("ValueError: no")


def test_an_error_is_complete_though_others_go_on_printing():
    async def scenario() -> list[Event]:
        log = fed(0)
        async with aclosing(stream(log, Query(level="error"))) as source:
            await anext(source)
            waiting = asyncio.create_task(read_until(source, 1, Parser()))
            await asyncio.sleep(0)
            log.source("api").feed(TRACEBACK)
            while not waiting.done():
                log.source("web").feed(b"busy\n")
                await asyncio.sleep(0.05)
            return await waiting

    assert [event.id for event in run(scenario())] == ["s-3"]


def test_a_filtered_backlog_is_followed_without_a_gap_or_a_line_twice(tmp_path: Path):
    async def scenario() -> list[str]:
        log = Log(tmp_path, "s", Logs())
        log.source("api").feed(b"ERROR: one\nINFO: no\nERROR: two\nTraceback (most recent call last):\n")
        async with aclosing(stream(log, Query(level="error"), backlog=5)) as source:
            waiting = asyncio.create_task(read_until(source, 3, Parser()))
            await asyncio.sleep(0.05)
            log.source("api").feed(b"  File x\nValueError: no\nINFO: next\nERROR: three\nINFO: end\n")
            return [json.loads(event.data)["text"] for event in await waiting]

    one, two, three = run(scenario())
    assert one == "ERROR: one"
    assert two == "ERROR: two\n" + TRACEBACK.decode().rstrip()
    assert three == "ERROR: three"


def test_who_comes_back_inside_an_error_gets_it_whole(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SETTLED_US", 10**12)
    log = Log(None, "s", Logs())
    log.source("api").feed(TRACEBACK[:-15])
    log.source("web").feed(b"ERROR: two\n")
    log.source("api").feed(TRACEBACK[-15:] + b"INFO: z\n")
    (error,) = backlog(log, query=Query(level="error"), last_event_id="s-3")[:-1]
    assert json.loads(error.data)["lines"] == 3
    assert backlog(log, query=Query(level="error"), last_event_id="s-4")[0].type == "end"


def test_a_backlog_can_be_filtered():
    log = Log(None, "s", Logs())
    log.source("api").feed(b"".join(b"%s %d\n" % (b"ERROR" if n % 3 == 0 else b"INFO", n) for n in range(30)))
    assert seqs(backlog(log, query=Query(level="error"), backlog=3)) == [22, 25, 28]
    assert seqs(backlog(log, query=Query(grep=re.compile("5$")))) == [6, 16, 26]
    assert seqs(backlog(log, query=Query(level="error"), last_event_id="s-20")) == [22, 25, 28]


def test_a_filtered_backlog_comes_from_the_files_too_and_then_from_the_ring(tmp_path: Path):
    log = Log(tmp_path, "s", SMALL)
    for number in range(1, 102):
        log.source("api").feed(b"%s %d\n" % (b"ERROR" if number % 10 == 0 else b"INFO", number))
    assert log.topic.first == 92
    assert seqs(backlog(log, query=Query(level="error"), backlog=4)) == [70, 80, 90, 100]
    assert seqs(backlog(log, query=Query(grep=re.compile("5$")))) == list(range(5, 101, 10))
    assert seqs(backlog(log, query=Query(("web",), grep=re.compile("5$")))) == []
    assert seqs(backlog(log, query=Query(level="error"), backlog=1, last_event_id="s-60")) == [70, 80, 90, 100]
    log.close()


def test_an_error_of_the_backlog_is_whole_though_the_ring_has_lost_its_beginning(tmp_path: Path):
    log = Log(tmp_path, "s", SMALL)
    for line in TRACEBACK.splitlines(keepends=True):
        log.source("api").feed(line)
    log.source("api").feed(b"INFO: next\n")
    for number in range(7):
        log.source("web").feed(b"%d\n" % number)
    assert log.topic.first == 2
    (error,) = backlog(log, query=Query(level="error"))[:-1]
    assert (error.id, json.loads(error.data)["lines"]) == ("s-3", 3)
    log.close()


def test_a_chunk_of_many_lines_leaves_the_others_their_turn():
    async def scenario() -> int:
        log, turns = Log(None, "s", Logs()), 0
        log.source("web").feed(b"y\n" * 30_000)

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(others())
        for query in (Query(), Query(grep=re.compile("no"))):
            async for _ in stream(log, query, follow=False, last_event_id="s-0"):
                pass
            assert turns > 100
            turns = 0
        beside.cancel()
        return turns

    run(scenario(), within=40)


def test_two_hundred_readers_get_every_line_and_the_encoding_is_shared(monkeypatch: pytest.MonkeyPatch):
    made: list[int] = []
    of = records.records_of
    monkeypatch.setattr(
        module, "records_of", lambda chunk, session: (made.append(chunk.first_seq), of(chunk, session))[1]
    )

    async def reading(log: Log, encoder: Encoder) -> bytes:
        async with aclosing(stream(log, encoder=encoder)) as source:
            return b"".join([part async for part in source])

    async def scenario() -> list[bytes]:
        log, encoder = Log(None, "s", Logs()), Encoder("s")
        readers = [asyncio.create_task(reading(log, encoder)) for _ in range(200)]
        await asyncio.sleep(0)
        for start in range(0, 2000, 50):
            log.source("web").feed(b"".join(b"line %d\n" % (start + number) for number in range(50)))
            await asyncio.sleep(0)
        log.close()
        return await asyncio.gather(*readers)

    first, *others = run(scenario(), within=60)
    assert seqs(Parser().feed(first)) == list(range(1, 2001))
    assert all(other == first for other in others)
    assert len(made) == 40


def test_a_reader_behind_what_is_shared_gets_the_same():
    log = Log(None, "s", Logs())
    for number in range(8):
        log.source("web").feed(b"%d" % number + b"x" * 999_999 + b"\n")
    encoder = Encoder("s")
    chunks = [chunk for _, chunk in log.topic.since(0)]
    first = [b"".join(encoder.encode(chunk)) for chunk in chunks]
    assert encoder._size <= 4 * 1024 * 1024
    assert [b"".join(encoder.encode(chunk)) for chunk in chunks] == first


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
