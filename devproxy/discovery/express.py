"""Express backends: the script or file that starts the server, its port, and the paths it answers."""

import re
from collections.abc import Iterator, Mapping

from devproxy.discovery.found import Answers, Found
from devproxy.discovery.javascript import without_comments
from devproxy.discovery.node import ORCHESTRATOR, Manager, Package, manager_of, missing_packages
from devproxy.discovery.tree import Tree, base_name, is_below, join

DEFAULT_PORT = 3000
SCRIPTS = (
    "dev",
    "dev:server",
    "server:dev",
    "start:dev",
    "dev:api",
    "dev:backend",
    "server",
    "start",
    "serve",
)
STEMS = ("server", "index", "app", "main")
FOLDERS = ("", "src/", "server/", "bin/", "api/")
SUFFIXES = (".js", ".mjs", ".cjs", ".ts", ".mts")
MAX_SOURCES = 80
WATCH = ("**/*.js", "**/*.mjs", "**/*.cjs", "**/*.ts")

PROGRAM = re.compile(
    r"(?:^|[\s/;&|])(?:node|nodemon|tsx|ts-node|ts-node-dev|tsnd|node-dev|babel-node|bun|swc-node)(?:\s|$)"
)
RELOADS = re.compile(r"\b(?:nodemon|ts-node-dev|tsnd|node-dev|tsx\s+watch|--watch|--hot|pm2-dev)\b|\s--watch")
FILE = re.compile(r"(?<![\w./-])(?!-)([\w./-]+\.(?:[mc]?js|m?ts))\b")
ENV_PORT = re.compile(
    r"process\.env(?:\.|\[[\"'])(?P<name>\w*PORT)\b(?:[\"']\])?(?:\s*\)?\s*(?:\|\||\?\?)\s*[\"'`]?(?P<default>\d{2,5}))?"
)
LISTEN_NUMBER = re.compile(r"\.listen\(\s*[\"']?(\d{2,5})\b")
PORT_NUMBER = re.compile(r"\b(?:const|let|var)\s+\w{0,30}port\w{0,30}\s*(?::\s*number\s*)?=\s*[\"']?(\d{2,5})\b", re.I)
DOTENV_PORT = re.compile(r"^[ \t]*(?:export[ \t]+)?PORT[ \t]*=[ \t]*[\"']?(\d{2,5})", re.M)
PATH = re.compile(r"\b(?:app|server)\.(use|get|post|put|patch|delete|all|ws)\(\s*[\"'`](/[^\"'`]*)[\"'`]")
FILES_AT_ROOT = re.compile(r"\bapp\.use\(\s*(?:\w+\.)?(?:static|serveStatic)\(")
SOCKET_PATH = re.compile(
    r"new\s+(?:WebSocket\.?|WebSocketServer|ws\.)(?:Server)?\(\s*\{[^}]{0,300}path:\s*[\"'`](/[^\"'`]*)"
)


def read_express(tree: Tree, package: Package, environ: Mapping[str, str]) -> Found | None:
    """The Express server of a package; None if nothing in it starts one."""
    if "express" not in package.dependencies:
        return None
    script = server_script(package)
    entry = entry_file(tree, package, script)
    if script is None and entry is None:
        return None
    manager = manager_of(tree, package)
    sources = {path: without_comments(tree.text(path) or "") for path in source_files(tree, package, entry)}
    port, variable, usual, why_port = port_of(tree, package, sources)
    text = package.scripts[script] if script else ""
    command = f"{variable}=$PORT " if variable not in (None, "PORT") else ""
    command += command_of(package, script, entry, manager)
    return Found(
        kind="backend",
        dir=package.dir,
        framework="express",
        command=command,
        port=port,
        port_is_usual=usual,
        assigned=variable is not None,
        watch=() if RELOADS.search(text) else WATCH,
        reasons=(
            package.reason("express"),
            manager.reason,
            f"script {script!r} in {package.path}: {text}" if script else f"{entry}: the server's file",
            why_port,
        ),
        answers=answers_of(package, sources, entry),
        missing=missing_packages(tree, package, manager, environ.get("PATH")),
        notes=manager.notes,
    )


