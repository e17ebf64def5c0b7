"""What a command line becomes: the words that run it. Pure.

The process we start leads the session, and when a session's leader ends, the kernel sends SIGHUP to the
terminal's foreground group (credentials(7), setsid(2)). A shell that dies first of the SIGTERM that asks the
whole group to end would so cut short the program behind it. Therefore the shell makes way for a simple
command, and outlives whatever else it runs.
"""

import re
from typing import Final

SHELL: Final = "/bin/sh"

# Runs when the foreground command has ended (POSIX, trap); `wait` is for those in the background.
_OUTLIVE: Final = "trap 'wait; exit 143' HUP INT QUIT TERM; "

# One command and its arguments; quoted operators count as operators too: better one shell too many.
_SIMPLE: Final = re.compile(r"[ \t]*(?P<program>[\w./@+][\w./@+-]*)(?:[ \t][^;&|<>()`#\n\r]*)?")

# Words that are the shell's own: POSIX's reserved words, its special built-ins, those that change the shell, and
# those whose program of the same name behaves otherwise (echo and its backslashes).
# fmt: off
_OWN_WORDS: Final = frozenset({
    ".", ":", "[", "alias", "bg", "break", "builtin", "case", "cd", "command", "continue", "declare", "do", "done",
    "echo", "elif", "else", "esac", "eval", "exec", "exit", "export", "false", "fg", "fi", "for", "function",
    "getopts", "hash", "if", "in", "jobs", "kill", "let", "local", "printf", "pwd", "read", "readonly", "return",
    "select", "set", "shift", "source", "test", "then", "time", "times", "trap", "true", "type", "ulimit", "umask",
    "unalias", "unset", "until", "wait", "while",
})
# fmt: on


def program_of(line: str) -> str | None:
    """The program that a simple command line runs; None if the line is more than that, or the shell's own."""
    found = _SIMPLE.fullmatch(line)
    program = found["program"] if found else None
    return None if program in _OWN_WORDS else program


def words_of(line: str) -> list[str]:
    """The words that run a command line."""
    if program_of(line) is not None:
        return [SHELL, "-c", f"exec {line}"]
    return [SHELL, "-c", f"{_OUTLIVE}{line}"]
