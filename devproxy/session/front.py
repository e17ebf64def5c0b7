"""The public port: where the browser goes. Taken before any child starts, never fought for."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from devproxy.config.checkout import checkout_of
from devproxy.config.model import Config
from devproxy.config.root import default_name
from devproxy.ports.memory import PUBLIC, Memory
from devproxy.ports.probe import PortInUse, bind_loopback, choose

if TYPE_CHECKING:
    import socket


def bind_front(
    usual: int, memory: Memory, *, asked: int | None, linked: bool, say: Callable[[str, str], None]
) -> "list[socket.socket]":
    """Take the public port on both loopback families; another one if it is held: never a question, never a kill.

    A linked worktree leaves the usual port to the primary one. Whoever gets another port gets it again.

    Args: asked: on the command line, which is neither moved for a worktree nor remembered; say: a sentence
    and its level.
    Raises: PortInUse: no port is left.
    """
    remembered = memory.recall(PUBLIC) if linked else usual
    first = remembered if asked is None else asked
    for port in _candidates(first, asked or usual, memory):
        try:
            sockets = bind_loopback(port)
        except PortInUse:  # also when somebody took it between the look and the bind
            continue
        if first is None:
            say(f"a linked worktree: it gets the port {port} for itself, and keeps it", "info")
        elif port != first:
            say(f"port {first} is in use; this session is on {port}", "warning")
        if asked is None and port != usual:
            memory.keep(PUBLIC, port)
        return sockets
    raise AssertionError("choose() raises when no port is left")


def _candidates(first: int | None, usual: int, memory: Memory) -> Iterator[int]:
    """The first choice, what it had before, then any that nobody has and no other root was given."""
    tried = set()
    for port in (first, memory.recall(PUBLIC)):
        if port is not None and port not in tried:
            tried.add(port)
            yield port
    tried |= {usual, *memory.of_others()}
    while True:
        yield (port := choose(usual + 1, tried))
        tried.add(port)


def urls(config: Config, origin: str, port: int) -> list[str]:
    """Where a session can be seen: the origin, and a name that only this branch has (and cookies of its own)."""
    from devproxy.hosts import branch_host  # the first children do not wait for it

    checkout, name = checkout_of(config.root), config.name
    if checkout.primary is not None and name == default_name(config.root):
        name = default_name(checkout.primary)  # the project's, not that of the worktree's folder
    branch = branch_host(checkout.branch, name)
    return [origin, f"http://{branch}:{port}"] if branch else [origin]
