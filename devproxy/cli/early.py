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
from devproxy.processes.unfinished import QUIET_SECONDS

if TYPE_CHECKING:
    from devproxy.logs.log import Log
    from devproxy.processes.start import Source, Started


class EarlyLines:
    """A context in which a thread reads the children and shows the log. Nobody else touches either meanwhile."""

    def __init__(self, children: "Iterable[Started]", log: "Log", lines: Lines) -> None:
        self._log = log
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
        begun: set[Source] = set()
        while True:
            ready = self._selector.select(QUIET_SECONDS if begun else None)
            if not ready:  # a question, perhaps
                for source in begun:
                    source.show_unfinished()
                begun.clear()
            for key, _ in ready:
                if key.data is None:
                    return
                started: Started = key.data
                data = started.child.read(key.fd)
                if data is None:
                    self._selector.unregister(key.fd)  # its end; the session finds it again
                elif data:
                    source = started.sources[started.child.outputs[key.fd]]
                    source.feed(data)
                    (begun.add if source.is_unfinished else begun.discard)(source)
            self._show()

    def _show(self) -> None:
        self._lines.write(self._lines.take(self._log))
