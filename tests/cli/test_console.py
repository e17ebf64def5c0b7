"""How an error reads, how the process ends, when there is colour."""

import io
import os
import signal
import subprocess
import sys
from typing import TextIO

import pytest
import typer

from devproxy.cli import app, console
from devproxy.errors import ConfigError, DevproxyError, NoSession

# A command line whose one command does what BODY says; run as a process of its own.
PROGRAM = """
import sys
from devproxy.cli import app, console
from devproxy.errors import NoSession
def command(args):
    {body}
app.invoke = command
console.run_cli()
"""


def process(body: str, **options: object) -> "subprocess.CompletedProcess[str]":
    environment = {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "NO_COLOR")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment,
        **options,
    )


def invoking(monkeypatch: pytest.MonkeyPatch, error: BaseException | None) -> int:
    """The exit code when the command ends with this error."""

    def command(args: object) -> int:
        if error is not None:
            raise error
        return 0

    monkeypatch.setattr(app, "invoke", command)
    return console.run([])


def test_an_error_is_one_message_with_its_hint_and_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoking(monkeypatch, NoSession("nothing runs here", hint="start it with devproxy up")) == 5
    assert capsys.readouterr() == ("", "devproxy: nothing runs here\n  start it with devproxy up\n")


def test_every_problem_of_a_config_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert invoking(monkeypatch, ConfigError(["a.toml:1: port: a number", "a.toml:2: prot: unknown"])) == 2
    assert capsys.readouterr().err == "devproxy: a.toml:1: port: a number\n  a.toml:2: prot: unknown\n"


def test_errors_that_a_task_group_gathered_are_each_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    inner = ExceptionGroup("inner", [NoSession("two")])
    group = ExceptionGroup("outer", [NoSession("one"), inner])
    assert invoking(monkeypatch, group) == 5
    assert capsys.readouterr().err == "devproxy: one\ndevproxy: two\n"


def test_a_bug_of_ours_shows_its_traceback_and_says_whose_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoking(monkeypatch, ZeroDivisionError("by zero")) == 1
    said = capsys.readouterr().err
    assert "Traceback (most recent call last)" in said
    assert "ZeroDivisionError: by zero" in said
    assert "this is a bug in devproxy" in said
    assert "CONTRIBUTING.md" in said


def test_a_bug_among_gathered_errors_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    assert invoking(monkeypatch, ExceptionGroup("both", [NoSession("one"), ValueError("two")])) == 1


def test_a_message_cannot_move_the_cursor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    invoking(monkeypatch, DevproxyError("bad \x1b]0;title\x07 \x9b2J name", hint="\rhidden"))
    said = capsys.readouterr().err
    assert said == "devproxy: bad \\x1b]0;title\\x07 \\x9b2J name\n  \\x0dhidden\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--frobnicate"], "no such option"),
        (["status", "--frobnicate"], "no such option"),
        (["start"], "missing argument"),
        (["frobnicate"], "there is no command 'frobnicate'"),
        (["start", "--timeout", "soon", "api"], "--timeout"),
    ],
)
def test_misuse_ends_with_2_in_the_same_shape(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert console.run(args) == 2
    out, err = capsys.readouterr()
    first, hint = err.splitlines()
    assert out == ""
    assert first.startswith("devproxy: ")
    assert message in first
    assert "--help" in hint


def test_ctrl_c_ends_the_process_by_the_signal_without_a_word() -> None:
    ended = process("raise KeyboardInterrupt")
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


def test_ctrl_c_among_gathered_errors_ends_the_process_by_the_signal() -> None:
    ended = process("raise BaseExceptionGroup('g', [NoSession('x'), KeyboardInterrupt()])")
    assert ended.returncode == -signal.SIGINT


def test_a_reader_that_left_ends_the_process_quietly_as_any_filter() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(body="print('x' * 100000); return 0")],
            stdout=gone,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (-signal.SIGPIPE, b"")


def test_a_broken_pipe_that_is_not_our_output_is_a_bug() -> None:
    ended = process("raise BrokenPipeError('of a child')")
    assert ended.returncode == 1
    assert "this is a bug" in ended.stderr


def test_end_of_file_at_a_question_is_ctrl_c() -> None:
    body = "import typer; typer.Abort; raise typer.Abort"
    program = PROGRAM.replace("app.invoke = command", "app.build = lambda: Group()").format(body="pass")
    group = f"""
class Group:
    def make_context(self, *_):
        {body}
"""
    ended = subprocess.run([sys.executable, "-c", group + program], capture_output=True, timeout=30, check=False)
    assert ended.returncode == -signal.SIGINT


def test_an_error_loads_neither_rich_nor_httpx() -> None:
    ended = process(
        "import atexit; atexit.register(lambda: print(sorted({'rich', 'httpx'} & set(sys.modules)))); "
        "raise NoSession('x')"
    )
    assert ended.stdout == "[]\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "stream", "colored"),
    [
        ({}, Terminal(), True),
        ({}, io.StringIO(), False),
        ({"NO_COLOR": "1"}, Terminal(), False),
        ({"NO_COLOR": ""}, Terminal(), True),
        ({"TERM": "dumb"}, Terminal(), False),
        ({"FORCE_COLOR": "1"}, io.StringIO(), True),
        ({"FORCE_COLOR": "0"}, Terminal(), False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, Terminal(), False),
    ],
)
def test_colour_is_for_terminals_and_for_who_asks(
    environment: dict[str, str], stream: TextIO, colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert console.use_color(stream) is colored


def test_json_for_a_script_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_json({"name": "é", "n": [1]})
    assert capsys.readouterr().out == '{"name": "é", "n": [1]}\n'


def test_a_commands_own_exit_code_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    class Group:
        def make_context(self, *_: object) -> object:
            raise typer.Exit(3)

    monkeypatch.setattr(app, "build", Group)
    assert console.run([]) == 3
