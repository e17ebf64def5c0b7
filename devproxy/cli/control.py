"""`devproxy start`, `stop`, `restart` and `reload`: acting on the running session."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from devproxy.cli.status import AsJson, Directory

if TYPE_CHECKING:
    from devproxy.cli.client import Client

POLL_SECONDS = 0.05

NEW = {"since": None}  # a service that was not there before

Names = Annotated[list[str], typer.Argument(metavar="SERVICE...", help="The services, by name.", show_default=False)]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Return when it has begun, not when it is done.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="How long to wait.")]


def start(
    services: Names,
    directory: Directory = None,
    as_json: AsJson = False,
    no_wait: NoWait = False,
    timeout: Timeout = 60.0,
) -> None:
    """Start services that are stopped, and what they depend on.

    One that still waits for what it depends on starts all the same. Returns when they are ready; exit status 4
    when one fails or is not ready in time.

    Examples:
        $ devproxy start worker
    """
    act("start", services, directory, as_json, no_wait, timeout)


def stop(
    services: Names,
    directory: Directory = None,
    as_json: AsJson = False,
    no_wait: NoWait = False,
    timeout: Timeout = 60.0,
) -> None:
    """Stop services, and leave the others running.

    Returns when their processes are gone and their ports are free.

    Examples:
        $ devproxy stop worker
        $ devproxy stop api && python -m pdb -m app.main   # and run it by hand
    """
    act("stop", services, directory, as_json, no_wait, timeout)


def restart(
    services: Names,
    directory: Directory = None,
    as_json: AsJson = False,
    no_wait: NoWait = False,
    timeout: Timeout = 60.0,
) -> None:
    """Restart services; requests wait meanwhile.

    Returns when they are ready again; exit status 4 when one fails or is not ready in time.

    Examples:
        $ devproxy restart api
        $ devproxy restart api worker --no-wait
    """
    act("restart", services, directory, as_json, no_wait, timeout)


def reload(
    directory: Directory = None,
    as_json: AsJson = False,
    no_wait: NoWait = False,
    timeout: Timeout = 60.0,
) -> None:
    """Apply the edited config to the running session.

    Restarts only the services whose declaration or .env files changed, starts those that are new, stops those that
    are gone; routes and the like count for every request from then on. Without a config the project is looked at
    again. Returns when what was started is ready; exit status 2 when the config is wrong: then nothing has changed.

    Examples:
        $ devproxy reload
        $ devproxy reload --json | jq -r '.restarted[]'
    """
    from devproxy.cli.client import find_session
    from devproxy.cli.console import print_json

    with find_session(directory) as session:
        before = session.get("/api/status")["services"]
        done = session.post("/api/session/reload")
        if not as_json:
            for line in reload_lines(done):
                typer.echo(line, err=True)
        if not no_wait:
            began = {*done["restarted"], *done["started"]}
            services = [one for one in session.get("/api/services")["services"] if one["name"] in began]
            known = {one["name"]: one for one in before}
            awaited = {one["name"]: known.get(one["name"], NEW) for one in services if not one["optional"]}
            wait_settled(session, "restart", awaited, timeout)
    if as_json:
        print_json(done)


def reload_lines(done: dict[str, Any]) -> list[str]:
    """What a reload does, for a person: a line each."""
    keys = ("restarted", "started", "stopped", "changed")
    lines = [f"{key}: {', '.join(done[key])}" for key in keys if done[key]]
    lines += [f"{key}: takes effect at the next `devproxy up`" for key in done["later"]]
    return lines or ["nothing differs from what runs"]


def act(verb: str, names: list[str], directory: Any, as_json: bool, no_wait: bool, timeout: float) -> None:
    """Send a command for each service; wait for all of them, unless told not to; say what came of it."""
    from devproxy.cli.client import find_session
    from devproxy.cli.console import print_json

    with find_session(directory) as session:
        each = with_instances(session, names)
        before = {name: session.get(f"/api/services/{quoted(name)}") for name in each}  # all names, or none
        after = {name: session.post(f"/api/services/{quoted(name)}/{verb}") for name in each}
        if not no_wait:
            after = wait_settled(session, verb, before, timeout)
    if as_json:
        print_json({"schema": 1, "services": list(after.values())})
    else:
        for service in after.values():
            typer.echo(f"{service['name']}: {service['state']}", err=True)


def with_instances(session: "Client", names: list[str]) -> list[str]:
    """The names, each of a service with several instances as theirs."""
    listed = session.get("/api/services")["services"]
    instances = {name: [one["name"] for one in listed if one.get("instance_of") == name] for name in names}
    return list(dict.fromkeys(one for name in names for one in instances[name] or [name]))


def start_stopped(session: "Client", names: list[str]) -> list[str]:
    """Begin to start those of the services that are stopped; return their names."""
    stopped = [name for name in names if session.get(f"/api/services/{quoted(name)}")["state"] == "stopped"]
    for name in stopped:
        session.post(f"/api/services/{quoted(name)}/start")
    return stopped


def wait_settled(
    session: "Client", verb: str, before: dict[str, dict[str, Any]], timeout: float
) -> dict[str, dict[str, Any]]:
    """Wait until every service is where the command was to bring it; return them as they are then.

    Raises: ServiceFailed: one of them failed, or the time is up.
    """
    import time

    from devproxy.errors import ServiceFailed

    deadline = time.monotonic() + timeout
    while True:
        listed = session.get("/api/services")["services"]
        now = {service["name"]: service for service in listed if service["name"] in before}
        for name, service in now.items():
            if has_failed(verb, before[name], service):
                raise ServiceFailed(failure(service), hint=f"see devproxy logs {service['blocked_by'] or name}")
        late = [name for name, service in now.items() if not is_settled(verb, before[name], service)]
        if not late:
            return {name: now[name] for name in before}  # in the order that was typed
        if time.monotonic() > deadline:
            words = ", ".join(f"{name} is {now[name]['state']}" for name in late)
            raise ServiceFailed(f"not done within {timeout:g} s: {words}", hint=f"see devproxy logs {late[0]}")
        time.sleep(POLL_SECONDS)


def is_settled(verb: str, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether the command has done its work: a restart also has to have left the old state."""
    if verb == "stop":
        return bool(now["state"] == "stopped")  # one that is done may have left a daemon behind, which ends first
    arrived = now["state"] in ("ready", "done")
    return arrived and (verb == "start" or now["since"] != before["since"])


def has_failed(verb: str, before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether what was to come up is down, or waits in vain; the state it had before does not count."""
    if verb == "stop":
        return False
    if now["state"] == "waiting":
        return bool(now["given_up"])
    return now["state"] in ("crashed", "failing", "stopped") and now["since"] != before["since"]


def failure(service: dict[str, Any]) -> str:
    """What became of a service, in words."""
    from devproxy.cli.status import exit_words

    if service["blocked_by"]:
        return f"{service['name']} {service['message']}"
    words = f"{service['name']} is {service['state']}"
    if service.get("message"):
        return f"{words}: {service['message']}"
    return f"{words}: {exit_words(service['last_exit'])}" if service["last_exit"] else words


def quoted(name: str) -> str:
    """A service's name as one segment of a path."""
    from urllib.parse import quote

    return quote(name, safe="")
