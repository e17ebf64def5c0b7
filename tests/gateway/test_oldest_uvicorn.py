"""tests/gateway/test_asgi.py once more, on the oldest uvicorn that pyproject.toml lets in."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def oldest_uvicorn() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (bound,) = (found[1] for each in project["dependencies"] if (found := re.match(r"uvicorn>=([0-9.]+)", each)))
    return bound + ".0" * (2 - bound.count("."))


def install(requirement: str, target: Path) -> None:
    if uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--python", sys.executable]
    elif find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    else:
        pytest.skip("neither uv nor pip is here to install it")
    subprocess.run([*command, "--quiet", "--no-deps", "--target", str(target), requirement], check=True, timeout=50)


def test_the_asgi_contract_holds_on_the_oldest_uvicorn_we_support(tmp_path: Path) -> None:
    version = oldest_uvicorn()
    install(f"uvicorn=={version}", tmp_path)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    found = subprocess.run(
        [sys.executable, "-c", "import uvicorn; print(uvicorn.__version__)"],
        env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == version
    # It imports what websockets has deprecated since: that is its own affair, and hidden from users.
    pytest_arguments = ["-q", "-p", "no:cacheprovider", "--timeout=20", "-W", "ignore::DeprecationWarning"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *pytest_arguments, "tests/gateway/test_asgi.py"],
        env=environ, cwd=ROOT, capture_output=True, text=True, timeout=55,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
