"""Outages as pages and as JSON."""

import json
import re
from html.parser import HTMLParser

from devproxy.proxy.failures import Outage, condense, response
from devproxy.proxy.head import parse_request

DOCUMENT = parse_request(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nSec-Fetch-Dest: document\r\n\r\n")
FETCH = parse_request(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nSec-Fetch-Dest: empty\r\n\r\n")
PYTHON = (
    "Traceback (most recent call last):",
    '  File "<frozen runpy>", line 198, in _run_module_as_main',
    '  File "/p/.venv/lib/python3.11/site-packages/uvicorn/main.py", line 4, in run',
    "    server.run()",
    '  File "/p/backend/main.py", line 106, in load',
    "    return items[0]",
    "           ~~~~~^^^",
    "IndexError: list index out of range",
)
NODE = (
    "/p/server.js:3",
    "    at Object.<anonymous> (/p/server.js:3:7)",
    "    at Module._compile (node:internal/modules/cjs/loader:1521:14)",
    "TypeError: x is not a function",
)


def split(answer: bytes) -> tuple[str, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), body.decode()


def test_a_person_gets_a_page_and_a_program_gets_the_same_facts_as_json() -> None:
    outage = Outage(502, "api has crashed", "It exited with code 1.", "Save a file.", "api", "crashed", "exited with code 1",
                    ("a line",), PYTHON, recovers=True)  # fmt: skip
    head, page = split(response(outage, DOCUMENT))
    assert head.startswith("HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html; charset=utf-8\r\n")
    head, body = split(response(outage, FETCH))
    assert "Content-Type: application/problem+json" in head
    facts = json.loads(body)
    assert facts["service"] == "api" and facts["status"] == 502 and facts["traceback"][-1] == PYTHON[-1]
    for fact in ("api has crashed", "It exited with code 1.", "Save a file.", "IndexError: list index out of range"):
        assert fact in page


def test_the_reader_sees_the_error_first_and_no_librarys_frames() -> None:
    assert condense(PYTHON) == (PYTHON[-1], *PYTHON[4:7])
    assert condense(NODE) == ("/p/server.js:3", NODE[-1], NODE[1])
    assert condense(PYTHON[:4])[-2:] == PYTHON[2:4]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)


def test_what_a_service_prints_never_becomes_markup_or_escapes() -> None:
    hostile = "<img src=x onerror=alert(1)></pre><script>alert(2)</script>\x1b]0;title\x07\x1b[2Jx"
    outage = Outage(502, hostile, hostile, hostile, hostile, "crashed", hostile, (hostile,), (hostile,))
    _, page = split(response(outage, DOCUMENT))
    parser = Tags()
    parser.feed(page)
    assert "img" not in parser.seen and "script" not in parser.seen
    assert "\x1b" not in page
    assert "\x1b" not in split(response(outage, FETCH))[1]


def test_the_pages_policy_allows_its_own_style_and_nothing_foreign() -> None:
    head, page = split(response(Outage(502, "x"), DOCUMENT))
    policy = re.search("Content-Security-Policy: (.*)\r\n", head)
    assert policy is not None
    assert "default-src 'none'" in policy[1] and "unsafe" not in policy[1]
    assert "http" not in re.sub("<style>.*?</style>", "", page, flags=re.S).replace('http-equiv="refresh"', "")
    assert "Cross-Origin-Resource-Policy: same-origin" in head


def test_a_head_request_gets_no_body_and_an_unreadable_one_a_closed_connection() -> None:
    head = parse_request(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert split(response(Outage(503, "x"), head))[1] == ""
    assert "Connection: close" in split(response(Outage(400, "x"), None))[0]
    assert "Retry-After: 1" in split(response(Outage(503, "x"), FETCH))[0]
