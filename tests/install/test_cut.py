"""A download of install.sh that breaks off runs nothing, wherever it is cut."""

import subprocess

import pytest

from tests.install.support import INSTALLER, Person, Server, tree

SCRIPT = INSTALLER.read_bytes()
STEP = 97  # a prime, so that the cuts fall on every column
# The last byte is the final line break: without it the script is whole.
CUTS = sorted({*range(0, len(SCRIPT), STEP), *range(len(SCRIPT) - 200, len(SCRIPT) - 1)})


def feed(shell: str, script: bytes, person: Person) -> subprocess.CompletedProcess[str]:
    # No program can be found, so the first thing that the script does fails with a line of its own.
    return person.run(shell, "-s", "--", "--uninstall", stdin=script, env={"PATH": "/nonexistent"})


@pytest.mark.parametrize("shell", ["/bin/dash", "/bin/bash"])
def test_cut_anywhere_it_runs_nothing(shell: str, person: Person) -> None:
    begun = SCRIPT.index(b"\n{\n") + 2
    for cut in CUTS:
        done = feed(shell, SCRIPT[:cut], person)
        assert done.stdout == "", f"cut at byte {cut}"
        assert "devproxy installer:" not in done.stderr, f"cut at byte {cut}"
        assert done.returncode != 0 or cut < begun, f"cut at byte {cut}"
    assert tree(person.home) == {}


@pytest.mark.parametrize("shell", ["/bin/dash", "/bin/bash"])
def test_whole_it_runs(shell: str, person: Person) -> None:
    assert "devproxy installer: cannot make a temporary folder" in feed(shell, SCRIPT, person).stderr


@pytest.mark.parametrize("left", [1, 200, len(SCRIPT) // 2])
def test_a_connection_that_breaks_while_piping_installs_nothing(server: Server, person: Person, left: int) -> None:
    server.pages["/install.sh"] = SCRIPT
    server.cut = len(SCRIPT) - 1 - left
    done = person.pipe(server.url)
    assert done.returncode != 0
    assert server.asked == ["/install.sh"]
    assert tree(person.home) == {}
