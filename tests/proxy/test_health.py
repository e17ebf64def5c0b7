"""Probing upstreams: at once, what counts as well, who is told, and that nothing goes on afterwards."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from devproxy.config.model import Probe
from devproxy.proxy.balance import Standing
from devproxy.proxy.health import CONNECT, Probing, ask
from devproxy.proxy.upstream import Upstream
from tests.support import auntil, free_port, run
from tests.support.gateway import ready
from tests.support.upstream import Conversation, RawUpstream, answering

HEALTH = Probe(path="/health?deep", interval_seconds=0.02, timeout_seconds=20)
ONCE = Probe(path="/", interval_seconds=1000, timeout_seconds=20)
UP, DOWN = b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n"


@asynccontextmanager
async def probing(*standings: Standing, told: Callable[[Standing], None] = lambda _: None) -> AsyncIterator[Probing]:
    """Probes these until the block ends."""
    probing = Probing(told)
    probing.adopt(standings)
    task = asyncio.create_task(probing.run())
    try:
        yield probing
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


class Answering:
    """An upstream's answer, which a test may change."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heads: list[bytes] = []

    async def __call__(self, conversation: Conversation) -> None:
        self.heads.append(await conversation.head())
        await conversation.send(self.answer)


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_it_is_asked_at_once_and_how_long_that_took_is_known(method: str) -> None:
    async def main() -> None:
        says = Answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + (b"hello" if method == "GET" else b""))
        async with RawUpstream(says) as server:
            probe = Probe(path="/health?deep", method=method, interval_seconds=1000, timeout_seconds=20)
            standing = Standing(ready("api", server.address), probe=probe, host="api.test")
            assert standing.is_well is None
            async with probing(standing):
                await auntil(lambda: standing.is_well)
            assert says.heads[0].startswith(f"{method} /health?deep HTTP/1.1\r\nHost: api.test\r\n".encode())
            assert standing.latency is not None
            assert standing.answer == f"{method} /health?deep answered 200"

    run(main())


@pytest.mark.parametrize(
    ("answer", "is_well", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", True, "HEAD / answered 200"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n", True, "HEAD / answered 404"),
        (b"HTTP/1.1 501 Unsupported method\r\n\r\n", True, "HEAD / answered 501"),
        (b"HTTP/1.1 500 Oops\r\n\r\n", False, "HEAD / answered 500"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False, "HEAD / got no HTTP: "),
        (b"", False, "HEAD / got no answer: it closed the connection"),
    ],
)
def test_any_answer_below_500_is_well_and_one_that_does_not_know_the_method(
    answer: bytes, is_well: bool, words: str
) -> None:
    async def main() -> None:
        async with RawUpstream(Answering(answer)) as server:
            outcome = await ask(ready("api", server.address), ONCE)
            assert outcome.is_well == is_well
            assert outcome.answer.startswith(words)

    run(main())


def test_who_refuses_who_is_silent_and_who_has_no_address_is_not_well() -> None:
    async def silent(conversation: Conversation) -> None:
        await conversation.reader.read()

    async def main() -> None:
        refusing = await ask(ready("api", ("127.0.0.1", free_port())), ONCE)
        assert (refusing.is_well, refusing.latency) == (False, None)
        assert "refuse" in refusing.answer
        async with RawUpstream(silent) as server:
            silence = await ask(ready("api", server.address), Probe(timeout_seconds=0.05))
            assert silence.answer == "HEAD / got no answer within 0.05 s"
            await auntil(lambda: server.ended == server.connections == 1)  # its connection is not left open
        assert not (await ask(Upstream("api", state="ready"), ONCE)).is_well

    run(main())


def test_of_several_addresses_the_first_that_answers_counts() -> None:
    async def main() -> None:
        async with RawUpstream(answering(UP)) as server:
            assert (await ask(ready("api", ("127.0.0.1", free_port()), server.address), ONCE)).is_well

    run(main())


def test_without_a_path_a_connection_is_all_that_is_asked_for() -> None:
    says = Answering(UP)

    async def main() -> None:
        async with RawUpstream(says) as server:
            upstream = ready("api", server.address)
            outcome = await ask(upstream, CONNECT)
            assert (outcome.is_well, outcome.answer) == (True, "it takes connections")
            await auntil(lambda: server.ended == 1)
        assert not (await ask(upstream, CONNECT)).is_well

    run(main())
    assert not says.heads


def test_each_change_is_told_once_and_being_well_from_the_beginning_is_none() -> None:
    told: list[tuple[str, bool | None]] = []

    async def main() -> None:
        says = Answering(UP)
        async with RawUpstream(says) as server:
            standing = Standing(ready("api", server.address), probe=HEALTH)
            async with probing(standing, told=lambda one: told.append((one.name, one.is_well))):
                for answer, expected in ((UP, []), (DOWN, [False]), (UP, [False, True]), (DOWN, [False, True, False])):
                    says.answer, asked = answer, len(says.heads)
                    await auntil(lambda: len(says.heads) > asked + 3)  # noqa: B023
                    assert told == [("api", is_well) for is_well in expected]

    run(main())


def test_one_that_is_well_again_is_left_out_no_longer() -> None:
    async def main() -> None:
        says = Answering(DOWN)
        async with RawUpstream(says) as server:
            standing = Standing(ready("api", server.address), probe=HEALTH)
            async with probing(standing):
                await auntil(lambda: standing.is_well is False)
                standing.failed(asyncio.get_running_loop().time() + 1000)
                says.answer = UP
                await auntil(lambda: standing.is_well)
                assert not standing.ejection.failures

    run(main())


def test_one_that_does_not_run_is_not_asked_and_each_new_one_is_asked_at_once() -> None:
    async def main() -> None:
        states: list[str] = []
        upstream = Upstream("api", state="starting")

        async def handler(conversation: Conversation) -> None:
            states.append(upstream.state)
            await Answering(UP)(conversation)

        async with RawUpstream(handler) as server:
            upstream.addresses = (server.address,)
            async with probing(Standing(upstream, probe=Probe(interval_seconds=1000, timeout_seconds=20))):
                for generation in (1, 2):
                    await asyncio.sleep(0)
                    upstream.become("ready")
                    await auntil(lambda: len(states) >= generation)  # noqa: B023
                    upstream.become("restarting")
            assert states == ["ready", "ready"]

    run(main())


def test_what_one_that_has_gone_meanwhile_answers_says_nothing_of_the_next() -> None:
    async def main() -> None:
        may_answer, asked = asyncio.Event(), asyncio.Event()

        async def handler(conversation: Conversation) -> None:
            await conversation.head()
            asked.set()
            await may_answer.wait()
            await conversation.send(UP)

        async with RawUpstream(handler) as server:
            standing = Standing(ready("api", server.address), probe=ONCE)
            async with probing(standing):
                await asked.wait()
                standing.upstream.become("restarting")
                may_answer.set()
                await auntil(lambda: server.ended == 1)
            assert standing.is_well is None

    run(main())


def test_who_is_no_longer_to_be_asked_is_not_and_who_is_new_is() -> None:
    async def main() -> None:
        async with RawUpstream(answering(UP)) as old, RawUpstream(answering(UP)) as new:
            standings = [
                Standing(ready("old", old.address), probe=HEALTH),
                Standing(ready("new", new.address), probe=HEALTH),
            ]
            async with probing(standings[0]) as asking:
                await auntil(lambda: standings[0].is_well)
                asking.adopt(standings[1:])
                await auntil(lambda: standings[1].is_well)
                asked = old.connections
                await auntil(lambda: new.connections > 5)
                assert old.connections <= asked + 1

    run(main())
