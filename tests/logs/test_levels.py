import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.logs.levels import LEVELS, Levels, at_least, detect, last_traceback
from devproxy.logs.records import Record

SAID = [
    ("INFO:     Uvicorn running on http://127.0.0.1:8000", "info"),
    ('INFO:     127.0.0.1:5 - "GET / HTTP/1.1" 500 Internal Server Error', "info"),
    ("ERROR:    Exception in ASGI application", "error"),
    ("\x1b[31mERROR\x1b[0m:    Exception in ASGI application", "error"),
    ("WARNING:root:careful", "warning"),
    ("2026-01-01 10:00:00,123 - app.db - ERROR - no connection", "error"),
    ("[2026-01-01 10:00:00 +0000] [42] [INFO] Booting worker", "info"),
    ("2026/01/01 10:00:00 [error] 7#7: *1 open() failed", "error"),
    ("10:00:01 DEBUG hi", "debug"),
    ('{"level":30,"time":1,"msg":"hi"}', "info"),
    ('{"time":1,"level":"fatal","msg":"bye"}', "critical"),
    ('{"severity":"WARNING","message":"x"}', "warning"),
    ("time=2026-01-01 level=warn msg=x", "warning"),
    ("10:00:00 AM [vite] Internal server error: x", "error"),
    ("✘ [ERROR] Could not resolve \"x\"", "error"),
    ("▲ [WARNING] Duplicate key", "warning"),
    ("src/a.ts(3,1): error TS2304: Cannot find name 'x'.", "error"),
    ("npm ERR! missing script: dev", "error"),
    ("npm warn deprecated x", "warning"),
    ("error[E0308]: mismatched types", "error"),
    ("panic: runtime error: index out of range", "critical"),
    ("Traceback (most recent call last):", "error"),
    ("sqlalchemy.exc.OperationalError: no such table", "error"),
    ("Error: listen EADDRINUSE: address already in use :::3000", "error"),
    ("TypeError [ERR_INVALID_ARG_TYPE]: bad", "error"),
    ("/app/a.py:3: DeprecationWarning: old", "warning"),
]  # fmt: skip
SILENT = [
    "", "  VITE v8.0.0  ready in 300 ms", "10:00:00 AM [vite] (client) hmr update /src/App.tsx",
    "no ERROR here", "ERROR in the middle of a word", "INFORMATION desk", "12 ERROR budget items", "Errors: 0",
    "error handling is done", "ErrorBoundary mounted", '127.0.0.1 - - [01/Jan/2026] "GET /ERROR HTTP/1.1" 200',
    '{"msg":"no level"}', "compiled with 0 errors", "GET /level=error 200",
]  # fmt: skip

PYTHON = """\
INFO:     started
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    one()
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
    two()
ValueError: bad
INFO:     reloading"""
NODE = """\
listening
file:///app/server.js:10
  throw new Error("x");
        ^

Error: x
    at Object.<anonymous> (/app/server.js:10:9)
    at node:internal/main/run_main_module:17:47 {
  code: 'X'
}

Node.js v24.0.0"""


def records(text: str, service: str = "api") -> list[Record]:
    return [Record(seq, 0, service, "stdout", each, detect(each)) for seq, each in enumerate(text.split("\n"), 1)]


@pytest.mark.parametrize(("text", "level"), SAID)
def test_a_line_that_says_its_level_has_it(text: str, level: str):
    assert detect(text) == level


@pytest.mark.parametrize("text", SILENT)
def test_a_line_that_does_not_say_has_none(text: str):
    assert detect(text) is None


@given(st.text(max_size=300))
def test_any_line_has_a_known_level_or_none(text: str):
    assert detect(text) in (None, *LEVELS)


def test_wanted_are_a_level_and_the_worse_ones():
    assert [level for level in (None, *LEVELS) if at_least(level, "warning")] == ["warning", "error", "critical"]


def test_the_lines_of_a_python_traceback_are_errors_though_other_services_print_in_between():
    levels = Levels()
    found = []
    for record in records(PYTHON):
        levels.of(Record(0, 0, "web", "stdout", "noise", None))
        found.append((record.text, levels.of(record)))
    assert [level for _, level in found] == ["info", *["error"] * 4, None, "error", None, *["error"] * 4, "info"]


def test_the_frames_of_a_node_stack_are_errors():
    levels = Levels()
    wanted = [record.text.strip()[:6] for record in records(NODE) if levels.of(record) == "error"]
    assert wanted == ["Error:", "at Obj", "at nod"]


def test_indented_lines_after_an_ordinary_one_are_no_errors():
    levels = Levels()
    assert [levels.of(record) for record in records("hello\n  at home\n    at (x:1)")] == [None, None, None]


def test_the_last_python_traceback_comes_whole_with_what_it_was_chained_to():
    assert [one.text for one in last_traceback(records(PYTHON))] == PYTHON.split("\n")[1:-1]


def test_of_two_separate_tracebacks_the_last_comes_alone():
    other = "Traceback (most recent call last):\n  File b\nOSError: later"
    assert "\n".join(one.text for one in last_traceback(records(f"{PYTHON}\n{other}\nbye"))) == other


def test_a_syntax_error_keeps_its_caret():
    text = (
        'Traceback (most recent call last):\n  File "m.py", line 2\n    def (:\n        ^\nSyntaxError: invalid syntax'
    )
    assert "\n".join(one.text for one in last_traceback(records(f"x\n{text}"))) == text


def test_an_exception_group_comes_with_its_members():
    text = (
        "  + Exception Group Traceback (most recent call last):\n  |   File a\n  | ExceptionGroup: two (2)\n"
        "  +-+---------------- 1 ----------------\n    | ValueError: 1\n    +------------------------------------"
    )
    assert "\n".join(one.text for one in last_traceback(records(f"x\n{text}"))).startswith(text)


def test_the_last_node_stack_comes_with_its_place_and_its_fields():
    assert [one.text for one in last_traceback(records(NODE))] == NODE.split("\n")[1:10]


def test_lines_without_a_traceback_have_none():
    assert last_traceback(records("a\nERROR: b\nc")) == []
