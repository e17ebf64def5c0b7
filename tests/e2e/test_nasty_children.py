"""A session of the nastiest children at once, and every way for it to die: nothing of them is left.

Deaf to SIGTERM, daemons by a double fork, setsid and setpgid, forking without end, holding the pty open, closed
descriptors, stopped, a cleaned environment; by Ctrl-C, SIGTERM, SIGHUP, `down`, and SIGKILL of devproxy and its guard.
"""

import contextlib
import signal
import sys
from pathlib import Path

import psutil
import pytest

from devproxy.ports import identity, records
from devproxy.ports.identity import Identity
from devproxy.ports.probe import is_free
from tests.support import free_port, until
from tests.support.devproxy import RunningDevproxy, Start, living
from tests.support.services import write_config

# Each line is a service; `note` writes a pid down, `$P` is a Python that starts quickly.
NASTY = {
    "deaf": "exec $P -c 'import signal\nfor n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: signal.pause()'",
    "daemon": "exec $P -c 'import os, signal\nif os.fork() == 0:\n os.setsid()\n if os.fork(): os._exit(0)\nsignal.pause()'",
    "session": "setsid sleep 600 & wait",
    "forker": "while :; do setsid sleep 600 & sleep 0.05; done",
    "spawner": "for one in 1 2 3; do sh -c 'sleep 600; exit' & done; wait",
    "printer": "setsid sh -c 'while :; do echo x; sleep 1; done' & sleep 600",
    "looper": "while :; do sleep 3600 & sleep 0.1; done",
    "holder": "(trap '' HUP TERM INT; sleep 600; sleep 600) & sleep 600",
    "closer": "exec $P -c 'import os, signal\nos.closerange(0, 99)\nsignal.pause()'",
    "regrouped": "$P -c 'import os, signal\nos.setpgid(0, 0)\nsignal.signal(15, signal.SIG_IGN)\nsignal.pause()' & wait",
    "stopped": "exec $P -c 'import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nsignal.pause()'",
    "cleaned": "note $$; exec env -i sleep 600",
    "nameless": "setsid env -i sleep 600 & note $!; wait",
    "orphan": "(setsid env -i sleep 600 & note $!; :); sleep 600",
    "grandchild": "$P -c 'import signal\nsignal.signal(15, signal.SIG_IGN)\nsignal.signal(1, signal.SIG_IGN)\nwhile True: signal.pause()' & trap 'exit 0' TERM; wait",
}
NOTED = 3
PYTHON = f"{sys.executable} -I -S"


def write_project(root: Path, port: int) -> None:
    parts = [f'[services.web]\nkind = "frontend"\ncommand = "exec {{python}} server.py web"\nport = {port}\n']
    for name, line in NASTY.items():
        script = f"P='{PYTHON}'\nnote() {{ echo $1 > noted.$1; }}\n{line}\n"
        (root / f"{name}.sh").write_text(script)
        parts.append(
            f'[services.{name}]\nkind = "worker"\ncommand = ["/bin/sh", "{name}.sh"]\nstop = {{ grace_seconds = 0.5 }}\n'
        )
    write_config(root, "\n".join(parts))


class Brood:
    """The processes of one session, also those that hide: who has no environment has written its pid down."""

    def __init__(self, root: Path, folders: Path) -> None:
        self._folders = folders
        names = until(lambda: (found := [*root.glob("noted.*")]) and len(found) == NOTED and found)
        self.noted = [who for path in names if (who := identity.of(int(path.suffix[1:]))) is not None]
        assert len(self.noted) == NOTED

    def alive(self) -> list[str]:
        """What still lives, for a person who reads."""
        found = {process.pid for process in living(self._folders)} | {who.pid for who in self.noted if who.is_alive()}
        return [described(pid) for pid in sorted(found)]


def described(pid: int) -> str:
    try:
        return f"{pid} {' '.join(psutil.Process(pid).cmdline())}"
    except psutil.Error:
        return f"{pid} (gone)"


def guards_of(session: RunningDevproxy) -> list[psutil.Process]:
    return [one for one in session.descendants() if "guard.py" in described(one.pid)]


def recorded(state: Path, who: list[Identity]) -> bool:
    """Whether the session knows of all that carry no mark: it looks once a second."""
    found = {one.pid for path in state.glob("*/children.json") for one in records.load(path.parent)}
    return {one.pid for one in who} <= found


@pytest.mark.parametrize("way", ["SIGINT", "SIGTERM", "SIGHUP", "down", "SIGKILL", "SIGKILL after its guard"])
def test_nothing_is_left(tmp_path: Path, devproxy: Start, own_folders: Path, way: str) -> None:
    port = free_port()
    write_project(tmp_path, port)
    session = devproxy(tmp_path).wait_ready()
    brood = Brood(tmp_path, own_folders)
    assert len(brood.alive()) > 2 * len(NASTY)
    if way == "down":
        session.run("down")
    elif way.startswith("SIGKILL"):
        until(lambda: recorded(own_folders / "state", brood.noted))
        if way != "SIGKILL":
            guards_of(session)[0].kill()
            session.wait_for("there is a new one")
            until(lambda: guards_of(session))
        session.send(signal.SIGKILL)
        session.process.wait(20)
        with contextlib.suppress(AssertionError):
            until(lambda: not brood.alive())
    else:
        session.stop(signal.Signals[way])
    assert brood.alive() == []
    assert is_free(port)
