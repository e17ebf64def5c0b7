"""Whether upstreams are well: each is asked at once and then again and again, by a task of its own."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from devproxy.config.model import Probe
from devproxy.proxy.balance import Standing
from devproxy.proxy.head import ResponseHead
from devproxy.proxy.upstream import Address, Hopeless, Upstream, UpstreamConnection

if TYPE_CHECKING:
    from devproxy.proxy.exchange import Exchange

CONNECT: Final = Probe(path="")
"""Only whether it takes a connection: what is asked of an upstream that declares no probe."""

NOT_IMPLEMENTED: Final = 501
"""What small servers say to HEAD (RFC 9110 §15.6.2)."""

CONNECTED_SECONDS: Final = 10.0
"""How long one that takes connections is left alone then. A server at a breakpoint takes none out of its backlog, which
may be as short as five."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a probe; answer: in words; latency: seconds, None: it got no answer."""

    is_well: bool
    answer: str
    latency: float | None = None


class Probing:
    """Asks the upstreams that it was given; `run` is its task, which ends all that they do.

    Args: told: hears of each that is found not to be well, and of each that is well again.
    """

    def __init__(self, told: Callable[[Standing], None]) -> None:
        self._told = told
        self._asked: frozenset[Standing] = frozenset()
        self._adopted = asyncio.Event()

    def adopt(self, standings: Iterable[Standing]) -> None:
        """Ask these from now on, and no others."""
        self._asked = frozenset(standing for standing in standings if standing.probe is not None)
        self._adopted.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        asking: dict[Standing, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                for standing in asking.keys() - self._asked:
                    asking.pop(standing).cancel()
                for standing in self._asked - asking.keys():
                    asking[standing] = tasks.create_task(self._ask(standing))
                self._adopted.clear()
                await self._adopted.wait()

    async def _ask(self, standing: Standing) -> None:
        assert standing.probe is not None
        change = _Change()
        standing.upstream.wait(change)
        try:
            while True:
                change.event.clear()
                pause = None
                if standing.upstream.state == "ready":
                    outcome = await ask(standing.upstream, standing.probe, host=standing.host)
                    if not change.event.is_set():  # else it is another by now
                        self._take(standing, outcome)
                    is_there = not standing.probe.path and outcome.is_well
                    pause = CONNECTED_SECONDS if is_there else standing.probe.interval_seconds
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await change.event.wait()
        finally:
            standing.upstream.leave(change)

    def _take(self, standing: Standing, outcome: Outcome) -> None:
        before = standing.is_well
        standing.probed(is_well=outcome.is_well, answer=outcome.answer, latency=outcome.latency)
        if outcome.is_well != (before is not False):
            self._told(standing)


class _Change:
    """Waits for the next change of an upstream's state."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def wake(self) -> None:
        self.event.set()


async def ask(upstream: Upstream, probe: Probe, *, host: str | None = None) -> Outcome:
    """Ask once; any answer below 500 is well, and so is NOT_IMPLEMENTED.

    The connection is made as for requests, and ends with the answer.

    Args: host: for the Host field; None: the address that is asked.
    """
    what = f"{probe.method} {probe.path} got " if probe.path else ""
    failure = "no address"
    for address in upstream.addresses:
        try:
            async with asyncio.timeout(probe.timeout_seconds):
                return await _at(upstream, address, probe, host)
        except TimeoutError:
            failure = f"no answer within {probe.timeout_seconds:g} s"
        except _NotHttp as error:
            failure = f"no HTTP: {error}"
        except Hopeless as error:  # it is there
            return Outcome(is_well=False, answer=what + error.reason)
        except ConnectionRefusedError:
            failure = "no connection: it refuses them"
        except OSError as error:
            failure = f"no answer: {error.strerror or error}"
    return Outcome(is_well=False, answer=what + failure)


async def _at(upstream: Upstream, address: Address, probe: Probe, host: str | None) -> Outcome:
    loop = asyncio.get_running_loop()
    began = loop.time()
    connection = await upstream.connect(*address)
    try:
        if not probe.path:
            return Outcome(is_well=True, answer="it takes connections", latency=loop.time() - began)
        question = _Question(loop.create_future())
        name, port = address
        authority = host or f"{f'[{name}]' if ':' in name else name}:{port}"
        fields = f"Host: {authority}\r\nUser-Agent: devproxy\r\nAccept: */*\r\nConnection: close\r\n"
        connection.carry(cast("Exchange", question), f"{probe.method} {probe.path} HTTP/1.1\r\n{fields}\r\n".encode())
        status = await question.status
        answer = f"{probe.method} {probe.path} answered {status}"
        return Outcome(is_well=status < 500 or status == NOT_IMPLEMENTED, answer=answer, latency=loop.time() - began)
    finally:
        connection.abort()


class _NotHttp(Exception):
    """What came back is not HTTP."""


class _Question:
    """One request, of whose answer the status is all that counts: what a connection takes for an exchange."""

    is_stream = False
    is_replayable = True

    def __init__(self, status: "asyncio.Future[int]") -> None:
        self.status = status

    def is_bodiless(self, status: int) -> bool:
        return True

    def interim(self, response: ResponseHead) -> None: ...

    def response_head(self, response: ResponseHead, body: bytes = b"") -> None:
        if not self.status.done():
            self.status.set_result(response.status)

    def response_done(self, *, reusable: bool) -> None: ...

    def switch(self, connection: UpstreamConnection, response: ResponseHead, rest: bytes) -> str:
        return "it switched protocols though nobody asked"

    def upstream_lost(self, *, got_bytes: bool, error: Exception | None) -> None:
        self._fail(ConnectionResetError("it closed the connection"))

    def upstream_malformed(self, reason: str) -> None:
        self._fail(_NotHttp(reason))

    def forsaken(self) -> None:
        self._fail(ConnectionResetError("it is failing"))

    def _fail(self, error: Exception) -> None:
        if not self.status.done():  # else its time is up already
            self.status.set_exception(error)
