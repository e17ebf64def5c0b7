"""May a service take traffic? One probe for each way of telling.

By default a service is ready when its own process tree listens; a connection to its port would not do,
because another program might answer there. Polling is of the outside world: nothing tells us of a listen(2).
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from devproxy.config.model import Ready
from devproxy.errors import DevproxyError
from devproxy.ports.holdings import Holding
from devproxy.ports.table import Listener, tree_listeners
from devproxy.processes.probe_command import Outcome

INTERVAL_SECONDS: Final = 0.03
SLOW_INTERVAL_SECONDS: Final = 0.25
SLOW_AFTER_SECONDS: Final = 5.0

OTHER_PORT_SECONDS: Final = 1.0
"""A tree that listens, but not where it should, gets this long to do so before we believe what we see."""

SHORTEST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 2.0

ANSWER_SECONDS: Final = 10.0
"""An HTTP probe without an answer is asked again after so long: the first request may have come too early to get one,
or have set a slow build off, whose result the next one gets."""

PATH_CHARACTERS: Final = "/?%!$&'()*+,;=:@~"
"""What may stand in a request's target as it is (RFC 3986 §3.3)."""

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
    the service's environment; lived: seconds since it was started.
    """

    pid: int
    port: int | None
    listens: bool
    printed: Callable[[re.Pattern[str]], "asyncio.Future[None]"]
    run: Callable[[str], "asyncio.Future[Outcome]"]
    lived: Callable[[], float] = lambda: 0.0


def is_declared(ready: Ready) -> bool:
    """Whether the service says itself when it is ready."""
    return bool(ready.http or ready.port or ready.log or ready.command or ready.started)


async def wait_ready(ready: Ready, subject: Subject, probe: "Probe | None" = None) -> Readiness:
    """Wait until the service may take traffic.

    Args: probe: a new one of this subject, for who wants to know meanwhile what has come back.
    Raises: NotReady: `ready.timeout_seconds` passed.
    Cancel: safe at any point.
    """
    probe = probe or Probe(subject)
    try:
        async with asyncio.timeout(ready.timeout_seconds):
            return await probe.by(ready)
    except TimeoutError:
        raise NotReady(probe.failure()) from None


class Probe:
    """One wait for readiness; remembers what came of it last, and since when, for the message if it fails."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._what = ""
        self._more = ""
        self._since = 0.0

    async def by(self, ready: Ready) -> Readiness:
        """Wait as the service's declaration says."""
        if ready.log is not None:
            self._saw(f"no line matched /{ready.log}/")
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

    @property
    def has_seen(self) -> bool:
        """Whether anything has come back, or not come, yet."""
        return bool(self._what)

    def failure(self) -> str:
        """What was probed, what came back, and for how long: "GET http://… answered 503 for 60 s"."""
        seconds = asyncio.get_running_loop().time() - self._since
        return f"{self._what} for {f'{seconds:.1f}'.removesuffix('.0')} s{self._more}"

    def _saw(self, what: str, more: str = "", ago: float = 0.0) -> None:
        """Note what came back, or began not to, some seconds ago. `what` is counted from its first time; `more` is
        the newest."""
        if what != self._what:
            self._what, self._since = what, asyncio.get_running_loop().time() - ago
        self._more = more

    async def _listening(self) -> Readiness:
        """The tree listens on the port it should; on another one, if it insists."""
        loop = asyncio.get_running_loop()
        wanted = self._subject.port
        nothing = "nothing of its tree listens" + (f" on {wanted}" if wanted else "")
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
                self._saw(nothing, f"; it listens on {', '.join(sorted({str(one.port) for one in found}))}")
                if now - elsewhere_since > OTHER_PORT_SECONDS:
                    first = min(found, key=lambda one: one.port)
                    note = f"listens on {first.port}, not on {wanted}"
                    return Readiness(addresses_of([one for one in found if one.port == first.port]), note)
            else:
                self._saw(nothing)
            await asyncio.sleep(INTERVAL_SECONDS if now - began < SLOW_AFTER_SECONDS else SLOW_INTERVAL_SECONDS)

    async def _http(self, ready: Ready) -> Readiness:
        listening = await self._listening()
        host, port = listening.addresses[0]
        netloc = f"[{host}]" if ":" in host else host
        url = f"http://{netloc}:{port}{ready.http}"
        expected = f"; expected {ready.status}" if ready.status else "; expected a status below 500"
        path = quote((ready.http or "/").partition("#")[0], safe=PATH_CHARACTERS)
        self._saw(f"GET {url} got no answer")
        while True:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    status = await status_of(host, port, f"GET {path} HTTP/1.1\r\nHost: {netloc}:{port}\r\n")
            except TimeoutError:
                self._saw(f"GET {url} got no answer")
            except (OSError, ValueError) as error:
                self._saw(f"GET {url} failed", f": {error}")
            else:
                self._saw(f"GET {url} answered {status}", expected)
                if status == ready.status or (ready.status is None and status < 500):
                    return listening
            await self._pause()

    async def _command(self, command: str) -> None:
        loop, shown = asyncio.get_running_loop(), f"the command {command!r}"
        hangs = f"{shown} did not end"
        self._saw(hangs)
        while True:
            slow = loop.call_later(ANSWER_SECONDS, self._saw, hangs, "", ANSWER_SECONDS)
            try:
                outcome = await self._subject.run(command)
            except DevproxyError as error:
                self._saw(f"{shown} could not be run", f": {error.message}")
            else:
                if outcome.exit.ok:
                    return
                ended = f"was ended by signal {outcome.exit.signal}" if outcome.exit.signal else ""
                said = f": {outcome.last_line}" if outcome.last_line else ""
                self._saw(f"{shown} {ended or f'exited with {outcome.exit.code}'}", said)
            finally:
                slow.cancel()
            await self._pause()

    async def _pause(self) -> None:
        """Before the next question: a tenth of the time that it has taken so far. Who is asked may log each one."""
        await asyncio.sleep(min(max(SHORTEST_PAUSE_SECONDS, self._subject.lived() / 10), LONGEST_PAUSE_SECONDS))

    def _addresses(self) -> tuple[Address, ...]:
        found = tree_listeners(self._subject.pid)
        here = [one for one in found if one.port == self._subject.port] or found
        return addresses_of(here)


async def status_of(host: str, port: int, head: str) -> int:
    """The status that a server answers with. By hand: an HTTP library takes longer to import than a child to start.

    Raises: OSError: it cannot be reached, or closes; ValueError: that was no HTTP.
    """
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"{head}User-Agent: devproxy\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode())
        while True:
            line = await reader.readline()
            if not line:
                raise ConnectionResetError("it closed the connection without an answer")
            found = re.match(rb"HTTP/1\.[01] ([1-5][0-9]{2})\b", line)
            if found is None:
                raise ValueError("its answer is not HTTP")
            if (status := int(found[1])) >= 200:
                return status
            while (await reader.readline()).strip():
                pass  # the fields of an interim answer
    finally:
        writer.close()


def addresses_of(found: Iterable[Listener | Holding]) -> tuple[Address, ...]:
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
