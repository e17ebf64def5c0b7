"""The terminal's edge: colour and width, how an error reads, how the process ends.

The only place of the project that exits. Exit codes (a contract): 0 done · 1 our bug · 2 usage or
config · 3 port held or refused · 4 a service failed · 5 no session · 6 a program is missing ·
killed by SIGINT after Ctrl-C, by SIGPIPE when the reader of our output left (as every Unix filter).
"""

import os
import re
import select
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from devproxy.errors import DevproxyError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

# C0 but for tab and line feed, DEL, C1: what could move the cursor of who reads the message.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def run_cli(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with the command's exit code."""
    sys.exit(run(sys.argv[1:] if args is None else args))


def run(args: Sequence[str]) -> int:
    """Run one command line; return its exit code.

    Errors are told on stderr, once. Ctrl-C ends the process by SIGINT, so that a shell's loop stops too.
    """
    try:
        code = invoke(args)
        sys.stdout.flush()  # here, where a reader that left is still understood
    except KeyboardInterrupt:
        die_by(signal.SIGINT)
    except BrokenPipeError as error:
        if not reader_is_gone():
            return report_bug(error)
        die_by(signal.SIGPIPE)
    except DevproxyError as error:
        return report(error)
    except BaseExceptionGroup as group:
        return report_group(group)
    except Exception as error:  # noqa: BLE001 - the edge of the program: a bug of ours is told, not swallowed
        return report_usage(error) if is_usage_error(error) else report_bug(error)
    return code


def invoke(args: Sequence[str]) -> int:
    """Run one command line; errors pass through as raised."""
    if list(args) == ["up"]:
        # The daily command, bare, needs no parser: its children start 120 ms earlier without one.
        from devproxy.cli.foreground import foreground

        foreground()
        return 0
    from devproxy.cli import app

    return app.invoke(args)


def report(error: DevproxyError) -> int:
    """Say an error as one message on stderr: what happened, to what, and in dim what to do next."""
    say_error(error.message, error.hint)
    return error.exit_code


def report_group(group: BaseExceptionGroup[BaseException]) -> int:
    """Say each error that a task group gathered; anything but our own errors among them is a bug."""
    leaves = list(leaf_exceptions(group))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        die_by(signal.SIGINT)
    ours = [leaf for leaf in leaves if isinstance(leaf, DevproxyError)]
    if len(ours) < len(leaves):
        return report_bug(group)
    codes = [report(error) for error in ours]  # each is said
    return codes[0]


def leaf_exceptions(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The exceptions in a group, however deeply nested, in order."""
    for member in group.exceptions:
        if isinstance(member, BaseExceptionGroup):
            yield from leaf_exceptions(member)
        else:
            yield member


def is_usage_error(error: Exception) -> bool:
    """Whether the command line's parser raised this.

    By shape: Typer names no public class for it, and since 0.2x carries its own copy of Click.
    """
    return hasattr(error, "format_message") and hasattr(error, "exit_code")


def report_usage(error: Any) -> int:
    """Say a parser's complaint in the shape of every other error."""
    message = error.format_message().rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "devproxy"
    say_error(message[:1].lower() + message[1:], f"see {command} --help")
    return UsageError.exit_code


def report_bug(error: BaseException) -> int:
    """Show the traceback of something that must not happen, and say that it is our fault."""
    import traceback

    from devproxy import __version__

    traceback.print_exception(error, file=sys.stderr)
    python = ".".join(map(str, sys.version_info[:3]))
    say_error(
        f"this is a bug in devproxy {__version__} (Python {python}, {sys.platform}), not in your project",
        "please report it with the lines above: CONTRIBUTING.md says where",
    )
    return DevproxyError.exit_code


def say_error(message: str, hint: str = "") -> None:
    """Write `devproxy: message` and a dim line with the hint to stderr."""
    lines = printable(message).split("\n")
    colored = use_color(sys.stderr)
    name = "\x1b[1;31mdevproxy:\x1b[0m" if colored else "devproxy:"
    out = [f"{name} {lines[0]}", *(f"  {line}" for line in lines[1:])]
    out += [f"\x1b[2m  {line}\x1b[0m" if colored else f"  {line}" for line in printable(hint).splitlines()]
    with suppress(OSError):  # nobody reads stderr any more; the exit code still tells
        sys.stderr.write("\n".join(out) + "\n")
        sys.stderr.flush()


def printable(text: str) -> str:
    """The text with every control character spelled out: a file name or a child's line may hold any."""
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def die_by(number: signal.Signals) -> NoReturn:
    """End this process by a signal's default action, so that whoever waits for us sees the true cause.

    Source: "Proper handling of SIGINT/SIGQUIT", https://www.cons.org/cracauer/sigint.html
    """
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
    raise AssertionError("a signal with its default action returned")


def reader_is_gone() -> bool:
    """Whether whoever read our stdout or stderr has closed it (poll(2): POLLERR, on macOS POLLHUP)."""
    poll = select.poll()
    for stream in (1, 2):
        poll.register(stream, 0)
    return any(flags & (select.POLLERR | select.POLLHUP) for _, flags in poll.poll(0))


def use_color(stream: TextIO) -> bool:
    """Whether to colour what is written there.

    NO_COLOR (https://no-color.org) wins, then FORCE_COLOR; else on a terminal that is not TERM=dumb.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if force := os.environ.get("FORCE_COLOR"):
        return force != "0"
    return os.environ.get("TERM") != "dumb" and stream.isatty()


def paint(text: str, sgr: str, *, colored: bool) -> str:
    """The text in an SGR style ("1;31"), or as it is."""
    return f"\x1b[{sgr}m{text}\x1b[0m" if colored and text else text


def width() -> int:
    """Columns of the terminal, or 80 when there is none."""
    return shutil.get_terminal_size().columns


def print_json(value: Any) -> None:
    """Write one JSON document to stdout: indented for a person on a terminal, one line for a script."""
    import json

    indent = 2 if sys.stdout.isatty() else None
    sys.stdout.write(json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def console() -> "Console":
    """A Rich console on stdout that follows `use_color`. Costs an import of 30 ms."""
    return rich_console(sys.stdout)


def err_console() -> "Console":
    """A Rich console on stderr, for talk: stdout is for what a script reads."""
    return rich_console(sys.stderr)


def rich_console(stream: TextIO) -> "Console":
    """A Rich console that adds nothing by itself: no highlighting, no emoji codes, no soft wraps."""
    from rich.console import Console

    colored = use_color(stream)
    return Console(file=stream, force_terminal=colored, no_color=not colored, highlight=False, emoji=False)
