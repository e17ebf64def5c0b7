"""Whether a client has left whose bytes are not being read.

A transport that is paused hears nothing: not the end, not a reset. The kernel knows.
"""

import asyncio
import select
from typing import Final

_GONE: Final = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
"""poll(2): the peer shut its side, or the connection is no more. POLLRDHUP is Linux's; macOS says POLLHUP for it."""


def has_left(transport: asyncio.Transport, *, may_end: bool = False) -> bool:
    """Whether the peer of a TCP or Unix connection has ended or reset it.

    Args: may_end: only a reset counts. Who ends its side of a relay may still be reading.
    """
    wanted = select.POLLERR if may_end else _GONE
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), wanted)
    return any(events & wanted for _, events in poll.poll(0))
