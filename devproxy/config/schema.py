"""Reading a TOML table strictly: each key once, by type; what is left over was no key of ours.

A reader takes what it knows from a `Table`, key by key, always with a default: a wrong value is noted in
`Problems` and reading goes on, so that one run names everything that is wrong.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, get_args

T = TypeVar("T")
V = TypeVar("V")
KeyPath = tuple[str | int, ...]  # the way down to a value: ("routes", 0, "prefix")

MAX_NUMBER = 1_000_000_000  # seconds or pieces; keeps what asyncio and the OS are given in their range

EXPECTED_URL = 'a URL such as "http://127.0.0.1:9000" or "https://staging.example.test/v2"'

# Patterns are texts: each is compiled when a config uses it, not at every start.
_URL = r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([1-9][0-9]{0,4}))?(?:/[\x21\x22\x24-\x3e\x40-\x7e]*)?"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = rf"(?:\*?\.)?{_LABEL}(?:\.{_LABEL})*"

# Words of other tools for what we call differently: further from ours than difflib sees.
SYNONYMS = {
    "cwd": "dir",
    "directory": "dir",
    "workdir": "dir",
    "working_dir": "dir",
    "environment": "env",
    "cmd": "command",
    "run": "command",
    "exec": "command",
    "path": "prefix",
    "target": "to",
    "upstream": "to",
    "proxy": "routes",
    "needs": "depends_on",
    "healthcheck": "ready",
    "type": "kind",
    "hosts": "allowed_hosts",
    "replicas": "instances",
}


class Problems:
    """What was found wrong so far: where, and a sentence for a person."""

    def __init__(self) -> None:
        self.found: list[tuple[KeyPath, str]] = []

    def add(self, path: KeyPath, sentence: str) -> None:
        self.found.append((path, sentence))

    def below(self, path: KeyPath) -> bool:
        """Whether anything is wrong at `path` or below: then what follows from it need not be said."""
        return any(found[: len(path)] == path for found, _ in self.found)


class Table:
    """One table of the file. Each method below reads one key and gives its value or the default.

    Args: values: as tomllib read them; path: where the table stands, for messages.
    """

    def __init__(self, values: Mapping[str, Any], path: KeyPath, problems: Problems) -> None:
        self.values = values
        self.path = path
        self.problems = problems
        self.known: list[str] = []

    def has(self, key: str) -> bool:
        return key in self.values

    def problem(self, sentence: str) -> None:
        """Note what is wrong with the table as a whole."""
        self.problems.add(self.path, sentence)

    def wrong(self, key: str, sentence: str) -> None:
        self.problems.add((*self.path, key), sentence)

    def not_yet(self, key: str, given: bool) -> None:
        """Refuse a key that a later version fills, if it was given a meaning."""
        if given:
            self.wrong(key, f"not yet supported: {show(self.values.get(key))}; remove it")

    def read(self, key: str, default: T, expected: str, accept: Callable[[Any], V | None]) -> T | V:
        """Read one key; `accept` gives the value as ours, or None if it is not what was expected."""
        self.known.append(key)
        if key not in self.values:
            return default
        value = self.values[key]
        accepted = accept(value)
        if accepted is None:
            self.wrong(key, f"expected {expected}; got {show(value)}")
            return default
        return accepted

    def text(
        self,
        key: str,
        default: T,
        expected: str = "some text in quotes",
        accept: Callable[[str], object] = bool,
    ) -> str | T:
        return self.read(key, default, expected, lambda value: value if is_text(value) and accept(value) else None)

    def choice(self, key: str, default: Any, literal: Any) -> Any:
        """One of the values of a Literal type; the nearest one is named when it is none of them."""
        choices: tuple[str, ...] = get_args(literal)
        self.known.append(key)
        value = self.values.get(key, default)
        if key not in self.values or value in choices:
            return value
        expected = "one of " + ", ".join(f'"{choice}"' for choice in choices)
        hint = nearest(value, choices) if isinstance(value, str) else ""
        self.wrong(key, f"expected {expected}; got {show(value)}{hint}")
        return default

    def flag(self, key: str, default: bool) -> bool:
        return self.read(key, default, "true or false", lambda value: value if isinstance(value, bool) else None)

    def integer(self, key: str, default: T, low: int, high: int = MAX_NUMBER) -> int | T:
        bounds = f"from {low} to {high}" if high < MAX_NUMBER else f"of {low} or more"
        return self.read(
            key,
            default,
            f"a whole number {bounds}",
            lambda value: value if isinstance(value, int) and _between(value, low, high) else None,
        )

    def seconds(self, key: str, default: float, *, above_zero: bool = False) -> float:
        def accept(value: Any) -> float | None:
            if isinstance(value, int | float) and _between(value, 0, MAX_NUMBER) and (value or not above_zero):
                return float(value)
            return None

        least = "above 0" if above_zero else "0 or more"
        return self.read(key, default, f"a number of seconds, {least}", accept)

    def texts(
        self, key: str, expected: str = "a list of texts", accept: Callable[[str], object] = bool
    ) -> tuple[str, ...]:
        """A list of texts, each of which `accept` finds good."""

        def all_good(value: Any) -> tuple[str, ...] | None:
            good = isinstance(value, list) and all(is_text(item) and accept(item) for item in value)
            return tuple(value) if good else None

        return self.read(key, (), expected, all_good)

    def mapping(self, key: str, expected: str, accept: Callable[[str, str], object]) -> Mapping[str, str]:
        """A table of texts; each bad entry is a problem of its own, on its own line."""
        table = self.table(key, expected)
        if table is None:
            return {}
        good = {}
        for name, value in table.values.items():
            if isinstance(value, str) and accept(name, value):
                good[name] = value
            else:
                table.wrong(name, f"expected {expected}; got {show(value)}")
        return good

    def table(self, key: str, expected: str = "a table") -> "Table | None":
        """The table below `key`; None if there is none."""
        values = self.read(key, None, expected, lambda value: value if isinstance(value, dict) else None)
        return None if values is None else Table(values, (*self.path, key), self.problems)

    def section(self, key: str, build: Callable[["Table"], T], default: T) -> T:
        """What `build` makes of the table below `key`; unknown keys in it are noted."""
        table = self.table(key)
        if table is None:
            return default
        built = build(table)
        table.finish()
        return built

    def finish(self) -> None:
        """Note every key that nobody read: unknown, with the nearest one that is known."""
        for key in self.values:
            if key not in self.known:
                self.wrong(key, "unknown key" + (nearest(key, self.known) or known_here(self.known)))


def known_here(keys: Iterable[str]) -> str:
    return f"; known here: {', '.join(keys)}"


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean "port"?`, or nothing if no known word is like it."""
    from difflib import get_close_matches  # only a wrong file pays for it

    choices = list(known)
    synonym = SYNONYMS.get(word.lower().replace("-", "_"))
    if synonym in choices:
        return f'; did you mean "{synonym}"?'
    close = get_close_matches(word.lower().replace("-", "_"), choices, n=1, cutoff=0.55)
    return f'; did you mean "{close[0]}"?' if close else ""


