import pytest
from hypothesis import given
from hypothesis import strategies as st

from devproxy.logs.levels import at_least, detect
from devproxy.logs.records import LEVELS

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
    ("[31/Jan/2026 10:41:00] \"GET /x HTTP/1.1\" 500 145", "error"),
    ("[31/Jan/2026 10:41:00] \"GET /x HTTP/1.1\" 404 145", "warning"),
    ("[31/Jan/2026 10:41:00] \"GET /x HTTP/1.1\" 200 145", "info"),
    ("Internal Server Error: /x", "error"),
    ("[2026-01-31 10:41:00,123: ERROR/ForkPoolWorker-1] Task raised", "error"),
    ("2026-01-31 10:41:00.123 | WARNING  | app:f:3 - careful", "warning"),
    ('{"level":"warn","message":"careful","timestamp":"2026-01-31T10:41:00.000Z"}', "warning"),
    ("info: listening {\"port\":3000}", "info"),
    ("fail: Microsoft.AspNetCore[0]", "error"),
    ("[10:41:00.123] ERROR (4711): pino-pretty", "error"),
    ("E, [2026-01-31T10:41:00.123456 #4711] ERROR -- : bad", "error"),
    ("I, [2026-01-31T10:41:00.123456 #4711]  INFO -- : Started GET", "info"),
    ("Completed 500 Internal Server Error in 5ms (ActiveRecord: 0.0ms)", "error"),
    ("Completed 200 OK in 5ms (Views: 1.0ms)", "info"),
    ("NoMethodError (undefined method 'x' for nil):", "error"),
    ("app.rb:3:in 'foo': undefined local variable (NameError)", "error"),
    ("2026/01/31 10:41:00 WARN slow took=3s", "warning"),
    ('time=2026-01-31T10:41:00.123+01:00 level=ERROR msg="no db"', "error"),
    ('{"time":"2026-01-31T10:41:00.1Z","level":"ERROR","msg":"no db"}', "error"),
    ("10:41:00.123 [main] ERROR c.e.App - failed", "error"),
    ("2026-01-31T10:41:00.123+01:00  WARN 4711 --- [main] c.e.App : slow", "warning"),
    ('Exception in thread "main" java.lang.IllegalStateException: x', "error"),
    ("2026-01-31T10:41:00.123Z ERROR app::db: no db", "error"),
    ("thread 'main' panicked at src/main.rs:2:5:", "error"),
    (" ⨯ Error: no page", "error"),
    (" ⚠ Fast Refresh had to perform a full reload", "warning"),
]  # fmt: skip
SILENT = [
    "", "  VITE v8.0.0  ready in 300 ms", "10:00:00 AM [vite] (client) hmr update /src/App.tsx",
    "no ERROR here", "ERROR in the middle of a word", "INFORMATION desk", "12 ERROR budget items", "Errors: 0",
    "error handling is done", "ErrorBoundary mounted", '127.0.0.1 - - [01/Jan/2026] "GET /ERROR HTTP/1.1" 200',
    '{"msg":"no level"}', '{"msg":"\\"level\\":50"}', "http: proxy is here", "Completed 12 of 500 files", "compiled with 0 errors", "GET /level=error 200",
]  # fmt: skip


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
