"""One child: what it finds (a terminal of its own), what we read of it, and how its group is signalled."""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devproxy.errors import ConfigError, MissingProgram, ServiceFailed
from devproxy.processes.child import Child, Command, spawn
from tests.processes.stage import PARENT, STAY, python
from tests.support import until
from tests.support.devproxy import is_alive


class Running:
    """A child under test, and what it has printed so far."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.printed: dict[str, bytes] = {}
        self.status: int | None = None

    def read(self) -> dict[str, bytes]:
        self.child.drain(self._take)
        return self.printed

    def _take(self, stream: str, data: bytes) -> None:
        self.printed[stream] = self.printed.get(stream, b"") + data

    def says(self, word: bytes, stream: str = "stdout") -> bytes:
        """Wait until it has printed this."""
        return until(lambda: word in self.read().get(stream, b"") and self.printed[stream])

    def reap(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.child.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None

    def end(self) -> bytes:
        """Wait until it has ended and return its standard output, read as it comes."""
        until(lambda: (self.read(), self.reap())[1])
        return self.read().get("stdout", b"")


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a child in `tmp_path`; it and its group are ended with the test."""
    started: list[Running] = []

    def start(argv: str | tuple[str, ...], env: dict[str, str] | None = None, **fields: object) -> Running:
        values = {**os.environ, **(env or {})}
        running = Running(spawn(Command(argv, tmp_path, values, **fields)))
        started.append(running)
        return running

    yield start
    for running in started:
        running.child.signal_group(signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            until(running.reap)
        for fd in tuple(running.child.outputs):
            running.child.close_output(fd)


def reported(start: Start, source: str, **fields: object) -> object:
    """What a child says of itself, as JSON."""
    return json.loads(start(python(f"import json, os, sys\nprint(json.dumps({source}))"), **fields).end())


def test_its_three_streams_are_one_terminal(start: Start) -> None:
    names = reported(start, "[os.ttyname(fd) for fd in (0, 1, 2)]")
    assert isinstance(names, list)
    assert len(set(names)) == 1


def test_the_terminal_controls_it_and_it_leads_its_session_and_group(start: Start) -> None:
    opened, leads = reported(
        start,
        "[os.isatty(os.open('/dev/tty', os.O_RDWR)), os.getpid() == os.getsid(0) == os.getpgrp() == os.tcgetpgrp(0)]",
    )
    assert opened
    assert leads


@pytest.mark.parametrize("separate_stderr", [False, True])
def test_it_inherits_none_of_our_files(start: Start, tmp_path: Path, separate_stderr: bool) -> None:
    """Not even those that a library has opened, or been given, so that children have them."""
    source = "[fd for fd in map(int, os.listdir('/dev/fd')) if os.path.exists(f'/dev/fd/{fd}')]"
    with open(tmp_path / "ours", "w") as file:
        os.set_inheritable(file.fileno(), True)
        assert reported(start, source, separate_stderr=separate_stderr) == [0, 1, 2]


def test_when_its_last_writer_has_closed_it_its_terminal_has_ended(start: Start) -> None:
    """Linux says so by EIO, macOS by an end of file; a terminal that only has nothing to read is another thing."""
    running = start(python(STAY))
    running.says(b"here\n")
    assert running.child.read(running.child.master) == b""
    running.child.signal_group(signal.SIGKILL)
    running.end()
    assert running.child.read(running.child.master) is None


def test_what_it_writes_is_what_we_read(start: Start) -> None:
    """No line end is translated on the way (termios: OPOST)."""
    assert start(python("import os; os.write(1, b'a\\nb\\r\\nc\\td\\n')")).end() == b"a\nb\r\nc\td\n"


def test_what_it_prints_is_read_while_it_runs(start: Start) -> None:
    running = start(python(STAY))
    running.says(b"here\n")
    assert not running.reap()


def test_its_last_words_can_be_read_after_it_has_ended(start: Start) -> None:
    running = start(python("import os; os.write(1, b'x' * 3000); os.write(1, b'the end'); os._exit(3)"))
    until(running.reap)
    assert running.read()["stdout"] == b"x" * 3000 + b"the end"
    assert running.status == 3


def test_its_terminal_has_the_size_we_say(start: Start) -> None:
    assert reported(start, "list(os.get_terminal_size(1))", size=(87, 31)) == [87, 31]


def test_it_hears_of_a_new_size(start: Start) -> None:
    running = start(
        python(
            "import os, signal, time\n"
            "signal.signal(signal.SIGWINCH, lambda *_: os.write(1, b'%d %d\\n' % os.get_terminal_size(0)))\n"
            "print('here', flush=True)\nwhile True: time.sleep(0.02)"
        )
    )
    running.says(b"here")
    running.child.resize(101, 41)
    running.says(b"101 41\n")


def test_a_separate_stderr_holds_more_than_is_read_in_a_turn(start: Start) -> None:
    running = start(
        python("import os; os.write(2, b'x' * 200_000); print('written', flush=True)"), separate_stderr=True
    )
    until(lambda: running.reap())  # nobody has read anything
    assert b"written" in running.read()["stdout"]
    assert running.printed["stderr"] == b"x" * 200_000


def test_a_separate_stderr_is_a_stream_of_its_own(start: Start) -> None:
    source = "import os, sys; print('out', os.isatty(1)); print('err', os.isatty(2), file=sys.stderr)"
    running = start(python(source), separate_stderr=True)
    running.end()
    assert running.printed == {"stdout": b"out True\n", "stderr": b"err False\n"}


def test_a_merged_stderr_keeps_its_place_among_the_lines(start: Start) -> None:
    running = start("echo one; echo two >&2; echo three")
    assert running.end() == b"one\ntwo\nthree\n"


def test_a_line_goes_to_the_shell_and_a_list_does_not(start: Start) -> None:
    assert start("echo $WORD", env={"WORD": "a b"}).end() == b"a b\n"
    assert start(("echo", "$WORD"), env={"WORD": "a b"}).end() == b"$WORD\n"


@pytest.mark.parametrize("argv", [("no-such-program",), "no-such-program --port $PORT"], ids=["a list", "a line"])
def test_a_missing_program_is_named_with_what_to_do(start: Start, argv: str | tuple[str, ...]) -> None:
    with pytest.raises(MissingProgram, match="no-such-program is not installed") as raised:
        start(argv)
    assert "install no-such-program" in raised.value.hint


def test_a_file_that_is_no_program_is_named(start: Start, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a program")
    with pytest.raises(MissingProgram, match=r"\./notes\.txt is not an executable file"):
        start(("./notes.txt",))


def test_a_missing_folder_is_named() -> None:
    with pytest.raises(ServiceFailed, match="the folder /no/such/folder does not exist"):
        spawn(Command(("true",), Path("/no/such/folder"), os.environ))


def test_programs_are_looked_for_where_the_child_will_look(start: Start, tmp_path: Path) -> None:
    """Its own PATH, whose relative folders begin at its own folder."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").write_text("#!/bin/sh\necho found\n")
    (tmp_path / "bin" / "tool").chmod(0o700)
    assert start(("tool",), env={"PATH": "bin:/usr/bin:/bin"}).end() == b"found\n"


def test_a_failed_start_leaves_no_open_file(start: Start) -> None:
    before = set(os.listdir("/dev/fd"))
    with pytest.raises(ServiceFailed, match="Argument list too long"):
        start(("true", "x" * 10_000_000))
    assert set(os.listdir("/dev/fd")) == before


def test_a_signal_reaches_the_whole_group(start: Start) -> None:
    running = start(python(PARENT))
    grandchild = int(running.says(b"child ").split()[1])
    assert not running.child.group_is_gone()
    assert running.child.signal_group(signal.SIGTERM)
    until(lambda: running.reap() and not is_alive(grandchild))
    assert running.status == -signal.SIGTERM


def test_a_group_that_is_gone_is_no_error(start: Start) -> None:
    running = start(("true",))
    running.end()
    assert running.child.group_is_gone()
    assert not running.child.signal_group(signal.SIGTERM)


@pytest.mark.parametrize(
    ("argv", "env", "problem"),
    [
        ("echo a\0b", {}, "its command has a NUL byte"),
        (("echo", "a\0b"), {}, "its command has a NUL byte"),
        ("true", {"KEY": "a\0b"}, "its variable 'KEY' has a NUL byte"),
    ],
)
def test_what_no_process_can_be_given_is_an_error_of_the_config(
    argv: str | tuple[str, ...], env: dict[str, str], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        spawn(Command(argv, tmp_path, {**os.environ, **env}))
    assert caught.value.problems == [problem]
