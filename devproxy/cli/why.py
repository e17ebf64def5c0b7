"""`devproxy why`: all that is known of a service's state, and what to do next."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from devproxy.cli.status import AsJson, Directory, folded

if TYPE_CHECKING:
    from devproxy.config.model import Service

LABEL = 11  # columns of the facts' names, indent and gap included
LINES_SEARCHED = 2000
NUMBERS_NEED = 64  # columns, for a process's age and CPU to stand beside its command


def why(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service, by name.", show_default=False)],
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Say why a service is in its state, and what to do next.

    What it waits for, how it ended, what started it, its processes with CPU (over half a second) and memory
    (RSS), the ports that they really listen on, and its last lines if it is down. When nothing runs here: what
    devproxy up would do, and how it ended last; then the exit status is 5.

    Examples:
        $ devproxy why api
        $ devproxy why api --json | jq '.processes[].command'
    """
    from devproxy.cli.client import Client
    from devproxy.cli.console import print_json, use_color
    from devproxy.cli.control import quoted
    from devproxy.cli.plan import project_root
    from devproxy.errors import NoSession

    root = project_root(directory)
    with Client(root) as client:
        try:
            found = client.get(f"/api/services/{quoted(service)}/why")
            lines, gone = story, None
        except NoSession as error:
            found = planned(root, service)
            lines, gone = outlook, error
    if as_json:
        print_json(found)
    else:
        for line in lines(found, columns=columns_of(sys.stdout), colored=use_color(sys.stdout)):
            typer.echo(line, color=True)
    if gone is not None:
        sys.stdout.flush()
        raise gone


def columns_of(stream: Any) -> int | None:
    """Columns of the terminal; None: nobody looks, so nothing is cut or folded."""
    from devproxy.cli.console import width

    return width() if stream.isatty() else None


# -- of a running session


def story(found: dict[str, Any], *, columns: int | None, colored: bool) -> Iterator[str]:
    """The API's explanation for a person."""
    from time import time

    from devproxy.cli.console import paint, printable
    from devproxy.cli.status import DOTS, age

    now, service = time(), found["service"]
    dot, sgr = DOTS.get(service["state"], ("?", "0"))
    head = f"{paint(dot, sgr, colored=colored)} {paint(printable(service['name']), '1', colored=colored)}"
    since = f"  {age(service['since'], now)}, since {clock(service['since'])}" if service["since"] else ""
    yield f"{head}  {paint(service['state'], sgr, colored=colored)}{since}"
    if service["message"]:
        yield from folded(service["message"], "  ", columns)
    yield ""
    yield from facts(list(facts_of(found, now)), columns=columns, colored=colored)
    if found["processes"]:
        yield from section("processes", process_lines(found["processes"], now, columns), colored)
    if found["lines"]:
        yield from section("last lines", record_lines(found["lines"], columns, colored=colored), colored)
    if found["advice"]:
        yield from section("next", advice_lines(found["advice"], columns, colored=colored), colored)


def facts_of(found: dict[str, Any], now: float) -> Iterator[tuple[str, str]]:
    """What there is to say, each thing with its name."""
    from devproxy.cli.status import age, exit_words, size, upstream_words

    service, usage = found["service"], found["service"]["usage"]
    for one in found["blockers"]:
        reason = f": {one['message']}" if one["message"] else ""
        yield "waits for", f"{one['service']} ({one['condition']}), which is {one['state']}{reason}"
    if found["probe"] and service["state"] in ("starting", "restarting", "failing"):
        yield "ready when", found["probe"]
    if found["answer"]:
        yield "so far", found["answer"]
    if last := service["last_exit"]:
        yield "last exit", f"{exit_words(last)}, {age(last['time'], now)} ago, at {clock(last['time'])}"
    if service["restarts"]:
        yield "restarts", str(service["restarts"])
    if found["cause"]:
        yield "started by", found["cause"]
    yield from what_runs(found, service["url"])
    if found["dir"] != ".":
        yield "folder", found["dir"]
    for reason in found["reasons"]:
        yield "because", reason
    yield from ports_of(found)
    if upstream := found.get("upstream"):
        probe = f" (asked for {upstream['probe']})" if upstream["probe"] else ""
        yield "upstream", f"{upstream_words(upstream)}{probe}"
    if usage:
        processes = f"{usage['processes']} process{'es' if usage['processes'] > 1 else ''}"
        cpu = f"{usage['cpu_percent']:.0f} % CPU (over {usage['seconds']:.1f} s)"
        yield "uses", f"{processes}, {cpu}, {size(usage['rss_bytes'])} of memory (RSS)"


