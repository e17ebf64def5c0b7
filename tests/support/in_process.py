"""A devproxy command without a process of its own: a twentieth of the time."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

from devproxy.cli.console import run


def in_process(arguments: Sequence[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run one devproxy command to its end, right here; in another folder, if one is named.

    For clients of a session and readers of files: what starts services, or ends by a signal, needs its own process.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        with chdir(cwd or Path.cwd()), patch.object(sys, "stdout", out), patch.object(sys, "stderr", err):
            code = run(arguments)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read(), err.read())
