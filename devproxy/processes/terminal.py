"""A service's terminal, for who is attached to it: all that its children write, and what is typed to them.

It outlives the children: who is attached to a service that restarts sees its next generation. Several may be
attached; each sees all, and each may type.

What they see is what the child wrote, unfiltered (the log gets its lines as ever). Who reads too slowly loses
output and is told so; the child waits for nobody. Who types faster than the child reads waits.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from devproxy.hub.topic import Subscriber, Topic
from devproxy.processes.child import Child

BEHIND_BYTES: Final = 1024 * 1024
"""How far behind somebody who is attached may be."""

BEHIND_CHUNKS: Final = 10_000

Seen = bytes | str
"""What the child wrote, or a sentence of devproxy's about it."""


class Terminal:
    """The terminal of one service; the service connects its children to it, one after another.

    Args: size: columns and rows, while nobody who is attached brings other ones along.
    """

    def __init__(self, size: Callable[[], tuple[int, int]]) -> None:
        self._child: Child | None = None
        self._size = size
        self._attached: dict[Attached, tuple[int, int] | None] = {}  # whose size came last is the last
        self._seen: Topic[Seen] = Topic(BEHIND_CHUNKS, max_size=BEHIND_BYTES)
        self._closed = False
        self._typing = asyncio.Lock()
        self._full: tuple[int, asyncio.Future[None]] | None = None  # who types waits until the child has read

    @property
    def is_attached(self) -> bool:
        """Whether somebody is attached."""
        return bool(self._attached)

    @property
    def is_full(self) -> bool:
        """Whether somebody waits until the child has read what was typed."""
        return self._full is not None

    @contextmanager
    def attach(self) -> "Iterator[Attached]":
        """See it and type on it, from now on."""
        if not self._attached:
            self._seen = Topic(BEHIND_CHUNKS, max_size=BEHIND_BYTES)  # what others saw is gone
        if self._closed:
            self._seen.close()
        attached = Attached(self, self._seen.subscribe())
        self._attached[attached] = None
        try:
            yield attached
        finally:
            attached.seen.close()
            del self._attached[attached]
            self.resize()

    # -- the service's side

    def connect(self, child: Child) -> None:
        """It has a child, whose terminal this is."""
        self._child = child
        self.resize()

    def disconnect(self) -> None:
        """The child's terminal is about to be closed."""
        self._child = None
        self._go_on()

    def wrote(self, data: bytes) -> None:
        """The child wrote this."""
        if self._attached and not self._closed:
            self._seen.publish(data, 1, len(data))

    def say(self, sentence: str) -> None:
        """Something happened to the service."""
        if self._attached and not self._closed:
            self._seen.publish(sentence)

    def resize(self) -> None:
        """A window that shows it may have another size. (The child hears of it only if it has.)"""
        if self._child is not None:
            self._child.resize(*next((size for size in reversed(self._attached.values()) if size), self._size()))

    def close(self) -> None:
        """The session ends, and with it every attachment."""
        self._closed = True
        self._seen.close()

    # -- the other side

    def _take_size(self, attached: "Attached", size: tuple[int, int]) -> None:
        del self._attached[attached]
        self._attached[attached] = size
        self.resize()

    async def _type(self, data: bytes) -> None:
        async with self._typing:  # what two type does not mix in the middle
            while data and self._child is not None:
                data = data[self._child.write(data) :]
                if data:
                    await self._until_read(self._child.master)

    async def _until_read(self, master: int) -> None:
        loop = asyncio.get_running_loop()
        full = loop.create_future()
        self._full = master, full
        loop.add_writer(master, self._go_on)
        try:
            await full
        finally:
            self._go_on()

    def _go_on(self) -> None:
        if self._full is None:
            return
        (master, full), self._full = self._full, None
        full.get_loop().remove_writer(master)
        if not full.done():
            full.set_result(None)


class Attached:
    """Somebody at a service's terminal. seen: what is to be shown, until it is closed with the session."""

    def __init__(self, terminal: Terminal, seen: Subscriber[Seen]) -> None:
        self.seen = seen
        self._terminal = terminal

    async def type(self, data: bytes) -> None:
        """Type; waits while the child does not read. What nobody is there to read is lost."""
        await self._terminal._type(data)

    def resize(self, columns: int, rows: int) -> None:
        """The window that shows it has this size."""
        self._terminal._take_size(self, (columns, rows))
