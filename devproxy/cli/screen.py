"""What `devproxy up` shows: every line as it is printed, one block when all is ready, and the keys.

Lines come from the log's topic in chunks and leave in chunks, written by a thread: a terminal that
stands still (Ctrl-S) delays neither children nor requests; it falls behind, and is told by how much.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Final

from devproxy.cli.console import paint, use_color
from devproxy.cli.keys import HELP, Keys, Pressed
from devproxy.cli.lines import Lines
from devproxy.cli.terminal import CharacterMode, in_foreground
from devproxy.control.access import PRINTED_TICKET_SECONDS
from devproxy.hub.topic import TopicClosed

if TYPE_CHECKING:
    from devproxy.session.session import Session

DOTS: Final = {"ready": "32", "done": "32", "crashed": "31", "failing": "31", "stopped": "90"}
SETTLED: Final = frozenset({"ready", "done", "crashed", "failing", "stopped"})


class Screen:
    """The terminal of one `up`. Awaited by the session as its attendant; ends with the log.

    Args: lines: where the log is shown; frameworks: what each service is, for the block; open_url: how to
    open the browser.
    """

    def __init__(
        self,
        lines: Lines,
        *,
        frameworks: dict[str, str],
        open_url: Callable[[str], object],
        open_when_ready: bool = False,
    ) -> None:
        self._lines = lines
        self._frameworks = frameworks
        self._open = open_url
        self._open_when_ready = open_when_ready
        self._colored = use_color(sys.stdout)
        self._modes: CharacterMode | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._written = 0  # the last line that stands on the terminal
        self._moved = asyncio.Event()
        self._showing = asyncio.Lock()  # what is taken first is written first

    async def attend(self, session: "Session") -> None:
        """Show the session until its log ends."""
        self._written = self._lines.position  # the early lines
        with ExitStack() as stack:
            if in_foreground():
                self._modes = stack.enter_context(CharacterMode())
                self._listen(session, stack)
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGWINCH, session.resize)
            stack.callback(loop.remove_signal_handler, signal.SIGWINCH)
            session.resize()  # as it is now: the first children started before anybody heard of changes
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                beside = [tasks.create_task(self._block(session)), tasks.create_task(self._follow_unfinished(session))]
                await self._follow(session)
                for task in beside:
                    task.cancel()

    # -- lines

    async def _follow(self, session: "Session") -> None:
        news = session.log.topic.subscribe(self._lines.position)
        try:
            while True:
                await news.next()
                await self._show(session)
        except TopicClosed:
            await self._show(session)
        finally:
            news.close()

    async def _follow_unfinished(self, session: "Session") -> None:
        """Show the lines that have begun, too: they may be questions."""
        news = session.log.begun.subscribe()
        with suppress(TopicClosed):
            while True:
                await news.next()
                await self._show(session)

    async def _show(self, session: "Session") -> None:
        """Write what is new, in a thread unless it goes to a file."""
        lines, log = self._lines, session.log
        async with self._showing:
            while lines.is_behind(log) and await asyncio.to_thread(lines.catch_up, log):
                pass
            if lines.never_waits:
                lines.write(lines.take(log))
            else:
                await asyncio.to_thread(lines.write, lines.take(log))
            self._written = self._lines.position
        self._moved.set()

    def _say(self, text: str) -> None:
        """Our own talk: not a line of the log."""
        self._lines.write(text.encode())

    # -- the block

    async def _block(self, session: "Session") -> None:
        """When everything is ready (or will not be), say where it is."""
        supervisor = session.supervisor
        await supervisor.until(
            lambda: session.is_ending or all(_settled(session, name) for name in supervisor.services)
        )
        if session.is_ending:
            return
        while self._written < session.log.topic.last:  # the line that says so comes first
            self._moved.clear()
            await self._moved.wait()
        async with self._showing:
            await asyncio.to_thread(self._lines.write, self.block(session).encode())
        if self._open_when_ready:
            await asyncio.to_thread(self._open, session.origin)

    def block(self, session: "Session") -> str:
        """The block: URL, services, dashboard, keys."""
        bold, dim = self._style("1"), self._style("2")
        status = session.view.status()
        took = time.time() - session.started
        heading = f"ready in {took:.1f} s" if status.ready else "not everything is up"
        rows = []
        name_width = max((len(one.name) for one in status.services), default=0)
        kind_width = max((len(self._kind(one.name, one.kind)) for one in status.services), default=0)
        for one in status.services:
            service = session.supervisor.services.get(one.name)
            seconds = service.health.ready_seconds if service is not None else None
            state = f"{one.state} in {seconds:.1f} s" if one.state == "ready" and seconds is not None else one.state
            where = f":{one.port}" if one.port and service is not None else one.url or ""
            dot = paint("●", DOTS.get(one.state, "33"), colored=self._colored)
            rows.append(
                f"  {dot} {one.name:<{name_width}}  {dim(self._kind(one.name, one.kind).ljust(kind_width))}"
                f"  {state:<18} {dim(where)}".rstrip()
            )
        lines = [
            "",
            f"  {bold('devproxy')}  {session.config.name}  {dim(heading)}",
            "",
            f"  {paint('➜', '32', colored=self._colored)}  {bold(session.origin)}",
            *(f"     {url}" for url in status.urls[1:]),
            f"     {dim('dashboard')}  {self._dashboard(session)}",
            "",
            *rows,
            "",
        ]
        if self._modes is not None:
            lines += [f"  {dim('h help · o open · r restart · l filter · a attach · c clear · q quit')}", ""]
        return "\n".join(lines) + "\n"

    def _dashboard(self, session: "Session") -> str:
        """The link that signs a browser in; it is worth a login, so it goes to no pipe and no file."""
        if not sys.stdout.isatty():
            return "devproxy open --dashboard"
        return f"{session.origin}/__devproxy/login?ticket={session.keys.issue_ticket(PRINTED_TICKET_SECONDS)}"

    def _kind(self, name: str, kind: str) -> str:
        return self._frameworks.get(name) or kind

    def _style(self, sgr: str) -> Callable[[str], str]:
        return lambda text: paint(text, sgr, colored=self._colored)

    # -- keys and job control

    def _listen(self, session: "Session", stack: ExitStack) -> None:
        loop = asyncio.get_running_loop()
        self._hear(Keys(list(session.supervisor.services)), session)
        stack.callback(loop.remove_reader, sys.stdin.fileno())
        loop.add_signal_handler(signal.SIGTSTP, self._suspend, session)
        stack.callback(loop.remove_signal_handler, signal.SIGTSTP)

    def _hear(self, keys: Keys, session: "Session") -> None:
        stdin = sys.stdin.fileno()
        asyncio.get_running_loop().add_reader(stdin, self._key, stdin, keys, session)

    def _key(self, stdin: int, keys: Keys, session: "Session") -> None:
        data = os.read(stdin, 64)
        if not data:
            session.end(signal.SIGHUP)  # the terminal is gone
            return
        if data[:1] == b"\x1b":
            return  # an arrow or a function key: nothing of ours
        for key in data.decode("utf-8", "replace"):
            keys.offer(list(session.supervisor.services))  # a reload may have changed them
            pressed = keys.press(key)
            if pressed.act == "attach" and self._tasks is not None:
                asyncio.get_running_loop().remove_reader(stdin)  # the next key is the service's
                self._tasks.create_task(self._attach(pressed.services, keys, session))
                return
            self._act(pressed, session)

    def _act(self, pressed: Pressed, session: "Session") -> None:
        if pressed.question:
            self._say(f"  {pressed.question}\n")
        match pressed.act:
            case "help":
                self._say("\n" + "".join(f"  {key}  {what}\n" for key, what in HELP) + "\n")
            case "open" if self._tasks is not None:
                self._tasks.create_task(asyncio.to_thread(self._open, session.origin))  # it may wait for the browser
            case "clear":
                self._say("\x1b[H\x1b[2J\x1b[3J" if self._colored else "\n")
            case "quit":
                session.end()
            case "filter":
                self._lines.shown = frozenset(pressed.services)
                self._say(f"  showing {' '.join(pressed.services) or 'all services'}\n")
            case "restart":
                for name in pressed.services:
                    session.supervisor.ask_restart(name)
                if not pressed.services:
                    session.supervisor.restart_all()

    async def _attach(self, chosen: Sequence[str], keys: Keys, session: "Session") -> None:
        """Give the terminal to a service until somebody detaches. What is logged meanwhile is shown then.

        Args: chosen: the service; if it is none, who began the line that stands last.
        """
        from devproxy.cli.attachment import sit_at

        services = session.supervisor.services
        begun = [service for service, _ in session.log.unfinished]
        name = next((name for name in (*chosen, *reversed(begun)) if name in services), None)
        if name is None:
            self._say("  no service waits for input\n")
        else:
            async with self._showing:
                self._lines.leave()
                await sit_at(services[name].terminal, name, session.log.unfinished_of(name))
            await self._show(session)
        self._hear(keys, session)

    def _suspend(self, session: "Session") -> None:
        """Ctrl-Z: the whole tree stops, the terminal gets its modes back, then we stop; fg undoes it all."""
        if self._modes is not None:
            self._modes.leave()
        session.supervisor.pause(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)  # returns when somebody continues us
        session.supervisor.pause(signal.SIGCONT)
        if self._modes is not None and in_foreground():
            self._modes.enter()


def _settled(session: "Session", name: str) -> bool:
    service = session.supervisor.services[name]
    supervisor = session.supervisor
    return service.life.state in SETTLED or supervisor.has_given_up(name) or supervisor.is_on_demand(name)


def frameworks_of(plan: dict[str, Any]) -> dict[str, str]:
    """What each service is, by the plan's word for it."""
    return {one["name"]: one["framework"] for one in plan.get("services", []) if one.get("framework")}