def show(value: Any) -> str:
    """A value as a person would know it again, cut to a readable length, with nothing a terminal obeys."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        short = value if len(value) <= 60 else value[:57] + "..."
        return '"' + "".join(char if char.isprintable() else ascii(char)[1:-1] for char in short) + '"'
    if isinstance(value, int | float):
        return f"{value}" if _between(value, -1e15, 1e15) else "a number far too large"
    return f"{value} (a date or time)"


def is_text(value: object) -> bool:
    """Whether it is a text, not empty, that a path, a header or an argument may hold: no NUL in it."""
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


def fits(pattern: str) -> Callable[[str], object]:
    """Whether a text matches the regex as a whole."""
    return lambda value: re.fullmatch(pattern, value)


def is_regex(value: str | bytes) -> bool:
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def is_host_pattern(value: str) -> bool:
    """Whether it is a host name, *.NAME, .NAME or an IP address (devproxy.hosts.AllowedHosts takes these)."""
    if ":" not in value:
        return re.fullmatch(_HOST, value) is not None and len(value) <= 253
    bare = value[1:-1] if value[0] == "[" and value[-1] == "]" else value
    return is_address(bare) and not set(bare) & set("/%")  # no network, no zone


def is_address(value: str) -> bool:
    """Whether it is an IP address, or a network such as 10.0.0.0/8."""
    from ipaddress import ip_network  # 3 ms to import; few configs name addresses

    try:
        ip_network(value)
    except ValueError:
        return False
    return True


def is_upstream_url(value: str) -> bool:
    """Whether it is scheme, host, maybe a port and a path: no user, no query."""
    match = re.fullmatch(_URL, value)
    return match is not None and int(match[1] or 1) <= 65535


def _between(value: float, low: float, high: float) -> bool:
    # bool is an int in Python, and never a number in TOML. A NaN is not between anything.
    return not isinstance(value, bool) and low <= value <= high
