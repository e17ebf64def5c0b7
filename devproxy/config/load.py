"""devproxy.toml, or [tool.devproxy] in pyproject.toml, to one Config."""

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from devproxy.config.checks import check_on_demand, check_services
from devproxy.config.instances import expand
from devproxy.config.model import DEFAULT_PORT, Bus, Capture, Config, Hold, Logs, Reload, Route, Service
from devproxy.config.root import FILE, PYPROJECT, default_name, may_configure, table_of
from devproxy.config.routes import default_routes, read_routes
from devproxy.config.schema import KeyPath, Problems, Table, is_address, is_host_pattern
from devproxy.config.services import read_services
from devproxy.errors import ConfigError

HINT = "every key, with its default and an example: docs/configuration.md"


def load(root: Path) -> Config | None:
    """Read the project's config, strictly; None if it has none.

    Raises: ConfigError: everything that is wrong with it, each with file, line, key and what was expected.
    """
    root = root.absolute()
    own, pyproject = root / FILE, root / PYPROJECT
    has_table = may_configure(pyproject) and table_of(_parse(pyproject)) is not None
    if own.is_file() and has_table:
        problem = f"{FILE}:1: there is a [tool.devproxy] in {PYPROJECT} too; expected only one of them"
        raise ConfigError([problem], hint=f"keep {FILE} and remove [tool.devproxy], or the other way round")
    if own.is_file():
        return _load_file(own, root, ())
    return _load_file(pyproject, root, ("tool", "devproxy")) if has_table else None


def _load_file(file: Path, root: Path, prefix: KeyPath) -> Config:
    text = _read(file)
    values: Any = _parse(file, text)
    for part in prefix:
        values = values[part]
    problems = Problems()
    config = _read_config(Table(values, prefix, problems), file, root)
    if problems.found:
        raise ConfigError(_sentences(problems, file, text), hint=HINT)
    return config


def _read_config(table: Table, file: Path, root: Path) -> Config:
    problems = table.problems
    port = table.read("port", DEFAULT_PORT, "a port from 1 to 65535", _as_port)
    services = read_services(table.table("services", "tables such as [services.web]"), root, problems)
    services_path = (*table.path, "services")
    check_services(services, services_path, port, problems)
    config = Config(
        name=table.text("name", default_name(root), 'a name of A-Z, a-z, 0-9, ".", "_" and "-"', _is_name),
        root=root,
        source=file,
        port=port,
        allowed_hosts=table.texts(
            "allowed_hosts", 'a list of hosts such as ["app.test", "*.app.test"]', is_host_pattern
        ),
        trusted_proxies=table.texts("trusted_proxies", 'a list of addresses such as ["10.0.0.0/8"]', is_address),
        services=services,
        routes=_routes(table, services, root),
        hold=table.section("hold", _hold, Hold()),
        reload=table.section("reload", _reload, Reload()),
        logs=table.section("logs", _logs, Logs()),
        capture=table.section("capture", _capture, Capture()),
        bus=table.section("bus", _bus, Bus()),
    )
    table.finish()
    check_on_demand(services, config.routes, services_path, problems)
    return replace(config, services=expand(services))


def _routes(table: Table, services: tuple[Service, ...], root: Path) -> tuple[Route, ...]:
    listed = table.read("routes", None, "tables, each written as [[routes]]", _as_list)
    if listed is not None:
        return read_routes(listed, (*table.path, "routes"), services, root, table.problems)
    if table.problems.found:  # what is wrong with a service says nothing about routes
        return ()
    return default_routes(services, (*table.path, "services"), table.problems)


def _hold(table: Table) -> Hold:
    default = Hold()
    return Hold(
        document_seconds=table.seconds("document_seconds", default.document_seconds),
        request_seconds=table.seconds("request_seconds", default.request_seconds),
        websocket_seconds=table.seconds("websocket_seconds", default.websocket_seconds),
        refused_seconds=table.seconds("refused_seconds", default.refused_seconds),
    )


def _reload(table: Table) -> Reload:
    default = Reload()
    reload = Reload(
        enabled=table.flag("enabled", default.enabled),
        inject=table.choice("inject", default.inject, Literal["auto", "always", "never"]),
        quiet_ms=table.integer("quiet_ms", default.quiet_ms, 0, 60_000),
    )
    table.not_yet("inject", reload.inject == "always")
    return reload


def _logs(table: Table) -> Logs:
    default = Logs()
    return Logs(
        segment_mib=table.integer("segment_mib", default.segment_mib, 1, 1024),
        segments=table.integer("segments", default.segments, 1, 10_000),
        ring_lines=table.integer("ring_lines", default.ring_lines, 100, 10_000_000),
    )


def _capture(table: Table) -> Capture:
    capture = Capture(bodies=table.flag("bodies", default=False), frames=table.flag("frames", default=False))
    table.not_yet("bodies", capture.bodies)
    table.not_yet("frames", capture.frames)
    return capture


def _bus(table: Table) -> Bus:
    bus = Bus(url=table.read("url", "", "a URL", lambda value: value if isinstance(value, str) else None))
    table.not_yet("url", bool(bus.url))
    return bus


def _as_port(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536 else None


def _as_list(value: object) -> list[Any] | None:
    return value if isinstance(value, list) else None


def _is_name(value: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value, re.ASCII) is not None


def _read(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([f"{file}: cannot be read: {error.strerror}"], hint="mend its permissions") from error
    except UnicodeDecodeError as error:
        line = file.read_bytes().count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{file.name}:{line}: expected UTF-8 text"], hint="save it as UTF-8") from error


def _parse(file: Path, text: str | None = None) -> dict[str, Any]:
    text = _read(file) if text is None else text
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers too long for int(), lists too deep
        message = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "a value is too large"
        where = re.search(r" \((?:at line (\d+), column \d+|at end of document)\)$", message)
        line = (where[1] if where else None) or str(text.count("\n") + 1 if where else 1)
        sentence = message[: where.start()] if where else message
        problem = f"{file.name}:{line}: expected TOML: {sentence[:1].lower()}{sentence[1:]}"
        raise ConfigError([problem], hint="texts are in quotes, keys stand one a line: https://toml.io") from error


def _sentences(problems: Problems, file: Path, text: str) -> list[str]:
    """One sentence a problem, "file:line: key: what was expected", in the order of the file."""
    from devproxy.config import positions  # only a wrong file pays for it

    lines = positions.find_lines(text)
    placed = [(positions.line_of(lines, path), path, sentence) for path, sentence in problems.found]
    placed.sort(key=lambda problem: problem[0])
    return [f"{file.name}:{line}: {_key(path)}: {sentence}" for line, path, sentence in placed]


def _key(path: KeyPath) -> str:
    """A path as it would be written in TOML: services.web.port, routes[0].to (counted from 0)."""
    key = ""
    for part in path:
        if isinstance(part, int):
            key += f"[{part}]"
        else:
            bare = re.fullmatch(r"[A-Za-z0-9_-]+", part, re.ASCII) is not None
            key += ("." if key else "") + (part if bare else ascii(part))
    return key or "(top level)"
