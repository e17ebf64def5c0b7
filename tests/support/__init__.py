"""What every test may use: waiting on conditions, running coroutines, free ports."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")

INTERVAL = 0.01


def until(condition: Callable[[], T], within: float = 10.0) -> T:
    """Poll the outside world until `condition()` is true; return its value, or fail after `within` seconds."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {within} s: {condition}")
        time.sleep(INTERVAL)
    return value


async def auntil(condition: Callable[[], T | Awaitable[T]], within: float = 10.0) -> T:
    """`until` for a running event loop; the condition may be a coroutine function."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {within} s: {condition}")
        await asyncio.sleep(INTERVAL)


def run(coroutine: Coroutine[Any, Any, T], within: float = 30.0) -> T:
    """Run a coroutine in a fresh event loop, of the kind that devproxy runs in, under a deadline."""

    async def bounded() -> T:
        async with asyncio.timeout(within):
            return await coroutine

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bounded())


_handed_out: set[int] = set()


def free_port() -> int:
    """A port that nothing listens on at this moment, on either loopback family; never the same one twice."""
    while True:
        with socket.socket(socket.AF_INET) as four, socket.socket(socket.AF_INET6) as six:
            four.bind(("127.0.0.1", 0))
            port: int = four.getsockname()[1]
            try:
                six.bind(("::1", port))
            except OSError:
                continue
            if port not in _handed_out:
                _handed_out.add(port)
                return port
