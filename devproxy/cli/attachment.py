"""Our terminal at a service: bytes both ways, our talk between them, the old modes back on every way out."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from errno import EIO
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TextIO, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    from websockets.asyncio.client import ClientConnection

    from devproxy.processes.terminal import Attached, Terminal

T = TypeVar("T")

DETACH: Final = b"\x1d"  # Ctrl-], as telnet has it
LAST_LINES: Final = 10
PIECE: Final = 64 * 1024
CLOSE_SECONDS: Final = 1.0
LAST: Final = '{"end": true}'

RESET: Final = b"\x1b[0m\x1b[?25h\x1b[?1047l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b>"
"""Takes back what a service may have switched on and a shell would not switch off: colours, a hidden cursor, a
second screen, mouse reports, bracketed paste, application keys. Source: xterm's ctlseqs."""


async def type_stdin(root: "Path", service: str) -> None:
    """Type all that stdin has. Raises: NoSession: the session ended before that was done."""
    from devproxy.errors import NoSession

    async with connected(root, service, lines=0) as connection:
        while data := await read(sys.stdin.fileno()):
            await send(connection, data)
        await send(connection, LAST)
        async for _ in messages(connection):
            pass
        if connection.close_code != 1000:
            raise NoSession(f"the session of {root} ended before all was typed")


async def converse(root: "Path", service: str, state: str) -> signal.Signals | None:
    """Keys to the service, what it writes to us, until somebody detaches or the session ends.

    Returns: the signal that ended it, if one did. Raises: NoSession: the session went away without a word.
    """
    loop, view = asyncio.get_running_loop(), View()
    signalled: asyncio.Future[signal.Signals] = loop.create_future()
    resized = asyncio.Event()
    resized.set()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, answer, signalled, number)
    loop.add_signal_handler(signal.SIGWINCH, resized.set)
    async with connected(root, service, LAST_LINES) as connection:
        with seated(service, view):
            if state not in ("starting", "ready", "failing"):
                view.say(f"{service} is {state}")
            await first_of(
                type_keys(partial(send, connection)),
                show(connection, view, root),
                tell_size(connection, resized),
                asyncio.wait([signalled]),
            )
    return signalled.result() if signalled.done() else None


async def sit_at(terminal: "Terminal", service: str, begun: bytes) -> None:
    """The same for a terminal of this very process. Args: begun: the line that stands there."""
    view = View()
    with seated(service, view), terminal.attach() as attached:
        view.write(begun)
        await first_of(type_keys(attached.type), watch(attached, view))


@contextmanager
def seated(service: str, view: "View") -> Iterator[None]:
    """A context in which our terminal is the service's."""
    from devproxy.cli.terminal import RawMode

    with RawMode():
        view.say(f"attached to {service}: it gets all you type, Ctrl-C too; Ctrl-] detaches")
        try:
            yield
        finally:
            view.reset()
            view.say(f"detached from {service}")


