"""Where a project's root is."""

from pathlib import Path

import pytest

from devproxy.config.root import find_root


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    folder = tmp_path / "repo" / "packages" / "web"
    folder.mkdir(parents=True)
    return folder


def test_the_nearest_folder_with_a_config_is_the_root(tmp_path: Path, deep: Path) -> None:
    (tmp_path / "devproxy.toml").touch()
    (tmp_path / "repo/devproxy.toml").touch()
    (deep / ".git").mkdir()
    assert find_root(deep) == tmp_path / "repo"


def test_a_pyproject_counts_only_with_our_table(tmp_path: Path, deep: Path) -> None:
    (tmp_path / "repo/pyproject.toml").write_text("[tool.devproxy]\n")
    (deep / "pyproject.toml").write_text('[project]\ndependencies = ["devproxy-cli"]\n')
    assert find_root(deep) == tmp_path / "repo"


def test_a_broken_pyproject_with_our_table_counts_so_that_the_error_is_shown(deep: Path) -> None:
    (deep / "pyproject.toml").write_text("[tool.devproxy]\nport = \n")
    assert find_root(deep) == deep


@pytest.mark.parametrize("content", [b"\xff", b"[tool.ruff", b"a = " + b"[" * 5000 + b"# devproxy"])
def test_a_strangers_broken_pyproject_above_does_not_matter(tmp_path: Path, deep: Path, content: bytes) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    assert find_root(deep) == deep


@pytest.mark.parametrize("linked", [False, True])
def test_without_a_config_the_git_worktree_is_the_root(tmp_path: Path, deep: Path, linked: bool) -> None:
    git = tmp_path / "repo/.git"
    git.write_text("gitdir: /elsewhere\n") if linked else git.mkdir()
    assert find_root(deep) == tmp_path / "repo"


def test_without_a_config_and_git_the_start_is_the_root(deep: Path) -> None:
    assert find_root(deep) == deep


def test_a_link_to_a_project_has_the_projects_root(tmp_path: Path, deep: Path) -> None:
    (tmp_path / "repo/devproxy.toml").touch()
    (tmp_path / "link").symlink_to(deep)
    assert find_root(tmp_path / "link") == tmp_path / "repo"
