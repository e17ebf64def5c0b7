"""Which paths a FastAPI application answers, read from its decorators, routers and mounts.

Routers are followed through the project's own imports; prefixes may be literals, module constants or
settings with a literal default. What is computed is left out: a plan then falls back to `/api`.

Source: fastapi.tiangolo.com/reference/fastapi and /reference/apirouter (prefix of the router, then of
include_router, then the path of the operation).
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from devproxy.discovery.found import Answers
from devproxy.discovery.source import Module, Modules, assigned, called, keyword, string

HTTP = frozenset(
    {
        "get",
        "post",
        "put",
        "patch",
        "delete",
        "head",
        "options",
        "trace",
        "api_route",
        "add_api_route",
        "route",
    }
)
SOCKETS = frozenset({"websocket", "add_api_websocket_route", "websocket_route"})
MAX_DEPTH = 8
MAX_PATHS = 500


@dataclass(slots=True)
class Reading:
    """One reading of an application: what has been found so far, and what is being followed."""

    modules: Modules
    paths: dict[str, None] = field(default_factory=dict)  # ordered sets
    websockets: dict[str, None] = field(default_factory=dict)
    files: dict[str, None] = field(default_factory=dict)
    following: set[tuple[str, str, str]] = field(default_factory=set)

    def follow(self, module: Module, name: str, prefix: str, depth: int = 0) -> None:
        """Collect what the router (or app) called `name` in a module answers below `prefix`."""
        key = (module.dotted, name, prefix)
        if depth > MAX_DEPTH or key in self.following or len(self.paths) > MAX_PATHS:
            return
        self.following.add(key)
        own = prefix + (self.router_prefix(module, name) or "")
        for method, call in calls_on(module, name):
            path = self.text(module, call.args[0]) if call.args else self.text(module, keyword(call, "path"))
            if method in HTTP and path is not None:
                self.paths[own + path or "/"] = None
            elif method in SOCKETS and path is not None:
                self.websockets[own + path] = None
            elif method == "mount" and path is not None:
                self.mounted(module, call, own + path, depth)
            elif method == "include_router" and call.args:
                given = keyword(call, "prefix")
                inner = "" if given is None else self.text(module, given)
                if inner is not None:
                    self.follow_expression(module, call.args[0], own + inner, depth)

    def mounted(self, module: Module, call: ast.Call, path: str, depth: int) -> None:
        target = call.args[1] if len(call.args) > 1 else keyword(call, "app")
        if called(target) == "StaticFiles":
            self.files[path.rstrip("/") or "/"] = None
        elif target is not None and called(target) is None:
            self.follow_expression(module, target, path.rstrip("/"), depth)
            self.paths.setdefault(path.rstrip("/") or "/")
        elif called(target) in ("ASGIApp", "asgi_app", "streamable_http_app", "sse_app"):
            self.paths.setdefault(path.rstrip("/") or "/")

    def follow_expression(self, module: Module, node: ast.expr, prefix: str, depth: int) -> None:
        """Follow `router`, `users.router` or `app.api.users.router` to the module it lives in."""
        parts = dotted_parts(node)
        if not parts:
            return
        if parts[0] not in module.imports:
            if len(parts) == 1:
                self.follow(module, parts[0], prefix, depth + 1)
            return
        found = self.resolve(module, parts, depth)
        if found is not None:
            self.follow(*found, prefix, depth + 1)

    def resolve(self, module: Module, parts: list[str], depth: int = 0) -> tuple[Module, str] | None:
        """The project's module that an imported dotted name lives in, and its name there."""
        source, attribute = module.imports[parts[0]]
        path = [*source.split("."), *([attribute] if attribute else []), *parts[1:]]
        for length in range(len(path) - 1, 0, -1):
            target = self.modules.load(".".join(path[:length]))
            if target is not None:
                rest = path[length:]
                if rest[0] in target.imports and rest[0] not in names_in(target) and depth < MAX_DEPTH:
                    return self.resolve(target, rest, depth + 1)
                return (target, rest[0]) if len(rest) == 1 else None
        return None

    def router_prefix(self, module: Module, name: str) -> str | None:
        """The prefix an APIRouter was made with."""
        for node in ast.walk(module.code):
            pair = assigned(node)
            if pair and pair[0] == name and isinstance(pair[1], ast.Call) and called(pair[1]) != "FastAPI":
                return self.text(module, keyword(pair[1], "prefix"))
        return None

    def text(self, module: Module, node: ast.expr | None, depth: int = 0) -> str | None:
        """The string an expression stands for; None if that is only known when it runs."""
        if node is None or depth > MAX_DEPTH:
            return None
        if isinstance(node, ast.JoinedStr):
            parts = [self.text(module, part, depth + 1) for part in node.values]
            return "".join(part for part in parts if part is not None) if None not in parts else None
        if isinstance(node, ast.FormattedValue):
            return self.text(module, node.value, depth + 1)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = self.text(module, node.left, depth + 1), self.text(module, node.right, depth + 1)
            return left + right if left is not None and right is not None else None
        if isinstance(node, ast.Name | ast.Attribute):
            return self.constant(module, dotted_parts(node), depth)
        return string(node)

    def constant(self, module: Module, parts: list[str], depth: int) -> str | None:
        """A name's literal value: of this module, of the module it comes from, or a settings field there."""
        if not parts:
            return None
        home: Module | None = module
        if parts[0] in module.imports:
            source, attribute = module.imports[parts[0]]
            home = (attribute and self.modules.load(f"{source}.{attribute}")) or self.modules.load(source)
        for node in ast.walk(home.code) if home else ():
            pair = assigned(node)
            if home and pair and pair[0] == parts[-1] and not isinstance(pair[1], ast.Name | ast.Attribute):
                return self.text(home, pair[1], depth + 1)
        return None


