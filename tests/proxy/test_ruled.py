"""Requests on routes that change something, through a real gateway to raw upstreams."""

import asyncio

from devproxy.config.model import FieldEdits, Route
from devproxy.proxy.balance import Balanced, Member, Standing
from devproxy.proxy.routes import backend_of
from devproxy.proxy.ruled import RuledExchange
from tests.support import auntil, run
from tests.support.gateway import RunningGateway, body_of, ready, running_gateway, status_of
from tests.support.upstream import OK, Conversation, Handler, RawUpstream, answering

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSet-Cookie: a=1\r\n\r\n"


class Recorded:
    """An upstream that remembers each request, body included, and answers OK."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []

    async def __call__(self, conversation: Conversation) -> None:
        while True:
            head = await conversation.head()
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            body = await conversation.reader.readexactly(int(length or 0))
            self.requests.append(head + body)
            await conversation.send(OK)


async def answers(handler: Handler, route: Route, *requests: bytes) -> tuple[list[bytes], int]:
    """What clients get for these requests, sent one after another on one connection each; the upstream's connections."""
    async with RawUpstream(handler) as upstream:
        async with running_gateway({"api": ready("api", upstream.address)}, (route,)) as front:
            found = [await front.talk(request) for request in requests]
        return found, upstream.connections


def post(body: bytes = b"", fields: str = "Connection: close\r\n", *, method: str = "POST") -> bytes:
    head = f"{method} /x?k=1 HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def silent(seconds: float = 0.1) -> Route:
    return Route(to=("api",), prefix="/", timeout_seconds=seconds)


def test_method_query_and_body_reach_the_upstream_as_the_route_says() -> None:
    upstream = Recorded()
    route = Route(to=("api",), prefix="/", set_method="PUT", set_query={"k": "v"}, set_body='{"a": 1}')
    found, connections = run(answers(upstream, route, post(b"theirs"), post(b""), post(b"x" * 200_000)))
    assert [status_of(answer) for answer in found] == [200, 200, 200]
    assert len(upstream.requests) == 3
    for request in upstream.requests:
        assert request.startswith(b"PUT /x?k=v HTTP/1.1\r\n")
        assert request.endswith(b'\r\n\r\n{"a": 1}')
    assert connections == 1  # none of the clients' own bodies went there, so that it can be used again


def test_a_chunked_body_is_replaced_whole_and_the_connection_goes_on() -> None:
    upstream = Recorded()
    route = Route(to=("api",), prefix="/", set_body="ours")
    chunked = b"POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    [answer], connections = run(answers(upstream, route, chunked + post(b"d")))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert [request[-4:] for request in upstream.requests] == [b"ours", b"ours"]
    assert connections == 1


def test_a_get_that_is_sent_as_post_is_never_sent_twice() -> None:
    async def dies(conversation: Conversation) -> None:
        await conversation.head()

    route = Route(to=("api",), prefix="/", set_method="POST")
    [answer], connections = run(answers(dies, route, post(method="GET")))
    assert (status_of(answer), connections) == (502, 1)


