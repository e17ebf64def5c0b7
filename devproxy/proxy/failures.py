"""An outage as a page for people and as JSON for programs. Pure, but for the date.

Both carry the same facts (RFC 9457 names them for JSON). Everything a service printed is untrusted: it
is stripped of escapes and becomes text, never markup; the page loads nothing but our own script.
"""

import hashlib
import html
import json
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from devproxy.proxy.date import date_line
from devproxy.proxy.head import RequestHead
from devproxy.proxy.hold import is_document

RETRY_AFTER_SECONDS = 1

ALLOWED: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
"""What a 405 of ours names (RFC 9110 §15.5.6): it is about CONNECT or TRACE, others are the upstream's affair."""

_ESCAPES: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b.|[\x00-\x08\x0b-\x1f\x7f]")
_FRAME: Final = re.compile(r'  File "|    at ')
_LIBRARY: Final = re.compile(r"site-packages|dist-packages|/lib/python3|<frozen |node_modules|node:internal|\(node:")
_HEADINGS: Final = ("Traceback (most recent call last)", "During handling of", "The above exception")


@dataclass(frozen=True, slots=True)
class Outage:
    """What is wrong, in words.

    service: its name, empty if none is concerned; state: its state; title: one line; detail: a sentence;
    hint: what to do; exit: how its process ended, in words; lines: its last log lines; traceback: the
    last one it printed; recovers: a page showing this may reload itself when the service is ready.
    """

    status: int
    title: str
    detail: str = ""
    hint: str = ""
    service: str = ""
    state: str = ""
    exit: str = ""
    lines: tuple[str, ...] = ()
    traceback: tuple[str, ...] = ()
    recovers: bool = False


def response(outage: Outage, request: RequestHead | None) -> bytes:
    """The complete response to `request`: the page if a person will see it, JSON otherwise.

    Without a request (it could not be read) the connection closes after it.
    """
    page = request is not None and is_document(request)
    body = _page(outage) if page else _problem(outage)
    head = [
        f"HTTP/1.1 {outage.status} {_phrase(outage.status)}",
        f"Content-Type: {'text/html; charset=utf-8' if page else 'application/problem+json'}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Cross-Origin-Resource-Policy: same-origin",
    ]
    if page:
        head.append(f"Content-Security-Policy: {_policy()}")
        head.append("Referrer-Policy: no-referrer")
    if outage.status == HTTPStatus.METHOD_NOT_ALLOWED:
        head.append(f"Allow: {ALLOWED}")
    if outage.status == HTTPStatus.SERVICE_UNAVAILABLE:
        head.append(f"Retry-After: {RETRY_AFTER_SECONDS}")
    raw = _head(head, request)
    return raw if request is not None and request.method == b"HEAD" else raw + body


def options(request: RequestHead) -> bytes:
    """The complete response to an OPTIONS that goes no further."""
    return _head([f"HTTP/1.1 204 {_phrase(204)}", f"Allow: {ALLOWED}"], request)


def _head(lines: list[str], request: RequestHead | None) -> bytes:
    if request is None or request.has_body or not request.keep_alive:
        lines.append("Connection: close")
    elif request.http10:
        lines.append("Connection: keep-alive")
    return "\r\n".join((*lines, "")).encode("latin-1", "replace") + date_line() + b"\r\n"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _problem(outage: Outage) -> bytes:
    facts: dict[str, object] = {
        "type": "about:blank",
        "title": outage.title,
        "status": outage.status,
        "detail": outage.detail,
        "hint": outage.hint,
        "service": outage.service,
        "state": outage.state,
        "exit": outage.exit,
        "traceback": [plain(line) for line in outage.traceback],
        "log": [plain(line) for line in outage.lines],
    }
    shown = {name: value for name, value in facts.items() if value or name in ("type", "title", "status")}
    return json.dumps(shown, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def plain(line: str) -> str:
    """A log line without escapes and control characters."""
    return _ESCAPES.sub("", line)


@cache
def _style() -> str:
    return files("devproxy.proxy").joinpath("failures.css").read_text()


@cache
def _policy() -> str:
    """The page's CSP: our own style sheet by its hash, our own script, nothing else."""
    digest = b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    )


def _page(outage: Outage) -> bytes:
    coming = outage.state in ("waiting", "freeing", "starting", "restarting")
    recovers = f' data-devproxy-outage="{_escaped(outage.service)}"' if outage.recovers else ""
    refresh = '<meta http-equiv="refresh" content="1">' if coming and outage.recovers else ""
    without_script = (
        "" if coming or not outage.recovers else '<noscript><meta http-equiv="refresh" content="2"></noscript>'
    )
    script = '<script src="/__devproxy/client.js" async></script>' if outage.recovers else ""
    label = " · ".join(word for word in (outage.service, outage.state or str(outage.status)) if word)
    body = [
        f'<p class="state">{_escaped(label)}</p>',
        f"<h1>{_escaped(outage.title)}</h1>",
        f"<p>{_text(outage.detail)}</p>" if outage.detail else "",
        f'<p class="hint">{_text(outage.hint)}</p>' if outage.hint else "",
    ]
    if outage.recovers and outage.state in ("crashed", "failing", "stopped"):
        # Shown by our script, which alone can press it: restarting needs the session's cookie, and a POST.
        body.append(
            f'<p><button type="button" hidden data-devproxy-restart>Restart {_escaped(outage.service)}</button></p>'
        )
    if outage.traceback:
        condensed = condense(outage.traceback)
        body.append(_block("What it says", condensed, "bad"))
        body.append(_folded("The whole traceback", outage.traceback) if condensed != outage.traceback else "")
        body.append(_folded("Its last lines", outage.lines))
    else:
        body.append(_block("Its last lines", outage.lines, ""))
    if outage.recovers:
        body.append("<footer>This page reloads itself when the service is ready again.</footer>")
    return (
        f'<!doctype html>\n<html lang="en"{recovers}>\n<head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">{refresh}{without_script}'
        f"<title>{_escaped(outage.title)}</title><style>{_style()}</style>{script}</head>\n"
        f'<body class="{"coming" if coming else "broken"}"><main>\n'
        + "\n".join(filter(None, body))
        + "\n</main></body></html>\n"
    ).encode("utf-8", "replace")


def condense(traceback: Sequence[str]) -> tuple[str, ...]:
    """A traceback with the error first, and the frames of libraries left out: what the reader can mend.

    If every frame is a library's, the last one stays. Python's and Node's shapes are known.
    """
    frames: list[list[str]] = []
    error: list[str] = []
    for line in map(plain, traceback):
        if _FRAME.match(line):
            frames.append([line])
        elif frames and line.startswith("    "):
            frames[-1].append(line)
        elif line and not line.startswith(_HEADINGS):
            error.append(line)
    own = [frame for frame in frames if not _LIBRARY.search(frame[0])] or frames[-1:]
    return (*error, *(line for frame in own for line in frame))


def _escaped(text: str) -> str:
    return html.escape(plain(text))


def _text(sentence: str) -> str:
    """A sentence as HTML; what stands between backquotes is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _escaped(sentence))


def _folded(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    text = "\n".join(map(_escaped, lines))
    return f'<details><summary>{title}</summary><pre tabindex="0">{text}</pre></details>'


def _block(title: str, lines: Sequence[str], kind: str) -> str:
    if not lines:
        return ""
    text = "\n".join(map(_escaped, lines))
    return f'<section><h2>{title}</h2><pre class="{kind}" tabindex="0">{text}</pre></section>'
