import ast

import pytest

from devproxy.discovery.source import Modules, imports_of, parse
from devproxy.discovery.tree import walk


@pytest.mark.parametrize(
    ("statement", "bound"),
    [
        ("import a.b", {"a": ("a", None)}),
        ("import a.b as c", {"c": ("a.b", None)}),
        ("from a import b", {"b": ("a", "b")}),
        ("from . import b", {"b": ("pkg.sub", "b")}),
        ("from .x import b as c", {"c": ("pkg.sub.x", "b")}),
        ("from ..x import b", {"b": ("pkg.x", "b")}),
    ],
)
def test_imports_are_made_absolute(statement, bound):
    assert imports_of(ast.parse(statement), "pkg.sub") == bound


def test_a_syntax_error_is_a_note_with_file_and_line(project):
    tree = walk(project({"a.py": "x = 1\ndef"}))
    assert parse(tree, "a.py") is None
    assert "a.py line 2" in tree.notes[0]


def test_a_warning_of_the_users_code_is_not_shown(project):
    tree = walk(project({"a.py": 'x = "\\d"'}))
    assert parse(tree, "a.py") is not None


def test_only_so_many_modules_are_parsed(project):
    modules = Modules(walk(project({"a.py": "", "b.py": ""})), ".", limit=1)
    assert modules.load("a") is not None
    assert modules.load("b") is None