def server_script(package: Package) -> str | None:
    """The script that runs a Node program, and no front end and no second program beside it."""
    for name in SCRIPTS:
        script = package.scripts.get(name, "")
        if PROGRAM.search(script) and not ORCHESTRATOR.search(script):
            return name
    return None


def command_of(package: Package, script: str | None, entry: str | None, manager: Manager) -> str:
    if script is not None:
        return manager.run(script)
    file = (entry or "").removeprefix(f"{package.dir}/")
    return manager.execute(f"tsx {file}") if file.endswith("ts") else f"node {file}"


def entry_file(tree: Tree, package: Package, script: str | None) -> str | None:
    """The file the server starts from: what the script names, else `main`, else a usual name."""
    named = FILE.findall(package.scripts[script]) if script else []
    usual = [f"{folder}{stem}{suffix}" for folder in FOLDERS for stem in STEMS for suffix in SUFFIXES]
    for name in [*named, *([package.main] if package.main else []), *usual]:
        path = join(package.dir, name)
        if ".." not in name and tree.has(path) and base_name(path).endswith(SUFFIXES):
            return path
    return None


def source_files(tree: Tree, package: Package, entry: str | None) -> Iterator[str]:
    """The entry first, then the package's other sources, a bounded number of them."""
    if entry is not None:
        yield entry
    inner = [other for other in tree.folders if other != package.dir and is_below(other, package.dir)]
    others = {dir for dir in inner if "package.json" in tree.folders[dir].files}
    left = MAX_SOURCES
    for path in tree.files(*SUFFIXES, below=package.dir):
        if path == entry or "test" in path or any(is_below(path, other) for other in others):
            continue
        if (left := left - 1) < 0:
            return
        yield path


def port_of(tree: Tree, package: Package, sources: Mapping[str, str]) -> tuple[int, str | None, bool, str]:
    """(port, variable that sets it or None, whether it is only the default, reason)."""
    for path, source in sources.items():
        read = [found for found in ENV_PORT.finditer(source) if not is_foreign(found["name"])]
        if read:
            best = next((found for found in read if found["default"]), read[0])
            name = best["name"]
            if best["default"]:
                return (
                    int(best["default"]),
                    name,
                    False,
                    f"port {best['default']}: default of {name} in {path}",
                )
            return without_default(tree, package, name, path)
        if ".listen(" in source and (number := LISTEN_NUMBER.search(source) or PORT_NUMBER.search(source)):
            return int(number[1]), None, False, f"port {number[1]}: fixed in {path}"
    return DEFAULT_PORT, None, True, f"port {DEFAULT_PORT}: the usual one"


def without_default(tree: Tree, package: Package, name: str, path: str) -> tuple[int, str | None, bool, str]:
    """The port of a server that reads a variable: what its .env sets, else the usual one."""
    for file in (".env", ".env.development", ".env.example", ".env.sample"):
        dotenv = join(package.dir, file)
        if tree.has(dotenv) and (found := DOTENV_PORT.search(tree.text(dotenv) or "")):
            return int(found[1]), name, False, f"port {found[1]}: PORT in {dotenv}"
    return DEFAULT_PORT, name, True, f"port {DEFAULT_PORT}: the usual one; {path} reads {name}"


def is_foreign(variable: str) -> bool:
    """Is it another program's port: DB_PORT, SMTP_PORT, …?"""
    return bool(re.match(r"(DB|DATABASE|PG|POSTGRES|MYSQL|MONGO|REDIS|SMTP|MAIL|EMAIL|KAFKA|RABBIT)", variable))


def answers_of(package: Package, sources: Mapping[str, str], entry: str | None) -> Answers:
    """Paths declared on the app itself; those of a router are relative to where it is mounted."""
    paths: list[str] = []
    websockets: list[str] = []
    for source in sources.values():
        for method, path in PATH.findall(source):
            (websockets if method == "ws" else paths).append(path)
        websockets.extend(SOCKET_PATH.findall(source))
    if "socket.io" in package.dependencies:
        websockets.append("/socket.io")
    kept = tuple(dict.fromkeys(path for path in paths if "*" not in path))
    files = ("/",) if any(FILES_AT_ROOT.search(source) for source in sources.values()) else ()
    return Answers(kept, tuple(dict.fromkeys(websockets)), files, entry or package.path)
