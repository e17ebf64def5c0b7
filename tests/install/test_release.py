"""scripts/release: the same commit gives the same bytes, and what it builds installs and runs."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import devproxy
from tests.install.support import ROOT, Person, Server

WHEEL = f"devproxy_cli-{devproxy.__version__}-py3-none-any.whl"
GIT = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "core.autocrlf=false"]

TOP = ("install.sh", "pyproject.toml", "README.md", "LICENSE", ".gitignore")

pytestmark = pytest.mark.timeout(180)  # installs for real, with all dependencies


def commit_tree(to: Path) -> Path:
    """A repository of its own with this working tree as its one commit, made at a fixed time."""
    to.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file() and name.startswith(("devproxy/", "completions/", "scripts/", *TOP)):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)
    dates = {"GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z"}
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "One"]):
        subprocess.run([*GIT, *command], cwd=to, env={**os.environ, **dates}, check=True)
    return to


def release(checkout: Path, out: Path, **env: str) -> dict[str, bytes]:
    """Run scripts/release; what it made, by name."""
    subprocess.run(
        [sys.executable, checkout / "scripts/release", out],
        env={**os.environ, **env},
        check=True,
        capture_output=True,
    )
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return commit_tree(tmp_path_factory.mktemp("release") / "checkout")


@pytest.fixture(scope="module")
def built(checkout: Path) -> Path:
    """The release folder of this working tree."""
    out = checkout.parent / "out"
    release(checkout, out)
    return out


def test_it_holds_the_installer_the_wheel_and_their_checksums(built: Path) -> None:
    assert sorted(path.name for path in built.iterdir()) == sorted(["SHA256SUMS", WHEEL, "install.sh"])
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=built, check=True)
    assert (built / "install.sh").read_bytes() == (ROOT / "install.sh").read_bytes()


def test_the_same_commit_gives_the_same_bytes(built: Path, checkout: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    subprocess.run(["git", "clone", "-q", checkout, elsewhere], check=True, umask=0o077)
    (elsewhere / "devproxy" / "not_committed.py").write_text("left out\n")
    again = release(elsewhere, tmp_path / "again", TZ="Asia/Tokyo", SOURCE_DATE_EPOCH="1")
    assert again == {path.name: path.read_bytes() for path in built.iterdir()}


def test_the_wheel_holds_the_package_and_nothing_of_the_tests(built: Path) -> None:
    names = zipfile.ZipFile(built / WHEEL).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"devproxy", f"devproxy_cli-{devproxy.__version__}.dist-info"}
    assert "devproxy/__main__.py" in names


def test_a_release_that_names_two_versions_is_refused(checkout: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "-q", checkout, other], check=True)
    script = other / "install.sh"
    script.write_text(script.read_text().replace(f'VERSION="{devproxy.__version__}"', 'VERSION="9.9.9"'))
    subprocess.run([*GIT, "commit", "-q", "-a", "-m", "Forget the package"], cwd=other, check=True)
    done = subprocess.run(
        [sys.executable, other / "scripts/release", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "different versions" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("uv", [True, False], ids=["uv", "pip"])
def test_piped_from_its_folder_it_installs_devproxy_with_its_dependencies(
    built: Path, server: Server, tmp_path: Path, uv: bool
) -> None:
    person = Person(tmp_path / "person", uv=uv)
    # The machine's own index, proxy and certificates, as a user would have them.
    theirs = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "UV_"))}
    theirs |= {key: os.environ[key] for key in ("SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY") if key in os.environ}
    person.uses_index(**theirs)
    if "PIP_CONFIG_FILE" not in os.environ:
        del person.env["PIP_CONFIG_FILE"]
    done = person.pipe(server.publish_folder(built))
    assert done.returncode == 0, done.stderr
    assert devproxy.__version__ in person.version()
    assert person.pipe(server.url, "--uninstall").returncode == 0
    assert list(person.home.iterdir()) == []