def test_the_edits_of_the_answer_are_made_on_a_101_too() -> None:
    async def switch(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(SWITCHED)

    edits = FieldEdits(set={"X-Seen": "1"}, remove=("Set-Cookie",))
    route = Route(to=("api",), prefix="/", response_headers=edits)
    upgrade = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    [answer], _ = run(answers(switch, route, upgrade))
    assert answer.startswith(b"HTTP/1.1 101 ") and b"X-Seen: 1\r\n" in answer and b"Set-Cookie" not in answer


def test_an_upstream_that_says_nothing_is_a_504_that_names_the_setting() -> None:
    async def says_nothing(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.reader.read(-1)

    for method in ("GET", "POST"):
        [answer], connections = run(answers(says_nothing, silent(), post(b"body", method=method)))
        assert status_of(answer) == 504
        assert b"api sent nothing for 0.1 s, the route's `timeout_seconds`." in answer
        assert connections == 1


def test_an_upstream_that_takes_no_more_of_a_body_is_a_504() -> None:
    async def takes_little(conversation: Conversation) -> None:
        await conversation.head()
        await asyncio.Event().wait()

    async def main() -> None:
        async with RawUpstream(takes_little) as upstream:
            async with running_gateway({"api": ready("api", upstream.address)}, (silent(),)) as front:
                reader, writer = await front.open()
                writer.write(post(bytes(64 * 2**20)))  # more than all the buffers on the way
                assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 504")
                writer.transport.abort()

    run(main())


def test_a_half_answer_to_an_upgrade_is_a_504() -> None:
    async def half(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 101 Swi")
        await conversation.reader.read(-1)

    async def main() -> None:
        async with RawUpstream(half) as upstream:
            async with running_gateway({"api": ready("api", upstream.address)}, (silent(),)) as front:
                reader, writer = await front.open()
                writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 504")
                writer.close()

    run(main())


def exchange_of(front: RunningGateway) -> RuledExchange:
    """The one exchange that is under way."""
    [exchange] = [connection._sink for connection in front.gateway._connections]
    assert isinstance(exchange, RuledExchange)
    return exchange


def test_once_an_answer_has_begun_its_silence_has_no_limit() -> None:
    released = asyncio.Event()

    async def pauses(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        await released.wait()
        await conversation.send(b"cd")

    async def main() -> None:
        async with RawUpstream(pauses) as upstream:
            async with running_gateway({"api": ready("api", upstream.address)}, (silent(5),)) as front:
                reader, writer = await front.open()
                writer.write(front.request())
                await reader.readuntil(b"ab")
                assert exchange_of(front)._limit is None
                released.set()
                assert await reader.read(-1) == b"cd"
                writer.close()

    run(main())


def test_a_client_that_takes_its_time_over_a_body_is_no_silence_of_the_upstream() -> None:
    """The limit passes while the client pauses; what counts begins when it has sent all."""

    async def main() -> None:
        async with RawUpstream(Recorded()) as upstream:
            async with running_gateway({"api": ready("api", upstream.address)}, (silent(2),)) as front:
                reader, writer = await front.open()
                writer.write(post(b"ab")[:-1])
                await auntil(lambda: upstream.connections)
                exchange = exchange_of(front)
                first = await auntil(lambda: exchange._limit)
                await auntil(lambda: exchange._limit is not first)  # it was looked at, and no fault was found
                assert not exchange.answering
                writer.write(b"b")
                assert status_of(await reader.read(-1)) == 200
                writer.close()

    run(main())


def test_an_interim_answer_is_a_sign_of_life() -> None:
    async def main() -> None:
        released = asyncio.Event()

        async def hints(conversation: Conversation) -> None:
            await conversation.head()
            await released.wait()
            await conversation.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
            await conversation.reader.read(-1)

        async with RawUpstream(hints) as upstream:
            async with running_gateway({"api": ready("api", upstream.address)}, (silent(5),)) as front:
                reader, writer = await front.open()
                writer.write(front.request())
                await auntil(lambda: upstream.connections)
                exchange = exchange_of(front)
                await auntil(lambda: exchange._active)
                before = exchange._active
                released.set()
                await reader.readuntil(b"\r\n\r\n")
                assert exchange._active > before
                writer.close()

    run(main())


def test_without_a_limit_nothing_is_timed() -> None:
    route = Route(to=("api",), prefix="/", response_headers=FieldEdits(remove=("X",)))

    async def main() -> None:
        async with RawUpstream(Recorded()) as upstream:
            async with running_gateway({"api": ready("api", upstream.address)}, (route,)) as front:
                answer = await front.talk(front.request())
                assert (status_of(answer), body_of(answer)) == (200, b"ok")

    run(main())


def test_a_path_in_a_routes_url_stands_in_front_of_every_path() -> None:
    seen: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        while True:
            seen.append((await conversation.head()).split(b" ")[1])
            await conversation.send(OK)

    async def main() -> None:
        async with RawUpstream(handler) as upstream:
            url = f"http://127.0.0.1:{upstream.port}/v2"
            routes = (
                Route(to=(url,), prefix="/"),
                Route(to=(url,), prefix="/api", strip_prefix=True),
                Route(to=(url,), regex="^/r"),
            )
            async with running_gateway({url: ready(url, upstream.address)}, routes) as front:
                for path in ("/", "/x%2F?a=/b", "/api", "/api/x//y", "/api?q", "/r/1"):
                    assert status_of(await front.talk(front.request(path))) == 200

    run(main())
    assert seen == [b"/v2/", b"/v2/x%2F?a=/b", b"/v2/", b"/v2/x//y", b"/v2/?q", b"/v2/r/1"]


def test_redirects_and_cookies_of_a_rewritten_origin_reach_the_client_as_ours() -> None:
    heads: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        while True:
            heads.append(await conversation.head())
            await conversation.send(
                b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/login\r\n"
                % conversation.writer.get_extra_info("sockname")[1]
                + b"Set-Cookie: a=1; Domain=example.test; Secure\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n"
            )

    async def main() -> None:
        async with RawUpstream(handler) as upstream:
            url = f"http://127.0.0.1:{upstream.port}"
            route = Route(to=(url,), prefix="/api", strip_prefix=True, rewrite_origin=True)
            async with running_gateway({url: ready(url, upstream.address)}, (route,)) as front:
                origin = f"http://localhost:{front.port}"
                answer = await front.talk(front.request("/api/x", fields=f"Origin: {origin}\r\n"))
                assert f"\r\nLocation: {origin}/api/login\r\n".encode() in answer
                assert b"\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n" in answer
                assert heads[0].startswith(f"GET /x HTTP/1.1\r\nHost: 127.0.0.1:{upstream.port}\r\n".encode())
                assert f"\r\nOrigin: {url}\r\n".encode() in heads[0]
                assert str(front.port).encode() not in heads[0]

    run(main())


def test_without_it_nothing_of_an_answer_is_rewritten() -> None:
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://x.test/\r\nSet-Cookie: a=1; Domain=x.test; Secure\r\nContent-Length: 0\r\n\r\n"
    [got], _ = run(answers(answering(answer), Route(to=("api",), prefix="/"), post()))
    assert b"Location: http://x.test/\r\nSet-Cookie: a=1; Domain=x.test; Secure\r\n" in got


def test_several_upstreams_are_asked_by_the_rules_as_one_is() -> None:
    first, second = Recorded(), Recorded()
    edits = FieldEdits(set={"X-Seen": "1"})
    route = Route(to=("a", "b"), prefix="/", set_method="PUT", set_body="ours", response_headers=edits)

    async def main() -> None:
        async with RawUpstream(first) as one, RawUpstream(second) as two:
            members = [Member(Standing(ready("a", one.address))), Member(Standing(ready("b", two.address)))]
            group = Balanced("a, b", members, balance="sticky")
            async with running_gateway({backend_of(route): group}, (route,)) as front:
                for _ in range(2):
                    answer = await front.talk(post(b"theirs"))
                    assert status_of(answer) == 200
                    assert b"X-Seen: 1\r\n" in answer and b"Set-Cookie: devproxy_sticky_" in answer
            assert [member.in_flight for member in members] == [0, 0]

    run(main())
    assert [request[:4] + request[-4:] for request in (*first.requests, *second.requests)] == [b"PUT ours"] * 2


def test_one_of_several_that_says_nothing_is_a_504_and_has_its_turn_behind_it() -> None:
    async def says_nothing(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.reader.read(-1)

    async def main() -> None:
        async with RawUpstream(says_nothing) as upstream:
            member = Member(Standing(ready("a", upstream.address)))
            async with running_gateway({"api": Balanced("a, b", [member])}, (silent(),)) as front:
                answer = await front.talk(front.request())
            assert status_of(answer) == 504 and b"a sent nothing for 0.1 s" in answer
            assert member.in_flight == 0

    run(main())
