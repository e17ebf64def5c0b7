import os

from devproxy.discovery.tree import relative, upward, walk


def test_installed_packages_hidden_folders_and_venvs_are_not_entered(project):
    root = project(
        {
            "a/package.json": {},
            "node_modules/x/package.json": {},
            ".git/package.json": {},
            ".venv/lib/package.json": {},
            "dist/package.json": {},
        }
    )
    assert set(walk(root).folders) == {".", "a"}


def test_a_link_to_a_folder_is_not_followed(project):
    root = project({"a/b/c.txt": ""})
    os.symlink(root, root / "a" / "loop")
    assert set(walk(root).folders) == {".", "a", "a/b"}


def test_a_large_project_is_cut_off_and_that_is_said(project):
    root = project({f"d{number}/f.txt": "" for number in range(50)})
    tree = walk(root, max_entries=60)
    assert len(tree.folders) < 50
    assert "large" in tree.notes[0]


def test_folders_near_the_root_come_first(project):
    depths = [folder.depth for folder in walk(project({"a/b/c/d/e/f.txt": "", "z/y/x.txt": ""})).folders.values()]
    assert depths == sorted(depths)


def test_no_folder_below_the_third_may_hold_a_service(project):
    tree = walk(project({"a/b/c/d/package.json": {}}))
    assert "a/b/c/d" in tree.folders
    assert [folder.path for folder in tree.near_root()] == [".", "a", "a/b", "a/b/c"]


def test_a_broken_manifest_is_a_note_that_names_it(project):
    tree = walk(project({"package.json": "{", "pyproject.toml": "[", "list.json": "[]"}))
    assert tree.json("package.json") is None
    assert tree.toml("pyproject.toml") is None
    assert tree.json("list.json") is None
    assert [note.split()[0] for note in tree.notes] == ["package.json", "pyproject.toml", "list.json"]


def test_an_absent_manifest_is_no_note(project):
    tree = walk(project({"a.txt": ""}))
    assert tree.json("package.json") is None
    assert tree.notes == []


def test_an_unreadable_file_is_a_note(project):
    root = project({"secret.txt": "x"})
    tree = walk(root)
    (root / "secret.txt").unlink()
    assert tree.text("secret.txt") is None
    assert "secret.txt" in tree.notes[0]


def test_upward_ends_at_the_root():
    assert list(upward("a/b")) == ["a/b", "a", "."]
    assert list(upward(".")) == ["."]


def test_relative_paths_go_up_and_down():
    assert relative(".venv", "backend") == "../.venv"
    assert relative("backend/.venv", "backend") == ".venv"