def what_runs(found: dict[str, Any], url: str | None) -> Iterator[tuple[str, str]]:
    """The command, the folder or the URL, and where that is written."""
    command, source = found["command"], found["source"]
    if command is not None:
        yield "command", f"{command if isinstance(command, str) else ' '.join(command)}  ({source})"
    elif found["static"] is not None:
        yield "serves", f"{found['static']}  ({source})"
    else:
        yield "written", f"{source}; it runs elsewhere" + (f", at {url}" if url else "")


def ports_of(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    service, usage, declared = found["service"], found["service"]["usage"], found["declared_port"]
    listens = usage["listens"] if usage else []
    if listens:
        yield "listens on", ", ".join(f"{address(one)} (pid {one['pid']})" for one in listens)
    elif usage and declared is not None:
        yield "listens on", "nothing"
    if declared is not None and declared not in {one["port"] for one in listens}:
        was = f"a free one: {service['port']}" if declared == "auto" and service["port"] else str(declared)
        yield "port", f"{was} (declared)" if declared != "auto" else f"{was} (declared: auto)"


def process_lines(processes: list[dict[str, Any]], now: float, columns: int | None) -> Iterator[str]:
    """The tree: a line a process, each below its parent. A narrow terminal gets fewer numbers."""
    from devproxy.cli.console import printable
    from devproxy.cli.status import age, size

    numbers = ("PID", "AGE", "CPU", "RSS") if columns is None or columns >= NUMBERS_NEED else ("PID", "RSS")
    widths = {"PID": 7, "AGE": 4, "CPU": 5, "RSS": 8}
    yield "  ".join([*(name.rjust(widths[name]) for name in numbers), "COMMAND"])
    before = sum(widths[name] + 2 for name in numbers) + 2
    for one in processes:
        cells = {
            "PID": str(one["pid"]),
            "AGE": age(one["started"], now),
            "CPU": f"{one['cpu_percent']:.0f} %",
            "RSS": size(one["rss_bytes"]),
        }
        indent, left = "  " * one["depth"], "  (escaped)" if one["escaped"] else ""
        room = None if columns is None else max(columns - before - len(indent) - len(left), 8)
        command = cut(printable(one["command"].replace("\n", " ")), room)
        yield "  ".join([*(cells[name].rjust(widths[name]) for name in numbers), f"{indent}{command}{left}"])
    if any(one["escaped"] for one in processes):
        note = "escaped: has left the process group, and is ended with the service all the same"
        yield from folded(note, "", None if columns is None else columns - 2)


def record_lines(records: list[dict[str, Any]], columns: int | None, *, colored: bool) -> Iterator[str]:
    from devproxy.cli.console import printable

    room = None if columns is None else columns - 2
    for one in records:
        text = one.get("ansi", one["text"]) if colored else one["text"]
        is_painted = text != one["text"]
        if is_painted and (room is None or len(one["text"]) <= room):  # the log's filter has left colours only
            yield f"{text}\x1b[0m"
        else:
            yield cut(printable(one["text"]), room)


def advice_lines(advice: list[dict[str, str]], columns: int | None, *, colored: bool) -> Iterator[str]:
    from devproxy.cli.console import paint

    widest = max(len(one["command"]) for one in advice)
    for one in advice:
        if not one["command"]:
            yield from folded(one["what"], "", None if columns is None else columns - 2)
        elif columns is None or widest + 4 + len(one["what"]) <= columns:
            command = paint(one["command"].ljust(widest), "1", colored=colored)
            yield f"{command}  {one['what']}"
        else:  # too narrow for two columns
            yield paint(one["command"], "1", colored=colored)
            yield from folded(one["what"], "  ", columns - 2)


# -- of a project in which nothing runs


def planned(root: Path, name: str) -> dict[str, Any]:
    """What `devproxy up` would do with a service, and what is known of its last time.

    Raises: UsageError: there is no such service; ConfigError: the config is broken.
    """
    import os

    from devproxy.cli.env import named
    from devproxy.cli.foreground import read_project
    from devproxy.session.why import source_of

    config, plan, _ = read_project(root)
    service = named(config.services, name)
    reasons: list[str] = next((one["reasons"] for one in plan["services"] if one["name"] == name), [])
    return {
        "schema": 1,
        "service": None,
        "name": name,
        "command": list(service.command) if isinstance(service.command, tuple) else service.command,
        "static": os.path.relpath(service.static, root) if service.static is not None else None,
        "dir": os.path.relpath(service.dir, root),
        "source": source_of(config, service.name),
        "reasons": [] if config.source is not None else list(reasons),
        "declared_port": service.port,
        "would": what_up_does(service, config.services, root),
        "missing": [f"{one['what']}: {one['command']}" for one in plan["missing"]],
        "last": last_time(root, name),
        "advice": [{"what": "start it, and all else here", "command": "devproxy up"}],
    }


def what_up_does(service: "Service", services: "tuple[Service, ...]", root: Path) -> str:
    import os

    from devproxy.config.selection import select

    if service.static is not None:
        return f"serve {os.path.relpath(service.static, root)}, with index fallback and live reload"
    if service.url is not None:
        return f"forward to {service.url}; starting it is not devproxy's"
    if service.start == "on-demand":
        return "start it when the first request for it comes"
    if service.name not in select(services).wanted:
        profile = next(iter(service.profiles), None)
        return f"not start it: devproxy up {f'--profile {profile}' if profile else service.name} does"
    port = "" if service.port is None else " on a free port" if service.port == "auto" else f" on port {service.port}"
    needs = f", when {' and '.join(f'{name} is {what}' for name, what in service.depends_on.items())}"
    return f"run it{port}{needs if service.depends_on else ''}"


def last_time(root: Path, name: str) -> dict[str, Any] | None:
    """How the last session of this root left the service, as far as the log and the records tell; None: not at all."""
    from devproxy.cli.prefix import OURS
    from devproxy.logs.query import Query, read_page
    from devproxy.paths import state_dir
    from devproxy.ports import records

    ours = read_page(state_dir(root) / "logs", Query((OURS,), limit=LINES_SEARCHED)).records
    said = [one for one in ours if one.plain.startswith((f"{name} ", f"{name}: "))]
    printed = read_page(state_dir(root) / "logs", Query((name,), limit=1)).records
    left = [one for one in records.load(state_dir(root)) if one.service == name and not one.session.is_alive()]
    if not (said or printed or left):
        return None
    return {
        "said": said[-1].to_json() if said else None,
        "line": printed[-1].to_json() if printed else None,
        "left_running": [one.pid for one in left if one.child.is_alive()],
        "session_was_killed": bool(left),
    }


def outlook(found: dict[str, Any], *, columns: int | None, colored: bool) -> Iterator[str]:
    """The same for a person."""
    from time import time

    from devproxy.cli.console import paint, printable
    from devproxy.cli.status import DOTS

    dot, sgr = DOTS["stopped"]
    name = paint(printable(found["name"]), "1", colored=colored)
    yield f"{paint(dot, sgr, colored=colored)} {name}  {paint('does not run', sgr, colored=colored)}"
    yield ""
    yield from facts(list(outlook_facts(found, time())), columns=columns, colored=colored)
    yield from section("next", advice_lines(found["advice"], columns, colored=colored), colored)


def outlook_facts(found: dict[str, Any], now: float) -> Iterator[tuple[str, str]]:
    from devproxy.cli.status import age

    yield "up would", found["would"]
    yield from what_runs(found, None)
    if found["dir"] != ".":
        yield "folder", found["dir"]
    for reason in found["reasons"]:
        yield "because", reason
    for missing in found["missing"]:
        yield "missing", missing
    if (last := found["last"]) is None:
        yield "last time", "it has not run yet"
        return
    if last["session_was_killed"]:
        yield "last time", "its session was killed"
    for pid in last["left_running"]:
        yield "left", f"pid {pid} still runs; the next devproxy up ends it"
    if last["said"]:
        yield "last time", f"{last['said']['text']} ({age(last['said']['time'], now)} ago)"
    if last["line"]:
        yield "last line", f"{last['line']['text']} ({age(last['line']['time'], now)} ago)"


# -- how it looks


def facts(rows: list[tuple[str, str]], *, columns: int | None, colored: bool) -> Iterator[str]:
    """Names and what they say in two columns; folded on a terminal."""
    from devproxy.cli.console import paint

    before = ""
    for name, text in rows:
        label = "" if name == before else name
        before = name
        first, *rest = folded(text, "", None if columns is None else columns - LABEL - 3)
        yield f"  {paint(label.ljust(LABEL), '2', colored=colored)} {first}".rstrip()
        yield from (f"{' ' * (LABEL + 3)}{line}" for line in rest)


def section(title: str, lines: Iterator[str], colored: bool) -> Iterator[str]:
    from devproxy.cli.console import paint

    yield ""
    yield f"  {paint(title, '2', colored=colored)}"
    for line in lines:
        yield f"  {line}".rstrip()


def cut(text: str, columns: int | None) -> str:
    return text if columns is None or len(text) <= columns else text[: columns - 1] + "…"


def address(one: dict[str, Any]) -> str:
    host = f"[{one['address']}]" if ":" in one["address"] else one["address"]
    return f"{host}:{one['port']}"


def clock(moment: str) -> str:
    """A time of the API as a clock on the wall shows it; with the date, if that is another one."""
    from datetime import datetime

    then = datetime.fromisoformat(moment).astimezone()
    return f"{then:%H:%M:%S}" if then.date() == datetime.now(then.tzinfo).date() else f"{then:%Y-%m-%d %H:%M:%S}"
