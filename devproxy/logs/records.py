"""A chunk is how lines travel, a record is how one is read."""

import re
import time
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

LEVELS = ("debug", "info", "warning", "error", "critical")  # ascending
PART_LINES = 200
SGR = re.compile("\x1b\\[[0-9;:]*m")  # the only escapes that the filter lets through


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of one stream of one service, as they are stored: filtered bytes.

    `data` is `count` lines, each ending in \\n. `level` is set when whoever wrote them knew it.
    """

    first_seq: int
    count: int
    time_us: int  # since the epoch
    service: str
    stream: str  # stdout stderr file devproxy
    data: bytes
    level: str | None = None

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.count - 1


@dataclass(frozen=True, slots=True)
class Record:
    """One line. `text` keeps its colours (SGR escapes) and has no line end.

    raw: its bytes if they are no UTF-8; lines: of a whole error as one record (tracebacks.joined), how many.
    """

    seq: int
    time_us: int
    service: str
    stream: str
    text: str
    level: str | None = None
    session: str = ""
    raw: bytes | None = None
    lines: int = 1

    @property
    def data(self) -> bytes:
        """Its bytes, as they are stored."""
        return self.text.encode() if self.raw is None else self.raw

    @property
    def plain(self) -> str:
        """The text without colours."""
        return SGR.sub("", self.text) if "\x1b" in self.text else self.text

    def id(self, session: str = "") -> str:
        """SESSION-SEQ: names this line for ever, and is the cursor that resumes after it."""
        return f"{session or self.session}-{self.seq}"

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Record":
        """A record that came as `to_json` made it."""
        raw = fields.get("bytes")
        return cls(
            fields["seq"],
            round(datetime.fromisoformat(fields["time"]).timestamp() * 1_000_000),
            fields["service"],
            fields["stream"],
            fields.get("ansi", fields["text"]),
            fields["level"],
            fields["id"].rpartition("-")[0],
            None if raw is None else b64decode(raw),
            fields.get("lines", 1),
        )

    def to_json(self, session: str = "") -> dict[str, Any]:
        """The contract's log record. `text` is plain.

        There only if there is something to say: `ansi` (the text with its colours), `own_time` (what the line says
        itself), `bytes` (base64, if they are no UTF-8), `lines` (of an error of several).
        """
        from devproxy.logs.timestamps import own_time

        plain = self.plain
        record: dict[str, Any] = {
            "id": self.id(session),
            "seq": self.seq,
            "time": timestamp(self.time_us),
            "service": self.service,
            "stream": self.stream,
            "text": plain,
            "level": self.level,
        }
        if plain != self.text:
            record["ansi"] = self.text
        if (own := own_time(plain, self.time_us)) is not None:
            record["own_time"] = timestamp(own)
        if self.raw is not None:
            record["bytes"] = b64encode(self.raw).decode()
        if self.lines > 1:
            record["lines"] = self.lines
        return record


def timestamp(time_us: int) -> str:
    """RFC 3339 in UTC with microseconds."""
    seconds, micros = divmod(time_us, 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{micros:06d}Z"


def records_of(chunk: Chunk, session: str = "") -> list[Record]:
    """The lines of a chunk, one record each; bytes that are no UTF-8 become U+FFFD.

    Not `splitlines`: that would also split at U+2028 and its like, and the numbers would no longer fit.
    """
    from devproxy.logs.levels import detect  # reading needs it, writing does not

    try:
        lines = chunk.data.decode().split("\n")
        raws: dict[int, bytes] = {}
    except UnicodeDecodeError:
        each = chunk.data.split(b"\n")
        lines = [line.decode("utf-8", "replace") for line in each]
        raws = {at: line for at, line in enumerate(each) if lines[at].encode() != line}
    first, time_us, level = chunk.first_seq, chunk.time_us, chunk.level
    return [
        Record(first + at, time_us, chunk.service, chunk.stream, text, level or detect(text), session, raws.get(at))
        for at, text in enumerate(lines[:-1])
    ]


def is_of(service: str, names: Collection[str]) -> bool:
    """Whether a service is one of those that were named, or an instance of one: "worker" names worker.1 too."""
    return service in names or service.partition(".")[0] in names


def parts(chunk: Chunk) -> Iterator[Chunk]:
    """A chunk as some of at most PART_LINES: no more is to be looked at in one turn of the loop."""
    start = seen = 0
    while seen < chunk.count:
        count, end = min(PART_LINES, chunk.count - seen), start
        for _ in range(count):
            end = chunk.data.index(b"\n", end) + 1
        yield replace(chunk, first_seq=chunk.first_seq + seen, count=count, data=chunk.data[start:end])
        start, seen = end, seen + count


def trim(chunk: Chunk, count: int) -> Chunk:
    """The chunk without its first `count` lines."""
    start = 0
    for _ in range(count):
        start = chunk.data.index(b"\n", start) + 1
    return Chunk(
        chunk.first_seq + count,
        chunk.count - count,
        chunk.time_us,
        chunk.service,
        chunk.stream,
        chunk.data[start:],
        chunk.level,
    )
