"""What becomes of a request whose upstream restarts under it: sent again, held, or failed; and what makes us look."""

import asyncio

import pytest

from devproxy.config.model import Hold
from devproxy.proxy import exchange as exchange_module
from devproxy.proxy import upstream as upstream_module
from devproxy.proxy.upstream import Upstream
from tests.support import auntil, free_port, run
from tests.support.gateway import ready, running_gateway, status_of
from tests.support.upstream import OK, Conversation, RawUpstream, answering

EVENTS = "Accept: text/event-stream\r\n"


def test_a_get_that_an_intended_restart_cuts_is_held_each_time() -> None:
    async def main() -> None:
        service = Upstream("api", state="ready")

        async def handler(conversation: Conversation) -> None:
            await conversation.head()
            if conversation.number <= 3:
                service.become("restarting")
            else:
                await conversation.send(OK)

        async with RawUpstream(handler) as upstream, running_gateway({"api": service}) as front:
            service.addresses = (upstream.address,)
            asked = asyncio.create_task(front.talk(front.request()))
            for _ in range(3):
                await auntil(lambda: service.state == "restarting" and service._waiting)
                service.become("ready")
            assert status_of(await asked) == 200
            assert upstream.connections == 4

    run(main())


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_request_that_its_service_dies_of_is_sent_twice_and_no_more(method: str) -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            assert status_of(await front.talk(front.request(method=method))) == 502
            assert upstream.connections == 2

    run(main())


@pytest.mark.parametrize(("answer", "sent"), [(b"", 2), (b"HTTP/1.1 200 OK\r\nDa", 1)], ids=["twice", "half a head"])
def test_a_get_that_a_dying_server_took_is_held_when_its_restart_is_seen(answer: bytes, sent: int) -> None:
    """Django's exits slowly: it still accepts, and answers nobody, or not to the end."""

    async def main() -> None:
        service = Upstream("api", state="ready", doubted=lambda: None)

        async def handler(conversation: Conversation) -> None:
            await conversation.head()
            await conversation.send(answer if conversation.number <= sent else OK)

        async with RawUpstream(handler) as upstream, running_gateway({"api": service}) as front:
            service.addresses = (upstream.address,)
            asked = asyncio.create_task(front.talk(front.request()))
            await auntil(lambda: service._waiting)
            assert upstream.connections == sent
            service.become("restarting")
            service.become("ready")
            assert status_of(await asked) == 200
            assert upstream.connections == sent + 1

    run(main())


def test_a_get_whose_answer_has_begun_is_not_sent_again_by_somebody_elses_server() -> None:
    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 200 OK\r\nDa")

    async def main() -> None:
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            assert status_of(await front.talk(front.request())) == 502
            assert upstream.connections == 1

    run(main())


def test_one_that_goes_on_serving_and_answers_nobody_is_not_asked_a_third_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "DEATH_SECONDS", 0.05)
    doubts: list[str] = []

    async def handler(conversation: Conversation) -> None:
        await conversation.head()

    async def main() -> None:
        async with RawUpstream(handler) as upstream:
            address = (upstream.address,)
            service = Upstream("api", state="ready", addresses=address, doubted=lambda: doubts.append("api"))
            async with running_gateway({"api": service}) as front:
                assert status_of(await front.talk(front.request())) == 502
                assert (upstream.connections, doubts) == (2, ["api"])

    run(main())


@pytest.mark.parametrize("state", ["ready", "restarting"])
def test_a_get_that_got_an_interim_answer_is_never_sent_again(state: str) -> None:
    async def main() -> None:
        service = Upstream("api", state="ready")

        async def handler(conversation: Conversation) -> None:
            await conversation.head()
            await conversation.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            service.become(state)

        async with RawUpstream(handler) as upstream, running_gateway({"api": service}) as front:
            service.addresses = (upstream.address,)
            answer = await front.talk(front.request())
            assert (status_of(answer), b"HTTP/1.1 502 " in answer) == (103, True)
            assert upstream.connections == 1

    run(main())


