"""A client of the running session: the control API over the session's Unix socket.

By the standard library's http.client: httpx takes three times as long to import, and every command that
looks at a session would wait for it.
"""

import json as json_format
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from devproxy.errors import DevproxyError, MissingProgram, NoSession, PortHeld, ServiceFailed, UsageError
from devproxy.paths import socket_path

PREFIX = "/__devproxy"
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 30.0
PIECE = 64 * 1024

# By exit code: what a command ends with is the same whether the session or the command found the fault.
ERRORS = {kind.exit_code: kind for kind in (UsageError, PortHeld, ServiceFailed, NoSession, MissingProgram)}


class Client:
    """Talks to the session of one project root.

    Every method raises NoSession when nothing answers there, and DevproxyError (the class that the session
    meant) when it answers with a problem. Paths are below /__devproxy, as in the Contracts: "/api/status".

    Each call has a connection of its own (30 µs on a Unix socket), so none can have gone stale meanwhile.
    `with` ends the streams that are still open.

    Args: socket: where the session listens, if that is known; answer_seconds: how long an answer may take.
    """

    def __init__(self, root: Path, socket: Path | None = None, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self.root = root
        self.socket = socket or socket_path(root)
        self._answer_seconds = answer_seconds
        self._streams: set[HTTPConnection] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the streams that are still open."""
        while self._streams:
            self._streams.pop().close()

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """GET a JSON object. Args: params: the query; None is left out, a list is repeated."""
        return self._call("GET", path + query(params))

    def post(self, path: str, json: Any = None) -> dict[str, Any]:
        """POST, with a JSON body if there is one to send."""
        return self._call("POST", path, json)

    def delete(self, path: str) -> dict[str, Any]:
        """DELETE."""
        return self._call("DELETE", path)

    def is_running(self) -> bool:
        """Whether a session answers."""
        try:
            self.get("/health")
        except NoSession:
            return False
        return True

    def stream(
        self, path: str, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[bytes]:
        """GET an event stream: its bytes as they come, for as long as they come.

        Ends when the session does; the last bytes may be half an event.
        """
        with connected(self.root):
            connection = UnixConnection(self.socket, self._answer_seconds)
            self._streams.add(connection)
            try:
                answer = ask(connection, "GET", path + query(params or {}), headers=headers or {})
                if answer.status >= 400:
                    raise error_of(answer.status, answer.read())
                if connection.sock is not None:  # else: it ends soon
                    connection.sock.settimeout(None)
                yield from pieces(answer)
            finally:
                self._streams.discard(connection)
                connection.close()

    def _call(self, method: str, path: str, json: Any = None) -> dict[str, Any]:
        body = json_format.dumps(json).encode() if json is not None else None
        fields = {"Content-Type": "application/json"} if body else {}
        with connected(self.root):
            connection = UnixConnection(self.socket, self._answer_seconds)
            try:
                answer = ask(connection, method, path, body, fields)
                content = answer.read()
            finally:
                connection.close()
        if answer.status >= 400:
            raise error_of(answer.status, content)
        value = json_format.loads(content)
        if not isinstance(value, dict):
            raise DevproxyError(f"the session answered {path} with something else than an object")
        return value


class UnixConnection(HTTPConnection):
    """HTTP over a Unix socket; the Host is localhost, which the gateway admits."""

    def __init__(self, path: Path, answer_seconds: float = ANSWER_SECONDS) -> None:
        super().__init__("localhost", timeout=answer_seconds)
        self._path = path
        self._answer_seconds = answer_seconds

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)  # closed with the connection, also when connecting fails
        self.sock.settimeout(CONNECT_SECONDS)
        self.sock.connect(str(self._path))
        self.sock.settimeout(self._answer_seconds)


def ask(
    connection: HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> HTTPResponse:
    """Send a request for a path below /__devproxy; return the answer's head."""
    connection.request(method, PREFIX + path, body, dict(headers or {}))
    return connection.getresponse()


def pieces(answer: HTTPResponse) -> Iterator[bytes]:
    """The body as it comes, until it ends or the session goes away in the middle of it."""
    while True:
        try:
            piece = answer.read1(PIECE)
        except (IncompleteRead, ConnectionError):
            return
        if not piece:
            return
        yield piece


@contextmanager
def connected(root: Path) -> Iterator[None]:
    """Turn complaints about the connection into NoSession, or say that the session hangs."""
    try:
        yield
    except TimeoutError as error:
        raise DevproxyError(
            f"the session of {root} does not answer", hint="look at its terminal, or at devproxy logs"
        ) from error
    except (OSError, HTTPException) as error:
        raise NoSession(f"nothing runs in {root}", hint="start it with devproxy up") from error


def query(params: Mapping[str, Any]) -> str:
    """The query of a URL, with its question mark; empty if no parameter has a value."""
    given = {name: value for name, value in params.items() if value is not None}
    return "?" + urlencode(given, doseq=True) if given else ""


def error_of(status: int, content: bytes) -> DevproxyError:
    """The session's problem (RFC 9457) as the error it was there."""
    try:
        problem = json_format.loads(content)
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        return DevproxyError(f"the session answered {status}: {content[:200].decode('utf-8', 'replace')}")
    message = str(problem.get("detail") or problem.get("title") or f"status {status}")
    kind = ERRORS.get(problem.get("exit_code", 1), DevproxyError)
    return kind(message, hint=str(problem.get("hint", "")))


def find_session(directory: Path | None = None) -> Client:
    """A client for the session of a project.

    Args:   directory: its root, as for `devproxy up -C`; None: the project that this folder is in.
    Raises: NoSession: none answers there; UsageError: there is no such folder.
    """
    from devproxy.cli.plan import project_root

    client = Client(project_root(directory))
    client.get("/health")
    return client
