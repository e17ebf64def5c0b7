"""Why a request failed, by what the session knows of its service: gathers the facts of an outage (outages.py)."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from devproxy.logs.tracebacks import last_traceback
from devproxy.proxy.choice import BEST_FIRST
from devproxy.proxy.failures import Outage
from devproxy.session import outages, words

if TYPE_CHECKING:
    from devproxy.processes.service import Service
    from devproxy.proxy.exchange import Failure
    from devproxy.session.session import Session

LAST_LINES: Final = 200
"""How far back in a service's lines a traceback, or what it died of, is looked for."""


def outage_of(session: "Session", name: str, failure: "Failure") -> "Outage":
    """The outage of a backend, for a request that failed."""
    if session.is_ending and failure.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Outage(failure.status, "devproxy is stopping", hint="Start it again: `devproxy up`.", service=name)
    service = _spokesman(session, name)
    if service is None:
        url = next((declared.url for declared in session.config.services if declared.name == name), None)
        return outages.describe(failure, service=name, life=None, port=None, url=url or name)
    own = service.spec.name
    return outages.describe(
        failure,
        service=name if session.supervisor.named(name) else service.spec.group,
        life=service.life,
        port=service.port,
        waits_for=words.waits_words(session.supervisor.waits_for(own)),
        lines=[record.text for record in session.log.last_lines(own, outages.LINES)],
        traceback=[record.text for record in last_traceback(session.log.last_lines(own, LAST_LINES))],
    )


def _spokesman(session: "Session", name: str) -> "Service | None":
    """The service of that name; of several instances or upstreams, the one by whose state they are judged."""
    known = session.supervisor.services
    names = session.supervisor.named(name) or [one for one in session.backends.behind(name) if one in known]
    services = [known[one] for one in names]
    return min(services, key=lambda service: BEST_FIRST.index(service.life.state), default=None)
