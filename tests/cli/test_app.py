"""The list of commands, and their help."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from devproxy import __version__
from devproxy.cli import app, console
from devproxy.cli.app import COMMANDS, SHOWN, Entry

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
EACH = pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)


def function_of(entry: Entry) -> object:
    module, _, name = entry.where.partition(":")
    return getattr(import_module(f"devproxy.cli.{module}"), name)


def help_of(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.run([name, "--help"] if name else ["--help"]) == 0
    return capsys.readouterr().out


@EACH
def test_the_one_line_in_the_list_is_the_commands_own_first_line(entry: Entry) -> None:
    documentation = inspect.getdoc(function_of(entry)) or ""
    assert documentation.split("\n")[0] == entry.help


@EACH
def test_every_command_shows_examples(
    entry: Entry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = help_of(entry.name, capsys, monkeypatch)
    assert shown.startswith(f"Usage: devproxy {entry.name}")
    assert f"  $ devproxy {entry.name}" in shown


@EACH
def test_help_fits_80_columns(
    entry: Entry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = help_of(entry.name, capsys, monkeypatch).splitlines()
    assert [line for line in lines if len(line) > 80 or line != line.rstrip()] == []


@EACH
def test_every_option_says_what_it_does(
    entry: Entry, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = app.load(entry)
    options = [param for param in command.params if param.param_type_name == "option" and not param.hidden]
    assert [param.opts for param in options if not param.help] == []


@pytest.mark.parametrize("name", ["", *(entry.name for entry in SHOWN)])
def test_the_documentation_quotes_the_help(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`scripts/write-help` writes it anew."""
    assert f"```text\n{help_of(name, capsys, monkeypatch)}```" in DOCS.read_text()


def test_all_commands_are_listed_in_their_groups(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = help_of("", capsys, monkeypatch)
    at = [shown.index(f"\n{panel}:") for panel in ("Run", "Look", "Control", "Ports", "Setup", "Options")]
    assert at == sorted(at)
    assert [entry.name for entry in SHOWN if f"\n  {entry.name} " not in shown] == []


def test_a_hidden_command_is_neither_listed_nor_documented(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\n  complete " not in help_of("", capsys, monkeypatch)
    assert "devproxy complete" not in DOCS.read_text()
    assert "complete" not in app.nearest_command("complet")


def test_the_bare_command_shows_the_help(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown = help_of("", capsys, monkeypatch)
    assert console.run([]) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize("short", [["-h"], ["up", "-h"]])
def test_h_is_help(short: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert console.run(short) == 0
    assert capsys.readouterr().out.startswith("Usage:")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.run(["--version"]) == 0
    assert capsys.readouterr().out == f"devproxy {__version__}\n"


def test_a_mistyped_command_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert console.run(["restrat"]) == 2
    assert "did you mean 'restart'?" in capsys.readouterr().err


def test_help_imports_no_command_and_nothing_heavy() -> None:
    program = (
        "import sys; from devproxy.cli.console import run; run(['--help']); "
        "heavy = {'rich', 'httpx', 'psutil', 'fastapi', 'uvicorn', 'asyncio', 'watchfiles'}; "
        "print(sorted(heavy & set(sys.modules)), sorted(m for m in sys.modules if m.startswith('devproxy.cli.')))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    ).stdout.splitlines()[-1]
    assert shown == "[] ['devproxy.cli.app', 'devproxy.cli.console', 'devproxy.cli.layout']"


def test_no_commands_file_loads_anything_heavy_until_it_runs() -> None:
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(f'devproxy.cli.{name}')\n"
        "    heavy = {'rich', 'httpx', 'psutil', 'fastapi', 'uvicorn', 'asyncio', 'watchfiles'} & set(sys.modules)\n"
        "    assert not heavy, (name, heavy)\n"
    )
    modules = sorted({entry.where.partition(":")[0] for entry in COMMANDS})
    subprocess.run([sys.executable, "-c", program, *modules], check=True, timeout=30)


@pytest.mark.parametrize("typed", ["no-such", "-x"])
def test_completing_an_unknown_command_is_no_error(typed: str) -> None:
    group = app.build()
    assert group.get_command(SimpleNamespace(resilient_parsing=True), typed) is None
