"""What .gitignore files say, read as git reads them (gitignore(5), git's wildmatch.c and dir.c).

Not pathspec's reading: that knows no `[[:digit:]]`, and takes 0.15 s to import and 15 µs a path.
"""

# A burst may be 20,000 paths: strings, of which a Path object each would cost ten times as much.

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

Ignores = Callable[[str, bool], bool]
"""Whether a path (and whether it is a directory) is ignored, itself or with a directory above it."""

NAME: Final = ".gitignore"
NEVER: Final = "(?!)"
TOKEN: Final = re.compile(
    r"(?P<deep>(?:(?<=/)|^)\*\*+(?:/|$))|\*+|\[[!^]?+(?>\[:[^]]*:\]|\\.|\]?)(?:\[:[^]]*:\]|\\.|[^]\\])*+\]|\\?.",
    re.DOTALL,
)
PLAIN: Final = re.compile(r"[^*?\[\\]*")
MEMBER: Final = re.compile(r"\[:([^]]*):\]|(\\?.)(?:-(\\?[^]]))?", re.DOTALL)
POSIX: Final = {
    **{"alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "digit": "0-9", "lower": "a-z", "upper": "A-Z", "xdigit": "0-9A-Fa-f"},
    **{
        "blank": " \t",
        "space": r"\s",
        "cntrl": r"\x00-\x1f\x7f",
        "print": " -~",
        "graph": "!-~",
        "punct": "!-/:-@\\[-`{-~",
    },
}


def nothing(path: str, directory: bool) -> bool:
    """Ignores no path."""
    return False


@dataclass(frozen=True, slots=True)
class Rule:
    """A line. named: it speaks of names, wherever they are; else of paths below its file's directory."""

    regex: str
    negated: bool
    directories: bool
    named: bool


class Rules:
    """A .gitignore file: its lines, the last one that matches decides."""

    def __init__(self, lines: Iterable[str]) -> None:
        rules = [rule for line in lines if (rule := parse_line(line)) is not None]
        self._rules = [(re.compile(rule.regex, re.DOTALL), rule) for rule in reversed(rules)]
        # Nearly no changed file is ignored: two looks say so, however long the file is.
        self._names = _any(rule.regex for rule in rules if rule.named)
        self._paths = _any(rule.regex for rule in rules if not rule.named)

    def verdict(self, path: str, directory: bool) -> bool | None:
        """Whether `path`, relative to the file's directory, is ignored; None: nothing is said about it."""
        name = path[path.rfind("/") + 1 :]
        if self._names.fullmatch(name) or self._paths.fullmatch(path):
            for regex, rule in self._rules:
                if (directory or not rule.directories) and regex.fullmatch(name if rule.named else path):
                    return not rule.negated
        return None


class Gitignore:
    """What is ignored below `root`, by the .gitignore files between `top` and a path. Files are read once.

    A root that is ignored itself was named all the same: then nothing is, below it.
    """

    def __init__(self, root: str, top: str) -> None:
        between = [root]
        while between[-1] != top:
            between.append(os.path.dirname(between[-1]))
        self.parents = between[1:]
        self._found: dict[str, tuple[tuple[int, Rules], ...] | None] = {}  # None: ignored with all below
        self._found[top] = _with_own(top, ())
        if self._rules_in(root) is None:
            self._found[root] = ()

    def ignores(self, path: str, directory: bool = False) -> bool:
        """Whether a path below the root is ignored."""
        rules = self._rules_in(os.path.dirname(path))
        return rules is None or _is_ignored(rules, path, directory)

    def _rules_in(self, directory: str) -> tuple[tuple[int, Rules], ...] | None:
        if directory not in self._found:
            above = self._rules_in(os.path.dirname(directory))
            ignored = above is None or _is_ignored(above, directory, True)
            self._found[directory] = None if ignored or above is None else _with_own(directory, above)
        return self._found[directory]


def gitignore_of(root: str, directory: str) -> Gitignore:
    """What counts for `root`: up to its repository; without one, up to `directory` or the root itself."""
    top = root
    while not os.path.lexists(os.path.join(top, ".git")):
        if (above := os.path.dirname(top)) == top:
            inside = root == directory or root.startswith(os.path.join(directory, ""))
            return Gitignore(root, directory if inside else root)
        top = above
    return Gitignore(root, top)


def parse_line(line: str) -> Rule | None:
    """Read one line; None if it says nothing (a comment, or what can match no path)."""
    line = line.removesuffix("\n").removesuffix("\r")
    pattern = line.rstrip(" ")
    if pattern != line and (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        pattern += " "  # it was escaped
    if pattern.startswith("#"):
        return None
    negated = pattern.startswith("!")
    pattern = pattern.removeprefix("!") if negated else pattern
    directories = pattern.endswith("/")
    pattern = pattern.removesuffix("/")
    named = "/" not in pattern
    pattern = pattern.removeprefix("/")
    if not pattern:
        return None
    # git compares the part without wildcards by itself, and reads what is left as a pattern of its own.
    wild = PLAIN.sub("", pattern, count=1)
    regex = re.escape(pattern.removesuffix(wild)) + TOKEN.sub(_regex, wild)
    return None if NEVER in regex else Rule(regex, negated, directories, named)


def _regex(found: re.Match[str]) -> str:
    token = found[0]
    if found["deep"]:
        return "(?:.*/)?" if token.endswith("/") else ".*"
    if token.startswith("*"):
        return "[^/]*"
    if token == "?":
        return "[^/]"
    if token.startswith("[") and len(token) > 1:
        return _class(token[1:-1])
    if token in ("[", "\\"):  # without its end: git lets such a line match nothing
        return NEVER
    return re.escape(token.removeprefix("\\") if len(token) > 1 else token)


def _class(inner: str) -> str:
    negated = inner.startswith(("!", "^"))
    members = []
    for name, first, last in MEMBER.findall(inner[1:] if negated else inner):
        if not first and name not in POSIX:
            return NEVER
        low, high = first[-1:], max(first[-1:], last[-1:])  # [b-a] is b alone
        members.append(POSIX[name] if name else f"{re.escape(low)}-{re.escape(high)}")
    return f"[^/{''.join(members)}]" if negated else f"(?!/)[{''.join(members)}]"


def _any(regexes: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{regex})" for regex in regexes) or NEVER, re.DOTALL)


def _with_own(directory: str, above: tuple[tuple[int, Rules], ...]) -> tuple[tuple[int, Rules], ...]:
    """The rules that hold in `directory`: the nearest file first."""
    try:
        with open(os.path.join(directory, NAME), encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
            return ((len(os.path.join(directory, "")), Rules(file)), *above)
    except OSError:  # most directories have none
        return above


def _is_ignored(rules: tuple[tuple[int, Rules], ...], path: str, directory: bool) -> bool:
    for start, each in rules:
        if (verdict := each.verdict(path[start:], directory)) is not None:
            return verdict
    return False
