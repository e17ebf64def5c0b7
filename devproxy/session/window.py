"""The size of the services' terminals: that of the window which shows their lines."""

import os
import shutil
import sys
from collections.abc import Iterable
from typing import Final

NARROW: Final = 40
"""Columns that a service has at least, however little room the prefix leaves."""


def window_size(services: Iterable[str]) -> tuple[int, int]:
    """Columns and rows: our terminal's, less the prefix of a line; without a terminal COLUMNS and LINES, or 80 and 24.

    Args: services: whose lines are shown; the longest name makes the prefix.
    """
    for stream in (sys.stdout, sys.stderr):  # of `up | tee log`, the latter
        try:
            columns, rows = os.get_terminal_size(stream.fileno())
        except (OSError, ValueError):
            continue  # none of it is a terminal, or it was closed
        if columns and rows:  # a terminal that knows its size
            prefix = max(map(len, (*services, "devproxy"))) + len(" | ")
            return max(NARROW, columns - prefix), rows
    size = shutil.get_terminal_size((80, 24))
    return size.columns, size.lines
