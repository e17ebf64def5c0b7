"""install.sh, piped from a loopback server into a shell, under a HOME of its own."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import devproxy
from tests.install.support import INSTALLER, ROOT, Person, Server, make_wheel, one_line, tree

pytestmark = pytest.mark.timeout(180)  # a venv with pip takes seconds, more on a busy machine


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize("uv", [True, False], ids=["uv", "pip"])
def test_piped_into_a_shell_it_installs_the_command(server: Server, tmp_path: Path, shell: str, uv: bool) -> None:
    person = Person(tmp_path / "a person", uv=uv)
    done = person.pipe(server.publish(make_wheel(tmp_path)), shell=shell)
    assert done.returncode == 0, done.stderr
    assert person.version() == "devproxy 1.0.0"
    assert ("with uv" in done.stdout) == uv
    assert list(person.temporary.iterdir()) == []


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not here, and is no promise")
def test_zsh_will_do_as_well(server: Server, tmp_path: Path, person: Person) -> None:
    (person.tools / "zsh").symlink_to(str(shutil.which("zsh")))
    assert person.pipe(server.publish(make_wheel(tmp_path)), shell="zsh").returncode == 0
    assert person.version() == "devproxy 1.0.0"


def test_a_second_run_upgrades(server: Server, tmp_path: Path, person: Person) -> None:
    for version in ("1.0.0", "1.1.0"):
        assert person.pipe(server.publish(make_wheel(tmp_path, version))).returncode == 0
    assert person.version() == "devproxy 1.1.0"


def test_old_versions_go_but_the_last_which_may_still_run(server: Server, tmp_path: Path, person: Person) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        assert person.pipe(server.publish(make_wheel(tmp_path, version))).returncode == 0
    kept = (person.home / ".local/share/devproxy/versions").iterdir()
    assert sorted(path.name.rpartition(".")[0] for path in kept) == ["1.1.0", "1.2.0"]


def test_the_folder_can_be_chosen_and_is_found_again(server: Server, tmp_path: Path, person: Person) -> None:
    chosen = tmp_path / "opt" / "tools"
    base = server.publish(make_wheel(tmp_path))
    assert person.pipe(base, env={"DEVPROXY_INSTALL_DIR": str(chosen)}).returncode == 0
    assert (chosen / "versions").is_dir()
    assert not (person.home / ".local/share/devproxy").exists()
    assert person.pipe(base, "--uninstall").returncode == 0
    assert not (tmp_path / "opt").exists()


def test_a_wheel_can_be_given_instead_of_a_base(tmp_path: Path, person: Person) -> None:
    wheel = make_wheel(tmp_path)
    done = person.run("sh", "-s", stdin=INSTALLER.read_bytes(), env={"DEVPROXY_INSTALL_SOURCE": wheel.name})
    assert done.returncode == 0, done.stderr
    assert person.version() == "devproxy 1.0.0"


def test_it_gets_along_with_wget(server: Server, tmp_path: Path, person: Person) -> None:
    wget = shutil.which("wget")
    assert wget, "wget is needed by this test"
    (person.tools / "curl").unlink()
    (person.tools / "wget").symlink_to(wget)
    base = server.publish(make_wheel(tmp_path))
    done = person.run("sh", "-s", stdin=INSTALLER.read_bytes(), env={"DEVPROXY_BASE_URL": base})
    assert done.returncode == 0, done.stderr
    assert person.version() == "devproxy 1.0.0"


def test_completions_of_the_wheel_are_put_where_the_shells_look(server: Server, tmp_path: Path, person: Person) -> None:
    for shell in ("zsh", "fish"):
        person.script(shell, "exit 0")
    assert person.pipe(server.publish(make_wheel(tmp_path, completions=True))).returncode == 0
    data, config = person.home / ".local/share", person.home / ".config"
    assert (data / "bash-completion/completions/devproxy").read_text() == "# devproxy.bash of 1.0.0\n"
    assert (data / "zsh/site-functions/_devproxy").read_text() == "# _devproxy of 1.0.0\n"
    assert (config / "fish/completions/devproxy.fish").read_text() == "# devproxy.fish of 1.0.0\n"


# -- what must not happen ----------------------------------------------------------------------------


def test_a_checksum_that_differs_installs_nothing(server: Server, tmp_path: Path, person: Person) -> None:
    wheel = make_wheel(tmp_path)
    base = server.publish(wheel)
    server.pages[f"/{wheel.name}"] += b"!"
    assert "checksum" in one_line(person.pipe(base))
    assert tree(person.home) == {}
    assert list(person.temporary.iterdir()) == []


BROKEN = "raise ImportError('a broken release')\n"


@pytest.mark.parametrize("failure", ["checksum", "does not start", "dependency", "page gone"])
def test_a_failed_run_leaves_the_old_version_working(
    server: Server, tmp_path: Path, person: Person, failure: str
) -> None:
    assert person.pipe(server.publish(make_wheel(tmp_path))).returncode == 0
    assert person.version() == "devproxy 1.0.0"
    before = tree(person.home)
    program = BROKEN if failure == "does not start" else "def main(): print('devproxy 2.0.0')\n"
    requires = ("a-dependency-nobody-has",) if failure == "dependency" else ()
    wheel = make_wheel(tmp_path, "2.0.0", program=program, requires=requires)
    base = server.publish(wheel)
    if failure == "checksum":
        server.pages[f"/{wheel.name}"] = b"something else"
    if failure == "page gone":
        del server.pages[f"/{wheel.name}"]
    one_line(person.pipe(base))
    assert tree(person.home) == before
    assert person.version() == "devproxy 1.0.0"
    assert list(person.temporary.iterdir()) == []


def test_terminated_in_the_middle_it_leaves_nothing(server: Server, tmp_path: Path, person: Person) -> None:
    wheel = make_wheel(tmp_path)
    base = server.publish(wheel)
    server.stall = f"/{wheel.name}"
    process = subprocess.Popen(
        ["sh", "-s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**person.env, "DEVPROXY_BASE_URL": base},
        start_new_session=True,
    )
    assert process.stdin
    process.stdin.write(INSTALLER.read_bytes())
    process.stdin.close()
    process.stdin = None
    assert server.stalled.wait(20)
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143
    assert tree(person.home) == {}
    assert list(person.temporary.iterdir()) == []


def test_a_captive_portal_installs_nothing(server: Server, person: Person) -> None:
    server.portal = b"<html><a href='/login'>Welcome to the hotel</a></html>"
    done = person.run("sh", "-s", stdin=INSTALLER.read_bytes(), env={"DEVPROXY_BASE_URL": server.url})
    assert "names no wheel of devproxy" in one_line(done)
    assert tree(person.home) == {}


def test_offline_it_says_so(person: Person) -> None:
    env = {"DEVPROXY_BASE_URL": "http://127.0.0.1:1"}
    done = person.run("sh", "-s", stdin=INSTALLER.read_bytes(), env=env)
    assert "cannot download http://127.0.0.1:1/SHA256SUMS: curl: (7)" in one_line(done)
    assert tree(person.home) == {}


def test_a_release_that_is_not_there_is_said(server: Server, person: Person) -> None:
    done = person.run("sh", "-s", stdin=INSTALLER.read_bytes(), env={"DEVPROXY_BASE_URL": server.url})
    assert "404" in one_line(done)
    assert tree(person.home) == {}


@pytest.mark.parametrize(
    "base",
    [
        "http://example.com",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "http://localhost:80@example.com/",
        "ftp://127.0.0.1",
        "/srv/release",
    ],
)
def test_without_tls_only_loopback_is_trusted(person: Person, base: str) -> None:
    done = person.run("sh", "-s", stdin=INSTALLER.read_bytes(), env={"DEVPROXY_BASE_URL": base})
    assert done.returncode == 2
    assert "https://" in one_line(done)


def test_a_home_that_cannot_be_written_is_said(server: Server, tmp_path: Path, person: Person) -> None:
    (person.home / ".local").write_text("a file, where a folder must be made\n")
    before = tree(person.home)
    assert "cannot write to" in one_line(person.pipe(server.publish(make_wheel(tmp_path))))
    assert tree(person.home) == before


def test_a_read_only_home_is_said(server: Server, tmp_path: Path, person: Person) -> None:
    # Root may write through any mode; /proc refuses even root.
    home = Path("/proc") if os.geteuid() == 0 and Path("/proc/self").exists() else person.home
    if home == person.home:
        home.chmod(0o555)
    done = person.pipe(server.publish(make_wheel(tmp_path)), env={"HOME": str(home)})
    person.home.chmod(0o755)
    assert "cannot write to" in one_line(done)
    assert list(person.temporary.iterdir()) == []


def test_without_a_python_it_says_how_to_get_one(server: Server, tmp_path: Path) -> None:
    person = Person(tmp_path / "person", uv=False)
    person.script("python3", "echo 'pyenv: python3: command not found' >&2; exit 127")
    done = person.pipe(server.publish(make_wheel(tmp_path)))
    assert done.returncode == 6
    assert "3.11" in one_line(done)
    assert re.search(r"apt install|brew install", done.stderr)
    assert tree(person.home) == {}


def test_a_python_that_is_too_old_is_passed_over(server: Server, tmp_path: Path, person: Person) -> None:
    person.script("python3.13", "exit 1")  # what the version check of an old one answers
    assert person.pipe(server.publish(make_wheel(tmp_path))).returncode == 0


def test_a_python_without_venv_is_named_with_the_package_that_mends_it(server: Server, tmp_path: Path) -> None:
    person = Person(tmp_path / "person", uv=False)
    real = (person.tools / "python3").read_text()
    body = f'case "$*" in *ensurepip*) exit 1 ;; *version_info*) echo "$0"; exit 0 ;; esac\n{real}'
    person.script("python3", body)
    done = person.pipe(server.publish(make_wheel(tmp_path)))
    assert done.returncode == 6
    assert "python3-venv" in one_line(done)


def test_a_command_of_somebody_else_is_not_overwritten(server: Server, tmp_path: Path, person: Person) -> None:
    theirs = person.home / ".local/bin/devproxy"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("#!/bin/sh\necho another devproxy\n")
    before = tree(person.home)
    assert "not this installer's" in one_line(person.pipe(server.publish(make_wheel(tmp_path))))
    assert tree(person.home) == before


# -- the index ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("uv", [True, False], ids=["uv", "pip"])
def test_the_users_index_is_asked_for_the_dependencies_and_never_for_our_name(
    server: Server, tmp_path: Path, uv: bool
) -> None:
    person = Person(tmp_path / "person", uv=uv)
    dependency = make_wheel(tmp_path / "index", "3.0", name="some-dependency")
    person.uses_index(PIP_INDEX_URL=server.publish_to_index(dependency, "some-dependency"))
    done = person.pipe(server.publish(make_wheel(tmp_path, requires=("some-dependency",)), at="/release"))
    assert done.returncode == 0, done.stderr
    asked = [path for path in server.asked if path.startswith("/simple/")]
    assert set(asked) == {"/simple/some-dependency/"}


def test_a_checkout_is_its_own_source_and_asks_the_index_for_its_build_backend_only(
    server: Server, tmp_path: Path, person: Person
) -> None:
    person.uses_index(PIP_INDEX_URL=f"{server.url}/simple")  # has nothing: the build cannot start
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("install.sh", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout / name)
    one_line(person.run("sh", str(checkout / "install.sh")))
    assert {path for path in server.asked if path.startswith("/simple/")} == {"/simple/hatchling/"}
    assert tree(person.home) == {}


# -- words -------------------------------------------------------------------------------------------


def test_help_and_version_do_nothing_else(person: Person) -> None:
    said = person.run("sh", "-s", "--", "--help", stdin=INSTALLER.read_bytes())
    assert said.returncode == 0
    for word in ("--uninstall", "--no-modify-path", "DEVPROXY_INSTALL_DIR", "DEVPROXY_BASE_URL"):
        assert word in said.stdout
    version = person.run("sh", "-s", "--", "--version", stdin=INSTALLER.read_bytes())
    assert version.stdout == f"devproxy installer {devproxy.__version__}\n"
    assert tree(person.home) == {}


def test_an_unknown_option_is_misuse(person: Person) -> None:
    done = person.run("sh", "-s", "--", "--unistall", stdin=INSTALLER.read_bytes())
    assert done.returncode == 2
    assert "--unistall" in one_line(done)


def test_shellcheck_finds_nothing_in_the_shell_scripts() -> None:
    shellcheck = shutil.which("shellcheck")
    if not shellcheck:
        assert os.environ.get("CI") != "true", "CI must have shellcheck"
        pytest.skip("shellcheck is not installed")
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.read_bytes().split(b"\n")[0].endswith(b"sh")]
    done = subprocess.run([shellcheck, INSTALLER, *scripts], capture_output=True, text=True, timeout=50, check=False)
    assert done.stdout + done.stderr == ""
