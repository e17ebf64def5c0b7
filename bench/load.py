"""Load for the benches: wrk where it is installed, else a generator of our own; and event streams that are read.

python bench/load.py PORT CONNECTIONS SECONDS PATH…     our own generator, as a process of its own
"""

import asyncio
import contextlib
import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import cast

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
    "Accept": "application/json, text/plain, */*",
    "Accept-Language": "en-GB,en;q=0.9",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": "http://localhost:4400/dashboard",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "same-origin",
    "Cookie": "session=0123456789abcdef0123456789abcdef; theme=dark",
    "Authorization": "Bearer abcdefghijklmnopqrstuvwxyz.0123456789",
}
"""What a page's fetch() carries."""

UNITS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7}


@dataclass(frozen=True)
class Load:
    """What a generator saw: answers, how many a second, their times in µs, and what was no 2xx or failed."""

    requests: int
    per_second: float
    p50: float
    p99: float
    errors: int


def load(port: int, connections: int, seconds: int, paths: Sequence[str]) -> Load:
    """Ask for `paths`, over and over, on so many connections at once, each as soon as it has its last answer."""
    if wrk := shutil.which("wrk"):
        return _by_wrk(wrk, port, connections, seconds, paths)
    command = [sys.executable, __file__, str(port), str(connections), str(seconds), *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Load(**json.loads(done.stdout))


def generator() -> str:
    """Its name and version, for the heading."""
    if wrk := shutil.which("wrk"):
        said = subprocess.run([wrk, "-v"], capture_output=True, text=True, check=False)
        return " ".join((said.stdout + said.stderr).split()[:2])
    return "bench/load.py"


def _by_wrk(wrk: str, port: int, connections: int, seconds: int, paths: Sequence[str]) -> Load:
    wanted = ",".join(f'"{path}"' for path in paths)
    fields = ",".join(f'["{name}"]="{value}"' for name, value in BROWSER.items())
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            f"local fields, paths, ready, n = {{{fields}}}, {{{wanted}}}, {{}}, 0\n"
            'function init() for i, path in ipairs(paths) do ready[i] = wrk.format("GET", path, fields) end end\n'
            "function request() n = n % #ready + 1; return ready[n] end\n"
            if len(paths) > 1
            else f'wrk.path = "{paths[0]}"\nwrk.headers = {{{fields}}}\n'
        )
        script.flush()
        command = [
            wrk,
            "-t1",
            f"-c{connections}",
            f"-d{seconds:g}s",
            "--timeout",
            "20s",
            "--latency",
            "-s",
            script.name,
        ]
        said = subprocess.run(
            [*command, f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=False
        ).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if rate is None:
        raise SystemExit(f"wrk measured nothing:\n{said}")
    failed = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", said)))
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    answered = re.search(r"(\d+) requests in", said)
    return Load(
        requests=int(answered[1]) if answered else 0,
        per_second=float(rate[1]),
        p50=_microseconds(said, "50%"),
        p99=_microseconds(said, "99%"),
        errors=failed + (int(refused[1]) if refused else 0),
    )


def _microseconds(said: str, which: str) -> float:
    found = re.search(rf"\s{which}\s+([\d.]+)(us|ms|s|m)", said)
    return float(found[1]) * UNITS[found[2]] if found else 0.0


# -- our own generator


class Asking(asyncio.Protocol):
    """One connection; every answer has a Content-Length, as those of the benches' upstream have."""

    def __init__(self, requests: list[bytes], times: list[float], failures: list[str]) -> None:
        self.requests = requests
        self.times = times
        self.failures = failures
        self.asked = 0.0
        self.turn = id(self) % len(requests)
        self.buffer = b""
        self.left = -1  # bytes of the answer still to come; -1: its head

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.ask()

    def ask(self) -> None:
        self.asked = time.perf_counter()
        self.turn = (self.turn + 1) % len(self.requests)
        self.transport.write(self.requests[self.turn])

    def data_received(self, data: bytes) -> None:
        if self.left < 0:
            self.buffer += data
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            if not end:
                return
            length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
            if head[9:10] != b"2" or length is None:
                self.failures.append(head[:60].decode("latin-1"))
            self.buffer, self.left, data = b"", int(length[1]) if length else 0, rest
        self.left -= len(data)
        if self.left <= 0:
            self.left = -1
            self.times.append(time.perf_counter() - self.asked)
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self.failures.append(f"lost: {exc}")


async def ask(port: int, connections: int, seconds: int, paths: Sequence[str]) -> Load:
    """See `load`."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in BROWSER.items())
    requests = [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{fields}\r\n".encode() for path in paths]
    times: list[float] = []
    failures: list[str] = []
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    opened = [
        loop.create_connection(lambda: Asking(requests, times, failures), "127.0.0.1", port) for _ in range(connections)
    ]
    transports = [transport for transport, _ in await asyncio.gather(*opened)]
    await asyncio.sleep(max(0, begun + seconds - time.perf_counter()))
    took, errors = time.perf_counter() - begun, len(failures)
    for transport in transports:
        transport.abort()
    times.sort()
    p50, p99 = (times[int(len(times) * share)] * 1e6 for share in (0.5, 0.99))
    return Load(len(times), len(times) / took, p50, p99, errors)


# -- event streams


class Streams:
    """Event streams that are being read: how many events came on each, and how many streams have ended."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self.events = dict.fromkeys(sockets, 0)
        self.ended = 0
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        self._over.set()
        self._reader.join()

    def _read(self) -> None:
        with selectors.DefaultSelector() as selector:
            for one in self.events:
                selector.register(one, selectors.EVENT_READ)
            while not self._over.is_set():
                for key, _ in selector.select(0.1):
                    one = cast(socket.socket, key.fileobj)
                    data = one.recv(65536)
                    self.events[one] += data.count(b"data:")
                    if not data:
                        self.ended += 1
                        selector.unregister(one)


@contextlib.contextmanager
def streams(port: int, path: str, count: int) -> Iterator[Streams]:
    """So many event streams, open for as long as the block runs."""
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 20)) for _ in range(count)]
        for one in sockets:
            one.sendall(head)
        opened = Streams(sockets)
        stack.callback(opened.close)
        yield opened


if __name__ == "__main__":
    import uvloop

    port, connections, seconds, *paths = sys.argv[1:]
    print(json.dumps(asdict(uvloop.run(ask(int(port), int(connections), int(seconds), paths)))))
    sys.stdout.flush()
    os._exit(0)  # the connections need no farewell
