"""Globs and noise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.watch.patterns import is_noise, parse_glob


@pytest.mark.parametrize(
    ("glob", "root", "below", "matches"),
    [
        ("**/*.py", "", "main.py", True),
        ("**/*.py", "", "a/b/c.py", True),
        ("**/*.py", "", "a/b/c.pyc", False),
        ("app/**/*.py", "app", "main.py", True),
        ("app/**/*.py", "app", "x/y/main.py", True),
        ("./app/*.py", "app", "main.py", True),
        ("app/*.py", "app", "x/main.py", False),
        ("*.py", "", "main.py", True),
        ("*.py", "", "x/main.py", False),
        ("app/**", "app", "x/y", True),
        ("app/**", "app", "", False),
        ("app", "app", "x/y", True),
        ("main.py", "main.py", "", True),
        ("src/**/test_?.py", "src", "a/test_1.py", True),
        ("src/**/test_?.py", "src", "a/test_12.py", False),
        ("src/*.{js,ts}", "src", "a.ts", True),
        ("src/*.{js,ts}", "src", "a.tsx", False),
        ("src/[!_]*.py", "src", "_a.py", False),
        ("src/[!_]*.py", "src", "a.py", True),
        ("../shared/**/*.py", "../shared", "a.py", True),
        ("a+b/**/x(1).py", "a+b", "x(1).py", True),
    ],
)
def test_a_glob_matches_below_its_root(glob: str, root: str, below: str, matches: bool) -> None:
    parsed = parse_glob(glob)
    assert (parsed.root, parsed.matches(below)) == (root, matches)


@pytest.mark.parametrize(("glob", "deep"), [("*.py", False), ("a/*.py", False), ("**", True), ("a/*/b.py", True)])
def test_a_glob_says_whether_it_reaches_further_down(glob: str, deep: bool) -> None:
    assert parse_glob(glob).deep is deep


@given(st.text(alphabet="ab*?[]{},!/.-\\^", max_size=20), st.text(max_size=10))
def test_any_text_is_a_glob_that_can_be_asked(glob: str, below: str) -> None:
    assert parse_glob(glob).matches(below) in (True, False)


@given(st.lists(st.text(alphabet="abcXY_-. 0", min_size=1, max_size=8), min_size=1, max_size=4))
def test_a_path_matches_the_glob_of_everything(parts: list[str]) -> None:
    assert parse_glob("**").matches("/".join(parts))


@pytest.mark.parametrize(
    "path",
    [
        "node_modules/x/index.js",
        "a/node_modules",
        ".git/HEAD",
        "app/__pycache__/main.cpython-311.pyc",
        ".venv/lib/x.py",
        "4913",
        "app/.main.py.swp",
        "app/main.py~",
        "app/.#main.py",
        "app/#main.py#",
        "main.pyc",
        "main.py___jb_tmp___",
        "main.py.tmp.4242.1699",
        ".goutputstream-ABC123",
    ],
)
def test_noise_never_counts(path: str) -> None:
    assert is_noise(path.split("/"))


@pytest.mark.parametrize("path", ["main.py", "src/a.css", "my_node_modules/x.js", "gitlog.txt", "49130", ".env"])
def test_ordinary_files_are_no_noise(path: str) -> None:
    assert not is_noise(path.split("/"))
