"""Every command, in the order and the groups in which `devproxy --help` shows them.

A command's file is imported when that command is asked for: help, a typo and the other commands do not
pay for it. What help says of each stands here and is checked against the docstrings (tests/cli/test_app.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from devproxy import __version__
from devproxy.cli import layout
from devproxy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: where its function is, the group it is shown in, its one line of help."""

    name: str
    where: str  # module:function, below devproxy.cli
    panel: str
    help: str
    pass_on: bool = False  # from its first argument on, everything is another command's
    hidden: bool = False  # for programs: help and completions do not show it


COMMANDS = (
    Entry("up", "up:up", "Run", "Start everything here behind one origin."),
    Entry("run", "run:run", "Run", "Start everything, run a command with it, stop everything.", pass_on=True),
    Entry("proxy", "proxy:proxy", "Run", "Only the gateway, in front of what already runs."),
    Entry("demo", "demo:demo", "Run", "Try devproxy on a small bundled project."),
    Entry("status", "status:status", "Look", "Show the services of the running session."),
    Entry("ls", "sessions:ls", "Look", "Show the sessions on this machine."),
    Entry("why", "why:why", "Look", "Say why a service is in its state, and what to do next."),
    Entry("env", "env:env", "Look", "Show a service's variables, and where each came from."),
    Entry("routes", "routes:routes", "Look", "Show the routes; of a URL, which one takes it and why."),
    Entry("logs", "logs:logs", "Look", "Read what the services printed, live or afterwards."),
    Entry("open", "open:open_", "Look", "Open the running project in the browser."),
    Entry("start", "control:start", "Control", "Start services that are stopped, and what they depend on."),
    Entry("stop", "control:stop", "Control", "Stop services, and leave the others running."),
    Entry("restart", "control:restart", "Control", "Restart services; requests wait meanwhile."),
    Entry("reload", "control:reload", "Control", "Apply the edited config to the running session."),
    Entry("attach", "attach:attach", "Control", "Give a service this terminal: answer its question, use its debugger."),
    Entry("down", "down:down", "Control", "Stop the session and everything that it started."),
    Entry("ports", "ports:ports", "Ports", "Show which ports are in use, and whose they are."),
    Entry("kill-port", "kill_port:kill_port", "Ports", "Free ports: end what listens on them."),
    Entry("plan", "plan:plan", "Setup", "Show what would run here, and why."),
    Entry("init", "plan:init", "Setup", "Write the plan down as devproxy.toml."),
    Entry("complete", "complete:complete", "", "Print names for a shell's completion, one a line.", hidden=True),
)
SHOWN = tuple(entry for entry in COMMANDS if not entry.hidden)

HELP = """One command, one origin, one log: run this project's frontend and backend behind one URL.

Examples:
    $ devproxy up               start what is in this folder
    $ devproxy up -d --wait     the same in the background; return when all is ready
    $ devproxy logs -f api      follow one service's lines
    $ devproxy kill-port 8000   free a port
"""


class CommandLine(typer.core.TyperGroup):
    """The group of all commands, loaded one at a time."""

    def list_commands(self, ctx: Any) -> list[str]:  # ctx: Click's, of which Typer makes no public type
        return [entry.name for entry in SHOWN]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name. Raises: UsageError: there is none; the hint has the nearest."""
        for entry in COMMANDS:
            if entry.name == cmd_name:
                return load(entry)
        if ctx.resilient_parsing or cmd_name.startswith("-"):
            return None  # completing, or an option in the wrong place: the parser has the words for it
        raise UsageError(f"there is no command '{cmd_name}'", hint=nearest_command(cmd_name))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        layout.write_help(self, ctx, formatter, [(e.panel, e.name, e.help) for e in SHOWN])


class Command(typer.core.TyperCommand):
    """One command, with our layout of its help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        layout.write_help(self, ctx, formatter, [])


def nearest_command(name: str) -> str:
    """A hint for a mistyped command."""
    from difflib import get_close_matches

    if near := get_close_matches(name, [entry.name for entry in SHOWN], n=1):
        return f"did you mean '{near[0]}'?"
    return "see devproxy --help"


def load(entry: Entry) -> Any:
    """Import a command's file and make Typer's command of its function."""
    module, _, function = entry.where.partition(":")
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    settings = {"allow_interspersed_args": False} if entry.pass_on else {}
    register = single.command(entry.name, cls=Command, short_help=entry.help, context_settings=settings)
    register(getattr(import_module(f"devproxy.cli.{module}"), function))
    command = typer.main.get_command(single)
    command.context_settings = {**layout.CONTEXT, **settings}
    return command


def devproxy(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        typer.echo(f"devproxy {__version__}")
    elif ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def build() -> Any:
    """The whole command line as one Click group."""
    app = typer.Typer(
        cls=CommandLine,
        help=HELP,
        add_completion=False,  # completions/ has ours, which know the services
        rich_markup_mode=None,  # Rich's help costs 80 ms and folds the examples
        pretty_exceptions_enable=False,
        context_settings=layout.CONTEXT,
        invoke_without_command=True,
    )
    app.callback()(devproxy)
    return typer.main.get_command(app)


def invoke(args: Sequence[str]) -> int:
    """Parse and run one command line; return the exit code. Errors and Ctrl-C pass through as raised."""
    group = build()
    try:
        with group.make_context("devproxy", list(args)) as context:
            group.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except typer.Abort as abort:  # end of file, or Ctrl-C, at a question
        raise KeyboardInterrupt from abort
    return 0
