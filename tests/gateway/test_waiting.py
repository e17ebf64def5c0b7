"""The table of what waits (docs/ARCHITECTURE.md), cell by cell, on the wire."""

import asyncio

import pytest

from devproxy.config.model import Hold
from devproxy.proxy.hold import BROKEN, COMING
from devproxy.proxy.upstream import Upstream
from tests.support import auntil, free_port, run
from tests.support.gateway import RunningGateway, body_of, ready, running_gateway, status_of
from tests.support.upstream import OK, RawUpstream, answering

BRIEF = Hold(document_seconds=0.02, request_seconds=0.04, websocket_seconds=0.03, refused_seconds=0.02)
PATIENT = Hold(document_seconds=600, request_seconds=600, websocket_seconds=600, refused_seconds=600)
HANDSHAKE = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: Upgrade\r\n"
KINDS = {
    "document": ("GET", "Sec-Fetch-Dest: document\r\n", b""),
    "fetch": ("GET", "Sec-Fetch-Dest: empty\r\n", b""),
    "post": ("POST", "Content-Length: 2\r\n", b"hi"),
    "events": ("GET", "Accept: text/event-stream\r\n", b""),
    "websocket": ("GET", HANDSHAKE, b""),
}
STATUS = {
    **dict.fromkeys(COMING, 503),
    **dict.fromkeys(BROKEN, 502),
    **dict.fromkeys(("stopped", "done", "blocked", "over"), 503),
}


async def asked(front: RunningGateway, kind: str) -> bytes:
    method, fields, body = KINDS[kind]
    return await front.talk(front.request(method=method, fields=fields, body=body))


def check(answer: bytes, kind: str, status: int) -> None:
    """EventSource comes back after a closed connection, and never after a status; a person gets a page."""
    if kind == "events":
        assert answer == b""
        return
    assert status_of(answer) == status
    head = answer.partition(b"\r\n\r\n")[0]
    assert (b"Content-Type: text/html" if kind == "document" else b"Content-Type: application/problem+json") in head
    assert (b"Retry-After: " in head) == (status == 503)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", sorted(STATUS))
def test_what_is_answered_when_it_does_not_come(state: str, kind: str) -> None:
    async def main() -> None:
        async with running_gateway({"api": Upstream("api", state=state)}, hold=BRIEF) as front:
            check(await asked(front, kind), kind, STATUS[state])

    run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_answered_when_one_that_is_ready_refuses(kind: str) -> None:
    async def main() -> None:
        async with running_gateway({"api": ready("api", ("127.0.0.1", free_port()))}, hold=BRIEF) as front:
            check(await asked(front, kind), kind, 502)

    run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", sorted(COMING))
def test_who_waits_is_answered_when_it_comes(state: str, kind: str) -> None:
    async def main() -> None:
        service = Upstream("api", state=state)
        async with RawUpstream(answering(OK)) as upstream, running_gateway({"api": service}, hold=PATIENT) as front:
            answer = asyncio.create_task(asked(front, kind))
            await auntil(lambda: service._waiting)
            service.become("ready", (upstream.address,))
            assert body_of(await answer) == b"ok"

    run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", sorted(STATUS.keys() - COMING))
def test_who_waits_is_answered_at_once_when_it_will_not_come(state: str, kind: str) -> None:
    """All but an event stream, which waits on: it could not be told in a way that it would come back."""

    async def main() -> None:
        service = Upstream("api", state="starting")
        async with running_gateway({"api": service}, hold=PATIENT) as front:
            answer = asyncio.create_task(asked(front, kind))
            await auntil(lambda: service._waiting)
            service.become(state)
            if kind == "events" and state != "over":
                assert service._waiting
                answer.cancel()
            else:
                check(await answer, kind, STATUS[state])

    run(main())


@pytest.mark.parametrize("brief", ["document", "websocket", "request"])
def test_each_kind_has_a_time_of_its_own(brief: str) -> None:
    async def main() -> None:
        service = Upstream("api", state="restarting")
        hold = Hold(
            **{"document_seconds": 600, "request_seconds": 600, "websocket_seconds": 600, f"{brief}_seconds": 0.02}
        )
        async with RawUpstream(answering(OK)) as upstream, running_gateway({"api": service}, hold=hold) as front:
            answers = {kind: asyncio.create_task(asked(front, kind)) for kind in KINDS}
            over = ["fetch", "post", "events"] if brief == "request" else [brief]
            for kind in over:
                check(await answers.pop(kind), kind, 503)
            await auntil(lambda: len(service._waiting) == len(answers))
            service.become("ready", (upstream.address,))
            assert [body_of(await answer) for answer in answers.values()] == [b"ok"] * len(answers)

    run(main())


def test_a_body_is_not_read_while_its_request_waits() -> None:
    size = 64 * 2**20

    async def main() -> None:
        service = Upstream("api", state="starting")
        async with running_gateway({"api": service}, hold=PATIENT) as front:
            _, writer = await front.open()
            writer.write(front.request(method="POST", fields=f"Content-Length: {size}\r\n"))
            await auntil(lambda: service._waiting)
            (connection,) = front.gateway._connections
            await auntil(lambda: not connection.transport.is_reading())
            writer.write(b"x" * size)
            assert not connection.transport.is_reading()
            writer.close()

    run(main())
