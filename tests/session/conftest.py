"""Processes that another session has started."""

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.processes.stage import STAY, python

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a few lines of Python, by default STAY, and wait for the first line that they print."""
    started: list[subprocess.Popen[str]] = []

    def start(source: str = STAY, *arguments: str, group: bool = True, mark: str = "") -> subprocess.Popen[str]:
        words, env = python(source, *arguments), {**os.environ, **({"DEVPROXY_SESSION": mark} if mark else {})}
        started.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=group, env=env))
        output = started[-1].stdout
        assert output is not None
        output.readline()
        return started[-1]

    yield start
    for one in started:
        with one:
            one.kill()
