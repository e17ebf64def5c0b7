"""The session that a request is about."""

from typing import cast

from starlette.requests import HTTPConnection

from devproxy.control.target import Target
from devproxy.logs.stream import Encoder


def target_of(request: HTTPConnection) -> Target:
    """The session whose API this is; `create_app` put it there."""
    return cast(Target, request.app.state.target)


def encoder_of(request: HTTPConnection) -> Encoder:
    """What all readers of the log share."""
    return cast(Encoder, request.app.state.encoder)
