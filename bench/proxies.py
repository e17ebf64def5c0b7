"""The proxies that the benchmarks of the data path compare, all in front of one upstream, and what they cost.

devproxy (as `devproxy proxy`), nginx with its usual buffers and with large ones, caddy and vite: each that is in PATH.
Vite is also found where the example has it (`npm ci` in examples/fullstack/frontend). Other releases by PATH as well:

    npm install --prefix /tmp/peers vite && PATH=/tmp/peers/node_modules/.bin:$PATH bench/ws

`direct` is the upstream itself, with nothing in between. Where the system lets us (Linux), the load and the upstream
have the first core to themselves and the proxies the second, so that a proxy's rate is what one core of it can do. Its
processor time is that of all its processes; it stays a fair measure where the load, not the proxy, is the limit.
"""

import contextlib
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

ROOT = Path(__file__).resolve().parents[1]
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
START_SECONDS = 60.0
MIB = 2**20

Launch = Callable[[Path, int, int], list[str]]
"""From an empty folder, the proxy's port and the upstream's to a command."""


@dataclass
class Proxy:
    """A running proxy; without a process, the upstream itself."""

    name: str
    port: int
    process: "psutil.Popen | None" = None

    def cpu(self) -> float:
        """The processor seconds of all its processes so far."""
        return sum((times := one.cpu_times()).user + times.system for one in self._tree())

    def resident(self) -> float:
        """Resident memory of all its processes, in MiB."""
        return sum(one.memory_info().rss for one in self._tree()) / MIB

    def descriptors(self) -> int:
        """How many files and sockets its processes have open."""
        return sum(one.num_fds() for one in self._tree())

    def _tree(self) -> "list[psutil.Process]":
        return [self.process, *self.process.children(recursive=True)] if self.process else []


@contextlib.contextmanager
def proxies(upstream: list[str], only: Sequence[str], more: dict[str, Launch] | None = None) -> Iterator[list[Proxy]]:
    """The upstream (a command that takes a port) and every proxy that is installed, until the end of the block.

    Args: only: names to take, or none for all; more: proxies that only one benchmark knows.
    """
    pin(0)
    allow_many_files()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)  # nginx's worker is another user if we are root
        port = free_port()
        stack.enter_context(running([*upstream, str(port)], folder, port, core=0))
        found = [Proxy("direct", port)]
        for name, launch in (KNOWN | (more or {})).items():
            if (only and name not in only) or not is_installed(name):
                continue
            home, own = folder / re.sub(r"\W+", "-", name), free_port()
            home.mkdir()
            found.append(Proxy(name, own, stack.enter_context(running(launch(home, own, port), home, own, core=1))))
        print(", ".join(version(name) for name in KNOWN if is_installed(name) and name != NGINX_LARGE))
        yield found


@contextlib.contextmanager
def running(command: list[str], home: Path, port: int, *, core: int) -> "Iterator[psutil.Popen]":
    """A process that listens on `port`. Its own process group is ended with the block."""
    import psutil  # found once the bench runs with the environment's Python

    environment = {
        **os.environ,
        **dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(home)),
        "DEVPROXY_STATE_DIR": str(home / "state"),
    }
    with (home / "output").open("wb") as output:
        process = psutil.Popen(
            command,
            cwd=home,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=lambda: pin(core),
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} does not listen:\n{(home / 'output').read_text()[-2000:]}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except psutil.TimeoutExpired:
            process.kill()


# -- who there is


def devproxy(home: Path, port: int, upstream: int) -> list[str]:
    return [sys.executable, "-m", "devproxy", "proxy", f"127.0.0.1:{upstream}", "--port", str(port)]


LARGE_BUFFERS = """\
proxy_buffer_size 128k; proxy_buffers 16 128k; proxy_busy_buffers_size 256k; client_body_buffer_size 256k;"""