def read_answers(modules: Modules, dotted: str, name: str) -> Answers:
    """What the application `dotted:name` answers, as far as its source tells without running it."""
    module = modules.load(dotted)
    if module is None:
        return Answers()
    reading = Reading(modules)
    for target in application_names(module, name):
        reading.follow(module, target, "")
    if not reading.paths:
        follow_factory(reading, module, name)
    return Answers(tuple(reading.paths), tuple(reading.websockets), tuple(reading.files), module.path)


def application_names(module: Module, name: str) -> list[str]:
    """The name itself, and the application it wraps (`socketio.ASGIApp(sio, app)`)."""
    for node in ast.walk(module.code):
        pair = assigned(node)
        if pair and pair[0] == name and called(pair[1]) == "ASGIApp":
            return [name, *(inner.id for inner in ast.walk(pair[1]) if isinstance(inner, ast.Name))]
    return [name]


def follow_factory(reading: Reading, module: Module, name: str) -> None:
    """Follow the application that a factory makes: in it, the app is a local name."""
    maker = next((pair[1] for node in ast.walk(module.code) if (pair := assigned(node)) and pair[0] == name), None)
    factory = called(maker) or name
    home: Module | None = module
    if factory in module.imports and (found := reading.resolve(module, [factory])):
        home = found[0]
    for node in ast.walk(home.code) if home else ():
        if isinstance(node, ast.FunctionDef) and node.name == factory:
            for inner in ast.walk(node):
                pair = assigned(inner)
                if home and pair and called(pair[1]) == "FastAPI":
                    reading.follow(home, pair[0], "")


def calls_on(module: Module, name: str) -> Iterator[tuple[str, ast.Call]]:
    """(method, call) for each `name.method(…)` of a module, in the order of the source."""
    for node in ast.walk(module.code):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == name
        ):
            yield node.func.attr, node


def names_in(module: Module) -> set[str]:
    return {pair[0] for node in module.code.body if (pair := assigned(node))}


def dotted_parts(node: ast.expr) -> list[str]:
    """["users", "router"] for `users.router`; nothing for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []
