"""Upstreams that speak TLS: real handshakes, by HTTP and by WebSocket."""

import asyncio
import logging
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from devproxy.config.model import Config, Route
from devproxy.proxy.tls import TlsUpstream, Trust
from devproxy.proxy.upstream import UpstreamConnection
from devproxy.proxy.url import parse_url
from devproxy.session.backends import Backends
from tests.support import run
from tests.support.gateway import RunningGateway, body_of, running_gateway, status_of
from tests.support.tls import Certificates, make_certificates
from tests.support.upstream import OK, Conversation, RawUpstream, answering

SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@asynccontextmanager
async def before(upstream: RawUpstream, trust: Trust, host: str = "localhost") -> AsyncIterator[RunningGateway]:
    """A gateway whose only upstream is at an https:// URL with that host."""
    tls = TlsUpstream("staging", parse_url(f"https://{host}:{upstream.port}"), trust)
    tls.addresses = (upstream.address,)
    async with running_gateway({"staging": tls}) as front:
        yield front


def asked(certificates: Certificates, server: str, trust: Trust, host: str = "localhost") -> tuple[bytes, int]:
    """What a request to a server with that certificate gets, and how often that was dialled."""

    async def main() -> tuple[bytes, int]:
        async with RawUpstream(answering(OK), tls=certificates.server(server)) as upstream:
            async with before(upstream, trust, host) as front:
                return await front.talk(front.request()), upstream.connections

    return run(main())


def test_a_certificate_of_the_named_authority_is_taken(certificates: Certificates) -> None:
    answer, _ = asked(certificates, "signed", Trust(ca=certificates.file("authority")))
    assert (status_of(answer), body_of(answer)) == (200, b"ok")


@pytest.mark.parametrize("server", ["own", "signed"])
def test_a_servers_own_certificate_can_be_its_authority(certificates: Certificates, server: str) -> None:
    answer, _ = asked(certificates, server, Trust(ca=certificates.file(server)))
    assert status_of(answer) == 200


def test_without_one_the_systems_authorities_count(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificates.file("authority"))
    assert status_of(asked(certificates, "signed", Trust())[0]) == 200
    assert status_of(asked(certificates, "own", Trust())[0]) == 502


@pytest.mark.parametrize("server", ["own", "signed", "other"])
def test_any_certificate_is_taken_if_the_route_says_so(certificates: Certificates, server: str) -> None:
    assert status_of(asked(certificates, server, Trust(verify=False))[0]) == 200


def test_a_refused_certificate_is_a_502_that_says_why_and_what_admits_it(certificates: Certificates) -> None:
    answer, _ = asked(certificates, "own", Trust(ca=certificates.file("authority")))
    assert status_of(answer) == 502
    assert b"The certificate of localhost:" in answer and b" was refused: self" in answer
    assert b"ok" not in body_of(answer).split()


def test_a_certificate_for_another_name_is_refused_by_its_name(certificates: Certificates) -> None:
    answer, _ = asked(certificates, "other", Trust(ca=certificates.file("authority")))
    assert status_of(answer) == 502
    assert b"not valid for 'localhost'" in answer


def test_who_is_not_trusted_is_not_dialled_again(certificates: Certificates) -> None:
    """One who refuses is, for seconds. Each address is tried once, and what is told is not the last refusal."""
    dialled: list[str] = []

    class Counted(TlsUpstream):
        async def connect(self, host: str, port: int) -> UpstreamConnection:
            dialled.append(host)
            return await super().connect(host, port)

    async def main() -> None:
        async with RawUpstream(answering(OK), tls=certificates.server("own")) as upstream:
            tls = Counted("staging", parse_url(f"https://localhost:{upstream.port}"), Trust())
            async with running_gateway({"staging": tls}) as front:
                answer = await front.talk(front.request())
        assert status_of(answer) == 502 and b"was refused" in answer

    run(main())
    assert dialled == ["127.0.0.1", "::1"]


def test_the_server_is_asked_for_by_the_urls_name_whatever_host_says(certificates: Certificates) -> None:
    names: list[str | None] = []
    heads: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        heads.append(await conversation.head())
        await conversation.send(OK)

    async def main() -> None:
        context = certificates.server("signed")
        context.sni_callback = lambda _, name, __: names.append(name)
        async with RawUpstream(handler, tls=context) as upstream:
            async with before(upstream, Trust(ca=certificates.file("authority")), "staging.example.test") as front:
                assert status_of(await front.talk(front.request())) == 200
                assert f"Host: localhost:{front.port}\r\n".encode() in heads[0]

    run(main())
    assert names == ["staging.example.test"]


