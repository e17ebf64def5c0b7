"""What a child prints, made safe to keep and to show: whole lines, colours, nothing else.

Child output is hostile: it may move the cursor, set a title, fill the clipboard or start a program (OSC 9;7 in
some terminals) of who reads it later. Kept: text, TAB, and SGR (CSI … m). Dropped: every other escape sequence
(ECMA-48 §5.4, §5.6; a control string that does not end drops at most 4 KiB of its line), C0, DEL, and C1 in its
UTF-8 form. A line that rewrites itself with CR is its last state. CRLF is LF. Bytes that are no UTF-8 are kept. Blank
lines directly before a clear of the screen are part of the clearing (Vite scrolls a screenful away first): blank
lines are held back, SCREENFUL of them at most, until something follows them, and dropped if that is a clear.

No sequence reaches past its line, so a block of whole lines is cleaned without memory of the one before, and
any split of the bytes gives the same lines. Most blocks hold nothing to clean and cost one scan. No expression here
looks at a byte more than a few times, whatever the bytes: the loop that feeds it serves requests as well.
"""

import re

LINE_LIMIT = 64 * 1024  # bytes; a longer line is cut into parts, so that none can fill the memory
CUT = " … [line cut]\n".encode()
STRING_LIMIT = 4096  # bytes that a control string without an end may swallow
LONGEST_TOKEN = 32  # bytes before a cut in which a colour or a character may have begun
SCREENFUL = 1000  # blank lines that a clear may take along

CLEARED = b"\x0c"  # stands for a clear while a block is cleaned
DROPPED_C0 = bytes(c for c in (*range(0x20), 0x7F) if c not in b"\t\n\r\x07\x1b")
DROPPED_BUT_CLEARED = bytes(c for c in DROPPED_C0 if c not in CLEARED)
SUSPECT = re.compile(rb"\xc2[\x80-\x9f]")  # C1 as UTF-8

# What a control string may hold. Another control ends it, as on a terminal; and so no byte is looked through twice.
STRING = rb"[^\x07\x1b\n\x0c\xc2]*+(?:\xc2(?![\x80-\x9f])[^\x07\x1b\n\x0c\xc2]*+)*+"
STRING_REST = rb"(?:%b(?:\x07|\x1b\\|\xc2\x9c)|[^\x07\x1b\n\x0c\xc2]{0,%d})" % (STRING, STRING_LIMIT)
C1 = re.compile(
    rb"\xc2(?:\x9b[0-?]*+[ -/]*+[@-~]?|[\x90\x98\x9d-\x9f]%b|[\x80-\x8f\x91-\x97\x99\x9a\x9c])" % STRING_REST
)
ESCAPES = re.compile(
    rb"\x1b(?!\[[0-9;:]{0,64}m)(?:"  # SGR stays
    rb"\[[0-?]*+[ -/]*+[@-~]?"  # CSI; the final byte may be missing at the line's end
    rb"|[\]PX^_]%b"  # OSC DCS SOS PM APC
    rb"|[ -/]*+[0-~]?)" % STRING_REST  # all other, and a lone ESC
)
# All up to the last CR that something follows: CRs at the end of a line rewrite nothing yet.
REWRITTEN = re.compile(rb"^[^\n]*\r(?=[^\r\n])", re.MULTILINE)
# Cursor to column 1 (ECMA-48 §8.3.9 CHA): what follows rewrites the line, as after a CR (npm's spinner).
COLUMN_ONE = re.compile(rb"\x1b\[[01]?G")
CLEAR = re.compile(rb"\x1b(?:\[[0-3]?J|c)")  # ECMA-48 §8.3.39 ED; "ESC c" resets the terminal
# Clears that take nothing along: not at the beginning of a line, or after one that is not blank.
IDLE_CLEARED = re.compile(rb"(?<=[^\n])\x0c+|(?<=[^\n\x0c]\n)\x0c+")
CLEARED_LINE = re.compile(rb"^\x0c(?:\n\x0c)*+", re.MULTILINE)
UNFINISHED = re.compile(rb"(?:\x1b[^@-Z\\-~]*|[\xc0-\xff][\x80-\xbf]*)\Z")


