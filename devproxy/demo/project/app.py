"""The demo's API: a few lines of each thing that a dev server must get right. Edit it and save."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

app = FastAPI(title="devproxy demo")
log = logging.getLogger("uvicorn.error")
started = time.time()
visits = 0


@app.get("/api/hello")
async def hello(name: str = "world") -> dict[str, object]:
    """REST: change the greeting, save, and press the button again."""
    global visits
    visits += 1
    return {"message": f"Hello, {name}!", "visits": visits, "pid": os.getpid()}


@app.get("/api/slow")
async def slow(seconds: float = 2) -> dict[str, object]:
    """An answer that takes its time."""
    await asyncio.sleep(min(seconds, 30))
    return {"message": f"that took {seconds:g} s"}


@app.get("/api/ticks")
async def ticks() -> StreamingResponse:
    """Server-sent events: one a second, none of them held back on the way."""

    async def events() -> AsyncIterator[str]:
        number = 0
        while True:
            yield f"id: {number}\ndata: tick {number}, API up for {time.time() - started:.0f} s\n\n"
            number += 1
            await asyncio.sleep(1)

    return StreamingResponse(events(), media_type="text/event-stream", headers={"cache-control": "no-store"})


@app.websocket("/api/echo")
async def echo(socket: WebSocket) -> None:
    """WebSocket: says back what it hears."""
    await socket.accept()
    try:
        while True:
            await socket.send_text(f"echo: {await socket.receive_text()}")
    except WebSocketDisconnect:
        log.info("the page closed its WebSocket")


@app.get("/api/fail")
async def fail() -> None:
    """An error in one request: the traceback is in the terminal, the API lives on."""
    raise RuntimeError("this is what an error looks like in the log")


@app.post("/api/crash")
async def crash() -> None:
    """The whole process dies: see what the page and the terminal say, then save this file."""
    log.error("crashing, as asked")
    os._exit(1)


if __name__ == "__main__":
    # An open event stream must not delay a restart.
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), timeout_graceful_shutdown=1)
