"""Reading JavaScript without running it: comments taken out, bracketed blocks and string literals found.

Not a parser: regular expressions are only told from division where it matters for comments. Enough for
config files and listening calls as people write them; what it cannot see, a plan does without.
"""

import re
from collections.abc import Iterator

# A string that never ends reaches to the end of its line (a template to the end of the file): without
# that, text made of quotes would be searched again from each of them.
STRING = re.compile(
    r""""(?:\\.|[^"\\\n])*(?:"|(?=\n)|\Z)|'(?:\\.|[^'\\\n])*(?:'|(?=\n)|\Z)|`(?:\\.|[^`\\])*(?:`|\Z)""", re.S
)
STRING_OR_COMMENT = re.compile(rf"({STRING.pattern})|(?<![\\:])//[^\n]*|/\*.*?(?:\*/|\Z)", re.S)
BLANKS = re.compile(r"\s{2,}")
TOKEN = re.compile(STRING.pattern + r"|[{}\[\](),]", re.S)
KEY = re.compile(r"""\s*(?:(?P<quoted>"[^"\n]*"|'[^'\n]*'|\[?`[^`\n]*`\]?)|(?P<name>[\w$]+))\s*:""")


def without_comments(source: str) -> str:
    """The source with each comment replaced by a blank, and runs of blanks by one: what follows matches
    `\\s*` in many places, and must not take quadratic time on a file of spaces.
    """
    bare = STRING_OR_COMMENT.sub(lambda found: found[1] or " ", source)
    return BLANKS.sub(lambda found: "\n" if "\n" in found[0] else " ", bare)


def block_of(source: str, key: str) -> str | None:
    """What stands between the braces of the first `key: {…}` (or `key = {…}`), None if there is none."""
    for found in re.finditer(rf"""(?<![\w$.])["']?{re.escape(key)}["']?\s*[:=]\s*\{{""", source):
        return enclosed(source, found.end())
    return None


def enclosed(source: str, start: int) -> str:
    """The text from `start`, just behind an opening bracket, to the bracket that closes it."""
    depth = 1
    for token in TOKEN.finditer(source, start):
        if token[0] in "{[(":
            depth += 1
        elif token[0] in "}])":
            depth -= 1
            if depth == 0:
                return source[start : token.start()]
    return source[start:]


def entries(block: str) -> Iterator[tuple[str, str]]:
    """(key, value's source) of an object literal's body; entries of other forms are left out."""
    for part in split_top(block):
        if found := KEY.match(part):
            key = found["name"] or unquoted(found["quoted"].strip("[]"))
            yield key, part[found.end() :].strip()


def split_top(block: str) -> Iterator[str]:
    """The parts of a block between its top-level commas."""
    depth = start = 0
    for token in TOKEN.finditer(block):
        if token[0] in "{[(":
            depth += 1
        elif token[0] in "}])":
            depth -= 1
        elif token[0] == "," and depth == 0:
            yield block[start : token.start()]
            start = token.end()
    yield block[start:]


def first_string(source: str) -> str | None:
    """The first string literal's value."""
    found = STRING.search(source)
    return unquoted(found[0]) if found else None


def unquoted(literal: str) -> str:
    """The value of a string literal, its escapes reduced to the characters they name."""
    return re.sub(r"\\(.)", r"\1", literal[1:-1], flags=re.S)
