"""What all connections share: routes, refusals, and that nothing is left of a request that is over."""

import asyncio
import gc
import json
import os
import random
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest

from devproxy.config.model import FieldEdits, Hold, Route
from devproxy.gateway.asgi import AsgiExchange, Receive, Scope, Send
from devproxy.gateway.gateway import MAX_KNOWN_HOSTS
from devproxy.gateway.mount import Mount
from devproxy.gateway.protocol import GatewayProtocol
from devproxy.proxy.exchange import Exchange
from devproxy.proxy.relay import Relay
from devproxy.proxy.upstream import Upstream, UpstreamConnection
from tests.support import auntil, run
from tests.support.gateway import RunningGateway, body_of, ready, running_gateway, status_of
from tests.support.upstream import OK, Conversation, RawUpstream, answering

HOST = b"Host: localhost\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"
UPGRADE = b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

# -- where requests go


def test_a_path_that_no_route_takes_is_a_404_that_names_the_routes() -> None:
    async def main() -> None:
        routes = (Route(to=("api",), prefix="/api"), Route(to=("api",), regex="^/v[0-9]"))
        async with running_gateway({"api": Upstream("api")}, routes) as front:
            answer = await front.talk(front.request("/nowhere?x"))
            problem = json.loads(body_of(answer))
            assert status_of(answer) == 404 and problem["status"] == 404
            assert problem["title"] == "No route takes /nowhere"
            assert "/api" in problem["detail"] and "^/v[0-9]" in problem["detail"]

    run(main())


