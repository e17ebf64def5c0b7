"""A port between being chosen and being bound: one devproxy has it, and no other."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from devproxy.ports.leases import Leases

OTHER = """
import sys
from pathlib import Path
from devproxy.ports.leases import Leases
leases = Leases(Path(sys.argv[1]))
print(leases.take(int(sys.argv[2])), flush=True)
sys.stdin.read()
"""


@contextmanager
def another(folder: Path, port: int, program: str = OTHER) -> Iterator[subprocess.Popen[str]]:
    """Another devproxy that asks for the port, and lives on."""
    command = [sys.executable, "-c", program, str(folder), str(port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[Leases]:
    with closing(Leases(tmp_path)) as leases:
        yield leases


def test_what_one_has_taken_no_other_can_take_and_the_owner_is_named(leases: Leases, tmp_path: Path) -> None:
    with another(tmp_path, 8000) as other:
        assert said(other) == "True"
        assert not leases.take(8000)
        assert leases.owner(8000) == other.pid
        assert leases.take(8001)
        assert leases.take(7999)


def test_it_goes_with_its_owner_however_that_dies(leases: Leases, tmp_path: Path) -> None:
    with another(tmp_path, 8000) as other:
        assert said(other) == "True"
        other.kill()
        other.wait()
        assert leases.owner(8000) is None
        assert leases.take(8000)


def test_what_was_given_back_others_may_take_and_the_rest_they_may_not(leases: Leases, tmp_path: Path) -> None:
    assert leases.take(8000) and leases.take(8001)
    leases.give_back(8000)
    with another(tmp_path, 8000) as one, another(tmp_path, 8001) as two:
        assert (said(one), said(two)) == ("True", "False")


def test_what_is_ours_already_is_taken_again_without_harm(leases: Leases) -> None:
    assert leases.take(8000)
    assert leases.take(8000)
    assert leases.owner(8000) is None  # no other has it


def test_a_child_that_outlives_its_owner_does_not_keep_it(leases: Leases, tmp_path: Path) -> None:
    forks = OTHER.replace("sys.stdin.read()", "import os; os.write(1, b'%d\\n' % os.fork()); sys.stdin.read()")
    with another(tmp_path, 8000, forks) as other:
        assert said(other) == "True"
        child = max(int(said(other)), int(said(other)))  # the child itself says 0
        other.kill()
        other.wait()
        try:
            assert leases.take(8000)
            os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)
