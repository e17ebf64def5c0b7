"""The Autobahn cases, run against a WebSocket server directly and through a gateway: what differs is the gateway's doing."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from kosoku import FailureError, run_fuzzingclient
from websockets import ConnectionClosed
from websockets.asyncio.server import ServerConnection, serve

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


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """A server that returns every message; its port."""

    async def handler(websocket: ServerConnection) -> None:
        with suppress(ConnectionClosed):  # the cases break every rule
            async for message in websocket:
                await websocket.send(message)

    async with serve(handler, "127.0.0.1", 0, max_size=None) as server:
        port: int = next(iter(server.sockets)).getsockname()[1]
        yield port


async def verdicts(port: int, cases: Sequence[str], concurrency: int) -> dict[str, Verdict]:
    """Run the cases against what listens on a port."""
    try:
        results = await run_fuzzingclient(f"ws://127.0.0.1:{port}/", cases, concurrency=concurrency)
    except FailureError as error:
        results = error.results
    return {
        it.case_id: Verdict(
            it.case_id,
            it.behavior.value,
            it.behavior_close.value,
            it.remote_close_code,
            it.remote_close_reason,
            it.was_clean,
            repr(it.received),
            it.passed,
        )
        for it in results
    }


async def differences(
    direct: int, through: int, cases: Sequence[str], *, concurrency: int = 8
) -> tuple[dict[str, Verdict], list[tuple[Verdict, Verdict]]]:
    """Run the cases both ways, by the two ports. Returns the direct verdicts, and the pairs that differ.

    Cases have time limits of a second or less, and a busy machine may miss one on one of the ways: those that differ are run
    again by themselves. What the gateway does wrong, it does every time.
    """
    alone = await verdicts(direct, cases, concurrency)
    relayed = await verdicts(through, cases, concurrency)
    assert alone.keys() == relayed.keys()
    differing = []
    for case in alone:
        pair = alone[case], relayed[case]
        for _ in range(5):
            if pair[0] == pair[1]:
                break
            pair = (await verdicts(direct, [case], 1))[case], (await verdicts(through, [case], 1))[case]
        else:
            differing.append(pair)
    return alone, differing
