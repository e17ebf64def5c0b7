"""Several upstreams behind one name: whose turn it is, who is left out, and what a request sees of that."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from devproxy.proxy.balance import Balanced, joint_state
from devproxy.proxy.upstream import Upstream
from tests.support import auntil, free_port, run
from tests.support.gateway import RunningGateway, body_of, ready, running_gateway, status_of
from tests.support.upstream import RawUpstream, answering


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
async def group(count: int, needed: Callable[[], None] = lambda: None) -> AsyncIterator[Group]:
    async with AsyncExitStack() as stack:
        answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number for number in range(1, count + 1)]
        servers = [await stack.enter_async_context(RawUpstream(answering(answer))) for answer in answers]
        members = [ready(f"api.{number}", server.address) for number, server in enumerate(servers, 1)]
        whole = Balanced("api", members, needed=needed)
        backends = {"api": whole, **{member.name: member for member in members}}
        front = await stack.enter_async_context(running_gateway(backends))
        yield Group(front, whole, members, servers)


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ("ready crashed starting", "ready"),
        ("crashed starting stopped", "starting"),
        ("restarting waiting", "restarting"),
        ("stopped crashed done", "crashed"),
        ("done stopped", "stopped"),
    ],
)
def test_their_state_is_that_of_who_will_answer_first(states: str, state: str) -> None:
    assert joint_state(states.split()) == state


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
