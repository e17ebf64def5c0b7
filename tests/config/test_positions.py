"""Lines of keys in a TOML text."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.config.positions import find_lines, line_of

TEXT = '''\
name = "shop" # a comment with [brackets] = "and quotes
# [services.ghost]

[services.web]
command = """
[not.a.header]
key = 'no'
"""
env = { A = "1", "B.C" = "{2", nested = { D = [1, 2] } }
stop.signal = "TERM"
'quoted "key"' = """one line"""

  [ services . "api.v1" ]
watch = [
  "a]", # ]
  'b\\',

  "c",
]
port = 1

[[routes]]
prefix = "/"
[routes.request_headers]
set = {}

[[routes]]
prefix = "/api"
[[routes.deep]]
x = 1
[[routes.deep]]
x = 2
'''

EXPECTED = {
    ("name",): 1,
    ("services",): 4,
    ("services", "web"): 4,
    ("services", "web", "command"): 5,
    ("services", "web", "env"): 9,
    ("services", "web", "env", "A"): 9,
    ("services", "web", "env", "B.C"): 9,
    ("services", "web", "env", "nested", "D", 1): 9,
    ("services", "web", "stop"): 10,
    ("services", "web", "stop", "signal"): 10,
    ("services", "web", 'quoted "key"'): 11,
    ("services", "api.v1"): 13,
    ("services", "api.v1", "watch"): 14,
    ("services", "api.v1", "watch", 0): 15,
    ("services", "api.v1", "watch", 1): 16,
    ("services", "api.v1", "watch", 2): 18,
    ("services", "api.v1", "port"): 20,
    ("routes", 0): 22,
    ("routes", 0, "prefix"): 23,
    ("routes", 0, "request_headers"): 24,
    ("routes", 0, "request_headers", "set"): 25,
    ("routes", 1): 27,
    ("routes", 1, "prefix"): 28,
    ("routes", 1, "deep", 0, "x"): 30,
    ("routes", 1, "deep", 1): 31,
    ("routes", 1, "deep", 1, "x"): 32,
}


def paths_of(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """Every path in a document, as tomllib read it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path} | {below for key, item in items for below in paths_of(item, (*path, key))}


@pytest.mark.parametrize(("path", "line"), EXPECTED.items(), ids=str)
def test_each_key_is_found_on_its_line(path: tuple[str | int, ...], line: int) -> None:
    assert find_lines(TEXT)[path] == line


def test_exactly_the_paths_that_tomllib_reads_are_found() -> None:
    assert set(find_lines(TEXT)) | {()} == paths_of(tomllib.loads(TEXT))


def test_windows_line_ends_change_nothing() -> None:
    assert find_lines(TEXT.replace("\n", "\r\n")) == find_lines(TEXT)


@pytest.mark.parametrize(
    ("path", "line"),
    [(("services", "web", "missing"), 4), (("routes", 1, "to"), 27), (("nowhere", "at", "all"), 1), ((), 1)],
)
def test_a_missing_key_is_placed_at_the_nearest_thing_around_it(path: tuple[str | int, ...], line: int) -> None:
    assert line_of(find_lines(TEXT), path) == line


def test_an_array_of_inline_tables_has_the_line_of_each_key() -> None:
    lines = find_lines('routes = [\n  { prefix = "/" },\n  { prefix = "/api" }, # "\n]\nport = 1\n')
    assert lines["routes", 1, "prefix"] == 3
    assert lines["port",] == 5


@given(st.text(alphabet="ab.=[]{}\"'\\#,\n \t1", max_size=60))
def test_any_text_has_an_answer_and_a_valid_one_has_all_paths(text: str) -> None:
    lines = find_lines(text)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(lines) | {()} == paths_of(document)


def test_deep_nesting_ends() -> None:
    assert find_lines("a = " + "[" * 100_000)["a",] == 1
