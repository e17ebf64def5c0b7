"""Reading Python without importing it: one module's syntax tree, and what its names stand for."""

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from devproxy.discovery.tree import Tree, is_below, join

Import = tuple[str, str | None]  # (dotted module, attribute or None for the module itself)


@dataclass(frozen=True, slots=True)
class Module:
    """A parsed file. `imports` has what its import statements bind; `level`s are made absolute."""

    path: str
    dotted: str
    code: ast.Module
    imports: dict[str, Import]


def parse(tree: Tree, path: str) -> ast.Module | None:
    """The syntax tree of a file; None (and a note) if it is no Python of ours."""
    text = tree.text(path)
    if text is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a SyntaxWarning in a user's file is the user's to see elsewhere
            return ast.parse(text)
    except SyntaxError as error:
        tree.note(f"{path} line {error.lineno} is not valid Python: its routes are not known")
    except (ValueError, RecursionError, MemoryError):
        tree.note(f"{path} cannot be parsed")
    return None


class Modules:
    """The modules importable from the folder `base`, parsed when first asked for, at most `limit`."""

    def __init__(self, tree: Tree, base: str, limit: int = 150) -> None:
        self.tree = tree
        self.base = base
        self.left = limit
        self.known: dict[str, Module | None] = {}

    def load(self, dotted: str) -> Module | None:
        """The module of that dotted name, None if it is not the project's own."""
        if dotted not in self.known:
            self.known[dotted] = self.parse(dotted)
        return self.known[dotted]

    def parse(self, dotted: str) -> Module | None:
        stem = join(self.base, *dotted.split("."))
        path = next((path for path in (f"{stem}.py", f"{stem}/__init__.py") if self.tree.has(path)), None)
        if path is None or not is_below(path, self.base) or self.left <= 0:
            return None
        self.left -= 1
        code = parse(self.tree, path)
        if code is None:
            return None
        package = dotted if path.endswith("__init__.py") else dotted.rpartition(".")[0]
        return Module(path, dotted, code, imports_of(code, package))


def imports_of(code: ast.Module, package: str) -> dict[str, Import]:
    """name -> what it stands for, for each import statement anywhere in the module."""
    bound: dict[str, Import] = {}
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.partition(".")[0]
                bound[name] = (alias.name if alias.asname else name, None)
        elif isinstance(node, ast.ImportFrom):
            module = absolute(node, package)
            for alias in node.names:
                bound[alias.asname or alias.name] = (module, alias.name)
    return bound


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The dotted module a `from … import` names, seen from inside `package`."""
    if node.level == 0:
        return node.module or ""
    parts = package.split(".") if package else []
    kept = parts[: len(parts) - (node.level - 1)]
    return ".".join([*kept, *([node.module] if node.module else [])])


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run on import: also those inside if, try and with, but not under __main__."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and not is_main_guard(node):
            yield from statements([*node.body, *node.orelse])
        elif isinstance(node, ast.Try):
            handlers = [inner for handler in node.handlers for inner in handler.body]
            yield from statements([*node.body, *handlers, *node.orelse, *node.finalbody])
        elif isinstance(node, ast.With):
            yield from statements(node.body)


def is_main_guard(node: ast.If) -> bool:
    return any(isinstance(name, ast.Name) and name.id == "__name__" for name in ast.walk(node.test))


def assigned(node: ast.AST) -> tuple[str, ast.expr] | None:
    """(name, value) of `name = value` and `name: T = value`."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        target, value = node.target, node.value
    else:
        return None
    return (target.id, value) if isinstance(target, ast.Name) else None


def called(node: ast.AST | None) -> str | None:
    """The last part of a called name: "FastAPI" for FastAPI(…) and for fastapi.FastAPI(…)."""
    if not isinstance(node, ast.Call):
        return None
    if isinstance(node.func, ast.Name):
        return node.func.id
    return node.func.attr if isinstance(node.func, ast.Attribute) else None


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((item.value for item in call.keywords if item.arg == name), None)


def string(node: ast.AST | None) -> str | None:
    """The value of a string literal."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
