"""Config -> a devproxy.toml for people: only what is not a default, and why it is there."""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from devproxy.config.instances import collapse
from devproxy.config.model import DEFAULT_PORT, Config, FieldEdits, MaxRequests, Probe, Ready, Route, Service, Stop
from devproxy.config.root import default_name
from devproxy.config.services import default_kind, find_venv

WIDTH = 100  # an inline table longer than this is written as dotted keys, one a line

HEAD = """\
# What `devproxy up` runs here. Only what differs from the defaults is written down.
# Every key, with its default and an example: docs/configuration.md of devproxy.
#
# port = 4400                    # where the browser goes; another is taken if it is held
# allowed_hosts = ["app.test"]   # names besides localhost that requests may use
"""

TAIL = """\
# More that a service may have:
#   depends_on = { db = "ready" }    # or "started", "exited-ok"
#   ready = { http = "/health" }     # or port = true, log = "regex", command = "…"
#   watch = ["app/**/*.py"]          # restart when one of these changes
#   reload = { signal = "HUP" }      # ... or only send this signal
#   env_files = [".env.dev"]
#   optional = true                  # the others may run without it
#   start = "manual"                 # only when asked: devproxy start NAME
#
# [hold]                    # how long requests wait while a service restarts
#   document_seconds = 2
#   request_seconds = 30
#
# [reload]                  # live reload of static services
#   enabled = true
"""


def to_toml(config: Config, comments: Mapping[str, str]) -> str:
    """Write a config as a devproxy.toml that `load` reads back equal (but for `source`).

    A service without a venv stays without one only where `find_venv` finds none: it is found, not written.

    Args: comments: lines to stand above a table, by "services.NAME" and "routes.N" (counted from 0).
    """
    config = collapse(config)
    blocks = [HEAD, _lines(_top_level(config))]
    for service in config.services:
        table = _table(f"[services.{service.name}]", _service(service, config.root))
        blocks.append(_comment(comments.get(f"services.{service.name}", "")) + table)
    for index, route in enumerate(config.routes):
        table = _table("[[routes]]", _route(route, config.root))
        blocks.append(_comment(comments.get(f"routes.{index}", "")) + table)
    for name in ("hold", "reload", "logs", "capture", "bus"):
        section = getattr(config, name)
        if section != (default := type(section)()):
            blocks.append(_table(f"[{name}]", _changed(section, default)))
    return "\n".join(block for block in (*blocks, TAIL) if block)


def _top_level(config: Config) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if config.name not in (default_name(config.root), config.root.name):
        values["name"] = config.name
    if config.port != DEFAULT_PORT:
        values["port"] = config.port
    for name in ("allowed_hosts", "trusted_proxies"):
        if getattr(config, name):
            values[name] = getattr(config, name)
    if config.services and not config.routes:
        values["routes"] = []  # without it, the services would get the usual routes
    return values


def _service(service: Service, root: Path) -> dict[str, Any]:
    """The keys of a service, in the order in which people look for them."""
    listens = service.port is not None or service.url is not None
    default = Service(
        name=service.name,
        kind=default_kind(service.name, is_static=service.static is not None, listens=listens),
        dir=root,
        venv=find_venv(service.dir, root) if service.command is not None else None,
    )
    values = _changed(service, default) | _upstreams(service)
    if service.reload is not None:
        values["reload"] = {"signal": service.reload.signal}
    for key in ("dir", "static", "venv"):
        if key in values:
            values[key] = _seen_from(root if key == "dir" else service.dir, values[key])
    if "env_files" in values:
        values["env_files"] = [_seen_from(service.dir, file) for file in service.env_files]
    return values


def _route(route: Route, root: Path) -> dict[str, Any]:
    values = _changed(route, Route(to=())) | _upstreams(route)
    if "tls_ca" in values:
        values["tls_ca"] = _seen_from(root, Path(route.tls_ca))
    to = values.pop("to")
    ordered: dict[str, Any] = {key: values.pop(key) for key in ("prefix", "regex") if key in values}
    return ordered | {"to": to[0] if len(to) == 1 else to} | values


def _upstreams(one: Service | Route) -> dict[str, Any]:
    """What it says of its upstreams: a table that holds only defaults means something, too."""
    said = {"probe": (one.probe, Probe()), "max_requests": (one.max_requests, MaxRequests())}
    return {key: _changed(value, default) for key, (value, default) in said.items() if value is not None}


def _changed(value: Any, default: Any) -> dict[str, Any]:
    """The fields of a dataclass whose values are not the default's."""
    pairs = {field.name: (getattr(value, field.name), getattr(default, field.name)) for field in fields(value)}
    return {
        name: _changed(ours, theirs) if isinstance(ours, Ready | Stop | FieldEdits) else ours
        for name, (ours, theirs) in pairs.items()
        if ours != theirs
    }


def _seen_from(base: Path, path: Path) -> str:
    return os.path.relpath(path, base).replace(os.sep, "/")


def _table(header: str, values: Mapping[str, Any]) -> str:
    return f"{header}\n{_lines(values)}"


def _lines(values: Mapping[str, Any], prefix: str = "") -> str:
    lines = []
    for key, value in values.items():
        line = f"{prefix}{_key(key)} = {toml_value(value)}\n"
        if isinstance(value, Mapping) and value and len(line) > WIDTH:
            line = _lines(value, f"{prefix}{_key(key)}.")
        lines.append(line)
    return "".join(lines)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key, re.ASCII) else _text(key)


def toml_value(value: Any) -> str:
    """A value as TOML writes it on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(key)} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    return _list(value)


def _list(values: Sequence[Any]) -> str:
    return f"[{', '.join(map(toml_value, values))}]"


def _text(text: str) -> str:
    """A TOML string: literal where that spares the reader escapes, as in a regex."""
    if ('"' in text or "\\" in text) and "'" not in text and text.isprintable():
        return f"'{text}'"
    # JSON's escapes are TOML's, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    lines: Iterable[str] = text.splitlines()
    return "".join(
        f"# {''.join(char if char.isprintable() else ' ' for char in line)}".rstrip() + "\n" for line in lines
    )
