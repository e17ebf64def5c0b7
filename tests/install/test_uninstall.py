"""PATH is set once, and --uninstall takes back all that was made, byte for byte."""

import shutil
from pathlib import Path

import pytest

from tests.install.support import INSTALLER, Person, Server, make_wheel, tree

MARK = "# added by the devproxy installer"


def uninstall(person: Person) -> None:
    done = person.run("sh", "-s", "--", "--uninstall", stdin=INSTALLER.read_bytes())
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def furnish(home: Path) -> None:
    """A home as people have it, with the ends of file that a careless edit would change."""
    (home / ".profile").write_text("umask 022\n")
    (home / ".bashrc").write_bytes(b"alias ll='ls -l'\nno line break at the end, a byte that is no UTF-8: \xff")
    (home / ".zshrc").write_bytes(b"")
    (home / "dotfiles").mkdir()
    (home / "dotfiles/bash_profile").write_text("\n\n. ~/.bashrc\n\n")
    (home / ".bash_profile").symlink_to("dotfiles/bash_profile")
    (home / ".config/fish").mkdir(parents=True)
    (home / ".local/share").mkdir(parents=True)


@pytest.mark.parametrize("furnished", [True, False], ids=["furnished", "empty"])
def test_three_runs_put_one_line_in_each_file_and_uninstall_leaves_the_home_as_it_was(
    server: Server, tmp_path: Path, person: Person, furnished: bool
) -> None:
    if furnished:
        furnish(person.home)
    for shell in ("zsh", "fish"):
        person.script(shell, "exit 0")
    before = tree(person.home)
    base = server.publish(make_wheel(tmp_path, completions=True))
    for _ in range(3):
        done = person.pipe(base)
        assert done.returncode == 0, done.stderr
        assert ".profile" in done.stdout
    edited = [".profile", ".bashrc", ".zshrc", ".bash_profile"] if furnished else [".profile"]
    for name in edited:
        assert (person.home / name).read_bytes().count(MARK.encode()) == 1, name
    assert person.version() == "devproxy 1.0.0"
    uninstall(person)
    assert tree(person.home) == before


def test_a_new_login_shell_finds_the_command(server: Server, tmp_path: Path, person: Person) -> None:
    assert person.pipe(server.publish(make_wheel(tmp_path))).returncode == 0
    expected = str(person.home / ".local/bin/devproxy")
    for shell in ("dash", "bash"):
        assert person.login(shell, "command -v devproxy") == expected


@pytest.mark.parametrize(("shell", "startup"), [("zsh", ".zshrc"), ("fish", ".config/fish/conf.d/devproxy.fish")])
def test_the_users_own_shell_gets_a_startup_file_if_it_has_none(
    server: Server, tmp_path: Path, person: Person, shell: str, startup: str
) -> None:
    base = server.publish(make_wheel(tmp_path))
    assert person.pipe(base, env={"SHELL": f"/usr/bin/{shell}"}).returncode == 0
    assert MARK in (person.home / startup).read_text()
    if real := shutil.which(shell):
        found = person.run(real, "-i", "-c", "command -v devproxy").stdout.strip()
        assert found.endswith(str(person.home / ".local/bin/devproxy"))
    uninstall(person)
    assert not (person.home / startup).exists()


def test_zdotdir_is_respected(server: Server, tmp_path: Path, person: Person) -> None:
    zdotdir = tmp_path / "zsh"
    zdotdir.mkdir()
    (zdotdir / ".zshrc").write_text("setopt autocd\n")
    assert person.pipe(server.publish(make_wheel(tmp_path)), env={"ZDOTDIR": str(zdotdir)}).returncode == 0
    assert (zdotdir / ".zshrc").read_text().count(MARK) == 1
    uninstall(person)
    assert (zdotdir / ".zshrc").read_text() == "setopt autocd\n"


def test_no_modify_path_leaves_startup_files_alone_and_says_what_to_add(
    server: Server, tmp_path: Path, person: Person
) -> None:
    furnish(person.home)
    before = (person.home / ".bashrc").read_bytes()
    done = person.pipe(server.publish(make_wheel(tmp_path)), "--no-modify-path")
    assert (person.home / ".bashrc").read_bytes() == before
    assert f"{person.home}/.local/bin is not on PATH" in done.stdout


def test_where_path_has_the_folder_already_nothing_is_edited(server: Server, tmp_path: Path, person: Person) -> None:
    person.env["PATH"] += f":{person.home}/.local/bin"
    done = person.pipe(server.publish(make_wheel(tmp_path)))
    assert "devproxy up" in done.stdout
    assert not (person.home / ".profile").exists()


@pytest.mark.parametrize("first", ["first, without a line break", "first, with one\n"])
def test_uninstall_keeps_what_the_user_wrote_around_our_line(
    server: Server, tmp_path: Path, person: Person, first: str
) -> None:
    profile = person.home / ".profile"
    profile.write_text(first)
    assert person.pipe(server.publish(make_wheel(tmp_path))).returncode == 0
    with profile.open("a") as file:
        file.write("after us, without a line break")
    uninstall(person)
    assert profile.read_text() == first.rstrip() + "\nafter us, without a line break"


def test_uninstall_keeps_files_of_others_in_our_folders(server: Server, tmp_path: Path, person: Person) -> None:
    theirs = person.home / ".local/bin/another-tool"
    assert person.pipe(server.publish(make_wheel(tmp_path))).returncode == 0
    theirs.write_text("theirs")
    completion = person.home / ".local/share/bash-completion/completions/devproxy"
    assert not completion.exists()  # this wheel ships none
    completion.parent.mkdir(parents=True)
    completion.write_text("theirs too")
    uninstall(person)
    assert theirs.read_text() == "theirs"
    assert completion.read_text() == "theirs too"


def test_a_completion_of_somebody_else_is_left_as_it_is(server: Server, tmp_path: Path, person: Person) -> None:
    completion = person.home / ".local/share/bash-completion/completions/devproxy"
    completion.parent.mkdir(parents=True)
    completion.write_text("theirs")
    done = person.pipe(server.publish(make_wheel(tmp_path, completions=True)))
    assert done.returncode == 0
    assert "not this installer's" in done.stderr
    assert completion.read_text() == "theirs"


def test_uninstall_without_an_installation_says_so_and_touches_nothing(person: Person) -> None:
    furnish(person.home)
    theirs = person.home / ".local/bin/devproxy"
    theirs.parent.mkdir()
    theirs.write_text("another devproxy")
    before = tree(person.home)
    uninstall(person)
    assert tree(person.home) == before
