"""What attends the session of a `devproxy run`: wait until all is ready, run the command, end the session."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from devproxy.cli.readiness import is_ready
from devproxy.errors import DevproxyError
from devproxy.hub.topic import TopicClosed
from devproxy.processes.beside import hears_the_terminal
from devproxy.session.guests import guest_of
from devproxy.session.launch import ENDING_SIGNALS
from devproxy.session.words import exit_words

if TYPE_CHECKING:
    from devproxy.cli.lines import Lines
    from devproxy.logs.log import Log
    from devproxy.processes.beside import Beside
    from devproxy.processes.lifecycle import Exit
    from devproxy.session.session import Session

SENT: Final = (*ENDING_SIGNALS, signal.SIGQUIT)
"""What people and terminals send."""


GUEST_POLL_SECONDS: Final = 0.1
"""Nothing tells that a lock is given back, but to wait for it in a thread that nobody could end."""


class Errand:
    """Attends a session: runs a command when all is ready, then ends the session, unless others still use it.

    Args: tell: says, to the person who waits, why it goes on.

    exit: how the command ended; None: it was not run. failure: why not, unless somebody ended the session.
    """

    def __init__(self, command: Sequence[str], timeout: float, tell: Callable[[str], None]) -> None:
        self.exit: Exit | None = None
        self.failure: DevproxyError | None = None
        self._command = command
        self._timeout = timeout
        self._tell = tell

    async def attend(self, lines: "Lines", session: "Session") -> None:
        """Do it, and show the session until its log ends."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(show(lines, session.log))
            tasks.create_task(self._do(session))

    async def _do(self, session: "Session") -> None:
        try:
            if await self._is_ready(session):
                self.exit = await self._run(session)
                await self._until_alone(session)
        except DevproxyError as error:
            self.failure = error
        if not session.is_ending:
            session.end()

    async def _is_ready(self, session: "Session") -> bool:
        """Wait until it is; False: somebody has ended the session. Raises: ServiceFailed, MissingProgram."""

        def last_lines(name: str, count: int) -> list[str]:
            return [record.text for record in session.log.last_lines(name, count)]

        def judge(late_after: float | None = None) -> bool:
            status = session.view.status().to_json()
            return session.is_ending or is_ready(status, last_lines, late_after=late_after, hint="")

        try:
            async with asyncio.timeout(self._timeout):
                await session.supervisor.until(judge)
        except TimeoutError:
            judge(self._timeout)
        return not session.is_ending

    async def _run(self, session: "Session") -> "Exit":
        """Run the command. Until it has ended, the signals that would end the session are the command's."""
        session.log.say(f"ready at {session.origin}: running {self._command[0]}")
        command = session.run_beside(self._command)
        loop = asyncio.get_running_loop()
        for number in SENT:
            loop.add_signal_handler(number, pass_on, number, command)
        try:
            exit_ = await asyncio.shield(command.exit)
        finally:
            loop.remove_signal_handler(signal.SIGQUIT)
            for number in ENDING_SIGNALS:
                loop.add_signal_handler(number, session.end, number)
        session.log.say(f"{self._command[0]} {exit_words(exit_)}")
        return exit_

    async def _until_alone(self, session: "Session") -> None:
        """Wait until nobody else uses the session, or somebody ends it."""
        if (pid := guest_of(session.place.state)) is None:
            return
        self._tell(f"another devproxy run (pid {pid}) uses this session, which stops when that has ended; Ctrl-C: now")
        while not session.is_ending and guest_of(session.place.state) is not None:  # noqa: ASYNC110 - as said there
            await asyncio.sleep(GUEST_POLL_SECONDS)


async def show(lines: "Lines", log: "Log") -> None:
    """Show the log as it grows until it ends; by a thread, for a terminal that stands still delays nobody."""
    news = log.topic.subscribe(lines.position)
    with suppress(TopicClosed):
        while True:
            await news.next()
            await asyncio.to_thread(lines.write, lines.take(log))
    await asyncio.to_thread(lines.write, lines.take(log))


def pass_on(number: signal.Signals, command: "Beside") -> None:
    """Hand a signal to the command; a terminal's keys have reached it already."""
    if number not in (signal.SIGINT, signal.SIGQUIT) or not hears_the_terminal():
        command.send(number)
