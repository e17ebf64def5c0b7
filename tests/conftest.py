"""What holds for every test: folders of its own, nothing left behind, and no quiet skip in CI."""

import contextlib
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

from tests.ports.children import Children
from tests.support import until
from tests.support.chromium import find_chromium
from tests.support.devproxy import RunningDevproxy, Start, is_alive

# How long an example takes is the machine's affair, and no promise of ours.
settings.register_profile("devproxy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("devproxy")

MARKER = "DEVPROXY_TEST_SESSION"  # in the environment of every process that a test starts


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("node") and not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not on PATH")
    if item.get_closest_marker("browser") and not find_chromium():
        pytest.skip("no Chromium: set DEVPROXY_CHROMIUM or run scripts/test")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped browser or Node test is a failure: there, everything they need is installed."""
    report = yield
    must_run = item.get_closest_marker("browser") or item.get_closest_marker("node")
    if report.skipped and must_run and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and CI=true forbids that: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """At the very end no process that a test started still runs, and this one listens nowhere."""
    os.environ[MARKER] = token = secrets.token_hex(8)
    yield
    with contextlib.suppress(AssertionError):  # the assertion below names what is left
        until(lambda: not left_processes(token) and not listening())
    left = left_processes(token)
    for pid in left:  # named below, and gone for the next run
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert (left, listening()) == ({}, []), "processes and ports that a test left behind"


def left_processes(token: str) -> dict[int, str]:
    """Living processes that carry this run's marker, or are below us, with their command lines."""
    me = psutil.Process()
    below = {child.pid for child in me.children(recursive=True)}
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            ours = process.pid in below or process.environ().get(MARKER) == token
            if ours and process.pid != me.pid and is_alive(process):
                found[process.pid] = " ".join(process.cmdline())
    return found


def listening() -> list[str]:
    """The addresses that the test process itself listens on."""
    connections = psutil.Process().net_connections(kind="inet")
    return [f"{c.laddr.ip}:{c.laddr.port}" for c in connections if c.status == psutil.CONN_LISTEN]


@pytest.fixture(scope="session", autouse=True)
def default_signals() -> None:
    """Children start with SIGINT and SIGHUP undisturbed, also when we were started by nohup or with `&`."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state and a runtime folder for this test alone; short, since a socket's path must be (unix(7))."""
    with tempfile.TemporaryDirectory(prefix="devproxy-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "run").mkdir(mode=0o700)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
        monkeypatch.setenv("DEVPROXY_STATE_DIR", str(folder / "state"))
        yield folder


@pytest.fixture
def devproxy(own_folders: Path) -> Iterator[Start]:
    """Start `devproxy up` in a folder: `devproxy(cwd, *arguments)`. It is ended with the test."""
    with contextlib.ExitStack() as stack:

        def start(cwd: Path, *arguments: str, **options: object) -> RunningDevproxy:
            return stack.enter_context(RunningDevproxy(cwd, *arguments, **options))

        yield start


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    """Holders of ports."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    with Children(folder) as started:
        yield started


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A project root."""
    root = tmp_path / "repo"
    (root / ".git").mkdir(parents=True)
    return root
