"""A small session that listens where the commands look for it."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devproxy.control.app import create_app
from devproxy.paths import socket_path
from tests.control.small import Served, SmallSession, server
from tests.support import until


@dataclass
class Running:
    """A session in a thread of its own, and the project that it is of."""

    root: Path
    session: SmallSession
    server: Served
    thread: threading.Thread

    def end(self) -> None:
        """The session is gone; its socket's file may stay, as after a crash."""
        self.session.close()
        self.server.should_exit = True
        self.thread.join(10)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder that is a project of its own."""
    root = tmp_path / "shop"
    root.mkdir()
    (root / "devproxy.toml").touch()
    return root


@pytest.fixture
def running(project: Path) -> Iterator[Running]:
    session = SmallSession(project.parent / "logs")
    served = server(create_app(session), uds=str(socket_path(project)))
    thread = threading.Thread(target=lambda: asyncio.run(served.serve()))
    thread.start()
    until(lambda: served.started)
    up = Running(project, session, served, thread)
    yield up
    up.end()
