"""The config while a session runs: what an edit of it would change, and changing it.

One task does both, one after the other: a reload never meets another one half-way.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from devproxy.config.changes import LATER, Changes, compare
from devproxy.config.model import Config
from devproxy.config.root import FILE, has_config
from devproxy.errors import DevproxyError, NoSession, UsageError
from devproxy.session import words

if TYPE_CHECKING:
    from devproxy.session.session import Session


@dataclass(frozen=True, slots=True)
class Project:
    """What a session runs. plan: what `api/plan` shows; movable: the services whose port may be another than
    their usual one."""

    config: Config
    plan: dict[str, Any]
    movable: frozenset[str]


class Reloading:
    """Gives a session another config; `run` is its task.

    Args: reread: reads the project anew, in a thread; None: there is nothing to read.
    """

    def __init__(self, session: "Session", reread: Callable[[], Project] | None) -> None:
        self._session = session
        self._reread = reread
        self._inbox: asyncio.Queue[asyncio.Future[Changes] | None] = asyncio.Queue()
        self._said = ""

    def edited(self) -> None:
        """The config's file was saved, came or went."""
        self._inbox.put_nowait(None)

    async def reload(self) -> Changes:
        """Read the project anew and begin to change what differs; return what that is.

        Raises: DevproxyError: what is wrong with it, as `up` would say; then nothing has changed.
        """
        answer: asyncio.Future[Changes] = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait(answer)
        return await answer

    async def run(self) -> None:
        """Handle edits and requests until cancelled."""
        while True:
            answer = await self._inbox.get()
            if answer is None:
                await self._look()
            elif self._reread is None:
                answer.set_exception(UsageError("this session has no config: its command line says all"))
            else:
                await self._reload(self._reread, answer)

    async def _look(self) -> None:
        """Say what a reload would do now."""
        config = self._session.config
        if self._reread is None or (config.source is None and not has_config(config.root)):
            return
        try:
            project = await asyncio.to_thread(self._reread)
        except DevproxyError as error:
            self._say(words.invalid_words(self._file(), error.message), "error")
            return
        changes = compare(config, project.config)
        self._say(words.edit_words(self._file(), changes) or (self._said and words.undone_words(self._file())))

    async def _reload(self, reread: Callable[[], Project], answer: "asyncio.Future[Changes]") -> None:
        try:
            project = await asyncio.to_thread(reread)
            if self._session.is_ending:
                raise NoSession("the session is just ending")
            changes = self._session.adopt(project)
        except DevproxyError as error:
            if not answer.done():
                answer.set_exception(error)
            return
        self._said = ""
        self._session.log.say(words.reload_words(self._file(), changes))
        if not answer.done():
            answer.set_result(changes)

    def _file(self) -> str:
        source = self._session.config.source
        return source.name if source is not None else FILE

    def _say(self, sentence: str, level: str = "warning") -> None:
        """Once: editors write more than once, and to save again changes nothing."""
        if sentence and sentence != self._said:
            self._session.log.say(sentence, level=level)
        self._said = sentence


def running_config(before: Config, after: Config) -> Config:
    """The config that a session has after a reload: what takes effect at the next `up` is as it was."""
    return replace(after, **{key: getattr(before, key) for key in LATER})
