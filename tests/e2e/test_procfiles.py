"""What the suites of process managers run: awkward output, one that fails beside others, many that end at once.

Default mode leaves the others up when one fails; with `--exit-on-failure` the first one ends the session.
"""

import re
import signal
from pathlib import Path

import httpx
import pytest

from tests.support import until
from tests.support.devproxy import RunningDevproxy, Start, is_alive
from tests.support.services import write_config, write_procfile

# Chinese, Hindi and Arabic in one line, bytes that are no UTF-8 in the next, and one that must be intact.
UTF8 = r"""
import os, time
os.write(1, "大きな हिन्दी العربية\n".encode())
os.write(1, b"\xff\x03 between\n")
os.write(1, b"after it\n")
time.sleep(600)
"""
# A compiler that clears the screen, a spinner, a progress bar below lines that stay, brackets that are no markup.
SCREEN = r"""
import os, time
for piece in (
    b"\x1b[2J\x1b[3J\x1b[HStarting compilation in watch mode...\r\n",
    "⠋ one\r\x1b[K⠙ one\r\x1b[Kdone one\n".encode(),
    b"\x1b[32m   Compiling\x1b[0m a v1\n    Building [=>   ] 1/2: a\r\x1b[K\x1b[32m   Compiling\x1b[0m b v2\n",
    b"    Building [===> ] 2/2: b\r\x1b[K    Finished\n",
    b'\x1b[36m{"level":30,\x1b[0m "msg":"[bold]not markup[/bold] [1/3]"}\n',
):
    os.write(1, piece)
time.sleep(600)
"""


def shown(session: RunningDevproxy, name: str) -> list[str]:
    """What stands behind a service's name."""
    return re.findall(rf"^{name} +\| (.*)$", session.output, re.MULTILINE)


def test_what_awkward_programs_print_is_readable_and_a_crash_harms_nobody_else(tmp_path: Path, devproxy: Start) -> None:
    (tmp_path / "utf8.py").write_text(UTF8)
    (tmp_path / "screen.py").write_text(SCREEN)
    (tmp_path / "raises.py").write_text("print('about to', flush=True)\nraise ValueError('no such table')\n")
    write_procfile(
        tmp_path,
        web="{python} -m http.server --bind 127.0.0.1 $PORT",  # writes no file: that would be a save
        api="{python} raises.py",
        utf8="{python} utf8.py",
        screen="{python} screen.py",
        both="echo to stdout; echo to stderr >&2; exit 42",
        missing="sleep 0.01 && no-such-program",
        meta="echo \"at $PORT\" | sed 's/at/on/' && (true; exec sleep 600) # and a comment",
    )
    session = devproxy(tmp_path)
    session.wait_for("api exited with code 1; after 3 crashes in a row it waits")
    session.wait_for("both exited with code 42; after 3 crashes in a row it waits")
    session.wait_for("missing exited with code 127 (a command was not found); it starts again when a file is saved")
    session.wait_for("web is ready")
    session.wait_for("after it")
    session.wait_for("[1/3]")
    assert shown(session, "utf8") == ["大きな हिन्दी العربية", "� between", "after it"]
    assert shown(session, "screen") == [
        "Starting compilation in watch mode...",
        "done one",
        "   Compiling a v1",
        "   Compiling b v2",
        "    Finished",
        '{"level":30, "msg":"[bold]not markup[/bold] [1/3]"}',
    ]
    assert shown(session, "both") == ["to stdout", "to stderr"] * 3
    assert re.fullmatch(r"on \d+", shown(session, "meta")[0])
    card = httpx.get(f"{session.url}/api/x", headers={"Sec-Fetch-Dest": "document", "Accept": "text/html"})
    assert card.status_code == 502
    assert "ValueError: no such table" in card.text
    assert "exited with code 1" in card.text
    assert "utf8.py" in httpx.get(session.url).text
    assert session.stop() == -signal.SIGINT


@pytest.mark.parametrize("ready", [False, True], ids=["as soon as they are there", "when all is ready"])
def test_nobody_is_waited_for_that_ends_at_once(tmp_path: Path, devproxy: Start, ready: bool) -> None:
    """Four sleepers and Ctrl-C: their grace has nothing to do with it."""
    sleeper = '[services.s{}]\nkind = "worker"\ncommand = "sleep 600"\nstop = {{ grace_seconds = 600 }}\n'
    write_config(tmp_path, "".join(map(sleeper.format, range(4))))
    session = devproxy(tmp_path)
    sleepers = until(
        lambda: len(found := [one for one in session.descendants() if one.name() == "sleep"]) == 4 and found
    )
    if ready:
        session.wait_ready()
    assert session.stop(signal.SIGINT) == -signal.SIGINT
    assert not any(is_alive(one) for one in sleepers)


@pytest.mark.parametrize(
    ("command", "why"),
    [("exit 2", "exited with code 2"), ("no-such-program", "exited with code 127 (a command was not found)")],
)
def test_who_asks_for_it_has_everything_end_with_the_first_that_fails(
    tmp_path: Path, devproxy: Start, command: str, why: str
) -> None:
    """For scripts: an exit status that says so, and nothing left."""
    write_config(
        tmp_path,
        '[services.other]\nkind = "worker"\ncommand = "{python} parent.py apart"\n'
        '[services.extra]\nkind = "worker"\ncommand = "exit 3"\noptional = true\n'
        f'[services.fails]\nkind = "worker"\ncommand = "while [ ! -e go ]; do sleep 0.01; done; {command}"\n',
    )
    session = devproxy(tmp_path, "--exit-on-failure")
    session.wait_for("is here")
    session.wait_for("extra exited with code 3")
    tree = session.descendants()
    assert session.process.poll() is None  # it is optional
    (tmp_path / "go").touch()
    assert session.wait() == 4
    assert f"fails {why}; it is not started again\n" in session.output
    assert f"devproxy: fails {why}\n" in session.output
    assert not any(is_alive(one) for one in tree)
