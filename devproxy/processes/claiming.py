"""A service's port: claimed for a child that is to start, waited for, and found to be taken by somebody else."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from devproxy.config import model
from devproxy.errors import DevproxyError
from devproxy.errors import PortHeld as HeldError
from devproxy.logs.records import Record
from devproxy.ports.probe import is_free
from devproxy.ports.table import listening_ports
from devproxy.processes.contested import ports_in_use
from devproxy.processes.lifecycle import NOT_RUNNABLE, STABLE_SECONDS, Exit, Life, PortFree, PortHeld
from devproxy.processes.surroundings import Surroundings

POLL_SECONDS: Final = 1.0
"""How often to look whether a port is released: nothing tells us, and nobody waits for it eagerly."""


async def claim(
    spec: model.Service, attempt: int, around: Surroundings, *, had: int | None, again: bool, contested: int | None
) -> tuple[int | None, PortFree | PortHeld]:
    """See that its port binds. In a thread: finding out who holds a port, and waiting for it, takes a while.

    Args: had: the port it was given before; again: its own child may have held it a moment ago; contested: one that
    its last child wanted, and somebody else had.
    Returns: the port it has from now on, and what came of it.
    """
    port = had
    try:
        port = await asyncio.to_thread(around.claim, spec, again)
        if contested is not None and contested != had:  # it was given another one, and insists on this
            await asyncio.to_thread(around.clear, spec, contested)
    except DevproxyError as error:
        return port, PortHeld(attempt, error.in_words, error.port if isinstance(error, HeldError) else None)
    return port, PortFree(attempt)


async def released(port: int, is_awaited: Callable[[], bool]) -> bool:
    """Wait until nobody listens on the port; False: nobody waits for that any more.

    Looks at the table of sockets first: binding the port, even for a moment, could keep others from it.
    """
    while is_awaited():
        await asyncio.sleep(POLL_SECONDS)
        if port not in listening_ports() and is_free(port):
            return True
    return False


def taken(
    life: Life, exit_: Exit, lived: float, port: int | None, printed: Callable[[], Iterable[Record]]
) -> int | None:
    """The port that a child could not have, if it died of that: the child and all that came of it are gone, and yet
    somebody listens on the port it was given, or on one that it complained about.

    Args: port: what it was given; printed: its lines.
    """
    if exit_.ok or exit_.code in NOT_RUNNABLE:
        return None  # it did not come to want a port
    if life.next is not None or life.was_ready or lived >= STABLE_SECONDS:
        return None
    named = ports_in_use(record.plain for record in printed())
    wanted = named if port is None else [port, *named]
    return next((one for one in wanted if not is_free(one)), None)
