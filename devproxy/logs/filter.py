"""What a child prints, made safe to keep and to show: whole lines, colours, nothing else.

Child output is hostile: it may move the cursor, set a title, fill the clipboard or start a program (OSC 9;7 in
some terminals) of who reads it later. Kept: text, TAB, and SGR (CSI … m). Dropped: every other escape sequence
(ECMA-48 §5.4, §5.6; a control string that does not end drops at most 4 KiB of its line), C0, DEL, and C1 in its
UTF-8 form. A line that rewrites itself with CR is its last state. CRLF is LF. Bytes that are no UTF-8 are kept. Blank
lines directly before a clear of the screen are part of the clearing (Vite scrolls a screenful away first): blank
lines are held back until something follows them, and dropped if that is a clear.

No sequence reaches past its line, so a block of whole lines is cleaned without memory of the one before, and
any split of the bytes gives the same lines. Most blocks hold nothing to clean and cost one scan.
"""

import re

LINE_LIMIT = 64 * 1024  # bytes; a longer line is cut into parts, so that none can fill the memory
CUT = " … [line cut]\n".encode()
STRING_LIMIT = 4096  # bytes that a control string without an end may swallow
LONGEST_TOKEN = 32  # bytes before a cut in which a colour or a character may have begun

DROPPED_C0 = bytes(c for c in (*range(0x20), 0x7F) if c not in b"\t\n\r\x07\x1b")
SUSPECT = re.compile(rb"\xc2[\x80-\x9f]")  # C1 as UTF-8

STRING_BODY = rb"(?:[^\x07\x1b\n\xc2]|\xc2(?!\x9c))"
ESCAPES = re.compile(
    rb"\x1b(?!\[[0-9;:]{0,64}m)(?:"  # SGR stays
    rb"\[[0-?]*[ -/]*[@-~]?"  # CSI; the final byte may be missing at the line's end
    rb"|[\]PX^_](?:%(body)s*+(?:\x07|\x1b\\|\xc2\x9c)|%(body)s{0,%(limit)d})"  # OSC DCS SOS PM APC
    rb"|[ -/]*[0-~]?)"  # all other, and a lone ESC
    rb"|\xc2(?:\x9b[0-?]*[ -/]*[@-~]?"
    rb"|[\x90\x98\x9d-\x9f](?:%(body)s*+(?:\x07|\x1b\\|\xc2\x9c)|%(body)s{0,%(limit)d})"
    rb"|[\x80-\x8f\x91-\x97\x99\x9a\x9c])"
    rb"|\x07" % {b"body": STRING_BODY, b"limit": STRING_LIMIT}
)
# All up to the last CR that something follows: CRs at the end of a line rewrite nothing yet.
REWRITTEN = re.compile(rb"^[^\n]*\r(?=[^\r\n])", re.MULTILINE)
# Cursor to column 1 (ECMA-48 §8.3.9 CHA): what follows rewrites the line, as after a CR (npm's spinner).
COLUMN_ONE = re.compile(rb"\x1b\[[01]?G")
# Cursor to a place, then erase (ECMA-48 §8.3.21 CUP, §8.3.39 ED); "ESC c" resets the terminal.
CLEAR = rb"(?:\x1b\[[0-9;]*[Hf])*\x1b(?:\[[0-3]?J|c)"
CLEARS = re.compile(rb"[\r\n]*" + CLEAR)
SCROLLED_AWAY = re.compile(rb"^(?:[\r]*\n)+(?=%b)" % CLEAR, re.MULTILINE)
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
            parts = self._shorten(b"\r" in data)
            return self._release(parts) if parts else b""
        block = bytes(self._tail) + data[:end] if self._tail else data[:end]
        self._tail = bytearray(data[end:])
        if self._blank and CLEARS.match(block):
            self._blank = 0
        return self._release(clean(cut_long_lines(block)) + self._shorten(b"\r" in data))

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
        return clean(bytes(self._tail) + b"\n")[:-1]

    def _release(self, lines: bytes) -> bytes:
        """`lines` after the blank ones held back before; its own last blank ones are held back."""
        body = lines.rstrip(b"\n")
        if not body:
            self._blank += len(lines)
            return b""
        blank, self._blank = self._blank, len(lines) - len(body) - 1
        return b"\n" * blank + body + b"\n"

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
    """Whole lines without what a terminal would obey; as many lines as there were, less those cleared away."""
    if b"\x1b" in block:
        block = COLUMN_ONE.sub(b"\r", SCROLLED_AWAY.sub(b"", block))
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n")  # a pty ends every line so
        if b"\r" in block:
            block = REWRITTEN.sub(b"", block).replace(b"\r", b"")
    block = block.translate(None, DROPPED_C0)
    if b"\x1b" in block or b"\x07" in block or (b"\xc2" in block and SUSPECT.search(block)):
        # What is left and right of a dropped sequence may make a C1 together: that one is only replaced,
        # so that no second join can come of it.
        block = SUSPECT.sub("\ufffd".encode(), ESCAPES.sub(b"", block))
    return block
