"""`.env` files by python-dotenv's rules, but strictly: what it would skip with a warning is an error here.

Quotes, escapes, comments, `export`, values of several lines and `${NAME}` or `${NAME:-default}` are as its
`load_dotenv` has them: the shell's value of NAME counts first, then what this file and earlier files say.
"""

import io
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devproxy.errors import ConfigError

HINT = 'a line is NAME=value, NAME="two words" or # a comment'


@dataclass(frozen=True, slots=True)
class Assignment:
    """One line that counts. where: "FILE:LINE"."""

    name: str
    value: str
    where: str


def read(paths: Iterable[Path], shell: Mapping[str, str], *, seen_from: Path) -> list[Assignment]:
    """The assignments of all files in order: a later one wins over an earlier one. A missing file is empty.

    Args: shell: what `${NAME}` means first; seen_from: the folder that files are named from.
    Raises: ConfigError: a file cannot be read, or has lines that are no assignments; names file and line.
    """
    found: list[Assignment] = []
    values: dict[str, str] = {}
    for path in paths:
        if (data := _bytes(path, shown := os.path.relpath(path, seen_from))) is not None:
            assignments = _read(data, shown, shell, values)
            values.update((one.name, one.value) for one in assignments)
            found += assignments
    return found


def _bytes(path: Path, shown: str) -> bytes | None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would make us wait for who writes into it
            raise ConfigError([f"{shown}: expected a file; this is none"], hint="correct `env_files` in devproxy.toml")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError([f"{shown}: cannot be read: {error.strerror}"], hint="mend its permissions") from error


def _read(data: bytes, shown: str, shell: Mapping[str, str], before: Mapping[str, str]) -> list[Assignment]:
    from dotenv.parser import parse_stream  # 8 ms, and most services have no such file
    from dotenv.variables import parse_variables

    found: list[Assignment] = []
    problems: list[str] = []
    values = dict(before)
    for binding in parse_stream(io.StringIO(_text(data, shown))):
        written = binding.original.string  # begins with the blank lines above it
        line = binding.original.line + _line_ends(written[: len(written) - len(written.lstrip())])
        if binding.error:
            problems.append(f"{shown}:{line}: expected NAME=value")
        elif binding.key is not None and binding.value is not None:  # else: a comment, or a bare NAME
            known = {**values, **shell}
            value = "".join(atom.resolve(known) for atom in parse_variables(binding.value))
            if "\0" in f"{binding.key}{value}" or "=" in binding.key:
                problems.append(f"{shown}:{line}: a NUL byte or a strange name, which no environment can hold")
            values[binding.key] = value
            found.append(Assignment(binding.key, value, f"{shown}:{line}"))
    if problems:
        raise ConfigError(problems, hint=HINT)
    return found


def _text(data: bytes, shown: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _line_ends(data[: error.start].decode("utf-8", "replace")) + 1
        raise ConfigError([f"{shown}:{line}: expected UTF-8 text"], hint="save it as UTF-8") from error


def _line_ends(text: str) -> int:
    return text.replace("\r\n", "\n").replace("\r", "\n").count("\n")
