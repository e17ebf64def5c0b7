"""What the installer's tests need: wheels made here, a release on a loopback server, a HOME of its own."""

import base64
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
INSTALLER = ROOT / "install.sh"

# All that install.sh may call on a user's machine, besides Python, curl or wget, and uv.
TOOLS = [
    *("sh", "dash", "bash", "awk", "cat", "cp", "dirname", "find", "grep", "id", "ln", "mkdir", "mktemp", "mv"),
    *("readlink", "rm", "rmdir", "sed", "tail", "tr", "true", "uname", "wc"),
]

PROGRAM = """\
def main():
    print("devproxy {version}")
"""


def find_uv() -> str | None:
    """uv beside this Python (the dev dependency), else the machine's."""
    return shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))


def make_wheel(
    folder: Path,
    version: str = "1.0.0",
    *,
    name: str = "devproxy-cli",
    requires: tuple[str, ...] = (),
    program: str = PROGRAM,
    completions: bool = False,
) -> Path:
    """A wheel that installs like ours in a moment: the same names, a command that prints its version."""
    stem = f"{name.replace('-', '_')}-{version}"
    package = "devproxy" if name == "devproxy-cli" else name.replace("-", "_")
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    files = {
        f"{package}/__init__.py": program.format(version=version),
        f"{stem}.dist-info/METADATA": "\n".join(metadata) + "\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if name == "devproxy-cli":
        files[f"{stem}.dist-info/entry_points.txt"] = "[console_scripts]\ndevproxy = devproxy:main\n"
    if completions:
        for shipped in ("devproxy.bash", "_devproxy", "devproxy.fish"):
            files[f"devproxy/completions/{shipped}"] = f"# {shipped} of {version}\n"
    record = [f"{path},{record_hash(text)},{len(text.encode())}" for path, text in files.items()]
    files[f"{stem}.dist-info/RECORD"] = "\n".join([*record, f"{stem}.dist-info/RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def record_hash(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


class Server:
    """A loopback web server for a dict of paths to bytes; what it was asked for is in `asked`.

    Args: pages: "/name" -> body, looked up at each request; anything else is 404.
          portal: answers everything with this page, as a captive portal does.
          cut:    sends only so many bytes of each body, and then closes the connection.
          stall:  "/name" of a body that never comes; `stalled` is set when it was asked for.
    """

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.portal: bytes | None = None
        self.cut: int | None = None
        self.stall = ""
        self.stalled = threading.Event()
        self.closing = threading.Event()
        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.thread = threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02})
        self.url = f"http://127.0.0.1:{self.httpd.server_port}"

    def handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                body = server.portal if server.portal is not None else server.pages.get(self.path)
                if body is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                if self.path == server.stall:
                    server.stalled.set()
                    server.closing.wait(30)
                    return
                if self.command != "HEAD":
                    self.wfile.write(body[: server.cut])

            do_HEAD = do_GET  # uv asks how long a wheel is before it reads its end

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def publish(self, wheel: Path, at: str = "") -> str:
        """Serve a release of this wheel; returns its BASE."""
        body = wheel.read_bytes()
        checksums = f"{hashlib.sha256(body).hexdigest()}  {wheel.name}\n"
        self.pages[f"{at}/install.sh"] = INSTALLER.read_bytes()
        self.pages[f"{at}/{wheel.name}"] = body
        self.pages[f"{at}/SHA256SUMS"] = checksums.encode()
        return self.url + at

    def publish_folder(self, folder: Path) -> str:
        """Serve the files of a release folder; returns its BASE."""
        self.pages |= {f"/{path.name}": path.read_bytes() for path in folder.iterdir()}
        return self.url

    def publish_to_index(self, wheel: Path, name: str) -> str:
        """Serve a wheel on a package index; returns the index's URL."""
        self.pages[f"/files/{wheel.name}"] = wheel.read_bytes()
        self.pages[f"/simple/{name}/"] = f'<a href="/files/{wheel.name}">{wheel.name}</a>'.encode()
        return f"{self.url}/simple"

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self.httpd.shutdown()
        self.httpd.server_close()
        self.thread.join()


class Person:
    """Somebody who installs devproxy: a HOME, a temporary folder and a PATH that hold nothing else.

    Args: uv: whether uv is on PATH. Without it, installing goes through venv and pip.
    """

    def __init__(self, folder: Path, *, uv: bool = True, home: str = "home") -> None:
        self.home = folder / home
        self.temporary = folder / "tmp"
        self.tools = folder / "tools"
        for made in (self.home, self.temporary, self.tools):
            made.mkdir(parents=True)
        for tool in (*TOOLS, "curl"):
            found = shutil.which(tool)
            assert found, f"{tool} is needed by these tests"
            (self.tools / tool).symlink_to(found)
        # A script that starts another file, as a version manager's shim does.
        self.script("python3", f'exec "{Path(sys.executable).resolve()}" "$@"')
        if uv:
            found = find_uv()
            assert found, "uv is needed by these tests: it is a development dependency"
            (self.tools / "uv").symlink_to(found)
        self.env = {
            "HOME": str(self.home),
            "PATH": str(self.tools),
            "TMPDIR": str(self.temporary),
            "LANG": "C.UTF-8",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_NO_COMPILE": "1",  # seconds saved, nothing else
            "UV_OFFLINE": "1",
        }

    def script(self, name: str, body: str) -> None:
        """Put a shell script on PATH."""
        path = self.tools / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def uses_index(self, **settings: str) -> None:
        """Allow package indexes, by these settings."""
        del self.env["PIP_NO_INDEX"], self.env["UV_OFFLINE"]
        self.env |= settings

    def pipe(
        self, base: str, *arguments: str, shell: str = "sh", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`curl -fsSL BASE/install.sh | sh`, with DEVPROXY_BASE_URL, since the script names the real one."""
        command = f'curl -fsSL "{base}/install.sh" | {shell} -s -- "$@"'
        return self.run("sh", "-c", command, "sh", *arguments, env={"DEVPROXY_BASE_URL": base, **(env or {})})

    def run(
        self, *command: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this person, without a terminal."""
        done = subprocess.run(
            command,
            env={**self.env, **(env or {})},
            cwd=self.home.parent,
            input=stdin or b"",
            capture_output=True,
            timeout=150,
            check=False,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def version(self) -> str:
        """What the installed command says of itself."""
        return self.run(str(self.home / ".local/bin/devproxy"), "--version").stdout.strip()

    def login(self, shell: str, command: str) -> str:
        """What a command prints in a new login shell."""
        return self.run(shell, "-l", "-c", command).stdout.strip()


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All below a folder, byte for byte: path -> mode, and content or what a link names."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            content = os.fsencode(path.readlink())
        else:
            content = path.read_bytes() if stat.S_ISREG(mode) else b""
        found[str(path.relative_to(folder))] = (mode, content)
    return found


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The single line of reason that a failed run must print."""
    assert done.returncode != 0
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("devproxy installer: ")
    return lines[0]
