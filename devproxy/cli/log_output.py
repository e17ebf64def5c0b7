"""How `devproxy logs` writes records: behind their prefixes, as JSON, or as they are stored."""

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from devproxy.cli.fold import Folder
    from devproxy.cli.prefix import Painter
    from devproxy.logs.records import Record


class Output(Protocol):
    """Where records go. Everything is written at once."""

    def show(self, records: "Iterable[Record]") -> None: ...
    def pause(self) -> None:
        """Nothing came for a while, or nothing more will."""


class Json:
    """One object a line."""

    def show(self, records: "Iterable[Record]") -> None:
        write(json.dumps(record.to_json(), ensure_ascii=False).encode("utf-8", "replace") + b"\n" for record in records)

    def pause(self) -> None:
        """Nothing is held back."""


class Raw:
    """The bytes of the lines, and nothing else."""

    def show(self, records: "Iterable[Record]") -> None:
        write(record.data + b"\n" for record in records)

    def pause(self) -> None:
        """Nothing is held back."""


class Lines:
    """For people. folder: tells a traceback that comes again in one line; None: all lines."""

    def __init__(self, painter: "Painter", folder: "Folder | None") -> None:
        self._painter = painter
        self._folder = folder

    def show(self, records: "Iterable[Record]") -> None:
        folder = self._folder
        if folder is not None:
            records = [*(shown for record in records for shown in folder.feed(record)), *folder.settle()]
        self._write(records)

    def pause(self) -> None:
        if self._folder is not None:
            self._write(self._folder.flush())

    def _write(self, records: "Iterable[Record]") -> None:
        write(self._painter.line(record.service, record.text, record.level) for record in records)


def write(parts: Iterable[bytes]) -> None:
    out = sys.stdout.buffer
    for part in parts:
        out.write(part)
    out.flush()
