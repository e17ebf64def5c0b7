"""Whether a session is ready, judged by its status alone."""

import pytest

from devproxy.cli.readiness import is_ready
from devproxy.errors import ServiceFailed


def test_services_that_stop_with_their_session_have_not_failed() -> None:
    web = {"name": "web", "state": "stopped", "required": True, "given_up": True, "blocked_by": None}
    status = {"ready": False, "stopping": True, "services": [{**web, "message": None, "last_exit": None}]}
    assert not is_ready(status, lambda *_: [], late_after=None, hint="")
    with pytest.raises(ServiceFailed, match="web failed: stopped"):
        is_ready({**status, "stopping": False}, lambda *_: [], late_after=None, hint="")
