"""An upstream such as a smuggler wishes for, and a strict reader of what a client gets."""

from dataclasses import dataclass, field

import h11

from tests.support.upstream import Conversation


@dataclass(frozen=True)
class Seen:
    """A request as the lenient upstream understood it."""

    line: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key.lower() == name.lower()]


@dataclass
class Lenient:
    """Reads requests as the worst servers do, and answers each that it believes to see with its request line.

    Any LF ends a line, folded lines are joined, names and values lose all whitespace and control bytes, the last
    length counts, whatever int() takes, and any coding that has "chunked" in it is.
    """

    requests: list[Seen] = field(default_factory=list)

    async def __call__(self, conversation: Conversation) -> None:
        while True:
            seen = await self._request(conversation)
            self.requests.append(seen)
            body = b"" if seen.line.startswith(b"HEAD ") else seen.line
            await conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(seen.line), body))

    async def _request(self, conversation: Conversation) -> Seen:
        reader = conversation.reader
        while not (line := _bare(await reader.readuntil(b"\n"))):
            pass
        fields: list[tuple[bytes, bytes]] = []
        while raw := (await reader.readuntil(b"\n")).rstrip(b"\r\n"):
            if raw[:1] in b" \t" and fields:
                fields[-1] = (fields[-1][0], fields[-1][1] + b" " + _bare(raw))
            else:
                name, _, value = raw.partition(b":")
                fields.append((_bare(name), _bare(value)))
        lower = {name.lower(): value for name, value in fields}
        if b"chunked" in lower.get(b"transfer-encoding", b"").lower():
            return Seen(line, tuple(fields), await self._chunks(conversation))
        length = int(lower.get(b"content-length", b"0").decode("latin-1") or "0", 0)
        return Seen(line, tuple(fields), await reader.readexactly(max(length, 0)))

    async def _chunks(self, conversation: Conversation) -> bytes:
        reader, body = conversation.reader, b""
        while size := int(_bare((await reader.readuntil(b"\n")).partition(b";")[0]).decode("latin-1"), 16):
            body += await reader.readexactly(size)
            await reader.readuntil(b"\n")
        while _bare(await reader.readuntil(b"\n")):
            pass
        return body


def _bare(raw: bytes) -> bytes:
    return raw.decode("latin-1").strip().strip("\x00").encode("latin-1")


@dataclass(frozen=True)
class Answer:
    """What a strict client made of the bytes it got: one final answer."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    framing: str
    trailers: tuple[tuple[bytes, bytes], ...] = ()
    interim: tuple[int, ...] = ()
    complete: bool = True

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key.lower() == name.lower()]


def read_strictly(data: bytes, method: bytes = b"GET", *, ended: bool = True) -> tuple[Answer, bytes]:
    """The first answer in `data` as h11 reads it, and what follows. `ended`: the connection has, cleanly.

    Raises: h11.RemoteProtocolError: it is no answer.
    """
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    if ended:
        client.receive_data(b"")
    interim: list[int] = []
    while isinstance(event := client.next_event(), h11.InformationalResponse):
        interim.append(event.status_code)
    if not isinstance(event, h11.Response):
        raise h11.RemoteProtocolError(f"no answer: {event}")
    fields = tuple((bytes(name), bytes(value)) for name, value in event.headers.raw_items())
    lower = {name.lower(): value for name, value in fields}
    framing = "chunked" if b"transfer-encoding" in lower else "length" if b"content-length" in lower else "close"
    body, trailers, complete = b"", (), True
    while True:
        try:
            part = client.next_event()
        except h11.RemoteProtocolError:
            complete = False
            break
        if isinstance(part, h11.Data):
            body += bytes(part.data)
        elif isinstance(part, h11.EndOfMessage):
            trailers = tuple((bytes(name), bytes(value)) for name, value in part.headers.raw_items())
            break
        else:  # more is needed, or the other side has closed
            complete = False
            break
    answer = Answer(event.status_code, fields, body, framing, trailers, tuple(interim), complete)
    return answer, client.trailing_data[0]
