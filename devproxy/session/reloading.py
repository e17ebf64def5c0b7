"""The config while a session runs: what an edit of it would change, and changing it.

One task does both, one after the other: a reload never meets another one half-way.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from devproxy.config.changes import LATER, Changes, compare
from devproxy.config.model import Config
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
        self._inbox: asyncio.Queue[asyncio.Future[Changes] | frozenset[str]] = asyncio.Queue()
        self._said = ""

    def edited(self, paths: frozenset[str]) -> None:
        """Files of the config were saved, came or went."""
        self._inbox.put_nowait(paths)

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
            told = await self._inbox.get()
            if isinstance(told, frozenset):
                if self._reread is not None:
                    await self._look(self._reread, told)
            elif self._reread is None:
                told.set_exception(UsageError("this session has no config: its command line says all"))
            else:
                await self._reload(self._reread, told)

    async def _look(self, reread: Callable[[], Project], paths: frozenset[str]) -> None:
        """Say what a reload would do now."""
        config = self._session.config
        file = words.listed(tuple(sorted(os.path.relpath(path, config.root) for path in paths)))
        try:
            project, outdated = await self._read(reread)
        except DevproxyError as error:
            self._say(words.invalid_words(file, error.message), "error")
            return
        changes = compare(config, project.config).restarting(outdated)
        self._say(words.edit_words(file, changes) or (self._said and words.undone_words(file)))

    async def _read(self, reread: Callable[[], Project]) -> tuple[Project, list[str]]:
        """The project as it is now, and the services that would be given another environment."""
        services = tuple(self._session.supervisor.services.values())

        def read() -> tuple[Project, list[str]]:
            return reread(), [service.spec.name for service in services if service.is_outdated()]

        return await asyncio.to_thread(read)

    async def _reload(self, reread: Callable[[], Project], answer: "asyncio.Future[Changes]") -> None:
        try:
            project, outdated = await self._read(reread)
            if self._session.is_ending:
                raise NoSession("the session is just ending")
            changes = self._session.adopt(project, outdated)
        except DevproxyError as error:
            if not answer.done():
                answer.set_exception(error)
            return
        self._said = ""
        source = self._session.config.source
        self._session.log.say(words.reload_words(source.name if source is not None else "the project", changes))
        if not answer.done():
            answer.set_result(changes)

    def _say(self, sentence: str, level: str = "warning") -> None:
        """Once: editors write more than once, and to save again changes nothing."""
        if sentence and sentence != self._said:
            self._session.log.say(sentence, level=level)
        self._said = sentence


def running_config(before: Config, after: Config) -> Config:
    """The config that a session has after a reload: what takes effect at the next `up` is as it was."""
    return replace(after, **{key: getattr(before, key) for key in LATER})
