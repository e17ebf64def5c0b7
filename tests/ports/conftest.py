"""Holders of ports for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports.children import Children
from tests.support.other_user import OtherUser


@pytest.fixture(scope="session")
def nobody() -> Iterator[OtherUser]:
    """devproxy as another user."""
    other = OtherUser()
    yield other
    other.close()


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
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