async def first_of(*work: Coroutine[Any, Any, Any]) -> None:
    """Run all of it until one part has ended; the others are cancelled."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(part) for part in work]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()


async def type_keys(type_: Callable[[bytes], Awaitable[None]]) -> None:
    """Type the keys, up to the one that detaches (or until the terminal is gone)."""
    while True:
        keys, detach, _ = (await read(sys.stdin.fileno())).partition(DETACH)
        if keys:
            await type_(keys)
        if detach or not keys:
            return


async def watch(attached: "Attached", view: "View") -> None:
    """Show what is seen at a terminal of this process, in threads: ours may stand still."""
    from devproxy.hub.topic import TopicClosed

    with suppress(TopicClosed):
        while True:
            for _, seen in (await attached.seen.next()).items:
                shown = partial(view.say, seen) if isinstance(seen, str) else partial(view.write, seen)
                await asyncio.to_thread(shown)


async def show(connection: "ClientConnection", view: "View", root: "Path") -> None:
    """Show what the service writes, and what is said of it. Raises: NoSession: the session is gone."""
    from devproxy.errors import NoSession

    async for message in messages(connection):
        if isinstance(message, str):
            view.say(message)
        else:
            view.write(message)
    if connection.close_code != 1001:  # "going away"
        raise NoSession(f"the session of {root} is gone", hint="start it again with devproxy up")
    view.say(connection.close_reason or "the session has ended")


async def tell_size(connection: "ClientConnection", resized: asyncio.Event) -> None:
    """Give the service the size of our window, now and whenever it changes."""
    while await resized.wait():
        resized.clear()
        columns, rows = os.get_terminal_size(sys.stdin.fileno())
        if columns and rows:  # a terminal that knows its size
            await send(connection, json.dumps({"columns": columns, "rows": rows}))


class View:
    """What is written on our terminal: the service's bytes, and lines of our own between them."""

    def __init__(self) -> None:
        self._at_line_start = True

    def write(self, data: bytes) -> None:
        """What the service wrote, as it is: who attaches has asked for its terminal."""
        self._put(sys.stdout, data)
        self._at_line_start = data.endswith((b"\n", b"\r"))

    def say(self, sentence: str) -> None:
        """A line of ours, on stderr."""
        from devproxy.cli.console import paint, printable, use_color

        before = "" if self._at_line_start else "\n"
        line = paint(f"devproxy | {printable(sentence)}", "90", colored=use_color(sys.stderr))
        self._put(sys.stderr, f"{before}{line}\n".encode("utf-8", "replace"))
        self._at_line_start = True

    def reset(self) -> None:
        """Switch off what the service may have switched on."""
        if sys.stdout.isatty():
            self._put(sys.stdout, RESET)

    def _put(self, stream: TextIO, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(stream.fileno(), view) :]
            except OSError as error:
                if error.errno != EIO:
                    raise
                return  # the window was closed; SIGHUP says so, too


@asynccontextmanager
async def connected(root: "Path", service: str, lines: int) -> "AsyncIterator[ClientConnection]":
    """A connection to a service's terminal, which begins with its last lines.

    Raises: NoSession: none runs there; UsageError: the service has no terminal.
    """
    from websockets.asyncio.client import unix_connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus

    from devproxy.cli.client import ANSWER_SECONDS, PREFIX, error_of
    from devproxy.cli.control import quoted
    from devproxy.errors import DevproxyError, NoSession
    from devproxy.paths import socket_path

    uri = f"ws://localhost{PREFIX}/api/services/{quoted(service)}/terminal?lines={lines}"
    connecting = unix_connect(
        str(socket_path(root)),
        uri,
        compression=None,
        max_size=None,
        open_timeout=ANSWER_SECONDS,
        ping_interval=None,
        close_timeout=CLOSE_SECONDS,
    )
    try:
        connection = await connecting
    except InvalidStatus as error:
        raise error_of(error.response.status_code, bytes(error.response.body or b"")) from error
    except TimeoutError as error:
        raise DevproxyError(f"the session of {root} does not answer", hint="look at its terminal") from error
    except (OSError, InvalidHandshake) as error:
        raise NoSession(f"nothing runs in {root}", hint="start it with devproxy up") from error
    async with connection:
        yield connection


async def send(connection: "ClientConnection", message: bytes | str) -> None:
    """Send a message, unless the connection has ended: whoever reads it hears of that."""
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed):
        await connection.send(message)


async def messages(connection: "ClientConnection") -> AsyncIterator[bytes | str]:
    """What comes, until the connection ends; `close_code` tells how."""
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed):
        while True:
            yield await connection.recv()


def answer(future: "asyncio.Future[T]", value: T) -> None:
    """Set a future's result; the first one counts."""
    if not future.done():
        future.set_result(value)


async def read(fd: int) -> bytes:
    """What comes next on a descriptor; b"" at its end."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    try:
        loop.add_reader(fd, answer, ready, None)
    except OSError:
        return os.read(fd, PIECE)  # a file: epoll takes none, and reading it never waits
    try:
        await ready
    finally:
        loop.remove_reader(fd)
    try:
        return os.read(fd, PIECE)
    except OSError:
        return b""  # EIO: the terminal was closed
