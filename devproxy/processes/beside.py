"""A command beside the services: it is the user's, on our own stdin, stdout and stderr, in our own process group.

So a pipe is a pipe for it, a terminal a terminal, and Ctrl-C reaches it from there as if nobody stood in between.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import NoReturn

from devproxy.errors import MissingProgram
from devproxy.processes.environment import LOOPBACK_NAMES, MARKER, SERVICE
from devproxy.processes.lifecycle import Exit
from devproxy.processes.reaper import Reaper

TTY = "/dev/tty"


class Beside:
    """The command's process. It carries the session's mark: the guard ends what is left of it.

    Raises: MissingProgram: there is no such program, or it cannot be executed.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], reaper: Reaper) -> None:
        try:
            self._process = subprocess.Popen(words, env=dict(environment))
        except OSError as error:
            raise cannot_run(words, error) from error
        self.exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        reaper.watch(self._process.pid, self._ended)

    def _ended(self, exit_: Exit) -> None:
        self._process.returncode = exit_.code if exit_.code is not None else -(exit_.signal or 0)
        self.exit.set_result(exit_)

    def send(self, number: signal.Signals) -> None:
        """Signal it, if it still runs. (Until it is reaped, in our loop, its pid is nobody else's.)"""
        if not self.exit.done():
            os.kill(self._process.pid, number)

    async def stop(self, grace: float) -> None:
        """Ask it to end, kill it after the grace period."""
        self.send(signal.SIGTERM)
        await asyncio.wait((self.exit,), timeout=grace)
        self.send(signal.SIGKILL)


def environment_beside(shell: Mapping[str, str], *, origin: str, session: str | None) -> dict[str, str]:
    """What a command finds in its environment: ours, and where the project is.

    Args: session: whose mark it carries; None: nobody's, it is not the session's to end.
    """
    values = {name: value for name, value in shell.items() if name not in (SERVICE, MARKER)}
    for name in ("NO_PROXY", "no_proxy"):
        values[name] = ",".join(dict.fromkeys([*filter(None, values.get(name, "").split(",")), *LOOPBACK_NAMES]))
    return values | {"DEVPROXY_URL": origin} | ({MARKER: session} if session is not None else {})


def become(words: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Be the command, from now on.

    Raises: MissingProgram: there is no such program, or it cannot be executed.
    """
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and exec(2) would pass that on
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(words[0], list(words), dict(environment))
    except OSError as error:
        raise cannot_run(words, error) from error


def cannot_run(words: Sequence[str], error: OSError | None = None) -> MissingProgram:
    """Why a command cannot be run, as the error that says so."""
    why = "is not installed, or not in PATH"
    if error is not None and not isinstance(error, FileNotFoundError):
        why = f"cannot be run: {error.strerror}"
    hint = f"for a shell's line: devproxy run -- sh -c '{' '.join(words)}'" if " " in words[0] else ""
    return MissingProgram(f"{words[0]} {why}", hint=hint)


def hears_the_terminal() -> bool:
    """Whether the terminal's Ctrl-C reaches our whole process group by itself (tcgetpgrp(3))."""
    try:
        terminal = os.open(TTY, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
