"""What happens in a session, told to whoever follows: the log, the event streams, the open pages."""

import os
import time
from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Any, Final

from devproxy.events import Event, Reloaded, Saved, StateChanged
from devproxy.hub.topic import Topic
from devproxy.logs.log import Log

RING_EVENTS: Final = 2000

SHOWN_PATHS: Final = 100
"""At most so many files are named in the event of a save."""

SAVE_QUIET_SECONDS: Final = 0.1
"""About how long after a save it is told: the kernel's events are collected, then a quiet moment is waited for."""


class News:
    """Tells of states, saves and reloads. At the very end, when nobody listens any more, nothing.

    Args: root: whose files are named.
    Owns: events, of the API; live, of open pages; `close` ends both.
    """

    def __init__(self, log: Log, root: Path) -> None:
        self.events: Topic[Event] = Topic(RING_EVENTS)
        self.live: Topic[dict[str, Any]] = Topic(RING_EVENTS)
        self._log = log
        self._root = root

    def state_changed(self, service: str, group: str, before: str, state: str) -> None:
        """A service is in another state. group: the name that pages know it by."""
        self._happened(StateChanged(service, state, before, time.time()))
        if state == "ready":
            self._log.marks.add("ready", service)
            self._tell_pages("ready", service=group)
        elif before == "ready":
            self._tell_pages("down", service=group, state=state)

    def saved(self, service: str, paths: Collection[str]) -> None:
        """Files that a service is restarted for were saved."""
        # Of 20,000 (a checkout), sorting all would stop the loop for half a second.
        shown = sorted(os.path.relpath(path, self._root) for path in islice(paths, SHOWN_PATHS))
        self._log.say(f"{service}: {shown[0]}{f' and {len(paths) - 1} more' if len(paths) > 1 else ''} saved")
        self._log.marks.add("save", service, time.time() - SAVE_QUIET_SECONDS)
        self._happened(Saved(tuple(shown), (service,), time.time()))

    def reloaded(self, change: dict[str, Any]) -> None:
        """Files that pages show were saved. change: what the pages must do."""
        self._tell_pages("reload", **change)
        self._log.marks.add("save", "", time.time() - SAVE_QUIET_SECONDS)
        self._happened(Reloaded(tuple(change.get("paths", ())), time.time()))

    def close(self) -> None:
        """End both streams."""
        self.events.close()
        self.live.close()

    def _happened(self, event: Event) -> None:
        if not self.events.closed:
            self.events.publish(event)

    def _tell_pages(self, event: str, **facts: Any) -> None:
        if not self.live.closed:
            self.live.publish({"event": event, **facts})
