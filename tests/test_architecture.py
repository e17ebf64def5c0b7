"""The arrows of docs/ARCHITECTURE.md: imports point one way, and libraries keep to their homes."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "devproxy"

RANKS = (
    {"errors", "events", "hosts", "paths", "sse", "config"},
    {"logs", "hub", "ports", "watch"},
    {"proxy", "spa", "processes", "discovery"},
    {"gateway", "control", "dashboard"},
    {"session"},
    {"cli", "demo"},
)
RANK = {part: rank for rank, parts in enumerate(RANKS) for part in parts}

SIDEWAYS = {("logs", "hub"), ("config", "errors"), ("paths", "errors"), ("cli", "demo")}
"""Pairs of one rank that may know each other, and why: the log is a hub topic backed by files, and the leaves
share the errors' root."""

HOMES = {
    "typer": {"cli"},
    "rich": {"cli"},
    "fastapi": {"control"},
    "starlette": {"control"},
    "uvicorn": {"gateway"},
    "watchfiles": {"watch"},
    "psutil": {"ports", "processes"},
    "httpx": {"proxy", "cli"},
    "uvloop": {"session"},
    "dotenv": {"processes"},
}

PURE = (
    "proxy/url.py", "proxy/origin.py", "proxy/rules.py", "proxy/explain.py", "session/routing.py",
    "proxy/head.py", "proxy/framing.py", "proxy/headers.py", "proxy/routes.py", "proxy/choice.py", "proxy/hold.py", "proxy/failures.py", "proxy/websocket.py",
    "gateway/checks.py", "processes/lifecycle.py", "processes/dependencies.py", "config/selection.py", "config/instances.py", "processes/environment.py", "session/words.py", "session/outages.py",
    "session/advice.py", "session/environments.py", "processes/secrets.py",
    "cli/keys.py", "hosts.py", "sse.py", "config/model.py", "config/changes.py", "logs/filter.py", "logs/levels.py", "logs/tracebacks.py", "logs/timestamps.py", "ports/verdict.py",
    "ports/lineage.py", "ports/whose.py", "spa/ranges.py", "spa/paths.py", "discovery/plan.py",
)  # fmt: skip
"""Decisions: values in, values out."""

FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path, *, at_run_time: bool = True) -> Iterator[str]:
    """The modules a file imports; those under TYPE_CHECKING are only for the type checker."""
    tree = parsed(path)
    hidden = {id(node) for block in ast.walk(tree) if is_type_checking(block) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if at_run_time and id(node) in hidden:
            continue
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def parts_imported(path: Path) -> set[str]:
    names = {name.split(".")[1] for name in imported(path, at_run_time=False) if name.startswith("devproxy.")}
    return names & set(RANK)


def test_every_part_has_a_rank() -> None:
    assert {part_of(path) for path in FILES} - {"__init__", "__main__"} == set(RANK)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    part = part_of(path)
    if part in ("__init__", "__main__"):
        return
    wrong = {
        other for other in parts_imported(path) - {part} if RANK[other] >= RANK[part] and (part, other) not in SIDEWAYS
    }
    assert not wrong, f"{path.relative_to(PACKAGE)} imports {wrong}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_keep_to_their_homes(path: Path) -> None:
    if "demo/project" in path.as_posix():
        return  # what a user gets a copy of
    strangers = {name.split(".")[0] for name in imported(path, at_run_time=False)} & set(HOMES)
    wrong = {name for name in strangers if part_of(path) not in HOMES[name]}
    assert not wrong, f"{path.relative_to(PACKAGE)} imports {wrong}"


@pytest.mark.parametrize("name", PURE)
def test_decisions_know_no_event_loop_and_no_sockets(name: str) -> None:
    forbidden = {"asyncio", "socket", "subprocess", "threading"}
    assert not forbidden & {module.split(".")[0] for module in imported(PACKAGE / name)}


PACKAGES = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))
MAP = PACKAGE.parent / "docs" / "ARCHITECTURE.md"


def on_the_map() -> dict[str, str]:
    """What the map says of each folder; under "" what it says of the files beside them."""
    found = re.search(r"^devproxy/\n(.*?)^```", MAP.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found
    parts = re.split(r"^  (?=\S)", found[1], flags=re.MULTILINE)[1:]
    return {match[1] if (match := re.match(r"(\w+)/ ", part)) else "": part for part in parts}


def test_the_map_has_every_folder_and_no_other() -> None:
    assert on_the_map().keys() - {""} == {package.name for package in PACKAGES}
    beside = {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}
    assert set(re.findall(r"\w+\.py", on_the_map()[""])) == beside


def said_of(package: Path) -> str:
    """What the map and the package's own docstring say of its files."""
    return (ast.get_docstring(parsed(package / "__init__.py")) or "") + "\n" + on_the_map()[package.name]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_every_module_is_named_by_the_map_or_by_its_package(package: Path) -> None:
    """The map is one page; the rest is where a reader of the folder begins. A file for one system goes with another."""
    said = said_of(package)
    modules = {path.stem for path in package.glob("[!_]*.py") if not path.stem.endswith(("_linux", "_darwin"))}
    unnamed = {
        name for name in modules if not re.search(rf"\b{name}\.py\b|(?:^|  |; ) *{name}[ ,:]", said, re.MULTILINE)
    }
    assert not unnamed, f"name them in {package.name}/__init__.py"


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_no_module_is_named_that_is_not_there(package: Path) -> None:
    named = re.findall(r"(?<![\w/])\w+\.py\b", said_of(package))
    assert not {name for name in named if not (package / name).is_file()}
