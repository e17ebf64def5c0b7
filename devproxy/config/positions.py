"""On which line of a TOML text each key stands. tomllib reads values and forgets where they were.

The text is one that tomllib has accepted, so this looks only for structure: headers, keys, and where a
value ends. Any other text gives some answer too, and never an exception.

A path is the way down to a value: ("services", "web", "port"), ("routes", 0, "prefix").
"""

import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress

from devproxy.config.schema import KeyPath

_BLANK = re.compile(r"[ \t\r\n]*(?:#[^\n]*[ \t\r\n]*)*")
_STRING = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'', re.DOTALL)
_KEY = re.compile(r'(?:[^"\'=\]\n#{},\[]|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\')+')
_SPACE = re.compile(r"[ \t]*")
_SCALAR = re.compile(r"[^,\]}\n#]*")


def find_lines(text: str) -> dict[KeyPath, int]:
    """The line (from 1) of every table and key; a table's is its header or the first key that implies it."""
    scanner = _Scanner(text)
    with suppress(RecursionError):  # nested deeper than any config is: the lines found so far do
        scanner.run()
    return scanner.lines


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """The line of `path`, or of the nearest thing around it that was written down; 1 if nothing was."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


class _Scanner:
    """One walk over the text; `at` is the index of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self.newest: dict[KeyPath, int] = {}  # array of tables -> index of its last table
        self.table: KeyPath = ()

    def run(self) -> None:
        self.skip(_BLANK)
        while self.at < len(self.text):
            start = self.at
            if self.text[self.at] == "[":
                self.header()
            else:
                self.pair(self.table)
            self.at = max(self.at, start + 1)  # whatever stands here, go on
            self.skip(_BLANK)

    def header(self) -> None:
        is_array = self.text.startswith("[[", self.at)
        line = self.line()
        self.at += 2 if is_array else 1
        parts = self.key()
        path: KeyPath = ()
        for part in parts[:-1]:
            path = self.inside((*path, part))
        path = (*path, *parts[-1:])
        if is_array:
            self.newest[path] = self.newest.get(path, -1) + 1
            path = self.inside(path)
        for length in range(1, len(path)):
            self.note(path[:length], line)
        self.lines[path] = line
        self.table = path
        self.at += 2 if is_array else 1

    def pair(self, table: KeyPath) -> None:
        line = self.line()
        path = (*table, *self.key())
        for length in range(len(table) + 1, len(path) + 1):
            self.note(path[:length], line)
        if self.text.startswith("=", self.at):
            self.at += 1
            self.value(path)

    def value(self, path: KeyPath) -> None:
        self.skip(_SPACE)
        opening = self.text[self.at : self.at + 1]
        if opening == "[":
            self.items("]", path)
        elif opening == "{":
            self.items("}", path)
        elif not self.skip(_STRING):
            self.skip(_SCALAR)

    def items(self, closing: str, path: KeyPath) -> None:
        """Walk over an array or an inline table, which `at` stands in front of."""
        self.at += 1
        index = 0
        self.skip(_BLANK)
        while self.at < len(self.text) and self.text[self.at] != closing:
            start = self.at
            if closing == "}":
                self.pair(path)
            else:
                self.note((*path, index), self.line())
                self.value((*path, index))
                index += 1
            self.skip(_BLANK)
            if self.text.startswith(",", self.at):
                self.at += 1
            self.at = max(self.at, start + 1)
            self.skip(_BLANK)
        self.at += 1

    def key(self) -> list[str]:
        """The parts of the dotted key that starts here; tomllib itself undoes quotes and escapes."""
        match = _KEY.match(self.text, self.at)
        if match is None:
            return []
        self.at = match.end()
        try:
            found: object = tomllib.loads(f"{match[0].strip()} = 0")
        except tomllib.TOMLDecodeError:
            return []
        parts = []
        while isinstance(found, dict):
            [(part, found)] = found.items()
            parts.append(part)
        return parts

    def inside(self, path: KeyPath) -> KeyPath:
        """Where keys below `path` go: into the newest table, if `path` is an array of tables."""
        return (*path, self.newest[path]) if path in self.newest else path

    def note(self, path: KeyPath, line: int) -> None:
        self.lines.setdefault(path, line)

    def line(self) -> int:
        return self.text.count("\n", 0, self.at) + 1

    def skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self.at)
        if match is None:
            return False
        self.at = match.end()
        return True
