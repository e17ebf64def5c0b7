"""What one child prints, as it is read: for the log, for who is attached, and in search of questions."""

import asyncio
import time
from collections.abc import Callable, Mapping

from devproxy.processes.child import Child
from devproxy.processes.pace import Pace
from devproxy.processes.start import Source
from devproxy.processes.terminal import Terminal
from devproxy.processes.unfinished import Unfinished


class Outputs:
    """Reads one child's outputs, from `read` on in the loop.

    Args: sources: where they go, by stream; terminal: who is attached sees them, too; asks: called when it seems to
    wait for an answer; pace: how fast it is read.
    Owns: the child's outputs; `close` closes them.
    """

    def __init__(
        self, child: Child, sources: Mapping[str, Source], terminal: Terminal, asks: Callable[[], None], pace: Pace
    ) -> None:
        self._child = child
        self._sources = sources
        self._terminal = terminal
        self._asks = asks
        self._pace = pace
        self._resting: dict[int, asyncio.TimerHandle] = {}  # outputs that are not read for a moment
        self._unfinished: Mapping[str, Unfinished] = {}  # by stream, once there is a loop

    def read(self) -> None:
        """Read them from now on."""
        loop = asyncio.get_running_loop()
        self._terminal.connect(self._child)
        self._unfinished = {stream: Unfinished(source, loop, self._asks) for stream, source in self._sources.items()}
        for fd, stream in self._child.outputs.items():
            loop.add_reader(fd, self._readable, fd)
            self._unfinished[stream].fed(b"")  # before there was a loop, perhaps

    def drain(self) -> None:
        """Take what they still hold, after the exit."""
        self._child.drain(self._take)

    def close(self) -> None:
        """Take what they still hold, and read no more."""
        self._terminal.disconnect()
        self.drain()
        for fd in tuple(self._child.outputs):
            self._stop_reading(fd)
            self._child.close_output(fd)

    def _readable(self, fd: int) -> None:
        began = time.monotonic()
        data = self._child.read(fd)
        if data is None:
            self._stop_reading(fd)
        elif data:
            self._take(self._child.outputs[fd], data)
            now = time.monotonic()
            if (seconds := self._pace.rest(now - began, now)) > 0:
                self._rest(fd, seconds)

    def _rest(self, fd: int, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(fd)
        self._resting[fd] = loop.call_later(seconds, self._go_on, fd)

    def _go_on(self, fd: int) -> None:
        del self._resting[fd]
        asyncio.get_running_loop().add_reader(fd, self._readable, fd)

    def _take(self, stream: str, data: bytes) -> None:
        self._sources[stream].feed(data)
        if stream in self._unfinished:
            self._unfinished[stream].fed(data)
        self._terminal.wrote(data)

    def _stop_reading(self, fd: int) -> None:
        """Its end of file. Not closed yet: that would hang up on a child that prints into files (SIGHUP, pty(7))."""
        if (resting := self._resting.pop(fd, None)) is not None:
            resting.cancel()
        asyncio.get_running_loop().remove_reader(fd)
        self._unfinished[self._child.outputs[fd]].stop()
        self._sources[self._child.outputs[fd]].flush()
