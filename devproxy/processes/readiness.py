"""May a service take traffic? One probe for each way of telling.

By default a service is ready when its own process tree listens; a connection to its port would not do,
because another program might answer there. Polling is of the outside world: nothing tells us of a listen(2).
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from devproxy.config.model import Ready
from devproxy.errors import DevproxyError
from devproxy.ports.table import Listener, tree_listeners
from devproxy.processes.lifecycle import Exit

INTERVAL_SECONDS: Final = 0.03
SLOW_INTERVAL_SECONDS: Final = 0.25
SLOW_AFTER_SECONDS: Final = 5.0

OTHER_PORT_SECONDS: Final = 1.0
"""A tree that listens, but not where it should, gets this long to do so before we believe what we see."""

Address = tuple[str, int]


class NotReady(Exception):
    """The deadline passed. The message says what was probed and what came back."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """It is ready, and listens here; note: what a person should know of it."""

    addresses: tuple[Address, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a probe may look at.

    pid: the child's; port: where it should listen, None if that is not known; listens: whether listening
    is what makes it ready; printed: waits until a line of this generation matches; run: runs a command in
    the service's environment.
    """

    pid: int
    port: int | None
    listens: bool
    printed: Callable[[re.Pattern[str]], "asyncio.Future[None]"]
    run: Callable[[str], "asyncio.Future[Exit]"]


def is_declared(ready: Ready) -> bool:
    """Whether the service says itself when it is ready."""
    return bool(ready.http or ready.port or ready.log or ready.command or ready.started)


async def wait_ready(ready: Ready, subject: Subject) -> Readiness:
    """Wait until the service may take traffic.

    Raises: NotReady: `ready.timeout_seconds` passed.
    Cancel: safe at any point.
    """
    probe = Probe(subject)
    try:
        async with asyncio.timeout(ready.timeout_seconds):
            return await probe.by(ready)
    except TimeoutError:
        seen = f"; {probe.seen}" if probe.seen else ""
        raise NotReady(f"not ready after {ready.timeout_seconds:g} s: {probe.asked}{seen}") from None


class Probe:
    """One wait for readiness; remembers what it asked and what it saw, for the message if it fails."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.asked = ""
        self.seen = ""

    async def by(self, ready: Ready) -> Readiness:
        """Wait as the service's declaration says."""
        if ready.log is not None:
            self.asked = f"waited for a line that matches {ready.log!r}"
            await self._subject.printed(re.compile(ready.log))
            return Readiness(self._addresses())
        if ready.command is not None:
            await self._command(ready.command)
            return Readiness(self._addresses())
        if ready.http is not None:
            return await self._http(ready)
        if ready.started or not (ready.port or self._subject.listens):
            return Readiness()
        return await self._listening()

    async def _listening(self) -> Readiness:
        """The tree listens on the port it should; on another one, if it insists."""
        loop = asyncio.get_running_loop()
        wanted = self._subject.port
        self.asked = f"waited for it to listen on port {wanted}" if wanted else "waited for it to listen"
        began = loop.time()
        elsewhere_since: float | None = None
        while True:
            found = tree_listeners(self._subject.pid)
            here = [one for one in found if wanted is None or one.port == wanted]
            if here:
                return Readiness(addresses_of(here))
            now = loop.time()
            if found:
                elsewhere_since = elsewhere_since or now
                self.seen = f"it listens on {', '.join(sorted({str(one.port) for one in found}))}"
                if now - elsewhere_since > OTHER_PORT_SECONDS:
                    first = min(found, key=lambda one: one.port)
                    note = f"listens on {first.port}, not on {wanted}"
                    return Readiness(addresses_of([one for one in found if one.port == first.port]), note)
            else:
                self.seen = "nothing of it listens"
            await asyncio.sleep(INTERVAL_SECONDS if now - began < SLOW_AFTER_SECONDS else SLOW_INTERVAL_SECONDS)

    async def _http(self, ready: Ready) -> Readiness:
        listening = await self._listening()
        host, port = listening.addresses[0]
        netloc = f"[{host}]" if ":" in host else host
        url = f"http://{netloc}:{port}{ready.http}"
        wanted = f"status {ready.status}" if ready.status else "a status below 500"
        self.asked, self.seen = f"asked {url} for {wanted}", "it did not answer"
        import httpx  # 100 ms, and few services declare an HTTP probe

        async with httpx.AsyncClient(trust_env=False, timeout=None) as client:
            while True:
                try:
                    status = (await client.get(url)).status_code
                except httpx.HTTPError as error:
                    self.seen = f"it failed: {error or type(error).__name__}"
                else:
                    self.seen = f"it answered {status}"
                    if status == ready.status or (ready.status is None and status < 500):
                        return listening
                await asyncio.sleep(SLOW_INTERVAL_SECONDS)

    async def _command(self, command: str) -> None:
        self.asked, self.seen = f"ran {command!r}", "it did not end"
        while True:
            try:
                exit_ = await self._subject.run(command)
            except DevproxyError as error:
                self.seen = error.message
            else:
                if exit_.ok:
                    return
                self.seen = f"it was ended by signal {exit_.signal}" if exit_.signal else f"it exited with {exit_.code}"
            await asyncio.sleep(SLOW_INTERVAL_SECONDS)

    def _addresses(self) -> tuple[Address, ...]:
        found = tree_listeners(self._subject.pid)
        here = [one for one in found if one.port == self._subject.port] or found
        return addresses_of(here)


def addresses_of(found: list[Listener]) -> tuple[Address, ...]:
    """Where to dial what listens there: its own address, or loopback if it listens on all."""
    addresses: dict[Address, None] = {}
    for one in found:
        if one.address in ("0.0.0.0", "127.0.0.1"):
            addresses[("127.0.0.1", one.port)] = None
        elif one.address in ("::", "::1"):
            addresses[("::1", one.port)] = None
        else:
            addresses[(one.address, one.port)] = None
    return tuple(addresses)
