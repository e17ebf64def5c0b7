"""A server and a person for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.install.support import Person, Server


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)
