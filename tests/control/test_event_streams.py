"""The event streams, over a real socket: order, resume, gaps, heartbeats, ends."""

import json

import pytest

from devproxy import __version__
from devproxy.control.app import create_app
from devproxy.control.event_streams import position
from devproxy.control.streams import relay
from devproxy.events import StateChanged, to_json
from devproxy.hub.topic import Topic
from tests.control.small import BOOT, SmallSession, asking, first_events, streaming
from tests.support import auntil, run


def test_live_says_ready_first_with_the_boot_id_and_then_what_pages_are_told() -> None:
    async def read() -> None:
        session = SmallSession()
        async with streaming(create_app(session), "/__devproxy/live") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            session.live.publish({"event": "reload", "paths": ["/a.css"]})
            hello, reload = await first_events(stream, 2)
            greeting = {"boot": BOOT, "version": __version__, "content": "c1", "unready": ["api"]}
            assert (hello["event"], json.loads(hello["data"])) == ("ready", greeting)
            assert int(hello["retry"]) > 0
            assert (reload["event"], json.loads(reload["data"])) == ("reload", {"paths": ["/a.css"]})
            session.close()

    run(read())


def test_live_never_carries_anything_but_its_three_events() -> None:
    async def read() -> None:
        session = SmallSession()
        async with streaming(create_app(session), "/__devproxy/live") as stream:
            session.live.publish({"event": "line", "text": "a secret"})
            session.live.publish({"event": "down"})
            _, second = await first_events(stream, 2)
            assert second["event"] == "down"
            session.close()

    run(read())


def test_events_are_sent_as_they_happen_filtered_by_topic() -> None:
    async def read() -> None:
        session = SmallSession()
        async with streaming(create_app(session), "/__devproxy/api/events?topics=state") as stream:
            session.become("api", "restarting")
            _, event = await first_events(stream, 2)
            data = json.loads(event["data"])
            assert event["event"] == data["topic"] == "state"
            assert (data["service"], data["previous"], data["state"]) == ("api", "ready", "restarting")
            assert event["id"] == f"{BOOT}-1"
            session.close()

    run(read())


def test_a_client_that_comes_back_gets_what_it_missed() -> None:
    async def read() -> None:
        session = SmallSession()
        session.become("api", "restarting")
        session.become("api", "ready")
        headers = {"Last-Event-ID": f"{BOOT}-1"}
        async with streaming(create_app(session), "/__devproxy/api/events", **headers) as stream:
            _, event = await first_events(stream, 2)
            assert event["id"] == f"{BOOT}-2"
            session.close()

    run(read())


def test_a_client_that_was_away_too_long_is_told_how_much_is_gone() -> None:
    async def read() -> None:
        session = SmallSession()  # its topic holds four
        for _ in range(6):
            session.become("api", "ready")
        headers = {"Last-Event-ID": f"{BOOT}-0"}
        async with streaming(create_app(session), "/__devproxy/api/events", **headers) as stream:
            _, gap, event = await first_events(stream, 3)
            assert (gap["event"], json.loads(gap["data"])) == ("gap", {"dropped": 2})
            assert event["id"] == f"{BOOT}-3"
            session.close()

    run(read())


@pytest.mark.parametrize("sent", [None, "", "other-3", f"{BOOT}-", f"{BOOT}-x", f"{BOOT}-²", f"{BOOT}-{'9' * 30}"])
def test_an_id_that_is_not_ours_means_from_now_on(sent: str | None) -> None:
    assert position(sent, BOOT) is None


def test_an_unknown_topic_is_refused_with_those_there_are() -> None:
    async def ask() -> None:
        async with asking(create_app(SmallSession()), local=True) as client:
            answer = await client.get("/__devproxy/api/events?topics=sate")
            assert answer.status_code == 400
            assert "state" in answer.json()["hint"]

    run(ask())


def test_a_stream_ends_when_the_session_does() -> None:
    async def read() -> None:
        session = SmallSession()
        async with streaming(create_app(session), "/__devproxy/live") as stream:
            session.close()
            assert len(await first_events(stream, 100)) == 1

    run(read())


def test_a_client_that_leaves_is_forgotten() -> None:
    async def leave() -> None:
        session = SmallSession()
        async with streaming(create_app(session), "/__devproxy/live") as stream:
            await first_events(stream, 1)
            await auntil(lambda: len(session.live._waiting) == 1)
            await stream.aclose()
            await auntil(lambda: len(session.live._waiting) == 0)

    run(leave())


def test_a_quiet_stream_has_a_heartbeat() -> None:
    async def read() -> None:
        topic: Topic[int] = Topic(4)
        stream = relay(topic.subscribe(), lambda _, item: b"%d" % item, first=b"first", heartbeat=0.01)
        assert [await anext(stream), await anext(stream)] == [b"first", b": \n\n"]
        topic.publish(7)
        assert [part async for part in until_value(stream)] == [b"7"]
        await stream.aclose()

    async def until_value(stream):
        async for part in stream:
            if part != b": \n\n":
                yield part
                return

    run(read())


def test_a_line_end_in_a_value_stays_inside_the_event() -> None:
    from devproxy.control.streams import encode

    sent = encode({"text": "a\n\nevent: evil\u2028\r"}, event="line").decode()
    assert [line.partition(":")[0] for line in sent.split("\n")] == ["event", "data", "", ""]
    assert "\r" not in sent


def test_the_log_is_streamed_with_its_backlog_and_goes_on() -> None:
    async def read() -> None:
        session = SmallSession()
        session.log.source("api").feed(b"one\n")
        path = "/__devproxy/api/logs/stream?service=api&backlog=5"
        async with streaming(create_app(session), path) as stream:
            _, one = await first_events(stream, 2)
            assert (one["event"], one["id"], json.loads(one["data"])["text"]) == ("line", f"{BOOT}-1", "one")
            session.close()

    run(read())


def test_a_log_reader_that_comes_back_goes_on_behind_its_last_line() -> None:
    async def read() -> None:
        session = SmallSession()
        session.log.source("api").feed(b"one\ntwo\n")
        headers = {"Last-Event-ID": f"{BOOT}-1"}
        async with streaming(create_app(session), "/__devproxy/api/logs/stream", **headers) as stream:
            _, two = await first_events(stream, 2)
            assert json.loads(two["data"])["text"] == "two"
            session.close()

    run(read())


def test_without_follow_the_log_ends_after_its_backlog() -> None:
    async def read() -> None:
        session = SmallSession()
        session.log.source("api").feed(b"one\n")
        async with streaming(create_app(session), "/__devproxy/api/logs/stream?follow=false") as stream:
            assert [event.get("event") for event in await first_events(stream, 9)] == [None, "line", "end"]

    run(read())


def test_an_event_says_its_topic_and_its_time_in_utc() -> None:
    assert to_json(StateChanged("api", "ready", "starting", 0.5)) == {
        "topic": "state",
        "service": "api",
        "state": "ready",
        "previous": "starting",
        "time": "1970-01-01T00:00:00.500000Z",
    }
