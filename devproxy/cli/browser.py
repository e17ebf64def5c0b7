"""Opening an address in the user's browser, where there is one to be seen."""

import os
import sys
from collections.abc import Mapping


def open_url(url: str) -> bool:
    """Open the address in the user's browser; False where there is none to be seen."""
    import subprocess

    command = browser_command(os.environ, sys.platform)
    if command is None:
        return False
    quiet = subprocess.DEVNULL
    opener = subprocess.Popen([*command, url], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        return opener.wait(timeout=5) == 0
    except subprocess.TimeoutExpired:
        opener.returncode = 0  # a browser in the foreground: it lives on without us
        return True


def browser_command(environ: Mapping[str, str], platform: str) -> list[str] | None:
    """The program that opens an address here, or None: over SSH, or without a desktop."""
    from shutil import which

    if environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"):
        return None
    if browser := environ.get("BROWSER"):
        return None if browser == "none" else [browser]
    if platform == "darwin":
        return ["open"]
    if not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY") or environ.get("WSL_DISTRO_NAME")):
        return None
    for name in ("wslview", "xdg-open"):
        if found := which(name):
            return [found]
    return None
