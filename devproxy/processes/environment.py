"""What a child finds in its environment. Pure but for reading the `.env` files it is given.

Later wins: the `.env` files, the shell devproxy was started from, the service's own `env`, and what
devproxy assigns.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from devproxy.config.model import Service

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")
MARKER: Final = "DEVPROXY_SESSION"
"""Marks every descendant of a session, also those that leave their process group."""
SERVICE: Final = "DEVPROXY_SERVICE"
"""Says which service of the session a descendant belongs to."""

_NOT_INHERITED: Final = ("PYTHONHOME", "PYTHONPATH", "PORT")


def build(
    service: Service,
    shell: Mapping[str, str],
    *,
    origin: str,
    session: str,
    port: int | None,
    tty: bool = True,
) -> dict[str, str]:
    """The environment of one service's child.

    Args: shell: the environment devproxy runs in; origin: the gateway's URL, without a slash; session: the
    session's id; port: the port the service is to listen on.
    """
    inherited = {name: value for name, value in shell.items() if name not in _NOT_INHERITED}
    _leave_our_venv(inherited)
    values = read_files(service.env_files) | inherited
    if not inherited.get("TERM") or inherited["TERM"] == "dumb":
        values["TERM"] = "xterm-256color"  # of the child's own terminal; what it prints is filtered for ours
    values |= {"PYTHONUNBUFFERED": "1", "BROWSER": "none"}
    if not tty and "NO_COLOR" not in {**values, **service.env}:
        values["FORCE_COLOR"] = "1"
    if service.venv is not None:
        values["VIRTUAL_ENV"] = str(service.venv)
        values["PATH"] = f"{service.venv / 'bin'}:{values.get('PATH') or os.defpath}"
    for name in ("NO_PROXY", "no_proxy"):
        values[name] = ",".join(dict.fromkeys([*filter(None, values.get(name, "").split(",")), *LOOPBACK_NAMES]))
    values |= {name: value.replace("{origin}", origin) for name, value in service.env.items()}
    values |= {MARKER: session, "DEVPROXY_URL": origin, SERVICE: service.name}
    if port is not None:
        values["PORT"] = str(port)
    return values


def read_files(paths: tuple[Path, ...]) -> dict[str, str]:
    """The values of `.env` files, later files over earlier ones; a missing file is empty."""
    present = [path for path in paths if path.is_file()]
    if not present:
        return {}
    from dotenv import dotenv_values  # 8 ms, and most services have no such file

    values: dict[str, str] = {}
    for path in present:
        values |= {name: value for name, value in dotenv_values(path).items() if value is not None}
    return values


def _leave_our_venv(values: dict[str, str]) -> None:
    """devproxy's own virtual environment is no business of a child's."""
    if sys.prefix == sys.base_prefix:
        return
    if values.get("VIRTUAL_ENV") == sys.prefix:
        del values["VIRTUAL_ENV"]
    own = f"{sys.prefix}/bin"
    values["PATH"] = ":".join(folder for folder in values.get("PATH", "").split(":") if folder != own)
