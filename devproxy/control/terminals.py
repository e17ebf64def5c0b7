"""A service's terminal as a WebSocket, for `devproxy attach`.

    from the service   binary: what it wrote                     text: a sentence of devproxy's about it
    to the service     binary: what is typed                     text: {"columns": 80, "rows": 24}, or {"end": true}

It begins with the service's last lines and with the line that has no end yet (`lines`, in the query, says how
many; 0: only what comes). After `end`, it is closed (1000) once everything before has been typed; with 1001
when the session ends, or the service is no longer in the config.
"""

import asyncio
import json
from contextlib import suppress
from typing import Final

from fastapi import WebSocket, WebSocketDisconnect
from starlette.websockets import WebSocketState

from devproxy.control.context import target_of
from devproxy.control.resources import find_service
from devproxy.errors import UsageError
from devproxy.hub.topic import TopicClosed
from devproxy.logs.log import Log
from devproxy.processes.terminal import Attached

MAX_LINES: Final = 1000
GONE: Final = "it is gone, or the session has ended"
SIZE: Final = range(1, 10_000)  # columns and rows of a terminal


async def attach(websocket: WebSocket, name: str) -> None:
    """See what a service writes, and type on its terminal."""
    target = target_of(websocket)
    terminal = target.terminal(find_service(target, name).name)
    lines = lines_of(websocket.query_params.get("lines", "0"))
    await websocket.accept()
    with terminal.attach() as attached:
        if lines and (begin := beginning(target.log, name, lines)):
            await websocket.send_bytes(begin)
        async with asyncio.TaskGroup() as tasks:
            showing = tasks.create_task(show(websocket, attached))
            listening = tasks.create_task(listen(websocket, attached))
            ended, _ = await asyncio.wait((showing, listening), return_when=asyncio.FIRST_COMPLETED)
            showing.cancel()
            listening.cancel()
    if websocket.client_state is websocket.application_state is WebSocketState.CONNECTED:
        with suppress(WebSocketDisconnect):
            # Not 1000, whatever was typed last: nobody may be there to read it.
            await (websocket.close(1001, GONE) if showing in ended else websocket.close(1000))


def lines_of(value: str) -> int:
    """How many lines to begin with. Raises: UsageError: that is no such number."""
    if not (value.isascii() and value.isdigit() and len(value) < 5 and int(value) <= MAX_LINES):
        raise UsageError(f"lines={value} is no number of lines", hint=f"it is at most {MAX_LINES}")
    return int(value)


def beginning(log: Log, name: str, lines: int) -> bytes:
    """The last lines of a service and the one that it has begun. Nothing is awaited before it is attached."""
    last = "".join(f"{record.text}\x1b[0m\n" for record in log.recent((name,), lines))
    return last.encode("utf-8", "replace") + log.unfinished_of(name)


async def show(websocket: WebSocket, attached: Attached) -> None:
    """Send what is seen, until the session ends. A client that reads slowly falls behind, and is told so."""
    with suppress(TopicClosed, WebSocketDisconnect):
        while True:
            batch = await attached.seen.next()
            if batch.gap:
                await websocket.send_text("some of its output is not shown here: this terminal fell behind")
            for _, seen in batch.items:
                await (websocket.send_text(seen) if isinstance(seen, str) else websocket.send_bytes(seen))


async def listen(websocket: WebSocket, attached: Attached) -> None:
    """Type what comes, until it ends."""
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        if (data := message.get("bytes")) is not None:
            await attached.type(data)
        elif not obey(message.get("text") or "", attached):
            return


def obey(text: str, attached: Attached) -> bool:
    """Do what a text message says; False: it says that nothing more comes, or nothing that makes sense."""
    try:
        said = json.loads(text)
        columns, rows = said["columns"], said["rows"]
    except (ValueError, LookupError, TypeError):
        return False
    if isinstance(columns, int) and isinstance(rows, int) and columns in SIZE and rows in SIZE:
        attached.resize(columns, rows)
    return True
