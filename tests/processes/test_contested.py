"""Which port is in use, as programs say it."""

import pytest

from devproxy.processes.contested import ports_in_use


@pytest.mark.parametrize(
    "line",
    [
        "Error: listen EADDRINUSE: address already in use :::3000",
        "Error: listen EADDRINUSE: address already in use 127.0.0.1:3000",
        "ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 3000): address already in use",
        "ERROR:    [Errno 48] error while attempting to bind on address ('::1', 3000, 0, 0): address already in use",
        "Port 3000 is in use by another program. Either identify and stop that program, or start the server elsewhere.",
        "[2026-11-21 10:00:00 +0000] [1] [ERROR] Connection in use: ('127.0.0.1', 3000)",
        "2026/11/21 10:00:00 listen tcp :3000: bind: address already in use",
        "panic: listen tcp [::1]:3000: bind: address already in use",
        "Error: Port 3000 is already in use",
        'Address already in use - bind(2) for "127.0.0.1" port 3000 (Errno::EADDRINUSE)',
        "Failed to listen on localhost:3000 (reason: Address already in use)",
        "Web server failed to start. Port 3000 was already in use.",
        "Failed to bind to address http://127.0.0.1:3000: address already in use.",
    ],
)
def test_the_usual_texts_name_the_port(line: str) -> None:
    assert 3000 in ports_in_use(["starting", line, "bye"])


def test_a_line_about_something_else_names_no_port() -> None:
    assert ports_in_use(["connect ECONNREFUSED 127.0.0.1:5432", "listening on port 3000", "Error: in use"]) == []


def test_a_number_that_is_no_port_is_none() -> None:
    assert ports_in_use(["EADDRINUSE :99999", "That port is already in use."]) == []
