import asyncio
import base64
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from devproxy.config.model import Logs
from devproxy.logs.log import Log
from devproxy.logs.query import parse_query
from devproxy.logs.stream import stream
from devproxy.paths import make_state_dir, socket_path
from tests.support import until
from tests.support.devproxy import COMMAND
from tests.support.in_process import in_process


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without a session; its state is below tmp_path."""
    monkeypatch.setenv("DEVPROXY_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "devproxy.toml").write_text("[services.web]\ncommand = 'x'\n")
    return tmp_path / "shop"


@pytest.fixture
def log(root: Path) -> Iterator[Log]:
    log = Log(make_state_dir(root) / "logs", "s1", Logs())
    yield log
    log.close()


def command(root: Path, *words: str) -> list[str]:
    return [*COMMAND, "logs", "-C", str(root), *words]


def logs(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return in_process(["logs", "-C", str(root), *words])


class Session:
    """The log's event stream on the session's Unix socket, as the control API has it."""

    def __init__(self, root: Path, log: Log) -> None:
        self._log = log
        self._path = socket_path(root)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._answers: set[asyncio.Task[None]] = set()
        self.readers = 0

    def __enter__(self) -> "Session":
        self._thread.start()
        self._up.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def do(self, act: Callable[..., object], *args: object) -> None:
        self._loop.call_soon_threadsafe(act, *args)

    async def _serve(self) -> None:
        async with await asyncio.start_unix_server(self._answer, str(self._path)):
            self._up.set()
            await self._stop.wait()
            for answer in self._answers:
                answer.cancel()
            await asyncio.gather(*self._answers, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._answers.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            await self._send(head[0].split(" ")[1], head[1:], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it only looked whether anybody listens, or had enough
        finally:
            writer.close()
            self._answers.discard(task)

    async def _send(self, target: str, fields: list[str], writer: asyncio.StreamWriter) -> None:
        named = dict(line.lower().split(": ", 1) for line in fields if line)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        if urlsplit(target).path.endswith("/api/services"):
            writer.write(json.dumps({"services": [{"name": "web"}, {"name": "quiet"}]}).encode())
        else:
            asked = parse_qs(urlsplit(target).query)
            [grep], [level] = asked.get("grep", [""]), asked.get("level", [""])
            wanted = parse_query(asked.get("service", ()), grep=grep, invert="invert" in asked, level=level)
            async with aclosing(stream(self._log, wanted, last_event_id=named.get("last-event-id"))) as pieces:
                async for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    self.readers += 1
        await writer.drain()


def test_every_line_stands_behind_its_service(root: Path, log: Log):
    log.source("web").feed(b"one\ntwo\n")
    log.source("api").feed(b"three\n")
    log.say("ours")
    done = logs(root)
    assert done.stdout == "web      | one\nweb      | two\napi      | three\ndevproxy | ours\n"
    assert done.returncode == 0


def test_the_files_are_read_when_no_session_runs_and_stderr_says_so(root: Path, log: Log):
    log.source("web").feed(b"one\n")
    log.close()
    done = logs(root)
    assert (done.returncode, done.stdout) == (0, "web      | one\n")
    assert "no session runs" in done.stderr


def test_a_project_that_never_ran_has_no_lines(root: Path):
    done = logs(root)
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing was printed" in done.stderr


def test_services_are_picked_by_name(root: Path, log: Log):
    log.source("web").feed(b"one\n")
    log.source("api").feed(b"two\n")
    log.say("ours")
    assert logs(root, "api", "devproxy").stdout == "api      | two\ndevproxy | ours\n"


def test_a_mistyped_service_is_an_error_with_the_nearest_name(root: Path, log: Log):
    log.source("backend").feed(b"one\n")
    done = logs(root, "bakend")
    assert done.returncode == 2
    assert "did you mean 'backend'?" in done.stderr
    assert done.stdout == ""


def test_the_last_hundred_lines_are_shown_unless_told_otherwise(root: Path, log: Log):
    log.source("web").feed(b"".join(b"%d\n" % number for number in range(1, 301)))
    assert logs(root).stdout.split("\n")[0] == "web      | 201"
    assert logs(root, "-n", "2").stdout == "web      | 299\nweb      | 300\n"
    assert logs(root, "-n", "all").stdout.count("\n") == 300
    assert logs(root, "-n", "0").stdout == ""
    assert logs(root, "--since", "1h").stdout.count("\n") == 300
    assert logs(root, "--grep", "^1", "-n", "1").stdout == "web      | 199\n"


@pytest.mark.parametrize(
    "words", [["-n", "x"], ["-n", "-1"], ["--since", "soon"], ["--grep", "("], ["--level", "loud"]]
)
def test_a_value_that_makes_no_sense_is_misuse(root: Path, words: list[str]):
    done = logs(root, *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_errors_come_with_their_traceback(root: Path, log: Log):
    log.source("api").feed(b"INFO: a\nTraceback (most recent call last):\n  File x\nValueError: b\nINFO: c\n")
    assert [line[11:] for line in logs(root, "--level", "error").stdout.splitlines()] == [
        "Traceback (most recent call last):",
        "  File x",
        "ValueError: b",
    ]


def test_json_is_one_record_of_the_contract_a_line(root: Path, log: Log):
    log.source("web").feed("\x1b[32mgrün\x1b[0m\n".encode())
    (line,) = logs(root, "--json").stdout.splitlines()
    record = json.loads(line)
    assert record.pop("time").endswith("Z")
    assert record == {
        "id": "s1-1",
        "seq": 1,
        "service": "web",
        "stream": "stdout",
        "text": "grün",
        "level": None,
        "ansi": "\x1b[32mgrün\x1b[0m",
    }


def test_colours_are_for_terminals(root: Path, log: Log, monkeypatch: pytest.MonkeyPatch):
    log.source("web").feed(b"\x1b[32mgreen\x1b[0m\n")
    assert "\x1b" not in logs(root).stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[32mgreen" in logs(root).stdout
    assert "\x1b" not in logs(root, "--no-color").stdout


def test_a_reader_that_leaves_ends_us_quietly(root: Path, log: Log):
    log.source("web").feed(b"x" * 1000 + b"\n")
    for _ in range(2000):
        log.source("web").feed(b"x" * 1000 + b"\n")
    with subprocess.Popen(
        command(root, "-n", "all"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == -signal.SIGPIPE


def test_following_without_a_session_shows_the_lines_and_exits_5(root: Path, log: Log):
    log.source("web").feed(b"one\n")
    done = logs(root, "-f")
    assert (done.returncode, done.stdout) == (5, "web      | one\n")
    assert "devproxy up" in done.stderr


def test_following_goes_on_where_the_files_end_and_ends_with_the_session(root: Path, log: Log):
    log.source("web").feed(b"one\n")
    with Session(root, log) as session:
        process = subprocess.Popen(command(root, "-f"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until(lambda: session.readers)
        session.do(log.source("web").feed, b"two\n")
        session.do(log.source("quiet").feed, b"three\n")
        session.do(log.close)
        out, err = process.communicate(timeout=20)
    assert out == "web      | one\nweb      | two\nquiet    | three\n"
    assert (process.returncode, err) == (0, "")


def test_following_filters_as_reading_does(root: Path, log: Log):
    with Session(root, log) as session:
        words = ["-f", "web", "quiet", "--grep", "^a", "--json"]
        process = subprocess.Popen(command(root, *words), stdout=subprocess.PIPE, text=True)
        until(lambda: session.readers)
        session.do(log.source("web").feed, b"a1\nb2\n\x1b[1ma3\n")
        session.do(log.source("api").feed, b"a4\n")
        session.do(log.close)
        out, _ = process.communicate(timeout=20)
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["a1", "a3"]


def test_a_session_that_is_gone_in_the_middle_is_told(root: Path, log: Log):
    with Session(root, log) as session:
        process = subprocess.Popen(command(root, "-f"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until(lambda: session.readers)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 5
    assert "is gone" in err


def test_ctrl_c_ends_following_by_its_signal(root: Path, log: Log):
    with Session(root, log) as session:
        process = subprocess.Popen(command(root, "-f"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until(lambda: session.readers)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert "Traceback" not in err


BAD = "Traceback (most recent call last):\n  File x\nValueError: bad\n"


def on_a_terminal(words: list[str]) -> str:
    """What a command prints on a terminal of its own."""
    main, child = os.openpty()
    process = subprocess.Popen(words, stdout=child, stderr=child, stdin=subprocess.DEVNULL)
    os.close(child)
    printed = b""
    while True:
        try:
            data = os.read(main, 65536)
        except OSError:  # EIO: nobody has it open any more
            break
        printed += data
    os.close(main)
    assert process.wait(20) == 0
    return printed.decode().replace("\r\n", "\n")


def test_the_same_traceback_is_folded_on_a_terminal_and_nowhere_else(root: Path, log: Log):
    for _ in range(37):
        log.source("api").feed(b"INFO: GET /\n" + BAD.encode())
    log.source("api").feed(b"INFO: end\n")
    shown = on_a_terminal(command(root, "-n", "all"))
    assert re.search(r"ValueError: bad  ×37 since \d\d:\d\d", shown)
    assert shown.count("File x") == 1
    shown = on_a_terminal(command(root, "--level", "error"))
    assert shown.count("Traceback") == 1
    assert "×37" in shown
    assert "×36" not in shown
    for words in ([], ["--json"], ["--raw"]):
        assert logs(root, "-n", "all", *words).stdout.count("File x") == 37


def test_raw_is_every_stored_byte_and_nothing_else(root: Path, log: Log):
    data = b"\x1b[32mgreen\x1b[0m\n\xff\xfe no utf-8\n{}\n"
    log.source("web").feed(data)
    log.source("api").feed(b"other\n")
    done = subprocess.run(command(root, "--raw", "web"), capture_output=True, timeout=30)
    assert done.stdout == data
    assert logs(root, "--raw", "--json").returncode == 2


def test_raw_is_every_byte_when_following_too(root: Path, log: Log):
    log.source("web").feed(b"before \xff\n")
    with Session(root, log) as session:
        process = subprocess.Popen(command(root, "-f", "--raw"), stdout=subprocess.PIPE)
        until(lambda: session.readers)
        session.do(log.source("web").feed, b"\x1b[1mafter\x1b[0m \xfe\n")
        session.do(log.close)
        out, _ = process.communicate(timeout=20)
    assert out == b"before \xff\n\x1b[1mafter\x1b[0m \xfe\n"


def test_json_tells_bytes_that_are_no_utf8_and_the_line_s_own_time(root: Path, log: Log):
    log.source("web").feed(b"2026-01-31T10:41:00Z \xff\n")
    record = json.loads(logs(root, "--json").stdout)
    assert base64.b64decode(record["bytes"]) == b"2026-01-31T10:41:00Z \xff"
    assert record["own_time"] == "2026-01-31T10:41:00.000000Z"
    assert record["text"].endswith("\ufffd")


def test_a_pattern_can_be_inverted(root: Path, log: Log):
    log.source("web").feed(b"GET /health\nGET /\nPOST /\n")
    assert logs(root, "--grep", "health", "-v").stdout == "web      | GET /\nweb      | POST /\n"
    assert logs(root, "-v").returncode == 2


def test_a_cursor_brings_each_line_once_also_over_a_new_session(root: Path, log: Log):
    def ask(cursor: str, *words: str) -> tuple[list[str], dict[str, object]]:
        *lines, last = map(json.loads, logs(root, "--json", "--cursor", cursor, *words).stdout.splitlines())
        return [line["text"] for line in lines], last

    assert ask("") == ([], {"cursor": "", "dropped": 0})
    log.source("web").feed(b"1\n2\n")
    lines, end = ask("")
    assert (lines, end) == (["1", "2"], {"cursor": "s1-2", "dropped": 0})
    assert ask("s1-2") == ([], {"cursor": "s1-2", "dropped": 0})
    log.source("web").feed(b"3\n4\n")
    log.close()
    later = Log(log.directory, "s2", Logs())
    later.source("web").feed(b"5\n")
    later.close()
    assert ask("s1-2", "-n", "1") == (["3"], {"cursor": "s1-3", "dropped": 0})
    assert ask("s1-3") == (["4", "5"], {"cursor": "s2-1", "dropped": 0})
    done = logs(root, "--cursor", "s1-3")
    assert done.stdout == "web      | 4\nweb      | 5\n"
    assert done.stderr == "cursor: s2-1\n"
    assert logs(root, "--cursor", "nonsense").returncode == 2


def test_lines_are_counted_from_the_last_event_also_after_the_session(root: Path, log: Log):
    log.source("api").feed(b"first\n")
    time.sleep(0.002)
    log.marks.add("restart", "api")
    log.source("api").feed(b"second\n")
    time.sleep(0.002)
    log.marks.add("save", "web")
    log.source("web").feed(b"third\n")
    log.close()
    assert logs(root, "--since", "last-restart").stdout == "api      | second\nweb      | third\n"
    assert logs(root, "--since", "last-save").stdout == "web      | third\n"
    assert logs(root, "--until", "last-restart").stdout == "api      | first\n"
    done = logs(root, "--since", "last-save", "api")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no save of api is on record" in done.stderr


def test_following_errors_shows_each_whole(root: Path, log: Log):
    log.source("api").feed(b"INFO: a\n")
    with Session(root, log) as session:
        words = ["-f", "--level", "error", "--json"]
        process = subprocess.Popen(command(root, *words), stdout=subprocess.PIPE, text=True)
        until(lambda: session.readers)
        session.do(log.source("api").feed, BAD.encode()[:40])
        session.do(log.source("api").feed, BAD.encode()[40:] + b"INFO: b\n")
        session.do(log.close)
        out, _ = process.communicate(timeout=20)
    assert [json.loads(line)["text"] + "\n" for line in out.splitlines()] == [BAD]
