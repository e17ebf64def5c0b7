"""Several processes that do the same thing at the same instant."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import IO


def race(program: str, arguments: Sequence[Sequence[object]]) -> list[str]:
    """Run the Python program once for each of the arguments; return the line that each said.

    Each says "ready" and reads a line, says its own and reads another: so all are let go at once, and all
    still live when the last one has spoken.
    """
    with ExitStack() as stack:
        racers = [stack.enter_context(_racer(program, each)) for each in arguments]
        assert [_read(racer.stdout) for racer in racers] == ["ready"] * len(racers)
        for racer in racers:
            _let_go(racer.stdin)
        lines = [_read(racer.stdout) for racer in racers]
        for racer in racers:
            _let_go(racer.stdin)
    return lines


def _racer(program: str, arguments: Sequence[object]) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _read(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline().strip()


def _let_go(stream: IO[str] | None) -> None:
    assert stream is not None
    stream.write("\n")
    stream.flush()
