"""Node projects: what a package.json says, and how its package manager is spoken to.

Sources: npm-run-script(1) (`--` before the script's own arguments); pnpm.io/cli/run, classic.yarnpkg.com
and bun.sh/docs/cli/run (arguments after the script's name are the script's); nodejs.org/api/corepack
(`packageManager`).
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from devproxy.discovery.found import Missing
from devproxy.discovery.tree import Tree, join, spoken, upward

LOCK_FILES = {
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
}
INSTALL = {"npm": "npm install", "pnpm": "pnpm install", "yarn": "yarn install", "bun": "bun install"}
EXECUTE = {"npm": "npx", "pnpm": "pnpm exec", "yarn": "yarn", "bun": "bunx"}
GET_MANAGER = {
    "npm": "install Node.js: https://nodejs.org",
    "pnpm": "corepack enable pnpm",
    "yarn": "corepack enable yarn",
    "bun": "npm install -g bun",
}

# A script that starts several programs: running it would start what we supervise one by one.
ORCHESTRATOR = re.compile(
    r"\b(concurrently|npm-run-all2?|run-p|run-s|turbo|nx|lerna|foreman|honcho|overmind|wireit|docker|docker-compose)\b"
)
MANAGER_FIELD = re.compile(r"(npm|pnpm|yarn|bun)@")


@dataclass(frozen=True, slots=True)
class Package:
    """One package.json. Fields of a wrong type read as absent."""

    dir: str
    scripts: Mapping[str, str]
    dependencies: Mapping[str, str]  # name -> the section it stands in
    main: str | None
    manager: str | None  # of the packageManager field
    module: bool

    @property
    def path(self) -> str:
        return join(self.dir, "package.json")

    def depends_on(self, *names: str) -> str | None:
        """The first of these that is a dependency."""
        return next((name for name in names if name in self.dependencies), None)

    def reason(self, name: str) -> str:
        """ "vite: devDependencies in frontend/package.json"."""
        return f"{name}: {self.dependencies[name]} in {self.path}"


@dataclass(frozen=True, slots=True)
class Manager:
    """The package manager of one folder, where its lock file lies and why it was chosen."""

    name: str
    dir: str
    reason: str
    notes: tuple[str, ...] = ()

    def run(self, script: str, arguments: str = "") -> str:
        """The command that runs a package.json script, with arguments for the script itself."""
        if not arguments:
            return f"{self.name} start" if script == "start" else f"{self.name} run {script}"
        separator = " --" if self.name == "npm" else ""
        return f"{self.name} run {script}{separator} {arguments}"

    def execute(self, program: str) -> str:
        """The command that runs a program of an installed package."""
        return f"{EXECUTE[self.name]} {program}"


def packages(tree: Tree) -> Iterator[Package]:
    """Every package.json near the root that can be read."""
    for folder in tree.near_root():
        if "package.json" in folder.files and (package := read_package(tree, folder.path)):
            yield package


def read_package(tree: Tree, dir: str) -> Package | None:
    fields = tree.json(join(dir, "package.json"))
    if fields is None:
        return None
    dependencies: dict[str, str] = {}
    for section in ("peerDependencies", "optionalDependencies", "devDependencies", "dependencies"):
        dependencies.update(dict.fromkeys(strings(fields.get(section)), section))
    main, manager = fields.get("main"), fields.get("packageManager")
    found = MANAGER_FIELD.match(manager) if isinstance(manager, str) else None
    return Package(
        dir=dir,
        scripts=strings(fields.get("scripts")),
        dependencies=dependencies,
        main=main if isinstance(main, str) else None,
        manager=found[1] if found else None,
        module=fields.get("type") == "module",
    )


def strings(value: object) -> dict[str, str]:
    """The string-to-string part of a JSON object; nothing of anything else."""
    if not isinstance(value, dict):
        return {}
    return {key: item for key, item in value.items() if isinstance(item, str)}


def manager_of(tree: Tree, package: Package) -> Manager:
    """The package manager of a package: its own packageManager field, else the nearest lock file's."""
    for dir in upward(package.dir):
        owner = package if dir == package.dir else read_package(tree, dir)
        locks = locks_in(tree, dir)
        if owner is not None and owner.manager is not None:
            return Manager(owner.manager, dir, f"{owner.manager}: packageManager in {owner.path}")
        if locks:
            first = next(iter(locks))
            note = f"{spoken(dir)} holds {', '.join(locks)}: {locks[first]} was chosen; delete the stale ones"
            several = len(set(locks.values())) > 1
            return Manager(locks[first], dir, f"{locks[first]}: {join(dir, first)}", (note,) if several else ())
    return Manager("npm", package.dir, "npm: no lock file")


def locks_in(tree: Tree, dir: str) -> dict[str, str]:
    """Lock files of a folder and their managers, the surest first (npm writes its own unasked)."""
    folder = tree.folders.get(dir)
    return {name: tool for name, tool in LOCK_FILES.items() if folder and name in folder.files}


def missing_packages(tree: Tree, package: Package, manager: Manager, path: str | None) -> tuple[Missing, ...]:
    """What keeps the package from running: its manager not on PATH, its node_modules not installed.

    Args: path: the PATH to look on; None: not known, so not said.
    """
    missing = []
    if path is not None and not shutil.which(manager.name, path=path):
        missing.append(Missing(f"{manager.name} on PATH", GET_MANAGER[manager.name]))
    if package.dependencies and not is_installed(tree, package.dir):
        missing.append(Missing(f"node_modules in {spoken(package.dir)}", install_command(tree, package, manager)))
    return tuple(missing)


def is_installed(tree: Tree, dir: str) -> bool:
    """Are packages installed here or above (a workspace's), or plugged in (Yarn's .pnp.cjs)?"""
    return any(
        tree.has_folder(join(folder, "node_modules")) or tree.has(join(folder, ".pnp.cjs")) for folder in upward(dir)
    )


def install_command(tree: Tree, package: Package, manager: Manager) -> str:
    dir = manager.dir if is_workspace_root(tree, manager.dir) else package.dir
    locked = manager.name == "npm" and tree.has(join(dir, "package-lock.json"))
    command = "npm ci" if locked else INSTALL[manager.name]
    return command if dir == "." else f"cd {dir} && {command}"


def is_workspace_root(tree: Tree, dir: str) -> bool:
    fields = tree.json(join(dir, "package.json")) or {}
    return "workspaces" in fields or tree.has(join(dir, "pnpm-workspace.yaml"))