@pytest.mark.parametrize("state", ["ready", "restarting"])
def test_a_post_that_a_restart_cuts_is_a_502_and_is_not_sent_again(state: str) -> None:
    async def main() -> None:
        service = Upstream("api", state="ready")

        async def handler(conversation: Conversation) -> None:
            await conversation.head()
            service.become(state)

        async with RawUpstream(handler) as upstream, running_gateway({"api": service}) as front:
            service.addresses = (upstream.address,)
            request = front.request(method="POST", fields="Content-Length: 1\r\n", body=b"x")
            assert status_of(await front.talk(request)) == 502
            assert upstream.connections == 1

    run(main())


@pytest.mark.parametrize("states", [["failing"], ["restarting", "failing"]], ids=["at once", "after a restart"])
def test_failing_answers_who_waits_for_an_answer(states: list[str]) -> None:
    async def main() -> None:
        arrived = asyncio.Event()
        service = Upstream("api", state="ready")

        async def handler(conversation: Conversation) -> None:
            await conversation.head()
            arrived.set()
            await conversation.reader.read()

        async with RawUpstream(handler) as upstream, running_gateway({"api": service}) as front:
            service.addresses = (upstream.address,)
            for request in (
                front.request(),
                front.request(method="POST", fields="Content-Length: 1\r\n", body=b"x"),
            ):
                service.become("ready")
                arrived.clear()
                asked = asyncio.create_task(front.talk(request))
                await arrived.wait()
                for state in states:
                    service.become(state)
                assert status_of(await asked) == 502

    run(main())


def test_an_event_stream_that_has_not_begun_lets_its_server_go_and_is_held() -> None:
    async def main() -> None:
        arrived, left = asyncio.Event(), asyncio.Event()
        service = Upstream("api", state="ready")

        async def handler(conversation: Conversation) -> None:
            await conversation.head()
            if conversation.number > 1:
                await conversation.send(OK)
                return
            arrived.set()
            try:
                await conversation.reader.read()
            finally:
                left.set()

        async with RawUpstream(handler) as upstream, running_gateway({"api": service}) as front:
            service.addresses = (upstream.address,)
            asked = asyncio.create_task(front.talk(front.request(fields=EVENTS)))
            await arrived.wait()
            service.become("restarting")
            await left.wait()
            service.become("ready")
            assert status_of(await asked) == 200

    run(main())


def test_a_request_that_may_not_be_held_is_still_known_of() -> None:
    async def main() -> None:
        asked: list[str] = []
        service = Upstream("docs", state="waiting", needed=lambda: asked.append("docs"))
        async with running_gateway({"docs": service}, hold=Hold(request_seconds=0)) as front:
            assert status_of(await front.talk(front.request())) == 503
            assert asked == ["docs"]

    run(main())


# -- what speaks against a service that is ready


def test_a_refused_connection_is_told() -> None:
    async def main() -> None:
        doubts: list[str] = []
        service = Upstream(
            "api", state="ready", addresses=(("127.0.0.1", free_port()),), doubted=lambda: doubts.append("api")
        )
        async with running_gateway({"api": service}) as front:
            asked = asyncio.create_task(front.talk(front.request()))
            await auntil(lambda: doubts)
            service.become("crashed")
            assert status_of(await asked) == 502

    run(main())


def test_an_idle_connection_that_ends_by_itself_is_told() -> None:
    async def main() -> None:
        doubts: list[str] = []

        async def handler(conversation: Conversation) -> None:
            await conversation.head()
            await conversation.send(OK)  # and then it ends, though it did not say so

        async with RawUpstream(handler) as upstream:
            service = Upstream(
                "api", state="ready", addresses=(upstream.address,), doubted=lambda: doubts.append("api")
            )
            async with running_gateway({"api": service}) as front:
                assert status_of(await front.talk(front.request())) == 200
                await auntil(lambda: doubts)
                assert not service._idle

    run(main())


def test_a_connection_that_we_have_closed_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream_module, "IDLE_SECONDS", 0.01)

    async def main() -> None:
        doubts: list[str] = []
        async with RawUpstream(answering(OK)) as upstream:
            service = Upstream(
                "api", state="ready", addresses=(upstream.address,), doubted=lambda: doubts.append("api")
            )
            async with running_gateway({"api": service}) as front:
                assert status_of(await front.talk(front.request())) == 200
                await auntil(lambda: upstream.ended == 1)  # it was idle for too long
                assert doubts == []

    run(main())
