"""Did a child die because somebody else has its port?"""

import socket
from dataclasses import replace

import pytest

from devproxy.config.model import Logs
from devproxy.logs.log import Log
from devproxy.processes.claiming import taken
from devproxy.processes.lifecycle import STABLE_SECONDS, Exit, Life
from tests.support import free_port

DIED = Exit(code=1)
STARTING = Life(state="starting", alive=True)


def test_it_did_if_it_died_at_once_and_somebody_listens_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taker:
        port = taker.getsockname()[1]
        assert taken(STARTING, DIED, 0.1, port, list) == port
    assert taken(STARTING, DIED, 0.1, port, list) is None


def test_it_did_if_it_said_so_of_another_port_and_somebody_listens_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taker:
        port = taker.getsockname()[1]
        log = Log(None, "session", Logs())
        log.source("it").feed(f"Error: listen EADDRINUSE: address already in use :::{port}\n".encode())
        assert taken(STARTING, DIED, 0.1, free_port(), lambda: log.last_lines("it", 9)) == port
        assert taken(STARTING, DIED, 0.1, None, lambda: log.last_lines("it", 9)) == port


@pytest.mark.parametrize(
    ("life", "exit_", "lived"),
    [
        (STARTING, Exit(code=0), 0.1),
        (STARTING, Exit(code=127), 0.1),
        (STARTING, DIED, STABLE_SECONDS),
        (replace(STARTING, was_ready=True), DIED, 0.1),
        (replace(STARTING, next="stopped"), DIED, 0.1),
    ],
    ids=["ended well", "was not found", "lived long", "had been ready", "was asked to end"],
)
def test_it_did_not_if_it(life: Life, exit_: Exit, lived: float) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taker:
        assert taken(life, exit_, lived, taker.getsockname()[1], list) is None
