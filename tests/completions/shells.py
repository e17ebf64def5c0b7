"""Real shells that complete, each with nobody's settings but the file of completions/ under test."""

import os
import re
import select
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pyte
import pytest

COMPLETIONS = Path(__file__).parents[2] / "completions"
COLUMNS, LINES = 160, 60
SECONDS = 10.0

BASH_RC = """
PS1='> '
bind 'set bell-style none' 'set enable-bracketed-paste off' 'set show-all-if-ambiguous on'
source "$COMPLETIONS/devproxy.bash"
"""

# Ctrl-X Ctrl-L lists what is offered, and says when the list is on the screen.
ZSH_RC = """
PS1='> '
unset zle_bracketed_paste
fpath=("$COMPLETIONS" $fpath)
autoload -Uz compinit && compinit -u -d "$COMPINIT_DUMP"
list-them() { zle list-choices; zle -R; print -n '<listed>' >$TTY }
zle -N list-them
bindkey '^X^L' list-them
LISTMAX=0
"""


def program(name: str) -> str:
    """The shell's program; without it the test is skipped, and fails in CI."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{name} is not installed, and CI=true wants it")
        pytest.skip(f"{name} is not installed")
    return found


def bash(line: str, cwd: Path) -> list[str]:
    """What bash's function offers at the end of the line."""
    script = """
        source "$COMPLETIONS/devproxy.bash"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _devproxy "$1" "${!#}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\\n' ${COMPREPLY[@]+"${COMPREPLY[@]}"}
    """
    # As readline does it: the quotes stay, = is a word, and so is nothing after a space.
    words = [word for word in re.split(r"(=)|(?<!\\) ", line) if word is not None]
    return output([program("bash"), "--norc", "--noprofile", "-uc", script, "bash", *words], cwd)


def fish(line: str, cwd: Path, *, setting: str = "") -> list[str]:
    """What fish offers at the end of the line."""
    script = f'source "$COMPLETIONS/devproxy.fish"; {setting}; complete -C $argv[1]'
    rows = output([program("fish"), "--no-config", "-c", script, line], cwd)
    return [row.split("\t")[0] for row in rows]  # without the descriptions


def zsh(line: str, cwd: Path) -> list[str]:
    """What zsh lists at the end of the line."""
    with Terminal.zsh(cwd, "zstyle ':completion:*' verbose no") as terminal:  # without the descriptions
        terminal.press(f"{line}\x18\x0c").wait_for("<listed>")
        rows = terminal.rows()
    at = next(number for number, row in enumerate(rows) if row.startswith(f"> {line}".rstrip()))
    return " ".join(rows[at + 1 :]).replace("<listed>", "").split()


def output(command: list[str], cwd: Path) -> list[str]:
    done = subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=SECONDS)
    assert done.stderr == ""
    return [row for row in done.stdout.splitlines() if row]


def environment() -> dict[str, str]:
    return {**os.environ, "COMPLETIONS": str(COMPLETIONS), "TERM": "xterm", "LC_ALL": "C.UTF-8"}


class Terminal:
    """An interactive shell with a terminal of its own. Leaving the `with` block ends it."""

    def __init__(self, command: list[str], cwd: Path, **variables: str) -> None:
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._printed = b""
        self._master, self._slave = os.openpty()
        # A session's first process gets the terminal that it opens as its controlling one.
        script = f'exec <>"$0" >&0 2>&1; stty cols {COLUMNS} rows {LINES}; exec "$@"'
        self._shell = subprocess.Popen(
            ["sh", "-c", script, os.ttyname(self._slave), *command],
            cwd=cwd,
            env={**environment(), **variables},
            start_new_session=True,
        )

    @classmethod
    def bash(cls, cwd: Path) -> Self:
        rc = cwd.parent / "bashrc"
        rc.write_text(BASH_RC)
        return cls([program("bash"), "--noprofile", "--rcfile", str(rc), "-i"], cwd).prompt()

    @classmethod
    def zsh(cls, cwd: Path, *settings: str) -> Self:
        """Args: settings: more lines for .zshrc."""
        (cwd.parent / ".zshrc").write_text("\n".join([ZSH_RC, *settings]))
        return cls([program("zsh"), "-d", "-i"], cwd, ZDOTDIR=str(cwd.parent)).prompt()

    def prompt(self) -> Self:
        return self.wait_for("> ")

    def press(self, keys: str) -> Self:
        os.write(self._master, keys.encode())
        return self

    def wait_for(self, text: str) -> Self:
        """Wait until the shell has printed this, after what was waited for before."""
        deadline = time.monotonic() + SECONDS
        while text.encode() not in self._printed:
            ready, _, _ = select.select([self._master], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"never printed {text!r}:\n" + "\n".join(self.rows())
            piece = os.read(self._master, 65536)
            self._stream.feed(piece)
            self._printed += piece
        self._printed = self._printed.partition(text.encode())[2]
        return self

    def rows(self) -> list[str]:
        """The lines on the screen, down to the last that is not empty."""
        return "\n".join(row.rstrip() for row in self._screen.display).rstrip().split("\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shell.kill()
        self._shell.wait(SECONDS)
        os.close(self._master)
        os.close(self._slave)
