"""How help is laid out."""

from typing import Annotated, Any

import pytest
import typer

from devproxy.cli import layout
from devproxy.cli.app import Command


def shown(function: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command("thing", cls=Command)(function)
    command = typer.main.get_command(single)
    command.context_settings = layout.CONTEXT
    return str(command.get_help(command.make_context("thing", [], resilient_parsing=True)))


def test_running_text_is_folded_and_examples_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def thing() -> None:
        """Do the thing.

        A paragraph that is written over
        two lines of source, and is folded to the width of the terminal.

        Examples:
            $ thing --with a very long command line that must be copied as one line
            $ thing         twice
        """

    text = shown(thing, monkeypatch)
    assert "\nA paragraph that is written over two lines of source, and\nis folded" in text
    assert "\nExamples:\n  $ thing --with a very long command line that must be copied as one line\n" in text
    assert "\n  $ thing         twice\n" in text


def test_the_usage_says_what_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def thing(name: str, more: Annotated[list[str] | None, typer.Argument()] = None) -> None:
        """Do the thing."""

    assert shown(thing, monkeypatch).startswith("Usage: thing [OPTIONS] NAME [MORE...]\n")


def test_an_option_shows_its_forms_its_value_and_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    def thing(
        port: Annotated[int, typer.Option("--port", "-p", help="The port.")] = 4400,
        wait: Annotated[float, typer.Option(metavar="SECONDS", help="How long.")] = 60.0,
        quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say less.")] = False,
        at: Annotated[str | None, typer.Option(help="Where.")] = None,
        secret: Annotated[str, typer.Option(hidden=True)] = "",
    ) -> None:
        """Do the thing."""

    lines = shown(thing, monkeypatch).split("Options:\n")[1].splitlines()
    assert [line.split() for line in lines[:4]] == [
        ["-p,", "--port", "PORT", "The", "port.", "[default:", "4400]"],
        ["--wait", "SECONDS", "How", "long.", "[default:", "60]"],
        ["-q,", "--quiet", "Say", "less."],
        ["--at", "AT", "Where."],
    ]
    assert "secret" not in "".join(lines)


def test_options_stand_in_their_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    def thing(
        a: Annotated[bool, typer.Option("--a", help="One.", rich_help_panel="Ports")] = False,
        b: Annotated[bool, typer.Option("--b", help="Two.")] = False,
    ) -> None:
        """Do the thing."""

    text = shown(thing, monkeypatch)
    assert text.index("Ports:\n  --a") < text.index("Options:\n  --b")