class LineFilter:
    """Bytes in, whole clean lines out, each ending in \\n. Keeps the line that is not whole yet."""

    def __init__(self) -> None:
        self._tail = bytearray()
        self._blank = 0  # blank lines held back

    def feed(self, data: bytes) -> bytes:
        """The lines that `data` completes; b"" when it completes none."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._tail += data
            return self._release(self._shorten(b"\r" in data))
        block = b"".join((self._tail, memoryview(data)[:end])) if self._tail else data[:end]
        self._tail = bytearray(data[end:])
        lines = self._release(clean(cut_long_lines(block)))
        return lines + self._release(self._shorten(b"\r" in data)) if self._tail else lines

    def flush(self) -> bytes:
        """The line that is not whole, ended, and the blank lines held back; b"" when there is neither."""
        lines = self.feed(b"\n") if self._tail else b""
        blank, self._blank = self._blank, 0
        return lines + b"\n" * blank

    @property
    def is_unfinished(self) -> bool:
        """Whether a line has begun that has no end yet."""
        return bool(self._tail)

    @property
    def unfinished(self) -> bytes:
        """What the line that is not whole yet would be if it ended now."""
        return clean(bytes(self._tail) + b"\n")[:-1].replace(CLEARED, b"")

    def _release(self, lines: bytes) -> bytes:
        """Cleaned lines after the blank ones held back before; their own last blank ones are held back."""
        if CLEARED in lines:
            first, *others = CLEARED_LINE.split(lines)
            released = [self._release(first)]
            for each in others:
                self._blank = 0
                released.append(self._release(each))
            return b"".join(released)
        if not self._blank and len(lines) > 1 and not lines.endswith(b"\n\n"):
            return lines  # as nearly always
        body = lines.rstrip(b"\n")
        blank = len(lines) - len(body) - (1 if body else 0)
        if body:
            before, self._blank = self._blank, min(blank, SCREENFUL)
            return b"\n" * before + lines[: len(lines) - self._blank]
        before = max(0, self._blank + blank - SCREENFUL)
        self._blank += blank - before
        return b"\n" * before

    def _shorten(self, has_cr: bool) -> bytes:
        """Keep the unfinished line bounded: forget what a CR rewrote, cut what is too long."""
        if has_cr:
            self._tail = bytearray(REWRITTEN.sub(b"", self._tail))
            if self._tail.endswith(b"\r\r"):  # a flood of them must not grow the tail
                self._tail = self._tail.rstrip(b"\r") + b"\r"
        if len(self._tail) <= LINE_LIMIT:
            return b""
        parts = cut_long_lines(bytes(self._tail))
        end = parts.rfind(b"\n") + 1
        self._tail = bytearray(parts[end:])
        return clean(parts[:end])


def cut_long_lines(block: bytes) -> bytes:
    """`block` with each run of more than LINE_LIMIT bytes without CR or LF cut into marked parts."""
    out: list[bytes] = []
    start = at = 0
    while len(block) - at > LINE_LIMIT:
        # The last line end within reach: a block without long lines is crossed in a few steps.
        end = max(block.rfind(b"\n", at, at + LINE_LIMIT + 1), block.rfind(b"\r", at, at + LINE_LIMIT + 1))
        if end >= 0:
            at = end + 1
            continue
        stop = at + LINE_LIMIT
        if unfinished := UNFINISHED.search(block, stop - LONGEST_TOKEN, stop):
            stop = unfinished.start()
        out += (block[start:stop], CUT)
        start = at = stop
    return b"".join(out) + block[start:] if out else block


def clean(block: bytes) -> bytes:
    """Whole lines without what a terminal would obey, as many as there were. CLEARED begins a line that clears."""
    is_clearing = False
    if b"\x1b" in block:
        block = COLUMN_ONE.sub(b"\r", CLEAR.sub(CLEARED, block.replace(CLEARED, b"")))
        is_clearing = CLEARED in block
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")  # a pty ends every line so
        if b"\r" in block:
            block = REWRITTEN.sub(b"", block).replace(b"\r", b"")
    block = block.translate(None, DROPPED_BUT_CLEARED if is_clearing else DROPPED_C0)
    has_c1 = b"\xc2" in block and SUSPECT.search(block)
    if has_c1 or b"\x1b" in block or b"\x07" in block or is_clearing:
        block = C1.sub(b"", block) if has_c1 else block
        block = ESCAPES.sub(b"", block).replace(b"\x07", b"")  # which may have ended a string
        block = IDLE_CLEARED.sub(b"", block) if is_clearing else block
        # What is left and right of a dropped sequence may make a C1 together: that one is only replaced,
        # so that no second join can come of it.
        block = SUSPECT.sub("\ufffd".encode(), block)
    return block
