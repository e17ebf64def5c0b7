"""Server-sent events as bytes, both ways.

Source: WHATWG HTML §9.2 (server-sent events), https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import re
from codecs import getincrementaldecoder
from dataclasses import dataclass

CONTENT_TYPE = "text/event-stream"
LINE_END = re.compile("\r\n|\r|\n")
LIMIT = 8 * 1024 * 1024  # characters of one event: a log line of 64 KiB, escaped twice over, has less than 1 MiB


@dataclass(frozen=True, slots=True)
class Event:
    """One event as a reader gets it. `id` is the last one seen, also when this event has none of its own."""

    type: str
    data: str
    id: str


def encode(data: str, *, event: str = "", id: str | None = None, retry_ms: int | None = None) -> bytes:
    """One event. Line ends in `data`, of any kind, arrive as \\n.

    Args:   id: "" makes the reader forget its last id; None leaves it.
    Raises: ValueError: a line end in `event` or `id`, or a NUL in `id` (the reader would ignore it).
    """
    if re.search(r"[\r\n]", event) or re.search(r"[\r\n\0]", id or ""):
        raise ValueError(f"not fit for one field of an event: {event!r}, {id!r}")
    fields = [f"retry: {retry_ms:d}"] if retry_ms is not None else []
    fields += [f"id: {id}"] if id is not None else []
    fields += [f"event: {event}"] if event else []
    fields += [f"data: {line}" for line in LINE_END.split(data)]
    return ("\n".join(fields) + "\n\n").encode("utf-8", "replace")


def comment(text: str = "") -> bytes:
    """A line that no reader shows: keeps a connection from looking dead. Line ends become spaces."""
    return f": {LINE_END.sub(' ', text)}\n\n".encode("utf-8", "replace")


def retry(milliseconds: int) -> bytes:
    """How long a reader is to wait before it comes back."""
    return f"retry: {milliseconds:d}\n\n".encode()


class Parser:
    """Reads an event stream as a browser does, from pieces of any size.

    `last_event_id` and `retry_ms` are what the stream has set so far. An event that the end of the stream
    cuts is never told, as the standard wants.
    """

    def __init__(self) -> None:
        self.last_event_id = ""
        self.retry_ms: int | None = None
        self._decode = getincrementaldecoder("utf-8-sig")("replace").decode  # one BOM at the start is no data
        self._rest = ""
        self._type = ""
        self._id = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[Event]:
        """The events that `piece` completes. Raises: ValueError: one has more than LIMIT characters."""
        text = self._rest + self._decode(piece)
        # A CR at the end may be the half of a CRLF.
        end = len(text) - 1 if text.endswith("\r") else len(text)
        *lines, rest = LINE_END.split(text[:end])
        self._rest = rest + text[end:]
        found = [event for line in lines if (event := self._line(line))]
        if self._size + len(self._rest) > LIMIT:
            raise ValueError(f"an event of more than {LIMIT} characters")
        return found

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        self._field(name, value.removeprefix(" "))
        return None

    def _field(self, name: str, value: str) -> None:
        match name:
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
                self._size += len(value)
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if re.fullmatch("[0-9]+", value):
                self.retry_ms = int(value)

    def _dispatch(self) -> Event | None:
        self.last_event_id = self._id
        event = Event(self._type or "message", "\n".join(self._data), self._id) if self._data else None
        self._type, self._size = "", 0
        self._data.clear()
        return event
