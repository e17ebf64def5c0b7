"""The API of the example: one small endpoint for each thing a dev proxy has to carry."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import FastAPI, Query, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

# Change this text and save: the page shows the new one, and no request fails meanwhile.
MESSAGE = "Hello from FastAPI"
STARTED = datetime.now(UTC)

app = FastAPI(title="devproxy fullstack example")


class NewItem(BaseModel):
    name: str = Field(min_length=1, max_length=80)


class Item(NewItem):
    id: int


# Kept in memory on purpose: a restart of the backend forgets what was added.
items: list[Item] = [Item(id=1, name="Read the log"), Item(id=2, name="Break something")]


@app.get("/api/hello")
def hello() -> dict[str, str | int]:
    """Who answers: the pid changes with every restart."""
    return {"message": MESSAGE, "pid": os.getpid(), "started": STARTED.isoformat()}


@app.get("/api/items")
def list_items() -> list[Item]:
    return items


@app.post("/api/items", status_code=201)
def add_item(new: NewItem) -> Item:
    item = Item(id=len(items) + 1, name=new.name)
    items.append(item)
    return item


@app.get("/api/events")
async def events() -> StreamingResponse:
    """Server-sent events: the first one at once, then one a second."""

    async def ticks() -> AsyncIterator[str]:
        number = 0
        while True:
            tick = {"number": number, "time": datetime.now(UTC).isoformat(), "pid": os.getpid()}
            yield f"id: {number}\nevent: tick\ndata: {json.dumps(tick)}\n\n"
            number += 1
            await asyncio.sleep(1)

    return StreamingResponse(ticks(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


@app.websocket("/api/ws")
async def echo(socket: WebSocket) -> None:
    """Sends back every text it is sent."""
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        return


@app.post("/api/upload")
async def upload(request: Request) -> dict[str, str | int]:
    """Reads the body as it comes, keeps nothing, answers with its size and SHA-256."""
    size, digest = 0, hashlib.sha256()
    async for chunk in request.stream():
        size += len(chunk)
        digest.update(chunk)
    return {"size": size, "sha256": digest.hexdigest()}


@app.get("/api/slow")
async def slow(seconds: Annotated[float, Query(ge=0, le=60)] = 2) -> dict[str, float]:
    await asyncio.sleep(seconds)
    return {"slept": seconds}


@app.get("/api/boom")
def boom() -> None:
    """An ordinary bug: a 500, and a traceback in the log."""
    raise RuntimeError("boom: this endpoint always fails")


@app.post("/api/crash")
def crash() -> None:
    """The worst bug: the process is gone before it can answer."""
    print("crash: the process ends now, with status 3", flush=True)
    os._exit(3)
