"""Several upstreams behind one name, and the requests that are given to them.

How an upstream does is its `Standing`; as a `Member` of a group it has requests. `choice.py` decides by both who gets
the next one. An exchange that finds its upstream refusing or gone goes on to another, by the rules that hold for
sending again (exchange.py).
"""

import asyncio
import re
from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from typing import Final, cast

from devproxy.config.model import Balance, MaxRequests, Probe
from devproxy.proxy.choice import Bucket, Candidate, Ejection, choose, joint_state, may_leave, smoothed
from devproxy.proxy.exchange import Exchange
from devproxy.proxy.framing import ChunkedBody
from devproxy.proxy.head import RequestHead, ResponseHead
from devproxy.proxy.upstream import Upstream, UpstreamConnection

COOKIE_PREFIX: Final = "devproxy_sticky_"


class Standing:
    """How an upstream does, for all who share it: what its probe says, and whether it fails requests.

    Args: probe: what it is asked; None: nobody asks, and its state alone says whether it is well; host: what it is
    asked as, None: as its address.
    """

    def __init__(self, upstream: Upstream, *, probe: Probe | None = None, host: str | None = None) -> None:
        self.upstream = upstream
        self.name = upstream.name
        self.probe = probe
        self.host = host
        self.ejection = Ejection()
        self.is_well: bool | None
        self.answer: str | None
        self.latency: float | None
        self.forget()

    def forget(self) -> None:
        """It has gone, and who comes next is another."""
        self.ejection = Ejection()
        self.is_well = True if self.probe is None else None
        self.answer = self.latency = None

    def failed(self, now: float) -> None:
        """It refused a connection, or ended one without an answer."""
        self.ejection = self.ejection.after_failure(now)

    def answered(self) -> None:
        """It has answered a request, whatever it said."""
        self.ejection = Ejection()

    def probed(self, *, is_well: bool, answer: str, latency: float | None) -> None:
        """What came of its probe. One that is well again is not left out any longer."""
        if is_well and self.is_well is False:
            self.ejection = Ejection()
        self.is_well, self.answer = is_well, answer
        if latency is not None:
            self.latency = smoothed(self.latency, latency)


class Member:
    """An upstream in a group: how it does, and the requests that it has. Args: limit: how many it gets."""

    def __init__(self, standing: Standing, *, limit: MaxRequests | None = None) -> None:
        self.standing = standing
        self.upstream = standing.upstream
        self.name = standing.name
        self.mark = sha256(self.name.encode()).hexdigest()[:8]  # in a cookie
        self.limit = limit or MaxRequests()
        self.requests = 0
        self.in_flight = 0
        per_second = self.limit.per_second
        self._bucket = Bucket(per_second, per_second) if per_second is not None else None

    def candidate(self, turn: int, now: float) -> Candidate:
        """What there is to know for a choice. Args: turn: its last one in the group that chooses."""
        is_full = self.limit.in_flight is not None and self.in_flight >= self.limit.in_flight
        if self._bucket is not None and not is_full:
            is_full = not self._bucket.has_token(now)
        standing, is_strict = self.standing, self.limit.over == "refuse"
        is_ejected = now < standing.ejection.until
        return Candidate(self.mark, turn, standing.is_well, is_ejected, standing.latency, is_full, is_strict)

    def begin(self, now: float) -> None:
        """It is given a request."""
        self.requests += 1
        self.in_flight += 1
        if self._bucket is not None:
            self._bucket = self._bucket.taken(now)

    def end(self) -> None:
        """That request is over."""
        self.in_flight -= 1


