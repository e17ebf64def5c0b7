import pytest

from devproxy.discovery.node import manager_of, missing_packages, read_package
from devproxy.discovery.tree import walk

PACKAGE = {"dependencies": {"left": "1"}}


def manager(root, dir="web"):
    tree = walk(root)
    return manager_of(tree, read_package(tree, dir))


@pytest.mark.parametrize(
    ("lock", "name"),
    [
        ("package-lock.json", "npm"),
        ("pnpm-lock.yaml", "pnpm"),
        ("yarn.lock", "yarn"),
        ("bun.lock", "bun"),
        ("bun.lockb", "bun"),
    ],
)
def test_the_lock_file_names_the_package_manager(project, lock, name):
    found = manager(project({"web/package.json": PACKAGE, f"web/{lock}": ""}))
    assert (found.name, found.reason) == (name, f"{name}: web/{lock}")


def test_the_nearest_lock_file_wins(project):
    found = manager(project({"web/package.json": PACKAGE, "web/yarn.lock": "", "pnpm-lock.yaml": ""}))
    assert found.name == "yarn"


def test_a_workspace_takes_the_lock_file_of_its_root(project):
    found = manager(project({"apps/web/package.json": PACKAGE, "pnpm-lock.yaml": ""}), "apps/web")
    assert (found.name, found.dir) == ("pnpm", ".")


def test_the_package_manager_field_wins_over_lock_files(project):
    files = {"web/package.json": {**PACKAGE, "packageManager": "pnpm@9.1.0"}, "web/package-lock.json": ""}
    assert manager(project(files)).reason == "pnpm: packageManager in web/package.json"


def test_two_lock_files_are_told(project):
    found = manager(project({"web/package.json": PACKAGE, "web/yarn.lock": "", "web/package-lock.json": ""}))
    assert found.name == "yarn"
    assert "yarn.lock, package-lock.json" in found.notes[0]


def test_without_a_lock_file_it_is_npm(project):
    assert manager(project({"web/package.json": PACKAGE})).name == "npm"


@pytest.mark.parametrize(
    ("lock", "command"),
    [
        ("package-lock.json", "npm run dev -- --port 1"),
        ("pnpm-lock.yaml", "pnpm run dev --port 1"),
        ("yarn.lock", "yarn run dev --port 1"),
        ("bun.lock", "bun run dev --port 1"),
    ],
)
def test_arguments_reach_the_script_and_not_its_package_manager(project, lock, command):
    assert manager(project({"web/package.json": PACKAGE, f"web/{lock}": ""})).run("dev", "--port 1") == command


def missing(root, dir="web", path=None):
    tree = walk(root)
    package = read_package(tree, dir)
    return missing_packages(tree, package, manager_of(tree, package), path)


@pytest.mark.parametrize(
    ("lock", "command"),
    [
        ("package-lock.json", "cd web && npm ci"),
        ("pnpm-lock.yaml", "cd web && pnpm install"),
        ("readme", "cd web && npm install"),
    ],
)
def test_absent_node_modules_come_with_the_command_that_installs_them(project, lock, command):
    [found] = missing(project({"web/package.json": PACKAGE, f"web/{lock}": ""}))
    assert (found.what, found.command) == ("node_modules in web", command)


def test_a_workspace_is_installed_at_its_root(project):
    files = {"package.json": {"workspaces": ["web"]}, "yarn.lock": "", "web/package.json": PACKAGE}
    assert missing(project(files))[0].command == "yarn install"


@pytest.mark.parametrize("there", ["web/node_modules", "node_modules"])
def test_installed_packages_are_not_missing(project, there):
    assert missing(project({"web/package.json": PACKAGE, there: None})) == ()


def test_a_package_without_dependencies_needs_no_node_modules(project):
    assert missing(project({"web/package.json": {"scripts": {}}})) == ()


def test_a_package_manager_that_is_not_on_path_is_missing(project, tmp_path):
    root = project({"web/package.json": PACKAGE, "web/pnpm-lock.yaml": "", "web/node_modules": None})
    [found] = missing(root, path=str(tmp_path))
    assert (found.what, found.command) == ("pnpm on PATH", "corepack enable pnpm")


@pytest.mark.parametrize(
    "fields",
    [{"scripts": []}, {"scripts": {"dev": 1}}, {"dependencies": "x"}, {"packageManager": 3}, {"main": {}}],
)
def test_a_field_of_the_wrong_type_reads_as_absent(project, fields):
    package = read_package(walk(project({"package.json": fields})), ".")
    assert (dict(package.scripts), dict(package.dependencies), package.main, package.manager) == (
        {},
        {},
        None,
        None,
    )
