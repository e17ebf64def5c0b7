"""scripts/demo: with only Python it sets itself up, once, and then runs `devproxy demo`."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.install.support import ROOT, Person

# A package of our name that answers with its arguments, and a build backend that needs no index.
PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "devproxy-cli"
version = "1.0.0"
"""
PACKAGE = "import os, sys\ndef main(): print('devproxy', *sys.argv[1:], 'in', os.getcwd())\n"
BACKEND = """\
import os, zipfile

INFO = "devproxy_cli-1.0.0.dist-info"
FILES = {
    "devproxy_cli.pth": os.getcwd(),
    f"{INFO}/METADATA": "Metadata-Version: 2.1\\nName: devproxy-cli\\nVersion: 1.0.0\\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    f"{INFO}/entry_points.txt": "[console_scripts]\\ndevproxy = devproxy:main\\n",
}

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "devproxy_cli-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        for path, text in FILES.items():
            archive.writestr(path, text)
        archive.writestr(f"{INFO}/RECORD", "".join(f"{path},,\\n" for path in [*FILES, f"{INFO}/RECORD"]))
    return name
"""

pytestmark = pytest.mark.timeout(180)


def lay_out(folder: Path) -> Path:
    (folder / "scripts").mkdir(parents=True)
    (folder / "devproxy").mkdir()
    shutil.copy(ROOT / "scripts/demo", folder / "scripts/demo")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "devproxy/__init__.py").write_text(PACKAGE)
    return folder


class Tried:
    """A person who has Python and no uv, a checkout, and its first two starts: one fails, one sets it up."""

    def __init__(self, folder: Path) -> None:
        self.person = Person(folder / "person", uv=False)
        (self.person.tools / "cksum").symlink_to(str(shutil.which("cksum")))
        self.checkout = lay_out(folder / "a checkout")
        (self.checkout / "backend.py").write_text("raise RuntimeError('no backend')\n")
        self.failed = self.demo()
        (self.checkout / "backend.py").write_text(BACKEND)
        self.first = self.demo("--port", "4500")

    def demo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.person.run(str(self.checkout / "scripts/demo"), *arguments)


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Tried:
    return Tried(tmp_path_factory.mktemp("demo"))


def test_a_set_up_that_fails_says_why(tried: Tried) -> None:
    assert tried.failed.returncode == 1
    assert "pip cannot install" in tried.failed.stderr
    assert "Traceback" not in tried.failed.stderr


def test_it_sets_itself_up_and_runs_devproxy_demo_in_the_folder_of_its_caller(tried: Tried) -> None:
    assert "once" in tried.first.stderr
    assert tried.first.stdout == f"devproxy demo --port 4500 in {tried.person.home.parent}\n"
    assert list(tried.person.temporary.iterdir()) == []


def test_the_second_start_sets_nothing_up(tried: Tried) -> None:
    assert tried.demo().stderr == ""


def test_changed_dependencies_and_a_moved_checkout_are_noticed(tried: Tried) -> None:
    (tried.checkout / "pyproject.toml").write_text(PYPROJECT + "# another dependency\n")
    assert "once" in tried.demo().stderr
    tried.checkout = tried.checkout.rename(tried.checkout.with_name("moved"))
    moved = tried.demo()
    assert "once" in moved.stderr
    assert moved.stdout.startswith("devproxy demo")


def test_without_a_python_it_says_how_to_get_one(tmp_path: Path) -> None:
    person, checkout = Person(tmp_path / "person", uv=False), lay_out(tmp_path / "checkout")
    person.script("python3", "exit 1")
    done = person.run(str(checkout / "scripts/demo"))
    assert done.returncode == 6
    assert "3.11" in done.stderr
    assert not (checkout / ".venv").exists()
