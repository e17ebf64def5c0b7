"""Several upstreams behind one name: whose turn it is, who is left out, and what a request sees of that."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from devproxy.config.model import Balance, Hold, MaxRequests, Probe
from devproxy.proxy.balance import Balanced, Member, Standing
from devproxy.proxy.upstream import Upstream
from tests.support import auntil, free_port, run
from tests.support.gateway import RunningGateway, body_of, ready, running_gateway, status_of
from tests.support.upstream import OK, Conversation, RawUpstream, answering


@dataclass
class Group:
    """A gateway in front of members that answer 1, 2 and so on."""

    front: RunningGateway
    whole: Balanced
    members: list[Upstream]
    servers: list[RawUpstream]

    async def asked(self, times: int) -> str:
        """Who answered."""
        return "".join([body_of(await self.front.talk(self.front.request())).decode() for _ in range(times)])


@asynccontextmanager
async def group(
    count: int,
    needed: Callable[[], None] = lambda: None,
    *,
    balance: Balance = "round-robin",
    probe: Probe | None = None,
    hold: Hold | None = None,
) -> AsyncIterator[Group]:
    async with AsyncExitStack() as stack:
        answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number for number in range(1, count + 1)]
        servers = [await stack.enter_async_context(RawUpstream(answering(answer))) for answer in answers]
        members = [ready(f"api.{number}", server.address) for number, server in enumerate(servers, 1)]
        whole = Balanced(
            "api", [Member(Standing(member, probe=probe)) for member in members], balance=balance, needed=needed
        )
        backends = {"api": whole, **{member.name: member for member in members}}
        front = await stack.enter_async_context(running_gateway(backends, hold=hold))
        yield Group(front, whole, members, servers)


def test_each_gets_its_turn_on_a_connection_that_is_kept() -> None:
    async def main() -> None:
        async with group(3) as api:
            assert await api.asked(9) == "123123123"
            assert [server.connections for server in api.servers] == [1, 1, 1]

    run(main())


def test_who_is_not_ready_is_left_out_and_its_connections_end() -> None:
    async def main() -> None:
        async with group(3) as api:
            await api.asked(3)
            api.members[1].become("restarting")
            await auntil(lambda: api.servers[1].ended == 1)
            assert sorted(await api.asked(4)) == ["1", "1", "3", "3"]
            api.members[1].become("ready")
            assert sorted(await api.asked(3)) == ["1", "2", "3"]

    run(main())


def test_who_refuses_though_it_is_ready_costs_no_request() -> None:
    async def main() -> None:
        async with group(2) as api:
            api.members[0].addresses = (("127.0.0.1", free_port()),)
            assert await api.asked(4) == "2222"

    run(main())


def test_a_request_waits_only_while_none_is_ready_and_goes_to_the_first_that_is() -> None:
    waited: list[bool] = []

    async def main() -> None:
        async with group(2, needed=lambda: waited.append(True)) as api:
            api.members[0].become("crashed")
            assert await api.asked(1) == "2"
            assert not waited
            api.members[1].become("restarting")
            asking = asyncio.create_task(api.asked(1))
            await auntil(lambda: waited)
            api.members[0].become("ready")
            assert await asking == "1"
            for member in api.members:
                member.become("crashed")
            assert status_of(await api.front.talk(api.front.request())) == 502

    run(main())


def test_an_event_stream_ends_with_the_one_that_sends_it() -> None:
    async def main() -> None:
        async with group(2) as api:
            events = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n"
            async with RawUpstream(answering(events)) as source:
                api.members[0].addresses = (source.address,)
                reader, writer = await api.front.open()
                writer.write(api.front.request(fields="Accept: text/event-stream\r\n"))
                await reader.readuntil(b"data: x\n\n")
                api.members[1].become("restarting")
                assert api.members[0].streams
                api.members[0].become("restarting")
                assert await reader.read() == b""
                assert not api.members[0].streams
                writer.close()

    run(main())


def test_a_group_that_is_closed_hears_no_more_of_its_members() -> None:
    async def main() -> None:
        async with group(2) as api:
            await api.whole.close()
            for member in api.members:
                member.become("stopped")
            assert api.whole.state == "ready"

    run(main())


# -- the one with the least latency


def test_requests_go_to_the_one_that_answers_its_probe_soonest() -> None:
    async def main() -> None:
        async with group(3, balance="least-latency", probe=Probe()) as api:
            for member, latency in zip(api.whole.members, (0.2, 0.001, 0.1), strict=True):
                member.standing.probed(is_well=True, answer="", latency=latency)
            assert await api.asked(3) == "222"
            api.whole.members[1].standing.probed(is_well=False, answer="", latency=None)
            assert await api.asked(3) == "333"
            for _ in range(9):
                api.whole.members[2].standing.probed(is_well=True, answer="", latency=0.9)
            assert await api.asked(3) == "111"

    run(main())


def test_who_is_found_to_be_ill_gets_no_requests_while_another_is_well_and_all_of_them_when_none_is() -> None:
    async def main() -> None:
        async with group(2, probe=Probe()) as api:
            api.whole.members[0].standing.probed(is_well=False, answer="", latency=None)
            api.whole.members[1].standing.probed(is_well=True, answer="", latency=0.1)
            assert await api.asked(4) == "2222"
            api.whole.members[1].standing.probed(is_well=False, answer="", latency=None)
            assert sorted(await api.asked(4)) == ["1", "1", "2", "2"]

    run(main())


# -- always the same one


def cookie_of(answer: bytes) -> str:
    found = re.findall(
        rb"\r\nSet-Cookie: (devproxy_sticky_[0-9a-f]{8}=[0-9a-f]{8}); Path=/; HttpOnly; SameSite=Lax\r\n", answer
    )
    assert len(found) <= 1
    return found[0].decode() if found else ""


def test_a_client_comes_back_to_the_one_that_it_was_with() -> None:
    async def main() -> None:
        async with group(3, balance="sticky") as api:
            for expected in ("1", "2", "3"):
                first = await api.front.talk(api.front.request())
                assert body_of(first).decode() == expected
                fields = f"Cookie: a=b; {cookie_of(first)}; c=d\r\n"
                for _ in range(4):
                    again = await api.front.talk(api.front.request(fields=fields))
                    assert (body_of(again).decode(), cookie_of(again)) == (expected, "")

    run(main())


@pytest.mark.parametrize("value", ["00000000", "", "x" * 5000])
def test_a_cookie_that_names_nobody_is_replaced(value: str) -> None:
    async def main() -> None:
        async with group(2, balance="sticky") as api:
            name = cookie_of(await api.front.talk(api.front.request())).partition("=")[0]
            answer = await api.front.talk(api.front.request(fields=f"Cookie: {name}={value}\r\n"))
            assert cookie_of(answer)

    run(main())


def test_the_client_of_one_that_is_gone_stays_with_another() -> None:
    async def main() -> None:
        async with group(2, balance="sticky") as api:
            fields = f"Cookie: {cookie_of(await api.front.talk(api.front.request()))}\r\n"
            api.members[0].become("crashed")
            moved = await api.front.talk(api.front.request(fields=fields))
            assert body_of(moved) == b"2"
            assert cookie_of(moved)
            api.members[0].become("ready")
            fields = f"Cookie: {cookie_of(moved)}\r\n"
            assert body_of(await api.front.talk(api.front.request(fields=fields))) == b"2"

    run(main())


def test_two_groups_and_two_projects_have_cookies_of_their_own() -> None:
    members = [Member(Standing(ready("a"))), Member(Standing(ready("b")))]
    names = [("api", "/shop"), ("web", "/shop"), ("api", "/other")]
    assert len({Balanced(name, members, cookie=root).cookie for name, root in names}) == 3


# -- no more than it may get


@asynccontextmanager
async def slow(limit: MaxRequests, count: int = 1) -> AsyncIterator[tuple[RunningGateway, Balanced, asyncio.Event]]:
    """Upstreams that answer when the event says so."""
    may_answer = asyncio.Event()

    async def handler(conversation: Conversation) -> None:
        while True:
            await conversation.head()
            await may_answer.wait()
            await conversation.send(OK)

    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(RawUpstream(handler)) for _ in range(count)]
        whole = Balanced(
            "api", [Member(Standing(ready(f"api.{one.port}", one.address)), limit=limit) for one in servers]
        )
        yield await stack.enter_async_context(running_gateway({"api": whole})), whole, may_answer


def test_one_more_than_may_be_in_flight_is_a_503_that_says_when_to_come_back() -> None:
    async def main() -> None:
        async with slow(MaxRequests(in_flight=2)) as (front, whole, may_answer):
            asking = [asyncio.create_task(front.talk(front.request())) for _ in range(2)]
            await auntil(lambda: whole.members[0].in_flight == 2)
            refused = await front.talk(front.request())
            assert status_of(refused) == 503
            assert b"\r\nRetry-After: 1\r\n" in refused
            assert whole.refused == 1
            may_answer.set()
            assert [status_of(answer) for answer in await asyncio.gather(*asking)] == [200, 200]
            assert whole.members[0].in_flight == 0
            assert status_of(await front.talk(front.request())) == 200

    run(main())


def test_or_it_goes_to_the_next_and_is_refused_when_all_are_full() -> None:
    async def main() -> None:
        async with slow(MaxRequests(in_flight=1, over="next"), count=2) as (front, whole, may_answer):
            asking = [asyncio.create_task(front.talk(front.request())) for _ in range(2)]
            await auntil(lambda: [member.in_flight for member in whole.members] == [1, 1])
            assert status_of(await front.talk(front.request())) == 503
            may_answer.set()
            assert [status_of(answer) for answer in await asyncio.gather(*asking)] == [200, 200]

    run(main())


def test_a_client_that_leaves_makes_room() -> None:
    async def main() -> None:
        async with slow(MaxRequests(in_flight=1)) as (front, whole, _):
            _, writer = await front.open()
            writer.write(front.request())
            await auntil(lambda: whole.members[0].in_flight == 1)
            writer.close()
            await auntil(lambda: whole.members[0].in_flight == 0)

    run(main())


def test_of_many_in_one_second_some_get_through_and_some_are_refused() -> None:
    async def main() -> None:
        async with slow(MaxRequests(per_second=2)) as (front, _, may_answer):
            may_answer.set()
            reader, writer = await front.open()
            one = f"GET / HTTP/1.1\r\nHost: localhost:{front.port}\r\n\r\n".encode()
            writer.write(one * 99 + front.request())
            statuses = re.findall(rb"HTTP/1\.1 (\d+) ", await reader.read(-1))
            writer.close()
            assert len(statuses) == 100
            assert statuses[:2] == [b"200", b"200"]
            assert b"503" in statuses

    run(main())


# -- who fails


def test_who_refuses_is_left_out_for_a_while_and_then_tried_again() -> None:
    async def main() -> None:
        async with group(2) as api:
            first, address = api.whole.members[0], api.members[0].addresses
            api.members[0].addresses = (("127.0.0.1", free_port()),)
            assert await api.asked(2) == "22"
            assert first.standing.ejection.failures == 1
            assert first.requests == 1
            api.members[0].addresses = address
            await auntil(lambda: answered_by(api, "1"))
            assert first.standing.ejection.failures == 0

    run(main())


async def answered_by(api: Group, who: str) -> bool:
    return await api.asked(1) == who


@pytest.mark.parametrize(("method", "expected"), [("GET", 200), ("POST", 502)])
def test_a_request_whose_upstream_ends_without_an_answer_goes_to_another_if_it_may_be_sent_twice(
    method: str, expected: int
) -> None:
    heads: list[bytes] = []

    async def leaving(conversation: Conversation) -> None:
        heads.append(await conversation.head())

    async def main() -> None:
        async with group(2) as api, RawUpstream(leaving) as other:
            api.members[0].addresses = (other.address,)
            answer = await api.front.talk(api.front.request(method=method, fields="Content-Length: 0\r\n"))
            assert status_of(answer) == expected
            assert (len(heads), api.servers[1].connections) == (1, int(expected == 200))
            assert api.whole.members[0].standing.ejection.failures == 1
            assert [member.in_flight for member in api.whole.members] == [0, 0]

    run(main())


def test_a_request_whose_upstream_is_found_to_be_failing_goes_to_another() -> None:
    async def silent(conversation: Conversation) -> None:
        await conversation.reader.read()

    async def main() -> None:
        async with group(2) as api, RawUpstream(silent) as other:
            api.members[0].addresses = (other.address,)
            asking = asyncio.create_task(api.asked(1))
            await auntil(lambda: api.members[0].unanswered)
            api.members[0].become("failing")
            assert await asking == "2"

    run(main())


def test_when_all_refuse_a_request_waits_for_the_first_that_comes_back() -> None:
    async def main() -> None:
        async with group(2) as api:
            address = api.members[1].addresses
            for member in api.members:
                member.addresses = (("127.0.0.1", free_port()),)
            asking = asyncio.create_task(api.asked(1))
            await auntil(lambda: all(member.standing.ejection.failures for member in api.whole.members))
            api.members[1].addresses = address
            assert await asking == "2"
            assert [member.in_flight for member in api.whole.members] == [0, 0]

    run(main())


def test_a_websocket_is_with_one_of_them_and_counts_until_it_is_accepted() -> None:
    async def accepting(conversation: Conversation) -> None:
        await conversation.head()
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        await conversation.send(b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + b"\r\nhello")
        await conversation.reader.read()

    async def main() -> None:
        async with group(2, balance="sticky") as api, RawUpstream(accepting) as other:
            for member in api.members:
                member.addresses = (other.address,)
            reader, writer = await api.front.open()
            fields = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
            writer.write(f"GET /ws HTTP/1.1\r\nHost: localhost:{api.front.port}\r\n{fields}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert status_of(head) == 101
            assert cookie_of(head)
            assert await reader.readexactly(5) == b"hello"
            assert [member.in_flight for member in api.whole.members] == [0, 0]
            writer.close()

    run(main())


def test_who_has_failed_a_request_is_not_asked_for_it_again_though_it_is_the_quickest() -> None:
    async def main() -> None:
        async with group(2, balance="least-latency", probe=Probe(), hold=Hold(refused_seconds=0)) as api:
            api.members[0].addresses = (("127.0.0.1", free_port()),)
            for member, latency in zip(api.whole.members, (0.001, 0.1), strict=True):
                member.standing.probed(is_well=False, answer="", latency=latency)
            assert await api.asked(1) == "2"

    run(main())


def test_one_that_has_restarted_is_no_longer_left_out() -> None:
    async def main() -> None:
        async with group(2) as api:
            api.whole.members[0].standing.failed(asyncio.get_running_loop().time() + 1000)
            assert await api.asked(2) == "22"
            api.members[0].become("restarting")
            api.members[0].become("ready")
            assert "1" in await api.asked(2)

    run(main())


def test_the_end_of_a_connection_that_was_kept_is_no_failure() -> None:
    async def answering_once(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1")
        await conversation.head()

    async def main() -> None:
        async with group(2, balance="sticky") as api, RawUpstream(answering_once) as other:
            api.members[0].addresses = (other.address,)
            first = await api.front.talk(api.front.request())
            fields = f"Cookie: {cookie_of(first)}\r\n"
            again = await api.front.talk(api.front.request(fields=fields))
            assert (body_of(again), cookie_of(again)) == (b"1", "")
            assert other.connections == 2

    run(main())
