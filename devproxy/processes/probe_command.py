"""Running a probe's command: how it ended, and what it said last."""

import asyncio
import signal
from dataclasses import dataclass
from typing import Final

from devproxy.logs.filter import LineFilter
from devproxy.logs.records import SGR
from devproxy.processes.child import Command, spawn
from devproxy.processes.lifecycle import Exit
from devproxy.processes.reaper import Reaper
from devproxy.processes.start import Guard

TAIL_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a probe's command ended. last_line: what it printed last, without colours."""

    exit: Exit
    last_line: str = ""


def run_probe(command: Command, service: str, guard: Guard, reaper: Reaper) -> "asyncio.Future[Outcome]":
    """Run a command to its end; what it prints stays out of the log.

    Raises: MissingProgram, ServiceFailed: it cannot be started.
    Cancel: kills its process group.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Outcome] = loop.create_future()
    child = spawn(command)
    guard.add(child.pid, service, None)
    tail = bytearray()

    def take(_: str, data: bytes) -> None:
        tail.extend(data)
        del tail[:-TAIL_BYTES]

    def readable(fd: int) -> None:
        data = child.read(fd)
        if data is None:
            loop.remove_reader(fd)
        else:
            take("", data)

    def ended(exit_: Exit) -> None:
        child.drain(take)
        for fd in tuple(child.outputs):
            loop.remove_reader(fd)
            child.close_output(fd)
        guard.remove(child.pid)
        if not done.done():
            done.set_result(Outcome(exit_, _last_line(bytes(tail))))

    for fd in child.outputs:
        loop.add_reader(fd, readable, fd)
    reaper.watch(child.pid, ended)
    done.add_done_callback(lambda future: future.cancelled() and child.signal_group(signal.SIGKILL))
    return done


def _last_line(tail: bytes) -> str:
    lines = LineFilter()
    text = (lines.feed(tail) + lines.flush()).decode("utf-8", "replace")
    return next((plain for line in reversed(text.splitlines()) if (plain := SGR.sub("", line).strip())), "")
