"""One generation of a service as it runs: its child, what that prints, all that came of it, and how that ends."""

import asyncio
import signal
from collections.abc import Callable, Collection

from devproxy.config import model
from devproxy.processes import ending
from devproxy.processes.lifecycle import Next
from devproxy.processes.outputs import Outputs
from devproxy.processes.start import Started
from devproxy.processes.tree import Tree


class Running:
    """A child and its tree, from its start until nothing of it is left.

    Args: held: says who has ports that do not bind.
    Owns: the child's processes and outputs.
    """

    def __init__(self, started: Started, tree: Tree, outputs: Outputs, held: Callable[[Collection[int]], str]) -> None:
        self.started = started
        self.child = started.child
        self.outputs = outputs
        self._tree = tree
        self._held = held
        self._grace_ends = 0.0  # who has not been asked to end has none
        self._is_buried = asyncio.Event()

    @property
    def is_buried(self) -> bool:
        """Whether its child is gone, and what had to go with it: the rest is what it was to leave behind."""
        return self._is_buried.is_set()

    @property
    def grace_left(self) -> float:
        """Seconds until it is killed, if it has been asked to end."""
        return max(0.0, self._grace_ends - asyncio.get_running_loop().time())

    def signal(self, number: signal.Signals) -> None:
        """Signal all of it."""
        self._tree.signal(number)

    def hurry(self) -> None:
        """End the grace period."""
        self._grace_ends = 0.0
        self._tree.signal(signal.SIGKILL)

    def ask_to_end(self, stop: model.Stop, *, at_once: bool) -> None:
        """Begin its grace period. Args: at_once: it has none."""
        self._grace_ends = 0.0 if at_once else asyncio.get_running_loop().time() + stop.grace_seconds
        self._tree.signal(signal.Signals[f"SIG{stop.signal.removeprefix('SIG')}"])
        self._tree.signal(signal.SIGCONT)  # a stopped process hears nothing

    async def kill_after_grace(self) -> None:
        """Wait until it is buried; kill it when its grace period is over before."""
        try:
            async with asyncio.timeout_at(self._grace_ends):
                await self._is_buried.wait()
        except TimeoutError:
            if not self.is_buried:  # else the next one may live already, and carries the same marks
                self._tree.signal(signal.SIGKILL)

    async def end_group(self) -> bool:
        """End the rest of the group; whether something lives that has left it."""
        await ending.end_group(self._tree)
        return bool(self._tree.escaped())

    async def see_off(self, ports: Collection[int], follows: Callable[[], Next | None]) -> str:
        """End what is left and wait until its ports bind; say what is left all the same.

        Args: follows: what is to follow its end. Who starts again claims its port, and will hear who holds it.
        """
        left = await ending.end(self._tree, self._when_grace_ends)
        patience = ending.RELEASE_SECONDS if follows() is not None else 0.0
        if left or await ending.release(self._tree, ports, self._when_grace_ends, patience):
            return left
        return await asyncio.to_thread(self._held, ports) if follows() == "stopped" else ""

    def bury(self) -> None:
        """What had to go is gone."""
        self._is_buried.set()

    def _when_grace_ends(self) -> float:
        return self._grace_ends
