"""Opening an address in the user's browser, where there is one to be seen."""

import os
import sys
from collections.abc import Mapping

# Leaves the opener to itself, and says how it ended.
_APART = 'exec 3>&1 >/dev/null; { "$@" 3>&-; echo "$?" >&3; } &'
_PATIENCE_SECONDS = 5.0


def open_url(url: str) -> bool:
    """Open the address in the user's browser; False where there is none to be seen.

    A browser that starts for it is no descendant of ours: it outlives the session, which ends all its own.
    """
    import select
    import subprocess

    from devproxy.processes.reaper import not_adopting

    command = browser_command(os.environ, sys.platform)
    if command is None:
        return False
    words, quiet = ["/bin/sh", "-c", _APART, "sh", *command, url], subprocess.DEVNULL
    with not_adopting():
        starter = subprocess.Popen(words, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, start_new_session=True)
        starter.wait()
    assert starter.stdout is not None
    with starter.stdout as said:
        has_ended, _, _ = select.select([said], [], [], _PATIENCE_SECONDS)
        return not has_ended or said.read().strip() == b"0"  # else it is a browser in the foreground


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
