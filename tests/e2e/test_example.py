"""examples/fullstack is what README says it is: current, typed, buildable, and without a word of devproxy's."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.fullstack import EXAMPLE

FRONTEND = EXAMPLE / "frontend"


def test_the_lock_file_names_no_registry_host() -> None:
    lock = (FRONTEND / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert "registry" not in lock
    assert json.loads(lock)["packages"]["node_modules/vite"]["integrity"]


def test_it_relies_on_one_origin_alone() -> None:
    vite = (FRONTEND / "vite.config.ts").read_text()
    assert "server:" not in vite
    assert "CORSMiddleware" not in (EXAMPLE / "backend" / "main.py").read_text()
    assert list(EXAMPLE.rglob("devproxy.toml")) == []


@pytest.mark.node
def test_the_frontend_type_checks_and_builds(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    assert npm
    command = [npm, "run", "build", "--", "--outDir", str(tmp_path / "dist"), "--emptyOutDir"]
    built = subprocess.run(command, cwd=FRONTEND, capture_output=True, text=True, timeout=60)
    assert built.returncode == 0, built.stdout + built.stderr
    assert (tmp_path / "dist" / "index.html").is_file()
