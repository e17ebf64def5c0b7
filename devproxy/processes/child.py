"""One child: a process that leads its own session and process group, and speaks to us by a pty.

stdin, stdout and (unless asked otherwise) stderr are one pty, so that programs colour and flush their
output as on a terminal. The kernel's output processing is off: what the child writes is what we read.
"""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from devproxy.errors import ConfigError, MissingProgram, ServiceFailed
from devproxy.processes import shell

READ_BYTES: Final = 64 * 1024
"""At most this much is taken from one child in one turn of the loop, so that no child starves the others."""

TTY_BYTES: Final = 1023
"""A read(2) of a terminal that gave fewer has emptied it: Linux hands out 4095 at a time, macOS 1024."""

PIPE_BYTES: Final = 256 * 1024

DRAIN_BYTES: Final = 4 * 1024 * 1024
"""At most this much is taken after a child's exit."""

# A shell opens the terminal after setsid(2), so that it becomes the controlling one (tty_ioctl(4)): Python
# code between fork and exec, which could do the same, is not safe in a process with threads.
_ON_TTY: Final = 'exec <"$0" >"$0" 2>&1; exec "$@"'
_ON_TTY_BUT_STDERR: Final = 'exec <"$0" >"$0"; exec "$@"'


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: argv (or a line for `sh -c`), where, with which environment."""

    argv: str | Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    separate_stderr: bool = False
    size: tuple[int, int] = (80, 24)  # columns, rows of its terminal

    def words(self) -> list[str]:
        """The words to execute: a line goes to the shell, a list does not."""
        return shell.words_of(self.argv) if isinstance(self.argv, str) else list(self.argv)

    @property
    def program(self) -> str | None:
        """What must be installed for it to run; None if only the shell can tell."""
        return shell.program_of(self.argv) if isinstance(self.argv, str) else self.argv[0]


class Child:
    """A running child.

    Owns: its terminal's master side and stderr pipe; `close_output` closes them. Who hears of its exit sets
    `has_exited`.
    """

    def __init__(self, pid: int, master: int, stderr: int | None) -> None:
        self.pid = pid  # also its process group and its session
        self.started = time.monotonic()
        self.outputs: dict[int, str] = {master: "stdout"}
        self.master = master
        self.has_exited = False
        if stderr is not None:
            self.outputs[stderr] = "stderr"

    @property
    def lived(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.started

    def read(self, fd: int) -> bytes | None:
        """What one output holds now, at most READ_BYTES; b"" if nothing; None at its end.

        A terminal hands out TTY_BYTES at a time, however much is waiting: a child that prints fast is read until it
        has no more, so that what comes after (filter, files, readers) is done for large pieces.
        """
        pieces: list[bytes] = []
        taken = 0
        while taken < READ_BYTES:
            try:
                data = os.read(fd, READ_BYTES - taken)
            except BlockingIOError:
                break
            except OSError:
                data = b""  # EIO: the last writer has closed the terminal (pty(7)); that is its end of file
            if not data:
                return b"".join(pieces) or None  # told again by the next read
            pieces.append(data)
            taken += len(data)
            if len(data) < TTY_BYTES:
                break
        return b"".join(pieces)

    def write(self, data: bytes) -> int:
        """Type on its terminal; how many of the bytes it took, 0 while it has to read first."""
        try:
            return os.write(self.master, data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # EIO: nobody has it open any more

    def drain(self, take: Callable[[str, bytes], None]) -> None:
        """Give `take` what the outputs still hold, after the exit."""
        for fd, stream in self.outputs.items():
            taken = 0
            while taken < DRAIN_BYTES and (data := self.read(fd)):
                taken += len(data)
                take(stream, data)

    def close_output(self, fd: int) -> None:
        """Close one output."""
        if self.outputs.pop(fd, None) is not None:
            os.close(fd)

    def signal_group(self, number: signal.Signals) -> bool:
        """Signal the whole group; False if nothing of it is left."""
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
            return False
        return True

    def signal_leader(self, number: signal.Signals) -> None:
        """Signal the process itself, unless it has exited: its pid may be another's by then."""
        if not self.has_exited:
            os.kill(self.pid, number)

    def group_is_gone(self) -> bool:
        """Whether no process of the group is left (zombies that nobody has reaped yet count)."""
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return True
        return False

    def resize(self, columns: int, rows: int) -> None:
        """Tell its terminal the size of the window."""
        if self.master in self.outputs:
            _set_size(self.master, columns, rows)


def spawn(command: Command) -> Child:
    """Start a child.

    Raises: ConfigError: no process can be given this; MissingProgram: its program is not there;
    ServiceFailed: its folder is not, or it cannot be started.
    """
    _check(command)
    if not command.directory.is_dir():
        raise ServiceFailed(f"the folder {command.directory} does not exist", hint="check `dir` in devproxy.toml")
    if command.program is not None:
        _find_program(command.program, command)
    try:
        master, slave = pty.openpty()
    except OSError as error:
        raise ServiceFailed(f"there is no terminal left for it: {error.strerror}") from error
    stderr_read = stderr_write = None
    try:
        os.set_blocking(master, False)
        _raw_output(slave)
        _set_size(slave, *command.size)
        tty = os.ttyname(slave)
        if command.separate_stderr:
            stderr_read, stderr_write = os.pipe()
            os.set_blocking(stderr_read, False)
            _widen(stderr_read)
        script = _ON_TTY if stderr_write is None else _ON_TTY_BUT_STDERR
        process = subprocess.Popen(
            [shell.SHELL, "-c", script, tty, *command.words()],
            cwd=command.directory,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=slave if stderr_write is None else stderr_write,
            start_new_session=True,
        )
        process.returncode = 0  # the reaper waits for it; Popen must not
    except OSError as error:
        os.close(master)
        if stderr_read is not None:
            os.close(stderr_read)
        raise ServiceFailed(f"cannot start {command.words()[0]}: {error.strerror}") from error
    finally:
        os.close(slave)
        if stderr_write is not None:
            os.close(stderr_write)
    return Child(process.pid, master, stderr_read)


def _check(command: Command) -> None:
    """What the kernel would take for the end of a text, execve(2) cannot pass on."""
    if any("\0" in word for word in command.words()):
        raise ConfigError(["its command has a NUL byte"], hint="remove it from where the command stands")
    for name, value in command.environment.items():
        if "\0" in name + value:
            raise ConfigError(
                [f"its variable {name!a} has a NUL byte"], hint="`devproxy env NAME --all` says where it is set"
            )


def _find_program(word: str, command: Command) -> None:
    """Say that a program is missing before the shell's 127 does, and say it better."""
    if "/" in word:
        if not os.access(command.directory / word, os.X_OK):
            raise MissingProgram(f"{word} is not an executable file", hint=f"in {command.directory}")
        return
    for folder in command.environment.get("PATH", os.defpath).split(os.pathsep):
        if folder and os.access(command.directory / folder / word, os.X_OK):
            return
    raise MissingProgram(f"{word} is not installed, or not in PATH", hint=f"install {word}, or correct the command")


def _raw_output(tty: int) -> None:
    attributes = termios.tcgetattr(tty)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(tty, termios.TCSANOW, attributes)


def _widen(pipe: int) -> None:
    """Have a pipe hold more than Linux's 64 KiB: the child prints on while the loop does something else."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):  # the user's share of such memory is used up
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _set_size(tty: int, columns: int, rows: int) -> None:
    fcntl.ioctl(tty, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
