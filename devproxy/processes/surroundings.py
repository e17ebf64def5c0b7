"""What the services of a session are given: functions of other parts, for what is not theirs to know."""

import re
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devproxy.config import model
from devproxy.logs.records import Record
from devproxy.processes.lifecycle import Life
from devproxy.processes.reaper import Reaper
from devproxy.processes.start import Starter

if TYPE_CHECKING:
    from devproxy.processes.service import Service


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all services of a session share.

    printed: waits until a service prints a line that matches, past the log's line of this number; lines: what it
    has printed since, or the last of it; claim: sees that a service's port binds and returns the port it gets,
    raising DevproxyError if it cannot (`again`: its own child has just held it); clear: sees that another port
    binds, which it insists on; held: says who has the ports of a service that has stopped, and that do not bind;
    changed: called after each change of a life, with the life of before; asked: called when a service seems to
    wait for an answer that nobody gives it; requests: how many the gateway has had; answered: waits, not for long,
    until a service owes no answer to a request that it could not get a second time.
    """

    starter: Starter
    reaper: Reaper
    printed: Callable[[str, re.Pattern[str], int], Coroutine[Any, Any, None]]
    lines: Callable[[str, int], list[Record]]
    claim: Callable[[model.Service, bool], int | None]
    clear: Callable[[model.Service, int], None]
    held: Callable[[Collection[int]], str]
    changed: Callable[["Service", Life], None]
    asked: Callable[["Service"], None]
    requests: Callable[[], int]
    answered: Callable[[str], Coroutine[Any, Any, None]]
