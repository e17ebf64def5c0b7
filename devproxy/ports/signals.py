"""A signal for an identity. It can never reach a process that was given the pid of a dead one:
on Linux a pidfd pins the process before it is compared; elsewhere the comparison comes just before.
"""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from devproxy.ports.identity import Identity

WHOLE_GROUP = 1 << 2  # PIDFD_SIGNAL_PROCESS_GROUP, Linux 6.9: pidfd_send_signal(2)


def send(to: Identity, signum: signal.Signals) -> bool:
    """Signal one process.

    Returns: False when it is gone.
    Raises:  PermissionError.
    """
    with _pinned(to) as fd:
        if not to.is_alive():
            return False
        try:
            if fd is not None and sys.platform == "linux":
                signal.pidfd_send_signal(fd, signum)
            else:
                os.kill(to.pid, signum)
        except ProcessLookupError:
            return False
        return True


def send_group(leader: Identity, signum: signal.Signals) -> bool:
    """Signal the process group that this process leads.

    Returns: False when the leader is gone or leads no group: nothing was sent.
    Raises:  PermissionError.
    """
    with _pinned(leader) as fd:
        try:
            if not leader.is_alive() or os.getpgid(leader.pid) != leader.pid:
                return False
            if fd is None or not _signal_group_by_fd(fd, signum):
                os.killpg(leader.pid, signum)
        except ProcessLookupError:
            return False
        return True


@contextmanager
def _pinned(who: Identity) -> Iterator[int | None]:
    """A pidfd of the process, or None where there is no such thing (macOS, old kernels, sandboxes)."""
    fd: int | None = None
    if sys.platform == "linux":
        try:
            fd = os.pidfd_open(who.pid)
        except OSError:
            fd = None
    try:
        yield fd
    finally:
        if fd is not None:
            os.close(fd)


if sys.platform == "linux":

    def _signal_group_by_fd(fd: int, signum: signal.Signals) -> bool:
        """False: this kernel cannot."""
        try:
            signal.pidfd_send_signal(fd, signum, None, WHOLE_GROUP)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOSYS):
                return False
            raise
        return True

else:

    def _signal_group_by_fd(fd: int, signum: signal.Signals) -> bool:
        """No pidfd, no group by it."""
        return False
