"""An application that is loaded when it is first needed."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from devproxy.gateway.asgi import Application, Receive, Scope, Send
from devproxy.gateway.gateway import Gateway
from devproxy.gateway.mount import Mount, Postponed
from tests.support import auntil, run
from tests.support.gateway import RunningGateway, body_of, ready, running_gateway, status_of
from tests.support.upstream import OK, RawUpstream, answering


async def length(scope: Scope, receive: Receive, send: Send) -> None:
    """How long the body was."""
    size = 0
    while (message := await receive())["type"] == "http.request":
        size += len(message["body"])
        if not message["more_body"]:
            break
    body = b"%d" % size
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


class Slow:
    """Loads when it is told to."""

    def __init__(self, load: Callable[[], Application] = lambda: length) -> None:
        self.may_load = threading.Event()
        self.loads = 0
        self.thread = 0
        self._load = load

    def __call__(self) -> Application:
        self.loads += 1
        self.thread = threading.get_ident()
        assert self.may_load.wait(10)
        return self._load()


@asynccontextmanager
async def mounted(slow: Slow) -> AsyncIterator[RunningGateway]:
    """A gateway whose control application loads slowly."""
    mount = Mount(slow)
    async with running_gateway({"site": mount}, control=mount) as front:
        yield front


def waiting(gateway: Gateway) -> list[Postponed]:
    return [each._sink for each in gateway._connections if isinstance(each._sink, Postponed)]


def post(front: RunningGateway, size: int) -> bytes:
    return front.request("/__devproxy/x", method="POST", fields=f"Content-Length: {size}\r\n", body=b"x" * size)


def test_requests_before_it_is_loaded_wait_with_their_bodies_and_it_is_loaded_once() -> None:
    async def main() -> None:
        slow = Slow()
        async with mounted(slow) as front:
            chunked = front.request(
                "/__devproxy/x", method="POST", fields="Transfer-Encoding: chunked\r\n", body=b"3\r\nabc\r\n0\r\n\r\n"
            )
            sent = [front.request("/__devproxy/x"), post(front, 5), post(front, 3_000_000), chunked]
            asked = [asyncio.create_task(front.talk(each)) for each in sent]
            await auntil(lambda: len(waiting(front.gateway)) == 4)
            # What a large body leaves in our memory meanwhile is what came before reading was paused.
            assert sum(len(data) for each in waiting(front.gateway) for data in each._body) < 1_000_000
            slow.may_load.set()
            assert [body_of(await each) for each in asked] == [b"0", b"5", b"3000000", b"3"]
            assert slow.loads == 1 and slow.thread != threading.get_ident()

    run(main())


def test_the_rest_of_a_body_that_began_before_it_was_loaded_follows() -> None:
    async def main() -> None:
        slow = Slow()
        async with mounted(slow) as front:
            reader, writer = await front.open()
            writer.write(post(front, 5)[:-2])
            await auntil(lambda: waiting(front.gateway) and waiting(front.gateway)[0]._body)
            writer.write(b"xx")
            slow.may_load.set()
            assert body_of(await reader.read()) == b"5"
            writer.close()

    run(main())


def test_what_is_proxied_does_not_wait_for_it() -> None:
    async def main() -> None:
        slow = Slow()
        async with (
            RawUpstream(answering(OK)) as upstream,
            running_gateway({"api": ready("api", upstream.address)}, control=Mount(slow)) as front,
        ):
            asked = asyncio.create_task(front.talk(front.request("/__devproxy/x")))
            await auntil(lambda: slow.loads)
            assert body_of(await front.talk(front.request("/"))) == b"ok"
            slow.may_load.set()
            assert status_of(await asked) == 200

    run(main())


def test_it_may_be_loaded_beforehand() -> None:
    async def main() -> None:
        slow = Slow()
        mount = Mount(slow)
        async with running_gateway({"control": mount}, control=mount):
            mount.preload()
            mount.preload()
            await auntil(lambda: slow.loads)
            slow.may_load.set()
            await auntil(lambda: mount._mounted)
            assert slow.loads == 1

    run(main())


def test_a_client_that_left_meanwhile_is_not_served() -> None:
    served: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        served.append(scope["path"])
        await length(scope, receive, send)

    async def main() -> None:
        slow = Slow(lambda: app)
        async with mounted(slow) as front:
            _, writer = await front.open()
            writer.write(front.request("/__devproxy/left"))
            await auntil(lambda: waiting(front.gateway))
            writer.close()
            await auntil(lambda: not front.gateway._connections)
            slow.may_load.set()
            await front.talk(front.request("/__devproxy/stayed"))
            assert served == ["/__devproxy/stayed"]

    run(main())


def test_what_is_pipelined_behind_a_waiting_request_is_answered_after_it() -> None:
    async def main() -> None:
        slow = Slow()
        async with mounted(slow) as front:
            first = b"POST /__devproxy/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi"
            asked = asyncio.create_task(front.talk(first + post(front, 3)))
            await auntil(lambda: waiting(front.gateway))
            slow.may_load.set()
            answers = await asked
            assert answers.index(b"\r\n\r\n2") < answers.index(b"\r\n\r\n3")

    run(main())


def test_a_frame_right_behind_a_waiting_handshake_is_not_lost() -> None:
    got: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        got.append((await receive())["bytes"])

    async def main() -> None:
        slow = Slow(lambda: app)
        async with mounted(slow) as front:
            _, writer = await front.open()
            writer.write(
                b"GET /__devproxy/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                b"\x82\x82\0\0\0\0hi"  # a binary frame, masked with zeros
            )
            await auntil(lambda: waiting(front.gateway))
            slow.may_load.set()
            await auntil(lambda: got == [b"hi"])
            writer.close()

    run(main())


def test_an_application_that_cannot_be_loaded_is_a_500_and_said_once() -> None:
    def broken() -> Application:
        raise ImportError("no such module")

    async def main() -> None:
        slow = Slow(broken)
        said: list[object] = []
        async with mounted(slow) as front:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context["exception"]))
            asked = [asyncio.create_task(front.talk(post(front, 5))) for _ in range(2)]
            await auntil(lambda: len(waiting(front.gateway)) == 2)
            slow.may_load.set()
            assert [status_of(await each) for each in asked] == [500, 500]
            assert status_of(await front.talk(post(front, 5))) == 500
            assert slow.loads == 1
            assert len(said) == 1 and isinstance(said[0], ImportError)

    run(main())


def test_closing_while_it_loads_ends_who_waits() -> None:
    async def main() -> None:
        slow = Slow()
        async with mounted(slow) as front:
            asked = asyncio.create_task(front.talk(front.request("/__devproxy/x")))
            await auntil(lambda: waiting(front.gateway))
        slow.may_load.set()
        assert await asked == b""

    run(main())
