"""Branch and worktree, read from what git itself has written."""

import subprocess
from pathlib import Path

import pytest

from devproxy.config.checkout import Checkout, checkout_of


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.test", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    root.mkdir()
    git(root, "init", "-b", "main")
    git(root, "commit", "--allow-empty", "-m", "first")
    return root


def test_a_folder_without_git_has_no_branch(tmp_path: Path) -> None:
    assert checkout_of(tmp_path) == Checkout("", None)


def test_the_branch_is_that_of_the_repo_around(repo: Path) -> None:
    (repo / "api").mkdir()
    assert checkout_of(repo) == checkout_of(repo / "api") == Checkout("main", None)
    git(repo, "switch", "-c", "feature/Login")
    assert checkout_of(repo).branch == "feature/Login"


def test_a_detached_head_is_no_branch(repo: Path) -> None:
    git(repo, "switch", "--detach")
    assert checkout_of(repo).branch == ""


def test_a_linked_worktree_is_known_with_its_own_branch(repo: Path) -> None:
    linked = repo.parent / "linked"
    git(repo, "worktree", "add", "-b", "topic", str(linked))
    assert checkout_of(linked) == Checkout("topic", repo)
    assert checkout_of(repo) == Checkout("main", None)


def test_a_worktree_of_a_bare_repo_is_of_the_project_that_the_repo_is_named_after(repo: Path) -> None:
    bare, linked = repo.parent / "store.git", repo.parent / "linked"
    git(repo, "clone", "--bare", str(repo), str(bare))
    git(bare, "worktree", "add", "-b", "topic", str(linked))
    assert checkout_of(linked) == Checkout("topic", repo.parent / "store")
    assert checkout_of(linked).is_linked


def test_a_worktree_that_names_its_repo_by_a_relative_path_is_read_too(repo: Path) -> None:
    linked = repo.parent / "linked"
    git(repo, "worktree", "add", "-b", "topic", str(linked))
    (linked / ".git").write_text("gitdir: ../shop/.git/worktrees/linked\n")
    assert checkout_of(linked) == Checkout("topic", repo)


def test_a_submodule_is_no_linked_worktree(repo: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-b", "main")
    git(outer, "submodule", "add", str(repo), "shop")
    assert (outer / "shop" / ".git").is_file()
    assert checkout_of(outer / "shop") == Checkout("main", None)


@pytest.mark.parametrize("text", ["", "gitdir: /nowhere/at/all\n", "\x00", "ref: refs/heads/.invalid\n"])
def test_what_cannot_be_read_is_as_if_there_were_no_git(tmp_path: Path, text: str) -> None:
    (tmp_path / ".git").write_text(text)
    assert checkout_of(tmp_path) == Checkout()
    (tmp_path / ".git").unlink()
    (tmp_path / ".git").mkdir()
    assert checkout_of(tmp_path) == Checkout()
    (tmp_path / ".git" / "HEAD").write_text(text)
    assert checkout_of(tmp_path).branch == ""
