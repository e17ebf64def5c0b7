"""A user whom nothing here belongs to."""

from collections.abc import Iterator

import pytest

from tests.support.other_user import OtherUser


@pytest.fixture(scope="session")
def nobody() -> Iterator[OtherUser]:
    """devproxy as another user."""
    other = OtherUser()
    yield other
    other.close()
