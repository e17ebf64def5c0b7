import asyncio

import pytest

from devproxy.hub.topic import Batch, Subscriber, Topic, TopicClosed
from tests.support import run


def test_publishing_needs_no_event_loop_and_numbers_each_item():
    topic = Topic[str](10)
    assert [topic.publish(item) for item in "abc"] == [1, 2, 3]
    assert (topic.first, topic.last) == (1, 3)


def test_an_item_of_weight_n_takes_n_numbers():
    topic = Topic[str](100, start=5)
    assert [topic.publish("a", 3), topic.publish("b", 1), topic.publish("c", 2)] == [5, 8, 9]
    assert topic.last == 10


def test_a_new_subscriber_gets_what_comes_from_now_on():
    topic = Topic[str](10)
    topic.publish("before")
    reader = topic.subscribe()
    topic.publish("after")
    assert reader.take() == Batch([(2, "after")])


def test_a_subscriber_after_a_number_gets_what_followed_it():
    topic = Topic[str](10)
    for item in "abcd":
        topic.publish(item)
    assert topic.subscribe(2).take() == Batch([(3, "c"), (4, "d")])


def test_a_subscriber_that_starts_inside_an_item_gets_it_trimmed():
    topic = Topic[str](100, trim=lambda item, count: item[count:])
    topic.publish("abc", 3)
    topic.publish("de", 2)
    assert topic.subscribe(1).take() == Batch([(2, "bc"), (4, "de")])


def test_without_a_trim_the_item_comes_whole_under_its_own_number():
    topic = Topic[str](100)
    topic.publish("abc", 3)
    assert topic.subscribe(1).take() == Batch([(1, "abc")])


def test_the_ring_keeps_no_more_than_its_capacity_and_tells_the_gap():
    topic = Topic[str](5)
    reader = topic.subscribe(0)
    for item in "abcd":
        topic.publish(item, 2)
    assert (topic.first, topic.last) == (5, 8)
    assert reader.take() == Batch([(5, "c"), (7, "d")], gap=4)
    topic.publish("e", 2)
    assert reader.take() == Batch([(9, "e")], gap=0)


def test_a_heavy_item_drives_out_as_many_light_ones_as_it_must():
    topic: Topic[str] = Topic(5)
    for item in "abcde":
        topic.publish(item)
    topic.publish("heavy", 4)
    assert topic.since(0) == [(5, "e"), (6, "heavy")]


def test_the_ring_is_bounded_by_size_too():
    topic = Topic[bytes](1000, max_size=10)
    for _ in range(5):
        topic.publish(b"1234", 1, size=4)
    assert topic.first == 4


def test_the_newest_item_stays_even_if_it_alone_weighs_too_much():
    topic = Topic[str](3)
    topic.publish("a")
    topic.publish("heavy", 10)
    assert topic.subscribe(0).take() == Batch([(2, "heavy")], gap=1)


def test_a_position_from_the_future_waits_for_what_comes():
    topic = Topic[str](3)
    reader = topic.subscribe(99)
    topic.publish("a")
    assert reader.take().items == [(1, "a")]


def test_next_waits_for_an_item_and_takes_all_that_came_meanwhile():
    async def scenario() -> list[Batch[str]]:
        topic = Topic[str](10)
        reader = topic.subscribe()
        waiting = asyncio.create_task(reader.next())
        await asyncio.sleep(0)
        topic.publish("a")
        topic.publish("b")
        return [await waiting]

    assert run(scenario()) == [Batch([(1, "a"), (2, "b")])]


def test_a_slow_reader_does_not_delay_the_others_and_is_told_its_gap():
    async def scenario() -> tuple[list[int], Batch[int]]:
        topic = Topic[int](10)
        slow, quick = topic.subscribe(), topic.subscribe()
        seen: list[int] = []
        for number in range(100):
            topic.publish(number)
            seen += [item for _, item in (await quick.next()).items]
        return seen, await slow.next()

    seen, late = run(scenario())
    assert seen == list(range(100))
    assert late.gap == 90
    assert [item for _, item in late.items] == list(range(90, 100))


def test_a_cancelled_wait_loses_nothing():
    async def scenario() -> Batch[str]:
        topic = Topic[str](10)
        reader = topic.subscribe()
        waiting = asyncio.create_task(reader.next())
        await asyncio.sleep(0)
        topic.publish("a")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return await reader.next()

    assert run(scenario()).items == [(1, "a")]


def test_a_wait_that_timed_out_leaves_nothing_in_the_topic():
    async def scenario() -> int:
        topic = Topic[str](10)
        reader = topic.subscribe()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await reader.next()
        return len(topic._waiting)

    assert run(scenario()) == 0


def test_a_closed_topic_hands_out_what_is_left_and_then_says_so():
    async def scenario(reader: Subscriber[str]) -> list[tuple[int, str]]:
        batch = await reader.next()
        with pytest.raises(TopicClosed):
            await reader.next()
        return batch.items

    topic = Topic[str](10)
    reader = topic.subscribe()
    topic.publish("last")
    topic.close()
    assert run(scenario(reader)) == [(1, "last")]
    with pytest.raises(TopicClosed):
        topic.publish("too late")


def test_closing_ends_a_wait():
    async def scenario() -> None:
        topic = Topic[str](10)
        by_topic, by_itself = topic.subscribe(), topic.subscribe()
        waits = [asyncio.create_task(by_topic.next()), asyncio.create_task(by_itself.next())]
        await asyncio.sleep(0)
        by_itself.close()
        with pytest.raises(TopicClosed):
            await waits[1]
        assert not waits[0].done()
        topic.close()
        with pytest.raises(TopicClosed):
            await waits[0]

    run(scenario())
