"""The end of a child's tree, after its leader's: grace, kill, and its ports bind again.

Nothing tells of the end of a process that is not our child, nor of a port that is let go: they are asked for.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from devproxy.ports import family, identity
from devproxy.ports.identity import Identity
from devproxy.ports.probe import is_free
from devproxy.ports.signals import send
from devproxy.processes.tree import Tree

FIRST_PAUSE_SECONDS: Final = 0.005
LONGEST_PAUSE_SECONDS: Final = 0.05

KILL_SECONDS: Final = 5.0
"""How long what was killed may take to go; the kernel needs milliseconds, but a machine may be busy."""

ORPHAN_GRACE_SECONDS: Final = 1.0
RELEASE_SECONDS: Final = 1.0
"""How long a port may take to bind once nobody of ours has it."""


async def end(tree: Tree, grace_ends: Callable[[], float]) -> str:
    """See the whole tree off: wait until its grace has ended, then kill what is left.

    Args: grace_ends: a moment on the loop's clock; it may come earlier while we wait.
    Returns: who did not end; empty if all did.
    """
    if await _until(tree.is_gone, grace_ends) or await _killed(tree.signal, tree.is_gone):
        return ""
    pids = ", ".join(str(who.pid) for who in tree.escaped())
    return f"pid {pids or 'unknown'} did not end, not even by SIGKILL"


async def end_group(tree: Tree) -> None:
    """Kill what is left of the group; what has left it stays."""
    await _killed(tree.signal_group, tree.group_is_gone)


async def release(tree: Tree, ports: Collection[int], grace_ends: Callable[[], float], patience: float) -> bool:
    """Wait until the ports bind on both families; what holds one without a mark of ours, but below us, is ended too.

    Args: grace_ends: as above; patience: how long a port may take once nobody of ours has it.

    Returns: whether they bind.
    """
    if _all_free(ports):
        return True
    if tree.take_holders(ports):
        tree.signal(signal.SIGTERM)
        await end(tree, grace_ends)
    deadline = asyncio.get_running_loop().time() + patience
    return await _until(lambda: _all_free(ports), lambda: deadline)


async def end_adopted(is_child: Callable[[int], bool]) -> None:
    """End the orphans that were handed to us, and all below them: daemons that nothing tells the service of.

    Args: is_child: whether a child of ours was started by us.
    """
    loop, asked = asyncio.get_running_loop(), set[Identity]()
    began = loop.time()

    def gone() -> bool:
        rows = family.snapshot()
        orphans = [pid for pid, row in rows.items() if row.ppid == os.getpid() and not is_child(pid)]
        left = {who for pid in (*orphans, *family.descendants(rows, *orphans)) if (who := identity.of(pid)) is not None}
        late = loop.time() - began > ORPHAN_GRACE_SECONDS
        for who in left if late else left - asked:
            with suppress(PermissionError):
                send(who, signal.SIGKILL if late else signal.SIGTERM)
                send(who, signal.SIGCONT)
        asked.update(left)
        return not left

    await _until(gone, lambda: began + ORPHAN_GRACE_SECONDS + KILL_SECONDS)


def _all_free(ports: Collection[int]) -> bool:
    return all(is_free(port) for port in ports)


async def _killed(send: Callable[[signal.Signals], None], is_gone: Callable[[], bool]) -> bool:
    """Kill again and again: what was started while we looked was not seen."""

    def gone() -> bool:
        if is_gone():
            return True
        send(signal.SIGKILL)
        return False

    deadline = asyncio.get_running_loop().time() + KILL_SECONDS
    return await _until(gone, lambda: deadline)


async def _until(condition: Callable[[], bool], deadline: Callable[[], float]) -> bool:
    loop, pause = asyncio.get_running_loop(), FIRST_PAUSE_SECONDS
    while not condition():
        if loop.time() >= deadline():
            return False
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
    return True