class Balanced(Upstream):
    """Several upstreams as one, whose state is that of the best of them. Connections are theirs.

    Held requests are woken when the joint state changes.

    Args: cookie: with "sticky", what makes the cookie's name differ from that of others on this host.
    Owns: its place among those who are told of the members' changes; `close` ends it.
    """

    def __init__(
        self,
        name: str,
        members: Sequence[Member],
        *,
        balance: Balance = "round-robin",
        cookie: str = "",
        needed: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name, state=joint_state(member.upstream.state for member in members), needed=needed)
        self.members = tuple(members)
        self.balance = balance
        self.refused = 0  # requests that nobody took
        self._turn = 0
        self._turns = dict.fromkeys(self.members, 0)
        self._by_mark = {member.mark: member for member in self.members}
        self.cookie = f"{COOKIE_PREFIX}{sha256(f'{cookie} {name}'.encode()).hexdigest()[:8]}".encode()
        self._in_cookie = re.compile(rb"(?:^|[;,] *)%b=([0-9a-f]{8})" % re.escape(self.cookie))
        for member in self.members:
            member.upstream.wait(self)

    def wake(self) -> None:
        """A member has changed."""
        for member in self.members:
            if member.upstream.state != "ready":
                member.standing.forget()
        state = joint_state(member.upstream.state for member in self.members)
        if state != self.state:
            self.become(state)

    def leave_members(self) -> None:
        """Hear no more of them."""
        for member in self.members:
            member.upstream.leave(self)

    async def close(self) -> None:
        self.leave_members()
        await super().close()

    def choose(self, request: RequestHead, tried: Collection[Member]) -> tuple[Member | None, bytes]:
        """Who gets the request, and the cookie for its answer that makes the client come back there ("" for none).

        None: nobody takes it now. Args: tried: who has failed it.
        """
        now = asyncio.get_running_loop().time()
        ready = [member for member in self.members if member.upstream.state == "ready"]
        if tried:
            ready = [member for member in ready if member not in tried] or ready
        candidates = [member.candidate(self._turns[member], now) for member in ready]
        wanted = self._wanted(request) if self.balance == "sticky" else None
        chosen = choose(self.balance, candidates, wanted)
        if chosen is None:
            self.refused += 1
            return None, b""
        member = self._by_mark[chosen.name]
        self._turn += 1
        self._turns[member] = self._turn
        member.begin(now)
        if self.balance != "sticky" or chosen.name == wanted or not may_leave(candidates, wanted):
            return member, b""
        return member, b"%b=%b; Path=/; HttpOnly; SameSite=Lax" % (self.cookie, member.mark.encode())

    def has_other(self, tried: Collection[Member]) -> bool:
        """Whether one is ready that has not failed a request yet."""
        return any(member.upstream.state == "ready" and member not in tried for member in self.members)

    def _wanted(self, request: RequestHead) -> str | None:
        found = self._in_cookie.search(request.noted.get(b"cookie", b""))
        return found[1].decode() if found is not None else None


class BalancedExchange(Exchange):
    """An exchange whose upstream is chosen when it is forwarded, and chosen anew when that one fails it."""

    _group: Balanced
    _member: Member | None  # who has it now
    _tried: tuple[Member, ...]  # who has failed it
    _cookie: bytes  # for the answer

    def start(self) -> None:
        self._group = cast(Balanced, self._upstream)
        self._member, self._tried, self._cookie = None, (), b""
        super().start()

    def _acquire(self) -> None:
        self._member, self._cookie = self._group.choose(self.request, self._tried)
        if self._member is None:
            self.fail(503, "It has as many requests as `max_requests` lets it have.")
        else:
            self._upstream = self._member.upstream
            super()._acquire()

    def _decide(self) -> None:
        self._give_back()
        super()._decide()

    def _redial(self) -> None:
        self._end_wait()
        if self._group.state == "ready":
            self._acquire()
        else:
            self._decide()

    def refused(self, error: OSError) -> None:
        self._note_failure()
        if not self._over and self._group.has_other(self._tried):
            self._give_back()
            self._acquire()
        else:
            self._tried = ()
            super().refused(error)

    def upstream_lost(self, *, got_bytes: bool, error: Exception | None) -> None:
        if self._connection is None or not self._connection.used:  # a kept one may just have come to its end
            self._note_failure()
        super().upstream_lost(got_bytes=got_bytes, error=error)

    def upstream_malformed(self, reason: str) -> None:
        self._note_failure()
        super().upstream_malformed(reason)

    def response_head(self, response: ResponseHead, body: bytes = b"") -> ChunkedBody | None:
        self._note_answer(response)
        return super().response_head(response, body)

    def switch(self, connection: UpstreamConnection, response: ResponseHead, rest: bytes) -> str:
        self._note_answer(response)
        return super().switch(connection, response, rest)

    def _finish(self) -> None:
        super()._finish()
        self._end_turn()

    def _note_answer(self, response: ResponseHead) -> None:
        if self._member is not None:
            self._member.standing.answered()
        if self._cookie:
            response.lines = [*response.lines, b"Set-Cookie: " + self._cookie]

    def _note_failure(self) -> None:
        if self._member is not None:
            self._member.standing.failed(asyncio.get_running_loop().time())
            self._tried = (*self._tried, self._member)

    def _give_back(self) -> None:
        """Nobody in particular has it now."""
        self._end_turn()
        self._upstream = self._group

    def _end_turn(self) -> None:
        member, self._member = self._member, None
        if member is not None:
            member.end()
