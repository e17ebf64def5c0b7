"""A copy of examples/fullstack that a test may edit and break."""

import os
import shutil
import sys
import time
from pathlib import Path

from tests.support.devproxy import RunningDevproxy

EXAMPLE = Path(__file__).parents[2] / "examples" / "fullstack"
GREETING = "One origin, everything works"
MESSAGE = "Hello from FastAPI"

BLIND_SECONDS = 0.3
"""chokidar, Vite's watcher, drops a file's second change within 50 ms of the first one, and its timer may be late."""

# Two events, the second one only when it is asked for: whoever buffers the stream never shows the first.
GATED_EVENTS = """

released = asyncio.Event()


@app.get("/api/gated")
async def gated() -> StreamingResponse:
    async def two() -> AsyncIterator[str]:
        yield "data: first\\n\\n"
        await released.wait()
        yield "data: second\\n\\n"

    return StreamingResponse(two(), media_type="text/event-stream")


@app.post("/api/release")
async def release() -> None:
    released.set()
"""


class Fullstack:
    """The example in a folder of its own; saving in it never touches the example.

    node_modules is hard links (Vite refuses to serve what a symbolic link leads to outside the project), the
    backend's virtual environment is a link to the one the tests run in.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._saved = 0.0  # when the component was, last
        self.component = root / "frontend" / "src" / "components" / "Greeting.tsx"
        self.backend = root / "backend" / "main.py"
        ignored = shutil.ignore_patterns("node_modules", "dist", ".venv", "__pycache__", "*_cache")
        shutil.copytree(EXAMPLE, root, ignore=ignored)
        shutil.copytree(
            EXAMPLE / "frontend" / "node_modules",
            root / "frontend" / "node_modules",
            symlinks=True,
            copy_function=link_or_copy,
            ignore=shutil.ignore_patterns(".vite*"),
        )
        (root / "backend" / ".venv").symlink_to(sys.prefix)

    def greet(self, text: str) -> None:
        """Save the component with another heading, as a person would: not twice within Vite's blind moment."""
        time.sleep(max(0.0, self._saved + BLIND_SECONDS - time.monotonic()))
        self._saved = time.monotonic()
        save(self.component, (EXAMPLE / "frontend/src/components/Greeting.tsx").read_text().replace(GREETING, text))

    def answer(self, text: str) -> None:
        """Save the backend with another message."""
        save(self.backend, self.backend_source().replace(MESSAGE, text))

    def add_to_backend(self, source: str) -> None:
        save(self.backend, self.backend_source() + source)

    def slow_down_the_start(self, seconds: float) -> None:
        """From now on the backend takes this long to start, its port closed meanwhile."""
        (self.root / "backend" / "slow_start.py").write_text(f"import time\n\ntime.sleep({seconds})\n")
        save(self.backend, self.backend_source().replace("import asyncio\n", "import slow_start\nimport asyncio\n"))

    def break_the_backend(self) -> None:
        """Save a syntax error."""
        self._whole = self.backend_source()
        save(self.backend, self._whole + "\ndef broken(:\n")

    def mend_the_backend(self) -> None:
        save(self.backend, self._whole)

    def backend_source(self) -> str:
        return self.backend.read_text()

    def configure(self, more: str) -> None:
        """Write down by hand what discovery finds, and `more`."""
        (self.root / "devproxy.toml").write_text(CONFIG + more)


CONFIG = """\
name = "fullstack"

[services.frontend]
kind = "frontend"
command = "npm run dev -- --port $PORT --strictPort"
dir = "frontend"
port = "auto"

[services.backend]
kind = "backend"
command = ".venv/bin/python -m uvicorn main:app --host 127.0.0.1 --port $PORT"
dir = "backend"
port = "auto"
watch = ["*.py"]

[[routes]]
prefix = "/"
to = "frontend"

[[routes]]
prefix = "/api"
to = "backend"
"""


def link_or_copy(source: str, target: str) -> None:
    """A hard link; a copy where the temporary folder is on another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def vite_port(session: RunningDevproxy) -> int:
    """The port on which the dev server below this session really listens."""
    for process in session.descendants():
        if process.name().startswith("node") or "vite" in " ".join(process.cmdline()):
            for connection in process.net_connections(kind="tcp"):
                if connection.status == "LISTEN":
                    port: int = connection.laddr.port
                    return port
    raise AssertionError(f"no dev server listens below devproxy:\n{session.output}")


def save(path: Path, text: str) -> None:
    """Save a file in place by one write, padded to the length it has.

    A save in two steps (truncate, then write) is two changes. A watcher that hears of the first reads an empty file,
    and chokidar, Vite's, drops the second (BLIND_SECONDS): the page then misses the save, with or without
    devproxy. Measured with Vite 8 alone: 5 ms between the two steps, as when the writer loses its core, are enough.
    """
    with path.open("r+b", buffering=0) as file:
        file.write(text.encode().ljust(path.stat().st_size, b"\n"))
