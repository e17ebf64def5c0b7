"""[services.NAME] -> Service."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from devproxy.config.balancing import read_balance, read_max_requests, read_probe
from devproxy.config.model import Condition, Kind, Ready, ReloadSignal, RestartPolicy, Service, Stop
from devproxy.config.schema import EXPECTED_URL, Problems, Table, is_regex, is_text, is_upstream_url, show

NAME = r"[a-z0-9][a-z0-9_-]*"
RESERVED = "devproxy"  # the name of our own lines in the log
FRONTEND_NAMES = ("web", "frontend", "client", "ui", "app")
BACKEND_NAMES = ("api", "server", "backend")
SIGNALS = ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "ABRT", "KILL")
MAX_INSTANCES = 100
SOURCES = ("command", "static", "url")

# Keys that would do nothing for a service that we do not start; each is an error there, never ignored.
COMMAND_ONLY = (
    "port",
    "env",
    "env_files",
    "log_files",
    "watch",
    "reload",
    "restart",
    "stop",
    "start",
    "profiles",
    "stderr",
    "instances",
    "balance",
    "venv",
)
UPSTREAM_ONLY = ("probe", "max_requests")


def read_services(tables: Table | None, root: Path, problems: Problems) -> tuple[Service, ...]:
    """Every service of the file, in its order, also those with problems."""
    if tables is None:
        return ()
    services = []
    for name, values in tables.values.items():
        if not isinstance(values, dict):
            tables.wrong(name, f"expected a table such as [services.{name}]; got {show(values)}")
            continue
        table = Table(values, (*tables.path, name), problems)
        check_name(name, tables)
        services.append(read_service(name, table, root))
        table.finish()
    return tuple(services)


def check_name(name: str, tables: Table) -> None:
    if not is_name(name):
        tables.wrong(name, f'expected a service name of a-z, 0-9, "_" and "-", such as "api-2"; got {show(name)}')
    elif name == RESERVED:
        tables.wrong(name, f'the name "{RESERVED}" is taken: it is that of our own log lines')


def read_service(name: str, table: Table, root: Path) -> Service:
    directory = read_dir(table, root)
    command = read_command(table)
    static = table.text("static", None, "a folder to serve")
    port: int | Literal["auto"] | None
    port = table.read("port", None, 'a port from 1 to 65535, or "auto"', as_port)
    url = read_url(table)
    check_one_source(table)
    listens = port is not None or url is not None
    check_upstream(table, listens=listens)
    venv = read_venv(table, directory, root, runs=command is not None)
    instances = table.integer("instances", 1, 1, MAX_INSTANCES)
    return Service(
        name=name,
        kind=table.choice("kind", default_kind(name, is_static=static is not None, listens=listens), Kind),
        dir=directory,
        command=command,
        static=None if static is None else absolute(directory, static),
        url=url,
        port=port,
        env=read_env(table),
        env_files=tuple(absolute(directory, file) for file in table.texts("env_files", "a list of files")),
        log_files=table.texts("log_files", 'a list of files or globs, such as ["log/*.log"]'),
        depends_on=read_depends_on(table),
        ready=read_ready(table),
        watch=table.texts("watch", 'a list of globs below dir, such as ["app/**/*.py"]', is_glob),
        reload=read_reload(table),
        restart=table.choice("restart", "on-failure", RestartPolicy),
        stop=table.section("stop", stop_from, Stop()),
        start=table.choice("start", "auto", Literal["auto", "on-demand", "manual"]),
        optional=table.flag("optional", default=False),
        profiles=table.texts("profiles", 'a list of names of a-z, 0-9, "_" and "-", such as ["full"]', is_name),
        instances=instances,
        balance=read_balance(
            table, several=instances > 1 or command is None, instead="it is for a service with several instances"
        ),
        probe=read_probe(table),
        max_requests=read_max_requests(table),
        stderr=table.choice("stderr", "merged", Literal["merged", "separate"]),
        venv=venv,
    )


def default_kind(name: str, *, is_static: bool, listens: bool) -> Kind:
    """What a service is when the file does not say: by what it serves, its name, and whether it listens."""
    if is_static:
        return "static"
    if name in FRONTEND_NAMES:
        return "frontend"
    return "backend" if name in BACKEND_NAMES or listens else "worker"


def find_venv(directory: Path, root: Path) -> Path | None:
    """The nearest virtual environment (.venv or venv), from the service's folder up to the root."""
    folders: Sequence[Path] = [directory]
    if directory.is_relative_to(root):
        folders = [folder for folder in (directory, *directory.parents) if folder.is_relative_to(root)]
    for folder in folders:
        for name in (".venv", "venv"):
            if (folder / name / "pyvenv.cfg").is_file():
                return folder / name
    return None


def absolute(base: Path, path: str) -> Path:
    """`path` below `base`, without "..": the same folder always has the same spelling."""
    return Path(os.path.abspath(base / path))  # noqa: PTH100 (resolve() would follow links too)


def read_dir(table: Table, root: Path) -> Path:
    text = table.text("dir", ".", "a folder")
    directory = absolute(root, text)
    if not directory.is_dir():
        table.wrong("dir", f"expected a folder below {root}; {show(text)} is none")
        return root
    return directory