def test_without_a_control_application_its_path_is_a_404_and_never_proxied() -> None:
    async def main() -> None:
        async with (
            RawUpstream(answering(OK)) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            assert status_of(await front.talk(front.request("/__devproxy/health"))) == 404
            assert upstream.connections == 0

    run(main())


def test_it_counts_the_requests_that_it_was_sent() -> None:
    async def main() -> None:
        async with running_gateway({"api": Upstream("api")}, (Route(to=("api",), prefix="/api"),)) as front:
            for number in range(3):
                assert front.gateway.requests == number
                await front.talk(front.request("/nowhere"))

    run(main())


def test_a_routes_edits_reach_both_heads() -> None:
    seen: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        seen.append(await conversation.head())
        await conversation.send(b"HTTP/1.1 200 OK\r\nX-Powered-By: x\r\nContent-Length: 0\r\n\r\n")

    async def main() -> None:
        route = Route(
            to=("api",), prefix="/", request_headers=FieldEdits(set={"X-Env": "dev"}, remove=("Cookie",)),
            response_headers=FieldEdits(set={"Cache-Control": "no-store"}, remove=("x-powered-by",)),
        )  # fmt: skip
        async with (
            RawUpstream(handler) as upstream,
            running_gateway({"api": ready("api", upstream.address)}, (route,)) as front,
        ):
            answer = await front.talk(front.request(fields="Cookie: a=b\r\n"))
            assert b"X-Env: dev\r\n" in seen[0] and b"Cookie" not in seen[0]
            assert b"Cache-Control: no-store\r\n" in answer and b"X-Powered-By" not in answer

    run(main())


def test_a_trusted_proxys_word_is_taken_and_nobody_elses() -> None:
    seen: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        seen.append(await conversation.head())
        await conversation.send(OK)

    async def main(trusted: tuple[str, ...]) -> bytes:
        async with RawUpstream(handler) as upstream:
            async with running_gateway({"api": ready("api", upstream.address)}, trusted_proxies=trusted) as front:
                await front.talk(front.request(fields="X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n"))
        return seen.pop()

    believed = run(main(("127.0.0.0/8",)))
    assert b"X-Forwarded-For: 6.6.6.6, 127.0.0.1\r\n" in believed and b"X-Forwarded-Proto: https\r\n" in believed
    assert b"6.6.6.6" not in run(main(("10.0.0.0/8",)))


def test_hosts_that_were_admitted_are_remembered_and_not_without_bound() -> None:
    async def main() -> None:
        async with (
            RawUpstream(answering(OK)) as upstream,
            running_gateway({"api": ready("api", upstream.address)}) as front,
        ):
            for number in range(MAX_KNOWN_HOSTS + 10):
                host = f"Host: a{number}.localhost\r\n".encode()
                assert status_of(await front.talk(b"GET / HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")) == 200
            assert len(front.gateway._known_hosts) <= MAX_KNOWN_HOSTS
            for _ in range(2):  # a refusal is not remembered as anything else
                assert (
                    status_of(await front.talk(b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"))
                    == 403
                )

    run(main())


def test_an_upgrade_that_is_no_websocket_goes_on_as_an_ordinary_request() -> None:
    seen: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        seen.append(await conversation.head())
        await conversation.send(OK)

    async def main() -> None:
        async with RawUpstream(handler) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            fields = b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"
            assert body_of(await front.talk(b"GET / HTTP/1.1\r\n" + HOST + fields + b"\r\n")) == b"ok"
            assert b"pgrade" not in seen[0] and b"HTTP2" not in seen[0]

    run(main())


# -- nothing is left


async def slow(conversation: Conversation) -> None:
    """Answers each request in its own endless way."""
    while True:
        target = (await conversation.head()).split(b" ")[1]
        if target == b"/ws":
            await conversation.send(
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            )
            while data := await conversation.reader.read(65536):
                await conversation.send(data)
            return
        if target == b"/stream":
            await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
            await conversation.reader.read()
            return
        if target == b"/big":
            await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            while True:
                await conversation.send(b"x" * 100_000)
        if target == b"/silent":
            await conversation.reader.read()
            return
        await conversation.send(OK)


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\n".encode() + HOST + b"\r\n"


def upload(target: str) -> bytes:
    return f"POST {target} HTTP/1.1\r\n".encode() + HOST + b"Content-Length: 10000000\r\n\r\n" + b"x" * 10_000


# What is sent, and how many bytes of an answer are awaited before the client leaves.
ABORTED = [
    (b"GET / HT", 0), (get("/silent"), 0), (get("/big"), 1000), (get("/stream"), 60), (UPGRADE, 60), (UPGRADE + b"early", 60), (upload("/silent"), 0), (upload("/"), 1),
    (get("/held"), 0), (upload("/held"), 0), (get("/refused"), 0), (get("/__devproxy/x"), 60), (upload("/__devproxy/x"), 60), (GET * 5, 30), (get("/big") * 3, 30),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", 0), (b"POST /x HTTP/1.1\r\nHost: evil\r\nContent-Length: 9\r\n\r\n", 1),
]  # fmt: skip


def alive() -> dict[str, int]:
    gc.collect()
    kinds = (Exchange, AsgiExchange, GatewayProtocol, UpstreamConnection, Relay)
    found = [type(each).__name__ for each in gc.get_objects() if isinstance(each, kinds)]
    return {name: found.count(name) for name in set(found)}


async def nobody_is_connected(front: RunningGateway) -> None:
    """After the sweep that the gateway makes every few seconds."""
    now = asyncio.get_running_loop().time()

    def swept() -> bool:
        for connection in tuple(front.gateway._connections):
            connection.expire(now)
        return not front.gateway._connections

    await auntil(swept)


def leave(writer: asyncio.StreamWriter, how: int) -> None:
    if writer.is_closing():  # the other side has reset it
        return
    if how == 0:
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif how == 1:
        writer.write_eof()
        writer.close()
    writer.transport.abort()


def test_a_thousand_aborted_requests_leave_no_connection_task_or_file_behind() -> None:
    async def main() -> None:
        async with RawUpstream(slow) as upstream:
            held = Upstream("held", state="starting")
            refused = ready("refused", ("127.0.0.1", 1))
            service = ready("api", upstream.address)
            routes = tuple(
                Route(to=(to,), prefix=prefix)
                for to, prefix in (("api", "/"), ("held", "/held"), ("refused", "/refused"))
            )
            backends = {"api": service, "held": held, "refused": refused}
            async with running_gateway(backends, routes, control=Mount(lambda: endless)) as front:

                async def abort(number: int) -> None:
                    sent, awaited = ABORTED[number % len(ABORTED)]
                    reader, writer = await front.open()
                    writer.write(sent)
                    if awaited:
                        await reader.readexactly(awaited)
                    leave(writer, number // len(ABORTED) % 3)

                async def settled() -> None:
                    await nobody_is_connected(front)
                    await auntil(lambda: service.purge() or upstream.ended == upstream.connections)

                for number in range(len(ABORTED)):  # once, so that what is loaded and cached only once is there
                    await abort(number)
                await settled()
                before, files, tasks = alive(), len(os.listdir("/dev/fd")), len(asyncio.all_tasks())
                for start in range(0, 1000, 50):
                    await asyncio.gather(*(abort(number) for number in range(start, start + 50)))
                await settled()
                await auntil(lambda: len(asyncio.all_tasks()) <= tasks and len(os.listdir("/dev/fd")) <= files)
                assert alive() == before
                for each in backends.values():
                    assert not (each._waiting or each.streams or each._dials or each._idle)
                assert status_of(await front.talk(front.request())) == 200

    run(main())


def test_requests_that_were_answered_leave_nothing_behind_either() -> None:
    async def main() -> None:
        async with RawUpstream(slow) as upstream, running_gateway({"api": ready("api", upstream.address)}) as front:
            reader, writer = await front.open()
            writer.write(GET)
            await reader.readuntil(b"ok")
            before = alive()
            assert "Exchange" not in before
            for _ in range(200):
                writer.write(GET)
                await reader.readuntil(b"ok")
            assert alive() == before
            writer.close()

    run(main())


# -- any bytes


SEEDS = [GET, UPGRADE, *(sent for sent, _ in ABORTED[5:10]), get("/__devproxy/x"), GET * 3,
         b"PUT / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n" + GET,
         b"GET /__devproxy/ws HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
         b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x82\x82\0\0\0\0hi"]  # fmt: skip
TOKENS = [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b"\x0b", b"\xff", b"%00", b"#", b"0", b"-1", b"Content-Length: 3\r\n",
          b"Transfer-Encoding: chunked\r\n", b"Host: localhost\r\n", b"Connection: close\r\n", b"Connection: upgrade\r\n", b"Expect: 100-continue\r\n",
          b"Origin: null\r\n", b"HTTP/1.0", b"http://localhost", b"\r\n\r\n", b"\x88\x00"]  # fmt: skip


def mutated(chance: random.Random) -> bytes:
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randrange(6)):
        place = chance.randrange(len(data) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            data[place:place] = chance.choice(TOKENS)
        elif kind == 1:
            del data[place : place + chance.randrange(1, 20)]
        elif kind == 2:
            data[place:place] = chance.randbytes(chance.randrange(1, 5))
        else:
            data[place:place] = data[chance.randrange(len(data) + 1) :][:40]
    return bytes(data)


async def talk_nonsense(front: RunningGateway, chance: random.Random) -> None:
    reader, writer = await front.open()
    data = mutated(chance)
    try:
        while data and not writer.is_closing():  # refused in the middle of it
            cut = chance.choice((1, 10, len(data)))
            writer.write(data[:cut])
            data = data[cut:]
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            await asyncio.wait_for(reader.read(chance.choice((1, 1000))), 0.02)
    except (TimeoutError, ConnectionError):
        pass
    leave(writer, chance.randrange(3))


def nonsense_from_upstream(chance: random.Random) -> Callable[[Conversation], Awaitable[None]]:
    answers = [OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: 1\r\n\r\n", b"HTTP/1.1 103 X\r\n\r\n" + OK, b"HTTP/1.0 200 OK\r\n\r\nok",
               b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nhi", b"HTTP/1.1 204 No\r\n\r\n", b"HTTP/1.1 304 Not\r\nContent-Length: 9\r\n\r\n"]  # fmt: skip

    async def handler(conversation: Conversation) -> None:
        for _ in range(chance.randrange(1, 4)):
            await conversation.head()
            answer = bytearray(chance.choice(answers))
            for _ in range(chance.randrange(3)):
                place = chance.randrange(len(answer) + 1)
                answer[place : place + chance.randrange(4)] = chance.choice(TOKENS)
            cut = chance.randrange(len(answer) + 1)
            await conversation.send(answer[:cut])
            await conversation.send(answer[cut:])
        leave(conversation.writer, chance.randrange(3))

    return handler


@pytest.mark.parametrize("seed", range(4))
def test_no_bytes_from_either_side_raise_in_the_loop_or_harm_the_next_request(seed: int) -> None:
    """`running_gateway` fails if anything was raised."""

    async def main() -> None:
        chance = random.Random(seed)
        async with RawUpstream(nonsense_from_upstream(chance)) as broken, RawUpstream(answering(OK)) as sound:
            backends = {"broken": ready("broken", broken.address), "sound": ready("sound", sound.address)}
            routes = (Route(to=("broken",), prefix="/"), Route(to=("sound",), prefix="/sound"))
            hold = Hold(document_seconds=0.1, request_seconds=0.1, websocket_seconds=0.1, refused_seconds=0.1)
            async with running_gateway(backends, routes, hold=hold, control=Mount(lambda: endless)) as front:
                for _ in range(10):
                    await asyncio.gather(*(talk_nonsense(front, chance) for _ in range(30)))
                    assert body_of(await front.talk(front.request("/sound"))) == b"ok"
                await nobody_is_connected(front)

    run(main())
