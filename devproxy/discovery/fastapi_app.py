"""Where a FastAPI application is, and from which folder its module is imported.

The source is parsed, never imported. An app is `app = FastAPI(…)`, the result of one of the project's own
factories, or a factory itself (`uvicorn --factory`). Which folder makes `module:app` importable is told by a
uvicorn command that the project holds, else by the module's own imports.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from devproxy.discovery.source import assigned, called, parse, statements, string
from devproxy.discovery.tree import Tree, base_name, is_below, join, parent, relative, upward

MAX_FILES = 600
NOT_APPS = re.compile(
    r"(^|/)(tests?|testing|examples?|docs?|docs_src|migrations|alembic|benchmarks?|snippets|samples?)(/|$)"
)
HINT_FILES = re.compile(
    r"(README[\w.]*|Makefile|justfile|Justfile|Procfile[\w.]*|package\.json|pyproject\.toml|Dockerfile|.*\.sh)$"
)

UVICORN = re.compile(r"(?<![\w-])uvicorn[ \t]+(?P<arguments>[^\n;&|]*)")
TARGET = re.compile(r"[\"'`]?(?P<module>[A-Za-z_]\w*(?:\.\w+)*):(?P<name>[A-Za-z_]\w*)")
ENTRYPOINT = re.compile(r"^[ \t]*entrypoint[ \t]*=[ \t]*[\"'](?P<module>\w+(?:\.\w+)*):(?P<name>\w+)[\"']", re.M)
PORT_FLAG = re.compile(r"--port[ =](\d{2,5})\b")


@dataclass(frozen=True, slots=True)
class Hint:
    """A uvicorn command line that stands somewhere in the project."""

    module: str
    name: str
    port: int | None
    source: str


@dataclass(frozen=True, slots=True)
class Site:
    """One application in one file. `imports`: (level, dotted module) of the file's own imports."""

    file: str
    name: str
    factory: bool = False
    imports: tuple[tuple[int, str], ...] = ()


def python_files(tree: Tree) -> Iterator[str]:
    left = MAX_FILES
    for path in tree.files(".py"):
        if NOT_APPS.search(path) or base_name(path).startswith(("test_", "conftest")):
            continue
        if (left := left - 1) < 0:
            return
        yield path


def sites(tree: Tree) -> list[Site]:
    """Every application of the project, nearest to the root first."""
    found: list[Site] = []
    factories: set[str] = set()
    others: list[tuple[str, str]] = []
    for path in python_files(tree):
        text = tree.text(path) or ""
        if "FastAPI" not in text:
            others.append((path, text))
        elif code := parse(tree, path):
            inner = factories_in(code)
            factories |= inner
            found.extend(instances(path, code, inner))
            if not any(site.file == path for site in found):
                found.extend(Site(path, name, True, imports_in(code)) for name in sorted(inner))
    for path, text in others:
        if any(re.search(rf"=\s*(?:\w+\.)?{re.escape(name)}\(", text) for name in factories) and (
            code := parse(tree, path)
        ):
            found.extend(instances(path, code, factories))
    return found


def instances(path: str, code: ast.Module, factories: set[str]) -> Iterator[Site]:
    """Module-level names that hold an application; one that wraps another takes its place (Socket.IO)."""
    imports = imports_in(code)
    wrapped: str | None = None
    names = []
    for node in statements(code.body):
        if pair := assigned(node):
            name, value = pair
            maker = called(value)
            if maker == "FastAPI" or maker in factories:
                names.append(name)
            elif maker == "ASGIApp" and isinstance(value, ast.Call):
                inside = [item for item in ast.walk(value) if isinstance(item, ast.Name)]
                wrapped = name if any(item.id in names for item in inside) else wrapped
    if wrapped:
        yield Site(path, wrapped, False, imports)
    elif names:
        yield Site(path, "app" if "app" in names else names[0], False, imports)


def factories_in(code: ast.Module) -> set[str]:
    """Functions without required parameters that return a FastAPI they make."""
    return {
        node.name
        for node in code.body
        if isinstance(node, ast.FunctionDef)
        and len(node.args.args) == len(node.args.defaults)
        and any(called(inner) == "FastAPI" for inner in ast.walk(node))
        and any(isinstance(inner, ast.Return) and inner.value is not None for inner in ast.walk(node))
    }


def imports_in(code: ast.Module) -> tuple[tuple[int, str], ...]:
    found: list[tuple[int, str]] = []
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            found.extend((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or ""))
    return tuple(found)


