"""What every test may use: waiting on conditions, running coroutines, free ports."""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from devproxy.ports.probe import is_free

T = TypeVar("T")

INTERVAL = 0.01


def until(condition: Callable[[], T], within: float = 20.0) -> T:
    """Poll the outside world until `condition()` is true; return its value, or fail after `within` seconds."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {within} s: {condition}")
        time.sleep(INTERVAL)
    return value


async def auntil(condition: Callable[[], T | Awaitable[T]], within: float = 20.0) -> T:
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


async def stands_still(count: Callable[[], int]) -> None:
    """Wait until a count that has begun no longer grows: who sends has to wait."""
    before = 0
    while (now := count()) != before or not now:
        before = now
        await asyncio.sleep(0.1)


def run(coroutine: Coroutine[Any, Any, T], within: float = 50.0) -> T:
    """Run a coroutine in a fresh event loop, of the kind that devproxy runs in, under a deadline."""

    async def bounded() -> T:
        async with asyncio.timeout(within):
            return await coroutine

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bounded())


_WORKER, _WORKERS = (os.environ.get(f"PYTEST_XDIST_WORKER{it}", "0") for it in ("", "_COUNT"))
# Below what the kernel gives to connections (ip_local_port_range), above where devproxy looks for `port = "auto"`;
# of these each worker has its own.
_ports = list(range(24_000 + int(_WORKER.removeprefix("gw")), 32_000, int(_WORKERS) or 1))
random.shuffle(_ports)


def free_port() -> int:
    """A port that nothing listens on, on any address; never the same one twice, and no other test takes it meanwhile."""
    while not is_free(port := _ports.pop()):
        pass
    return port
