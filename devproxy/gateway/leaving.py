"""Whether a client has left whose bytes are not being read.

A transport that is paused hears nothing: not the end, not a reset. The kernel knows.
"""

import asyncio
import select
from typing import Final

_GONE: Final = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
"""poll(2): the peer shut its side, or the connection is no more. POLLRDHUP is Linux's; macOS says POLLHUP for it."""


def has_left(transport: asyncio.Transport) -> bool:
    """Whether the peer of a TCP or Unix connection has ended or reset it."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), _GONE)
    return any(events & _GONE for _, events in poll.poll(0))