def hints(tree: Tree) -> list[Hint]:
    """The uvicorn command lines of scripts, manifests and read-me files, nearest to the root first."""
    found: list[Hint] = []
    for folder in tree.near_root():
        for name in sorted(folder.files):
            if HINT_FILES.match(name):
                path = join(folder.path, name)
                text = tree.text(path) or ""
                found.extend(hints_in(text, path, is_entrypoint=name == "pyproject.toml"))
    found.extend(run_calls(tree))
    return found


def hints_in(text: str, source: str, *, is_entrypoint: bool) -> Iterator[Hint]:
    if is_entrypoint and "[tool.fastapi]" in text:
        section = text.partition("[tool.fastapi]")[2].partition("\n[")[0]
        for found in ENTRYPOINT.finditer(section):
            yield Hint(found["module"], found["name"], None, source)
    for found in UVICORN.finditer(text):
        arguments = found["arguments"]
        target = next((match for word in arguments.split() if (match := TARGET.match(word))), None)
        if target is not None:
            port = PORT_FLAG.search(arguments)
            yield Hint(target["module"], target["name"], int(port[1]) if port else None, source)


def run_calls(tree: Tree) -> Iterator[Hint]:
    """`uvicorn.run("module:app", port=8001)` in the project's Python files."""
    for path in python_files(tree):
        if "uvicorn.run(" not in (tree.text(path) or ""):
            continue
        code = parse(tree, path)
        for node in ast.walk(code) if code else ():
            if isinstance(node, ast.Call) and called(node) == "run" and node.args:
                target = string(node.args[0]) or f"{base_name(path)[:-3]}:{getattr(node.args[0], 'id', 'app')}"
                module, _, name = target.partition(":")
                yield Hint(module, name or "app", port_in(node), path)


def port_in(call: ast.Call) -> int | None:
    """The number that stands in the call's port argument: port=8001, int(os.getenv("PORT", "8001"))."""
    value = next((item.value for item in call.keywords if item.arg == "port"), None)
    for node in ast.walk(value) if value is not None else ():
        if isinstance(node, ast.Constant) and re.fullmatch(r"[0-9]{2,5}", str(node.value)):
            return int(str(node.value))
    return None


def hint_for(site: Site, known: list[Hint]) -> Hint | None:
    """The hint that runs this very application; one with a port before one without."""
    ours = [
        hint
        for hint in known
        if hint.name == site.name
        and module_file_matches(site.file, hint.module)
        and (parent(hint.source) == "." or is_below(site.file, parent(hint.source)))
    ]
    return next((hint for hint in ours if hint.port), ours[0] if ours else None)


def module_file_matches(file: str, module: str) -> bool:
    stem = "/" + file.removesuffix(".py").removesuffix("/__init__")
    return stem.endswith("/" + module.replace(".", "/"))


def import_base(tree: Tree, site: Site, unit: str, hint: Hint | None) -> str:
    """The folder from which the module imports: what `uvicorn` must have as its working directory.

    Args: unit: the folder the service belongs to, taken when nothing else decides.
    """
    folder = parent(site.file)
    candidates = [base for base in upward(folder) if is_importable(relative(folder, base))]
    if hint is not None:
        depth = hint.module.count(".") + site.file.endswith("/__init__.py")
        candidates = candidates[depth : depth + 1] or candidates
    level = max((level for level, _ in site.imports), default=0)
    candidates = candidates[level:] or candidates[-1:]
    preferred = package_root(tree, folder) or unit

    def worth(base: str) -> tuple[int, bool, int]:
        resolved = sum(resolves(tree, base, module) for level, module in site.imports if level == 0)
        return resolved, base == preferred, len(base)

    return max(candidates, key=worth)


def package_root(tree: Tree, folder: str) -> str | None:
    """The folder that holds the outermost package around `folder`; None if it is in no package."""
    if not tree.has(join(folder, "__init__.py")):
        return None
    return next(outer for outer in upward(folder) if outer == "." or not tree.has(join(outer, "__init__.py")))


def is_importable(path: str) -> bool:
    return path == "." or all(part.isidentifier() for part in path.split("/"))


def resolves(tree: Tree, base: str, module: str) -> bool:
    stem = join(base, *module.split("."))
    return stem != base and (tree.has(f"{stem}.py") or stem in tree.folders)


def module_of(site: Site, base: str) -> str:
    """The dotted module of a site as seen from a folder: "app.main"."""
    path = relative(site.file, base).removesuffix(".py")
    return path.removesuffix("/__init__").replace("/", ".")
