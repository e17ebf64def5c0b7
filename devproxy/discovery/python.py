"""Python projects: the folder a service belongs to, its interpreter, and the command that serves it."""

import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from devproxy.discovery.fastapi_app import Hint, Site, hint_for, hints, import_base, module_of, sites
from devproxy.discovery.fastapi_routes import read_answers
from devproxy.discovery.found import Found, Missing
from devproxy.discovery.source import Modules
from devproxy.discovery.tree import MANIFEST_DEPTH, Tree, base_name, join, parent, relative, spoken, upward

DEFAULT_PORT = 8000  # uvicorn's
MANIFESTS = ("pyproject.toml", "requirements.txt", "uv.lock", "poetry.lock", "Pipfile", "setup.py")
SERVICE_FOLDERS = frozenset({"backend", "server", "api", "service"})
GROUPS = frozenset({"apps", "services", "packages", "projects"})
USUAL_FILES = ("main.py", "app.py", "asgi.py", "server.py", "api.py", "__init__.py")
VENVS = (".venv", "venv", "env")
RUNNERS = (("uv.lock", "uv"), ("poetry.lock", "poetry"), ("Pipfile", "pipenv"), ("pdm.lock", "pdm"))
WATCH = ("**/*.py",)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """How `python -m …` is said in a folder. `venv`: its folder, if there is one."""

    command: str
    reason: str
    venv: str | None = None
    missing: tuple[Missing, ...] = ()


def read(tree: Tree, environ: Mapping[str, str]) -> Iterator[Found]:
    """The FastAPI services of the project, one for each folder that has an application."""
    known = hints(tree)
    best: dict[str, tuple[tuple[object, ...], Site, Hint | None]] = {}
    for site in sites(tree):
        hint = hint_for(site, known)
        unit = unit_of(tree, site.file)
        rank = (hint is None, site.factory, usual_rank(site.file), site.file.count("/"), site.file)
        if unit not in best or rank < best[unit][0]:
            best[unit] = (rank, site, hint)
    bases = set()
    for unit, (_, site, hint) in best.items():
        base = import_base(tree, site, unit, hint)
        if (base, unit) not in bases:
            bases.add((base, unit))
            yield fastapi_service(tree, site, hint, unit, base, environ)


def usual_rank(file: str) -> int:
    name = base_name(file)
    return USUAL_FILES.index(name) if name in USUAL_FILES else len(USUAL_FILES)


def unit_of(tree: Tree, file: str) -> str:
    """The folder of the service a file belongs to: the nearest one with a manifest, or named like one."""
    for folder in upward(parent(file)):
        if folder == ".":
            break
        depth = folder.count("/") + 1
        named = base_name(folder) in SERVICE_FOLDERS and (depth == 1 or parent(folder) in GROUPS)
        if depth <= MANIFEST_DEPTH and (named or has_manifest(tree, folder)):
            return folder
    return "."


def has_manifest(tree: Tree, folder: str) -> bool:
    return any(tree.has(join(folder, name)) for name in MANIFESTS)


def fastapi_service(
    tree: Tree, site: Site, hint: Hint | None, unit: str, base: str, environ: Mapping[str, str]
) -> Found:
    """One application as a service: run without --reload, because devproxy watches and restarts it."""
    module = module_of(site, base)
    is_src_layout = base == join(unit, "src") and base != unit
    dir = unit if is_src_layout else base
    interpreter = interpreter_for(tree, dir, environ)
    factory = " --factory" if site.factory else ""
    port = hint.port if hint and hint.port else None
    reasons = [f"fastapi: {'factory ' if site.factory else ''}{site.name} in {site.file}"]
    if hint is not None:
        reasons.append(f"{module}:{site.name}: as in {hint.source}")
    reasons.append(interpreter.reason)
    reasons.append(f"port {port}: {hint.source}" if hint and port else f"port {DEFAULT_PORT}: uvicorn's default")
    return Found(
        kind="backend",
        dir=dir,
        framework="fastapi",
        command=f"{interpreter.command} {module}:{site.name}{factory} --host 127.0.0.1 --port $PORT",
        port=port or DEFAULT_PORT,
        port_is_usual=port is None,
        assigned=True,
        env={"PYTHONPATH": "src"} if is_src_layout else {},
        watch=WATCH,
        venv=interpreter.venv,
        reasons=tuple(reasons),
        answers=read_answers(Modules(tree, base), module, site.name),
        missing=interpreter.missing,
    )


def interpreter_for(tree: Tree, dir: str, environ: Mapping[str, str]) -> Interpreter:
    """The project's own virtual environment, nearest first; else its manager; else python3."""
    for folder in upward(dir):
        for name in VENVS:
            venv = join(folder, name)
            if is_venv(tree, venv):
                missing = () if has_uvicorn(tree, venv) else (not_installed(tree, dir, venv),)
                command = f"{relative(venv, dir)}/bin/python -m uvicorn"
                return Interpreter(command, f"{venv}: the project's virtual environment", venv, missing)
    for folder in upward(dir):
        for lock, runner in RUNNERS:
            if tree.has(join(folder, lock)) and shutil.which(runner, path=environ.get("PATH") or ""):
                return Interpreter(f"{runner} run uvicorn", f"{runner}: {join(folder, lock)}")
    active = active_venv(environ)
    if active is not None:
        return Interpreter("python3 -m uvicorn", f"python3: the active virtual environment {active}")
    missing = (no_venv(tree, dir),)
    return Interpreter("python3 -m uvicorn", "python3: no virtual environment found", None, missing)


def is_venv(tree: Tree, path: str) -> bool:
    """A virtual environment that works here: with its marker (PEP 405) and an interpreter that exists.

    A committed one, whose interpreter is a link to somebody else's machine, is none.
    """
    return tree.has(join(path, "pyvenv.cfg")) and tree.has(join(path, "bin/python"))


def has_uvicorn(tree: Tree, venv: str) -> bool:
    try:
        return any((tree.root / venv / "lib").glob("python*/site-packages/uvicorn"))
    except OSError:
        return False


def active_venv(environ: Mapping[str, str]) -> str | None:
    """The virtual environment the user has activated, unless it is only the one devproxy runs in."""
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        value = environ.get(variable)
        if value and Path(value).resolve() != Path(sys.prefix).resolve():
            return value
    return None


def no_venv(tree: Tree, dir: str) -> Missing:
    folder = manifest_folder(tree, dir)
    install = install_command(tree, folder, ".venv/bin/pip")
    steps = ["uv sync"] if tree.has(join(folder, "uv.lock")) else ["python3 -m venv .venv", install]
    return Missing(f"virtual environment for {spoken(dir)}", in_folder(folder, " && ".join(steps)))


def not_installed(tree: Tree, dir: str, venv: str) -> Missing:
    folder = manifest_folder(tree, dir)
    command = install_command(tree, folder, f"{relative(venv, folder)}/bin/pip")
    return Missing(f"uvicorn in {venv}", in_folder(folder, command))


def manifest_folder(tree: Tree, dir: str) -> str:
    """The nearest folder that says what must be installed."""
    return next((folder for folder in upward(dir) if has_manifest(tree, folder)), dir)


def install_command(tree: Tree, folder: str, pip: str) -> str:
    if tree.has(join(folder, "requirements.txt")):
        return f"{pip} install -r requirements.txt"
    if "project" in (tree.toml(join(folder, "pyproject.toml")) or {}):
        return f"{pip} install -e . uvicorn"
    return f"{pip} install fastapi uvicorn"


def in_folder(folder: str, command: str) -> str:
    return command if folder == "." else f"cd {folder} && {command}"
