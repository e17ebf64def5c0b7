"""What to do next about a service, by its state: the command that helps. Pure."""

from collections.abc import Iterator, Sequence

from devproxy.config.model import Service
from devproxy.control.models import Advice, Listening
from devproxy.processes.lifecycle import NOT_RUNNABLE, Life
from devproxy.session.words import next_words

KILLED = 9  # SIGKILL; a shell says 137


def advise(
    name: str, life: Life, declared: Service, *, waits_for: Sequence[str] = (), listens: Sequence[Listening] = ()
) -> list[Advice]:
    """The steps that make sense, the most helpful first; none if all is well.

    Args: waits_for: the services that it waits for; listens: what its processes really listen on.
    """
    return list(_steps(name, life, declared, waits_for, listens))


def advise_used(port: int, *, is_there: bool) -> list[Advice]:
    """What makes a service ours that somebody else runs, or ran."""
    if not is_there:
        return [Advice("have devproxy start it", "devproxy reload")]
    end = Advice("end what listens there", f"devproxy kill-port {port}")
    return [end, Advice("then have devproxy start it", "devproxy reload")]


def advise_elsewhere(url: str | None) -> list[Advice]:
    """What to do about a service that is not ours to run, and does not answer."""
    return [Advice(f"devproxy does not start it: see that it runs, and at {url}", "")]


def _steps(
    name: str, life: Life, declared: Service, waits_for: Sequence[str], listens: Sequence[Listening]
) -> Iterator[Advice]:
    match "stopped" if life.next == "stopped" else life.state:
        case "waiting":
            yield from (Advice(f"why {other} is not there", f"devproxy why {other}") for other in waits_for)
            yield Advice("start it all the same", f"devproxy start {name}")
        case "stopped":
            yield Advice("start it", f"devproxy start {name}")
        case "done":
            yield Advice("run it again", f"devproxy restart {name}")
        case "crashed":
            yield from _after_a_crash(name, life, declared)
        case "failing":
            yield Advice("all that it printed", f"devproxy logs {name}")
            yield Advice("start it anew", f"devproxy restart {name}")
        case "starting" | "restarting" | "freeing":
            yield Advice("what it prints", f"devproxy logs -f {name}")
    if isinstance(declared.port, int) and listens and declared.port not in {one.port for one in listens}:
        others = ", ".join(sorted({str(one.port) for one in listens}))
        yield Advice(f"it listens on {others}, not on {declared.port}: pass $PORT to its command, or change `port`", "")


def _after_a_crash(name: str, life: Life, declared: Service) -> Iterator[Advice]:
    code = life.exit.code if life.exit is not None else None
    if life.reason.startswith("port ") and isinstance(declared.port, int):
        yield Advice(f"who holds port {declared.port}, and free it", f"devproxy kill-port {declared.port}")
    elif life.exit is not None and KILLED in (life.exit.signal, (code or 0) - 128):
        yield Advice("whether the kernel killed it for want of memory", "dmesg | tail")
    elif code in NOT_RUNNABLE:
        yield Advice("the PATH that its command is looked for in", f"devproxy env {name} --all")
    if not life.reason:
        yield Advice("all that it printed", f"devproxy logs {name}")
    if life.awaits in ("save", "port"):
        yield Advice(next_words(life), "")
    yield Advice("start it now" if life.backoff is not None else "start it again", f"devproxy restart {name}")