def test_a_connection_is_kept_for_the_next_request(certificates: Certificates) -> None:
    async def main() -> None:
        async with RawUpstream(answering(OK), tls=certificates.server("own")) as upstream:
            async with before(upstream, Trust(verify=False)) as front:
                for _ in range(3):
                    assert status_of(await front.talk(front.request())) == 200
            assert upstream.connections == 1

    run(main())


def test_a_server_without_tls_is_said_to_be_one(certificates: Certificates) -> None:
    async def plain(conversation: Conversation) -> None:
        await conversation.reader.read(1)
        await conversation.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    async def main() -> None:
        async with RawUpstream(plain) as upstream:
            async with before(upstream, Trust(verify=False)) as front:
                answer = await front.talk(front.request())
        assert status_of(answer) == 502
        assert b"There is no TLS connection with localhost:" in answer

    run(main())


def test_an_authority_that_cannot_be_read_is_said_and_one_that_is_mended_is_taken(
    certificates: Certificates, tmp_path: Path
) -> None:
    file = tmp_path / "ca.pem"

    async def main() -> None:
        async with RawUpstream(answering(OK), tls=certificates.server("signed")) as upstream:
            async with before(upstream, Trust(ca=str(file))) as front:
                answer = await front.talk(front.request())
                assert status_of(answer) == 502 and b"ca.pem cannot be used: No such file" in answer
                file.write_text("no certificate")
                assert b"ca.pem cannot be used" in await front.talk(front.request())
                shutil.copy(certificates.file("own"), file)
                assert b"was refused" in await front.talk(front.request())
                shutil.copy(certificates.file("authority"), file)
                assert status_of(await front.talk(front.request())) == 200

    run(main())


def test_a_server_that_goes_away_in_the_handshake_is_dialled_again(certificates: Certificates) -> None:
    """As one that restarts: nothing was sent yet, so any method may try again."""
    context = certificates.server("own")

    async def main() -> None:
        async def vanish(conversation: Conversation) -> None:
            await conversation.reader.read(1)

        async with RawUpstream(vanish) as gone, RawUpstream(answering(OK), tls=context) as there:
            tls = TlsUpstream("staging", parse_url("https://localhost:1"), Trust(verify=False))
            tls.addresses = (gone.address, there.address)
            async with running_gateway({"staging": tls}) as front:
                assert status_of(await front.talk(front.request(method="POST"))) == 200

    run(main())


def test_routes_to_one_url_that_trust_differently_share_no_connection(certificates: Certificates) -> None:
    async def main() -> None:
        async with RawUpstream(answering(OK), tls=certificates.server("own")) as upstream:
            url = f"https://localhost:{upstream.port}"
            trusting = Route(to=(url,), prefix="/any", tls_verify=False)
            known = Route(to=(url,), prefix="/known", tls_ca=certificates.file("own"))
            strict = Route(to=(url,), prefix="/strict")
            routes = (trusting, known, strict)
            backends = Backends(Config("shop", Path("/shop"), routes=routes), str, print)
            async with running_gateway(backends.by_name, routes) as front:
                statuses = [
                    status_of(await front.talk(front.request(path))) for path in ("/any", "/known", "/strict", "/any")
                ]
        assert statuses == [200, 200, 502, 200]

    run(main())


