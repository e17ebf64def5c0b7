"""Two hundred readers of the event stream of a real session, some of which do not read."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import psutil

from devproxy.paths import socket_path
from tests.support import auntil, run, until
from tests.support.devproxy import RunningDevproxy
from tests.support.services import write_config

READERS, STALLED, LINES = 200, 20, 3000
MIB = 1024 * 1024

PRINTER = f"""
import sys, time
from pathlib import Path
print("printer is here", flush=True)
while not Path("go").exists():
    time.sleep(0.01)
for number in range(1, {LINES + 1}):
    print("line", number, "x" * 60)
    if not number % 100:
        sys.stdout.flush()
        time.sleep(0.02)
Path("done").touch()
time.sleep(1000)
"""


class Reader:
    """One connection; what it got is counted as it comes."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.dropped = 0
        self._rest = b""
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def connect(self, path: Path) -> None:
        self.reader, self.writer = await asyncio.open_unix_connection(str(path))
        self.writer.write(b"GET /__devproxy/api/logs/stream?service=job&backlog=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await self.reader.readuntil(b"retry: 1000\n\n")

    async def read_all(self) -> None:
        while sum((len(self.seqs), self.dropped)) < LINES:
            came = await self.reader.read(65536)
            assert came, f"ended after {len(self.seqs)} lines: {self._rest[-300:]!r}"
            data = self._rest + came
            end = data.rfind(b"\n\n") + 2 if b"\n\n" in data else 0
            whole, self._rest = data[:end], data[end:]
            self.seqs += [int(seq) for seq in re.findall(rb'"seq": (\d+)', whole)]
            self.dropped += sum(int(count) for count in re.findall(rb'"dropped": (\d+)', whole))

    def close(self) -> None:
        self.writer.close()


def test_two_hundred_readers_get_every_line_and_delay_nobody(
    tmp_path: Path, devproxy: Callable[..., RunningDevproxy]
) -> None:
    write_config(tmp_path, '[services.job]\nkind = "worker"\ncommand = "exec {python} printer.py"\n')
    (tmp_path / "printer.py").write_text(PRINTER)
    session = devproxy(tmp_path)
    session.wait_for("printer is here")
    until(socket_path(tmp_path).exists)
    memory = psutil.Process(session.pid).memory_info

    async def scenario() -> None:
        readers = [Reader() for _ in range(READERS)]
        for reader in readers:  # one by one: a Unix socket refuses what its queue does not hold
            await reader.connect(socket_path(tmp_path))
        before = memory().rss
        (tmp_path / "go").touch()
        await asyncio.gather(*(reader.read_all() for reader in readers[STALLED:]))
        await auntil((tmp_path / "done").exists, within=30)
        assert memory().rss - before < 48 * MIB
        for reader in readers[STALLED:]:
            assert reader.seqs == list(range(reader.seqs[0], reader.seqs[0] + LINES))
            assert not reader.dropped
        await asyncio.gather(*(reader.read_all() for reader in readers[:STALLED]))  # they come back
        for reader in readers:
            reader.close()

    run(scenario(), within=60)
    session.stop()
