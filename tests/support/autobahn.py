"""The Autobahn cases, run directly and through a gateway, against a server and against a client: what differs is the gateway's doing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from kosoku import FailureError, run_fuzzingclient, run_fuzzingserver
from websockets import ConnectionClosed, InvalidHandshake
from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import serve

QUICK = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*")
"""247 cases, which mostly take milliseconds. 9: long messages; 12 and 13: a thousand compressed ones each."""

HEAVY = ("9.*", "12.*", "13.*")


@dataclass(frozen=True)
class Verdict:
    """What came of a case. Not how long it took, nor what the log of its octets says: how they were cut may differ."""

    case: str
    behavior: str
    close: str
    code: int | None
    reason: str | None
    clean: bool
    received: str
    passed: bool


Verdicts = dict[str, Verdict]
Way = Callable[[Sequence[str], int], Awaitable[Verdicts]]
"""Runs cases, so many at once."""


async def echo(websocket: Connection) -> None:
    """What every case is played against: return each message."""
    with suppress(ConnectionClosed):  # the cases break every rule
        async for message in websocket:
            await websocket.send(message)


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    """A server on a free port."""
    async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
        port: int = next(iter(server.sockets)).getsockname()[1]
        yield port


def to_server(port: int) -> Way:
    """A client that plays the cases against the echo server which is reached at `port`."""

    async def run(cases: Sequence[str], at_once: int) -> Verdicts:
        try:
            return _verdicts(await run_fuzzingclient(f"ws://127.0.0.1:{port}/", cases, concurrency=at_once))
        except FailureError as error:
            return _verdicts(error.results)

    return run


def to_client(port: int, reached_at: int) -> Way:
    """A server on `port` that plays the cases against a client, which finds it at another port."""

    async def play(number: int, turn: asyncio.Semaphore) -> None:
        async with turn:
            with suppress(ConnectionClosed, InvalidHandshake, OSError):
                async with connect(f"{url}runCase?case={number}&agent=a", max_size=None) as websocket:
                    await echo(websocket)

    async def run(cases: Sequence[str], at_once: int) -> Verdicts:
        async with run_fuzzingserver(cases, host="127.0.0.1", port=port) as server:
            async with connect(f"{url}getCaseCount") as websocket:
                count = int(await websocket.recv())
            turn = asyncio.Semaphore(at_once)
            await asyncio.gather(*(play(number, turn) for number in range(1, count + 1)))
            async with connect(f"{url}updateReports?agent=a") as websocket:
                await echo(websocket)
            try:
                return _verdicts(await server.get_result())
            except FailureError as error:
                return _verdicts(error.results)

    url = f"ws://127.0.0.1:{reached_at}/"
    return run


def _verdicts(results: Iterable[object]) -> Verdicts:
    return {verdict.case: verdict for verdict in map(_verdict, results)}


def _verdict(it: object) -> Verdict:
    get = partial(getattr, it)
    return Verdict(
        case=get("case_id"),
        behavior=get("behavior").value,
        close=get("behavior_close").value,
        code=get("remote_close_code"),
        reason=get("remote_close_reason"),
        clean=get("was_clean"),
        received=repr(get("received")),
        passed=get("passed"),
    )


async def differences(
    direct: Way, through: Way, cases: Sequence[str], *, at_once: int = 8
) -> tuple[Verdicts, list[tuple[Verdict, Verdict]]]:
    """Run the cases both ways. Returns the direct verdicts, and the pairs that differ.

    Cases have time limits of a second or less, and a busy machine may miss one on one of the ways: those that differ are run
    again by themselves. What the gateway does wrong, it does every time.
    """
    alone, relayed = await direct(cases, at_once), await through(cases, at_once)
    assert alone.keys() == relayed.keys()
    differing = []
    for case in alone:
        pair = alone[case], relayed[case]
        for _ in range(5):
            if pair[0] == pair[1]:
                break
            pair = (await direct([case], 1))[case], (await through([case], 1))[case]
        else:
            differing.append(pair)
    return alone, differing
