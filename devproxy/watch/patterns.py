"""Which changed paths count: globs below a directory, and the noise that never counts. Pure."""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

IGNORED_DIRECTORIES = frozenset(
    {
        *("node_modules", "bower_components", "__pycache__", "__pypackages__", "site-packages"),
        *(".git", ".hg", ".svn", ".jj", ".idea", ".vscode", ".direnv", ".terraform"),
        *(".venv", "venv", ".tox", ".nox", ".eggs"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".cache"),
        *(".parcel-cache", ".turbo", ".sass-cache", ".ipynb_checkpoints"),
    }
)

# Small enough to be listened on and filtered: they come and go too often to re-arrange the listening.
LIGHT_DIRECTORIES = frozenset({"__pycache__", ".idea", ".vscode", ".ipynb_checkpoints", ".pytest_cache", ".ruff_cache"})

# 4913: vim's probe for a writable directory. .#x, #x#: emacs. ___jb_…: JetBrains' safe write.
# .goutputstream-x: GNOME. .nfsx: a deleted file that is still open on NFS. x.tmp.123: atomic writers.
TEMPORARY_NAME = re.compile(
    r"4913|.*~|\.#.*|#.*#|.*\.sw[a-z]|.*\.py[co]|.*___jb_(?:tmp|old|bak)___|\.goutputstream-.*"
    r"|\.nfs[0-9a-f]+|\.DS_Store|.*\.tmp\.[\w.]+|.*\.crdownload",
    re.DOTALL,
)

MAGIC = re.compile(r"[*?\[{]")


def is_noise(parts: Sequence[str]) -> bool:
    """Whether a path, given as its parts below the subscriber's root, never counts."""
    if not parts:
        return False
    return TEMPORARY_NAME.fullmatch(parts[-1]) is not None or not IGNORED_DIRECTORIES.isdisjoint(parts)


@dataclass(frozen=True, slots=True)
class Glob:
    """A glob, split: `root` has no wildcard (relative, may be ""), `rest` matches what is below it.

    deep: files further down than directly in `root` may match.
    """

    root: str
    rest: re.Pattern[str]
    deep: bool

    def matches(self, below_root: str) -> bool:
        """Whether a path relative to the root matches; "" is the root itself."""
        return self.rest.fullmatch(below_root) is not None


def parse_glob(text: str) -> Glob:
    """Read one glob: `*` and `?` within a name, `**` any number of directories (also none), `[…]`, `{a,b}`.

    A glob without wildcards is that file, or everything below that directory.
    """
    segments = [segment for segment in text.split("/") if segment not in ("", ".")]
    literal = next((i for i, segment in enumerate(segments) if MAGIC.search(segment)), len(segments))
    root = posixpath.normpath("/".join(segments[:literal])) if literal else ""
    if text.startswith("/"):
        root = "/" + root
    wild = segments[literal:]
    if not wild:
        return Glob(root, re.compile(r".*", re.DOTALL), deep=True)
    return Glob(root, _compile(wild), deep=len(wild) > 1 or wild == ["**"])


def _compile(segments: Sequence[str]) -> re.Pattern[str]:
    try:
        return re.compile(_regex(segments), re.DOTALL)
    except re.error:  # a class such as [b-a]: then the brackets are meant as they stand
        return re.compile(re.escape("/".join(segments)), re.DOTALL)


def _regex(segments: Sequence[str]) -> str:
    out = []
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        if segment == "**":
            out.append(r".+" if last else r"(?:[^/]+/)*")
        else:
            out.append(_segment_regex(segment) + ("" if last else "/"))
    return "".join(out)


_TOKEN = re.compile(r"\*+|\?|\[!?\]?[^\]]*\]|\{[^{}]*\}|.", re.DOTALL)


def _segment_regex(segment: str) -> str:
    return "".join(_token_regex(token) for token in _TOKEN.findall(segment))


def _token_regex(token: str) -> str:
    if token[0] == "*":
        return "[^/]*"
    if token == "?":
        return "[^/]"
    if token[0] == "[" and len(token) > 2:
        inner = token[1:-1].replace("\\", r"\\").replace("[", r"\[")
        return f"[^/{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
    if token[0] == "{" and len(token) > 1:
        return "(?:" + "|".join(_segment_regex(choice) for choice in token[1:-1].split(",")) + ")"
    return re.escape(token)
