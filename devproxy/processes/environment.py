"""What a child finds in its environment, and where each value came from.

Later wins: the `.env` files, the shell devproxy was started from, the service's own `env`, and what devproxy
assigns. What devproxy only suggests (colours, no browser) stands between the shell and the service's `env`.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from devproxy.config.model import Service

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")
MARKER: Final = "DEVPROXY_SESSION"
"""Marks every descendant of a session, also those that leave their process group."""
SERVICE: Final = "DEVPROXY_SERVICE"
"""Says which service of the session a descendant belongs to."""

Origin = Literal["file", "shell", "service", "devproxy"]

_WITHHELD: Final = {
    "PYTHONHOME": "leads another Python astray",
    "PYTHONPATH": "leads another Python astray",
    "PORT": "each service has a port of its own",
    "COLUMNS": "each service has a terminal of its own",
    "LINES": "each service has a terminal of its own",
}
_OUR_VENV: Final = "devproxy's own virtual environment"


@dataclass(frozen=True, slots=True)
class Value:
    """A value and where it came from. where: "FILE:LINE" of a file's; of devproxy's, why it sets it."""

    text: str
    origin: Origin
    where: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """What a child gets.

    variables: by name, the value that counts first, then those it hides; withheld: what of the shell's is not
    passed on, by name, and why.
    """

    variables: Mapping[str, tuple[Value, ...]]
    withheld: Mapping[str, str]

    @property
    def values(self) -> dict[str, str]:
        """As exec(3) takes it."""
        return {name: values[0].text for name, values in self.variables.items()}


def build(
    service: Service,
    shell: Mapping[str, str],
    *,
    origin: str,
    session: str,
    port: int | Literal["auto"] | None,
    tty: bool = True,
) -> Environment:
    """The environment of one service's child.

    Args: shell: the environment devproxy runs in; origin: the gateway's URL, without a slash; session: the
    session's id; port: the port the service is to listen on ("auto": not known yet).
    Raises: ConfigError: a `.env` file of the service is broken, or cannot be read.
    """
    layers = _Layers()
    withheld = _withheld(shell)
    inherited = {name: value for name, value in shell.items() if name not in withheld}
    _add_files(layers, service, inherited)
    for name, value in inherited.items():
        layers.add(name, value, "shell")
    _suggest(layers, service, tty=tty)
    for name, value in service.env.items():
        layers.add(name, value.replace("{origin}", origin), "service")
    _assign(layers, service, origin=origin, session=session, port=port)
    return Environment(layers.stacked(), withheld)


class _Layers:
    """Values by name, put one upon the other."""

    def __init__(self) -> None:
        self._values: dict[str, list[Value]] = {}

    def add(self, name: str, text: str, origin: Origin, where: str = "") -> None:
        self._values.setdefault(name, []).append(Value(text, origin, where))

    def assign(self, name: str, text: str, why: str) -> None:
        """A value of devproxy's own; one that is there already needs none."""
        if self.get(name) != text:
            self.add(name, text, "devproxy", why)

    def get(self, name: str) -> str | None:
        values = self._values.get(name)
        return values[-1].text if values else None

    def stacked(self) -> dict[str, tuple[Value, ...]]:
        return {name: tuple(reversed(values)) for name, values in self._values.items()}


def _add_files(layers: _Layers, service: Service, shell: Mapping[str, str]) -> None:
    if service.env_files:
        from devproxy.processes import env_files

        for one in env_files.read(service.env_files, shell, seen_from=service.dir):
            layers.add(one.name, one.value, "file", one.where)


def _suggest(layers: _Layers, service: Service, *, tty: bool) -> None:
    """What a service's own `env` may change."""
    if layers.get("TERM") in (None, "", "dumb"):
        layers.assign("TERM", "xterm-256color", "its own terminal; what it prints is filtered for ours")
    layers.assign("PYTHONUNBUFFERED", "1", "output appears at once")
    layers.assign("BROWSER", "none", "the raw port is not opened in a browser")
    wants_none = service.env.get("NO_COLOR", layers.get("NO_COLOR"))  # https://no-color.org: empty is not set
    if not tty and not wants_none and layers.get("FORCE_COLOR") is None:
        layers.assign("FORCE_COLOR", "1", "a pipe would lose the colours")
    if service.venv is not None:
        layers.assign("VIRTUAL_ENV", str(service.venv), "the project's virtual environment")
    _put_first_in_path(layers, service.venv)


def _put_first_in_path(layers: _Layers, venv: Path | None) -> None:
    folders = (layers.get("PATH") or os.defpath).split(":")
    if sys.prefix != sys.base_prefix:
        folders = [folder for folder in folders if not _is_ours(folder, "bin")]
    if venv is not None:
        folders = [str(venv / "bin"), *folders]
    why = "the project's virtual environment first" if venv is not None else f"without {_OUR_VENV}"
    layers.assign("PATH", ":".join(folders) or os.defpath, why)


def _assign(
    layers: _Layers, service: Service, *, origin: str, session: str, port: int | Literal["auto"] | None
) -> None:
    """What is devproxy's to say."""
    names = [name for case in ("NO_PROXY", "no_proxy") for name in (layers.get(case) or "").split(",")]
    without_proxy = ",".join(dict.fromkeys([*filter(None, map(str.strip, names)), *LOOPBACK_NAMES]))
    for case in ("NO_PROXY", "no_proxy"):  # which of the two is read differs from program to program
        layers.assign(case, without_proxy, "loopback is never asked of a proxy")
    layers.assign(MARKER, session, "marks what the session has started")
    layers.assign(SERVICE, service.name, "marks what the session has started")
    layers.assign("DEVPROXY_URL", origin, "the session's URL")
    if port is not None:
        layers.assign("PORT", str(port), "the service's port")


def _withheld(shell: Mapping[str, str]) -> dict[str, str]:
    """What is not inherited: what would lead a child astray, and devproxy's own virtual environment."""
    found = {name: why for name, why in _WITHHELD.items() if name in shell}
    if sys.prefix != sys.base_prefix and _is_ours(shell.get("VIRTUAL_ENV", "")):
        found |= {name: _OUR_VENV for name in ("VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT") if name in shell}
    return found


def _is_ours(folder: str, below: str = "") -> bool:
    """Whether the folder is that of the virtual environment that devproxy runs in, however it is spelled."""
    ours = Path(sys.prefix, below)
    if os.path.normpath(folder) == str(ours):
        return True
    try:
        return folder.endswith(f"/{ours.name}") and ours.samefile(folder)
    except OSError:
        return False
