"""`scripts/completions` writes what lies in completions/."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.completions.shells import COMPLETIONS

FILES = ["_devproxy", "devproxy.bash", "devproxy.fish"]
GENERATOR = COMPLETIONS.parent / "scripts" / "completions"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("completions")
    subprocess.run([sys.executable, GENERATOR, out], check=True, timeout=30)
    return out


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_up_to_date(name: str, written: Path) -> None:
    fresh = (COMPLETIONS / name).read_text() == (written / name).read_text()
    assert fresh, f"completions/{name} is stale: scripts/completions writes it anew"


def test_there_are_no_others(written: Path) -> None:
    assert sorted(path.name for path in written.iterdir()) == FILES
    assert sorted(path.name for path in COMPLETIONS.iterdir()) == FILES
