"""Where the watcher listens."""

from pathlib import Path

from devproxy.watch.gitignore import gitignore_of, nothing
from devproxy.watch.layout import Root, lay_out, walk_files


def make(base: Path, *directories: str) -> None:
    for directory in directories:
        (base / directory).mkdir(parents=True)


def names(base: Path, paths: set[str]) -> set[str]:
    return {str(Path(path).relative_to(base)) for path in paths}


def test_a_clean_tree_is_listened_on_by_one_recursive_listener(tmp_path: Path) -> None:
    make(tmp_path, "a/b", "c")
    layout = lay_out([Root(str(tmp_path), True, nothing)])
    assert (names(tmp_path, layout.deep), layout.shallow) == ({"."}, set())


def test_node_modules_cost_no_watch(tmp_path: Path) -> None:
    make(tmp_path, "node_modules/x/y", "src/a", "packages/p/node_modules", "packages/p/src")
    layout = lay_out([Root(str(tmp_path), True, nothing)])
    assert names(tmp_path, layout.deep) == {"src", "packages/p/src"}
    assert names(tmp_path, layout.shallow) == {".", "packages", "packages/p"}


def test_a_virtual_environment_is_known_by_its_marker(tmp_path: Path) -> None:
    make(tmp_path, "myenv/lib", "app")
    (tmp_path / "myenv/pyvenv.cfg").touch()
    layout = lay_out([Root(str(tmp_path), True, nothing)])
    assert (names(tmp_path, layout.deep), names(tmp_path, layout.shallow)) == ({"app"}, {"."})


def test_a_bytecode_cache_does_not_split_the_listening(tmp_path: Path) -> None:
    make(tmp_path, "app/__pycache__")
    assert names(tmp_path, lay_out([Root(str(tmp_path), True, nothing)]).deep) == {"."}


def test_a_missing_root_is_awaited_in_its_nearest_ancestor(tmp_path: Path) -> None:
    make(tmp_path, "a")
    layout = lay_out([Root(str(tmp_path / "a/b/dist"), True, nothing)])
    assert (layout.deep, names(tmp_path, layout.shallow)) == (set(), {"a"})
    assert names(tmp_path, layout.missing) == {"a/b/dist"}


def test_a_root_inside_another_is_listened_on_once(tmp_path: Path) -> None:
    make(tmp_path, "a/b")
    layout = lay_out([Root(str(tmp_path), True, nothing), Root(str(tmp_path / "a"), True, nothing)])
    assert names(tmp_path, layout.deep) == {"."}


def test_a_link_to_the_tree_itself_does_not_hang_the_walk(tmp_path: Path) -> None:
    make(tmp_path, "a")
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "a/file").touch()
    assert names(tmp_path, lay_out([Root(str(tmp_path), True, nothing)]).deep) == {"."}
    assert names(tmp_path, set(walk_files(str(tmp_path)))) == {"a/file"}


def test_what_gitignore_names_costs_no_watch(tmp_path: Path) -> None:
    make(tmp_path, ".git", "api/out/deep", "api/src/gen-1/deep", "api/src/app")
    (tmp_path / ".gitignore").write_text("api/o*/\n")
    (tmp_path / "api/src/.gitignore").write_text("gen-*\n!gen-2\n")
    root = str(tmp_path / "api")
    layout = lay_out([Root(root, True, gitignore_of(root, root).ignores)])
    assert (names(tmp_path, layout.deep), names(tmp_path, layout.shallow)) == ({"api/src/app"}, {"api", "api/src"})
