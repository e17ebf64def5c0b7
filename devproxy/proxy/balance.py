"""Several upstreams behind one name: each request goes to the next one that is ready."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from devproxy.proxy.upstream import Address, Upstream, UpstreamConnection

if TYPE_CHECKING:
    from devproxy.proxy.exchange import Exchange

BEST_FIRST = (
    "ready", "restarting", "starting", "freeing", "waiting", "failing", "crashed", "blocked", "stopped", "done", "over",
)  # fmt: skip


def joint_state(states: Iterable[str]) -> str:
    """The state of several as one: that of the one that will answer first."""
    return min(states, key=BEST_FIRST.index)


class Balanced(Upstream):
    """The upstreams of a service's instances as one, in turn.

    Held requests are woken when the joint state changes. Connections belong to the member they lead to, which closes
    them when it leaves ready; a dial goes on to the next member when one refuses.
    Owns: the dials under way, and its place among those who are told of the members' changes; `close` ends both.
    """

    def __init__(self, name: str, members: Sequence[Upstream], *, needed: Callable[[], None] = lambda: None) -> None:
        super().__init__(name, state=joint_state(member.state for member in members), needed=needed)
        self._members = list(members)
        for member in self._members:
            member.wait(self)

    def wake(self) -> None:
        """A member has changed."""
        state = joint_state(member.state for member in self._members)
        if state != self.state:
            self.become(state)

    async def close(self) -> None:
        for member in self._members:
            member.leave(self)
        await super().close()

    def take(self, *, replayable: bool) -> UpstreamConnection | None:
        member = next(self._in_turn(), None)
        found = member.take(replayable=replayable) if member is not None else None
        if found is not None:
            self._next()
        return found

    def put(self, connection: UpstreamConnection) -> None:
        connection.upstream.put(connection)

    def dial(self, exchange: "Exchange") -> None:
        super().dial(exchange)
        self._next()

    def targets(self) -> list[tuple[Upstream, Address]]:
        return [(member, address) for member in self._in_turn() for address in member.addresses]

    def _in_turn(self) -> Iterator[Upstream]:
        return (member for member in self._members if member.state == "ready")

    def _next(self) -> None:
        """Whose turn it was is last now."""
        member = next(self._in_turn(), None)
        if member is not None:
            self._members.remove(member)
            self._members.append(member)