def read_command(table: Table) -> str | tuple[str, ...] | None:
    expected = 'a command: "npm run dev", or a list of its words'
    found: Any = table.read("command", None, expected, as_command)  # mypy makes Sequence[str] of the two
    command: str | tuple[str, ...] | None = found
    return command


def read_url(table: Table) -> str | None:
    url = table.text("url", None, EXPECTED_URL, is_upstream_url)
    return None if url is None else url.rstrip("/")


def read_venv(table: Table, directory: Path, root: Path, *, runs: bool) -> Path | None:
    text = table.text("venv", None, "the folder of a virtual environment")
    if text is None:
        return find_venv(directory, root) if runs else None
    venv = absolute(directory, text)
    if not (venv / "bin").is_dir():
        table.wrong("venv", f"expected the folder of a virtual environment; there is none in {venv}")
    return venv


def check_one_source(table: Table) -> None:
    """A service is exactly one of command, static and url, and has only keys that mean something for it."""
    sources = [key for key in SOURCES if table.has(key)]
    if not sources:
        table.problem("expected one of command, static and url: what is this service?")
    elif len(sources) > 1:
        table.wrong(sources[1], f"expected only one of command, static and url; {sources[0]} is there too")
    elif "command" not in sources:
        refused = COMMAND_ONLY if "url" in sources else (*COMMAND_ONLY, *UPSTREAM_ONLY, "ready")
        table.not_yet("ready", "url" in sources and table.has("ready"))
        for key in filter(table.has, refused):
            table.wrong(key, f"only a service with a command has it; this one has {sources[0]}")


def check_upstream(table: Table, *, listens: bool) -> None:
    if table.has("command") and not listens:
        for key in filter(table.has, UPSTREAM_ONLY):
            table.wrong(key, 'it gets no requests, as it does not listen; give it a port: a number or "auto"')


def read_env(table: Table) -> Mapping[str, str]:
    def is_variable(name: str, value: str) -> bool:
        return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name, re.A) is not None and "\0" not in value

    env = table.mapping("env", 'variables with texts as values, such as { DEBUG = "1" }', is_variable)
    if "PORT" in env and table.has("port"):
        table.wrong("env", "PORT is what `port` says; remove it here")
    return env


def read_depends_on(table: Table) -> Mapping[str, Condition]:
    expected = 'a table of services, each "started", "ready" or "exited-ok", such as { db = "ready" }'
    below = table.table("depends_on", expected)
    if below is None:
        return {}
    return {name: below.choice(name, "ready", Condition) for name in below.values}


def read_ready(table: Table) -> Ready:
    return table.section("ready", ready_from, Ready())


def ready_from(table: Table) -> Ready:
    ready = Ready(
        http=table.text("http", None, 'a path such as "/health"', lambda path: path.startswith("/")),
        status=table.integer("status", None, 100, 599),
        port=table.flag("port", default=False),
        log=table.text("log", None, "a regex, searched in the service's lines", is_regex),
        command=table.text("command", None, "a command whose exit status 0 means ready"),
        started=table.flag("started", default=False),
        timeout_seconds=table.seconds("timeout_seconds", Ready().timeout_seconds, above_zero=True),
    )
    probes = [key for key in ("http", "port", "log", "command", "started") if getattr(ready, key)]
    if len(probes) > 1:
        table.wrong(probes[1], f"expected at most one of http, port, log, command, started; {probes[0]} is there too")
    if ready.status is not None and ready.http is None:
        table.wrong("status", "only http has a status: give http as well, or remove it")
    return ready


def stop_from(table: Table) -> Stop:
    default = Stop()
    name = table.text("signal", default.signal, f"one of {', '.join(SIGNALS)}", is_signal)
    return Stop(name.removeprefix("SIG"), table.seconds("grace_seconds", default.grace_seconds))


def read_reload(table: Table) -> ReloadSignal | None:
    reload: ReloadSignal | None = table.section("reload", reload_from, None)
    if reload is not None and not table.has("watch"):
        table.wrong("reload", "nothing would cause it: say in `watch` which files do")
    return reload


def reload_from(table: Table) -> ReloadSignal:
    names = [name for name in SIGNALS if name != "KILL"]
    name = table.text("signal", None, f"one of {', '.join(names)}", lambda name: name.removeprefix("SIG") in names)
    if not table.has("signal"):
        table.problem(f"expected signal, one of {', '.join(names)}")
    return ReloadSignal((name or "HUP").removeprefix("SIG"))


def as_command(value: Any) -> str | tuple[str, ...] | None:
    if isinstance(value, str):
        return value if is_text(value) else None
    is_words = isinstance(value, list) and all(isinstance(word, str) and "\0" not in word for word in value)
    return tuple(value) if is_words and value and value[0].strip() else None


def as_port(value: Any) -> int | Literal["auto"] | None:
    if value == "auto":
        return "auto"
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536 else None


def is_name(name: str) -> bool:
    return re.fullmatch(NAME, name, re.A) is not None


def is_glob(pattern: str) -> bool:
    return not pattern.startswith("/") and ".." not in pattern.split("/")


def is_signal(name: str) -> bool:
    return name.removeprefix("SIG") in SIGNALS
