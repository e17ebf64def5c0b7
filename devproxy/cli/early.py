"""The children's first lines, shown while the rest of devproxy is still being imported.

The web stack and the event loop take longer to import than a child takes to print. Until the session's
loop reads the children, a thread does.
"""

import os
import selectors
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from devproxy.cli.lines import Lines

if TYPE_CHECKING:
    from devproxy.hub.topic import Topic
    from devproxy.logs.records import Chunk
    from devproxy.processes.start import Started


class EarlyLines:
    """A context in which a thread reads the children and shows the log. Nobody else touches either meanwhile."""

    def __init__(self, children: "Iterable[Started]", topic: "Topic[Chunk]", lines: Lines) -> None:
        self._topic = topic
        self._lines = lines
        self._wake, self._woken = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ)
        for started in children:
            for fd in started.child.outputs:
                self._selector.register(fd, selectors.EVENT_READ, started)
        self._thread = threading.Thread(target=self._read, name="early lines", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        os.close(self._woken)
        self._thread.join()
        self._selector.close()
        os.close(self._wake)

    def _read(self) -> None:
        self._show()
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                started: Started = key.data
                data = started.child.read(key.fd)
                if data is None:
                    self._selector.unregister(key.fd)  # its end; the session finds it again
                elif data:
                    started.take(started.child.outputs[key.fd], data)
            self._show()

    def _show(self) -> None:
        self._lines.write(self._lines.take(self._topic))
