"""The children's first lines, shown before there is a loop."""

import os
import pty
from contextlib import suppress
from pathlib import Path

from devproxy.cli.early import EarlyLines
from devproxy.cli.lines import Lines
from devproxy.cli.prefix import Painter
from devproxy.config.model import Logs
from devproxy.logs.log import Log
from devproxy.processes.child import Command, spawn
from devproxy.processes.environment import Environment
from devproxy.processes.start import Started
from tests.processes.stage import python
from tests.support import until


def test_a_question_that_is_asked_before_there_is_a_loop_is_shown(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    log = Log(None, "s", Logs())
    child = spawn(Command(python("print('one'); input('Continue? ')"), tmp_path, {"PATH": os.environ["PATH"]}))
    started = Started(child, None, Environment({}, {}), {"stdout": log.source("api")}, 0)
    shown = b""

    def shows(text: bytes) -> bool:
        nonlocal shown
        with suppress(BlockingIOError):
            shown += os.read(master, 65536)
        return text in shown

    try:
        with EarlyLines([started], log, Lines(slave, Painter(["api"], color=False))):
            until(lambda: shows(b"api      | one\r\napi      | Continue? "))
            child.write(b"\n")
            until(lambda: shows(b"\r\x1b[Kapi      | Continue? \r\n"))
    finally:
        child.signal_group(9)
        os.waitpid(child.pid, 0)
        child.close_output(child.master)
        os.close(master)
        os.close(slave)