async def opened(front: RunningGateway) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket through the gateway, its 101 read."""
    reader, writer = await front.open()
    writer.write(f"GET /ws HTTP/1.1\r\nHost: localhost:{front.port}\r\n{UPGRADE}\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    return reader, writer


def test_a_websocket_is_relayed_with_what_comes_right_behind_the_101(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    big = bytes(range(256)) * 8192  # 2 MiB: more than any buffer on the way

    async def echo(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(SWITCHED + b"first")
        while data := await conversation.reader.read(65536):
            await conversation.send(data)

    async def main() -> None:
        async with RawUpstream(echo, tls=certificates.server("signed")) as upstream:
            async with before(upstream, Trust(ca=certificates.file("authority"))) as front:
                reader, writer = await opened(front)
                assert await reader.readexactly(5) == b"first"
                writer.write(big)
                assert await reader.readexactly(len(big)) == big
                writer.close()

    with caplog.at_level(logging.WARNING):
        run(main())
    assert caplog.records == []


@pytest.mark.parametrize("ending", ["upstream", "client"])
def test_a_websocket_that_one_side_ends_ends_on_the_other(
    certificates: Certificates, caplog: pytest.LogCaptureFixture, ending: str
) -> None:
    ended: list[bytes] = []

    async def handler(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(SWITCHED)
        if ending == "client":
            ended.append(await conversation.reader.read(-1))
        else:
            await conversation.send(b"bye")

    async def main() -> None:
        async with RawUpstream(handler, tls=certificates.server("own")) as upstream:
            async with before(upstream, Trust(verify=False)) as front:
                reader, writer = await opened(front)
                if ending == "client":
                    writer.write(b"bye")
                    writer.write_eof()  # TLS knows no half of a connection: this ends all of it
                ended.append(await reader.read(-1))
                writer.close()

    with caplog.at_level(logging.WARNING):
        run(main())
    assert sorted(ended) == ([b"bye"] if ending == "upstream" else [b"", b"bye"])
    assert caplog.records == []


def test_a_websocket_to_whom_is_not_trusted_is_a_502_and_never_a_101(certificates: Certificates) -> None:
    async def main() -> None:
        async with RawUpstream(answering(SWITCHED), tls=certificates.server("own")) as upstream:
            async with before(upstream, Trust(ca=certificates.file("authority"))) as front:
                answer = await front.talk(
                    f"GET /ws HTTP/1.1\r\nHost: localhost:{front.port}\r\n{UPGRADE}\r\n".encode()
                    + front.request()  # closes after it
                )
        assert status_of(answer) == 502

    run(main())


def test_only_http11_is_offered(certificates: Certificates) -> None:
    chosen: list[str | None] = []

    async def handler(conversation: Conversation) -> None:
        chosen.append(conversation.writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await conversation.head()
        await conversation.send(OK)

    async def main() -> None:
        context = certificates.server("own")
        context.set_alpn_protocols(["h2", "http/1.1"])
        async with RawUpstream(handler, tls=context) as upstream:
            async with before(upstream, Trust(verify=False)) as front:
                assert status_of(await front.talk(front.request())) == 200

    run(main())
    assert chosen == ["http/1.1"]


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_a_long_answer_arrives_byte_for_byte_at_whatever_pace_it_is_read(
    certificates: Certificates, framing: str
) -> None:
    body = random.Random(1).randbytes(12 * 2**20)
    head = {
        "length": b"Content-Length: %d\r\n\r\n" % len(body),
        "chunked": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body),
        "close": b"Connection: close\r\n\r\n",
    }

    async def long(conversation: Conversation) -> None:
        await conversation.head()
        await conversation.send(b"HTTP/1.1 200 OK\r\n" + head[framing])
        for start in range(0, len(body), 100_000):
            await conversation.send(body[start : start + 100_000])
        if framing == "chunked":
            await conversation.send(b"\r\n0\r\n\r\n")

    async def main() -> None:
        async with RawUpstream(long, tls=certificates.server("own")) as upstream:
            async with before(upstream, Trust(verify=False)) as front:
                reader, writer = await asyncio.open_connection("127.0.0.1", front.port, limit=2**16)
                writer.write(front.request())
                await reader.readuntil(b"\r\n\r\n")
                if framing == "chunked":
                    await reader.readuntil(b"\r\n")
                received = bytearray()
                while len(received) < len(body):
                    received += await reader.readexactly(min(300_000, len(body) - len(received)))
                    await asyncio.sleep(0)
                assert received == body
                assert (await reader.read(-1)) == (b"\r\n0\r\n\r\n" if framing == "chunked" else b"")
                writer.close()

    run(main())


def test_a_long_upload_arrives_whole_and_its_connection_is_kept(certificates: Certificates) -> None:
    body = random.Random(2).randbytes(8 * 2**20)
    received: list[bytes] = []

    async def take(conversation: Conversation) -> None:
        while True:
            head = await conversation.head()
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            received.append(await conversation.reader.readexactly(length))
            await conversation.send(OK)

    async def main() -> None:
        async with RawUpstream(take, tls=certificates.server("own")) as upstream:
            async with before(upstream, Trust(verify=False)) as front:
                for _ in range(2):
                    request = front.request(method="POST", fields=f"Content-Length: {len(body)}\r\n", body=body)
                    assert status_of(await front.talk(request)) == 200
            assert upstream.connections == 1

    run(main())
    assert received == [body, body]
