"""A devproxy command, or a whole session, without a process of its own: a twentieth of the time."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any
from unittest.mock import patch

from devproxy.cli.console import run
from devproxy.cli.foreground import read_options
from devproxy.ports import family
from devproxy.processes.ending import end_adopted
from devproxy.session.launch import Launch
from devproxy.session.place import Place
from devproxy.session.session import Session
from tests.processes.stage import adopting
from tests.support import free_port


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


def play_session(root: Path, scene: Callable[[Session], Coroutine[Any, Any, None]], *, within: float = 50.0) -> None:
    """Run a whole session of the project in `root`, right here: real children, the real gateway on a free port.

    The scene is played in its loop, from the first moment on; when it is over, the session ends in its own way.
    """
    config, options = read_options(root, port=free_port())
    place = Place(root)
    played: list[asyncio.Task[None]] = []
    not_ours = set(family.children(os.getpid()))  # what other tests have started

    async def bounded(session: Session) -> None:
        async with asyncio.timeout(within):
            await scene(session)

    async def attend(session: Session) -> None:
        played.append(asyncio.create_task(bounded(session)))
        await asyncio.wait(played)
        if not session.is_ending:  # the second time would cut its end short
            session.end()

    async def end_ours(is_child: Callable[[int], bool]) -> None:
        await end_adopted(lambda pid: pid in not_ours or is_child(pid))

    try:
        with adopting(), patch("devproxy.session.session.end_adopted", end_ours):
            launch = Launch(config, place, options)
            try:
                launch.start()
                session = Session(launch)
            except BaseException:
                launch.abandon()
                raise
            session.run(attend)
    finally:
        place.leave()
    for task in played:
        task.result()