def nginx(home: Path, port: int, upstream: int, buffers: str = "") -> list[str]:
    (home / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid nginx.pid;
events {{ worker_connections 8192; }}
http {{
  access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s; {buffers}
  client_max_body_size 0; proxy_request_buffering off; proxy_max_temp_file_size 0;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header Connection "";
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Host $http_host;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{ proxy_pass http://up; }}
    location /ws {{
      proxy_pass http://up; proxy_read_timeout 600s;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
    }}
  }}
}}""")
    return ["nginx", "-p", str(home), "-c", str(home / "nginx.conf"), "-e", "stderr"]


def nginx_with_large_buffers(home: Path, port: int, upstream: int) -> list[str]:
    return nginx(home, port, upstream, LARGE_BUFFERS)


def caddy(home: Path, port: int, upstream: int) -> list[str]:
    site = f"http://:{port} {{\n bind 127.0.0.1\n reverse_proxy 127.0.0.1:{upstream}\n}}\n"
    (home / "Caddyfile").write_text("{\n admin off\n auto_https off\n}\n" + site)
    return ["caddy", "run", "--config", str(home / "Caddyfile"), "--adapter", "caddyfile"]


def vite(home: Path, port: int, upstream: int) -> list[str]:
    (home / "index.html").write_text("<!doctype html>\n")
    (home / "vite.config.mjs").write_text(f"""export default {{
  clearScreen: false, logLevel: 'warn', cacheDir: '{home}/cache',
  server: {{ host: '127.0.0.1', port: {port}, strictPort: true, proxy: {{
    '/api': 'http://127.0.0.1:{upstream}', '/ws': {{ target: 'ws://127.0.0.1:{upstream}', ws: true }} }} }} }}""")
    return [program("vite") or "vite"]


NGINX_LARGE = "nginx (large buffers)"
KNOWN: dict[str, Launch] = {
    "devproxy": devproxy,
    "nginx": nginx,
    NGINX_LARGE: nginx_with_large_buffers,
    "caddy": caddy,
    "vite": vite,
}


def program(name: str) -> str | None:
    ours = ROOT / "examples" / "fullstack" / "frontend" / "node_modules" / ".bin"
    return shutil.which(name) or shutil.which(name, path=str(ours))


def is_installed(name: str) -> bool:
    word = name.partition(" ")[0]
    return word not in ("nginx", "caddy", "vite") or program(word) is not None


def version(name: str) -> str:
    if name == "devproxy":
        command = [sys.executable, "-m", "devproxy", "--version"]
    else:
        command = [program(name) or name, {"nginx": "-v", "caddy": "version"}.get(name, "--version")]
    told = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS, check=False)
    number = re.search(r"\d+(\.\d+)+\S*", told.stdout + told.stderr)
    return f"{name} {number[0] if number else '?'}"


# -- figures


@dataclass(frozen=True)
class Aim:
    """What a figure of devproxy is held to: so many times another's, at least or at most."""

    what: str  # "rate" or "cpu"
    times: float
    whose: str

    def is_met(self, ratio: float) -> bool:
        return ratio >= self.times if self.what == "rate" else ratio <= self.times


@dataclass(frozen=True)
class Sample:
    """One measurement of one proxy: its rate, and the processor time of one unit of that."""

    rate: float
    cpu: float
    note: str = ""


Samples = dict[str, list[Sample]]


def report(title: str, rate: str, cpu: str, samples: Samples, aims: Sequence[Aim], reference: str) -> bool:
    """Print a table, and whether the aims were met; ratios are the median of those of each round."""
    print(f"\n{title:<26}{rate:>10}{'min':>9}{'max':>9}{'ratio':>8}{cpu:>14}{'ratio':>8}")
    for name, of in samples.items():
        rates = [one.rate for one in of]
        line = f"{name:<26}{statistics.median(rates):>10,.0f}{min(rates):>9,.0f}{max(rates):>9,.0f}"
        line += f"{of_ratio(samples, 'rate', name, reference):>8}"
        if name != "direct":
            line += f"{statistics.median(one.cpu for one in of):>14.2f}{of_ratio(samples, 'cpu', name, reference):>8}"
        print(line, of[-1].note)
    met = True
    for aim in aims:
        if aim.whose not in samples or "devproxy" not in samples:
            continue
        ratio = ratio_of(samples, aim.what, "devproxy", aim.whose)
        met &= aim.is_met(ratio)
        sign, what = ("≥", rate) if aim.what == "rate" else ("≤", cpu)
        verdict = "met" if aim.is_met(ratio) else "MISSED"
        print(f"  devproxy's {what}: {ratio:.2f} × {aim.whose} (aim {sign} {aim.times:g}) {verdict}")
    return met


def of_ratio(samples: Samples, what: str, name: str, reference: str) -> str:
    return f"{ratio_of(samples, what, name, reference):.2f}" if reference in samples else ""


def ratio_of(samples: Samples, what: str, name: str, whose: str) -> float:
    pairs = zip(samples[name], samples[whose], strict=True)
    return statistics.median(getattr(one, what) / (getattr(other, what) or 1e-9) for one, other in pairs)


# -- the machine


def pin(core: int) -> None:
    """Keep this process, and who it starts from now on, on one of the first two cores."""
    if len(CORES) > 1:
        os.sched_setaffinity(0, {CORES[core]})


def allow_many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2**16) if hard > 0 else 2**16, hard))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
