"""How `--help` reads: usage, purpose, worked examples, then the options in named groups.

Docstrings keep their shape: a paragraph is folded to the width, an indented block stays as typed and a
line that ends in a colon before it ("Examples:") becomes its heading. In plain text rather than Rich's
boxes: half the time to show, and lines that can be copied.
"""

import inspect
import re
import sys
from typing import Any

from devproxy.cli.console import paint, use_color

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
BLOCK = re.compile(r"^\s")


def write_help(command: Any, ctx: Any, formatter: Any, commands: list[tuple[str, str, str]]) -> None:
    """Write a command's help; `commands` are (group, name, line) of its sub-commands.

    Args: command, ctx, formatter: Click's, for which Typer has no public types.
    """
    colored = use_color(sys.stdout)
    formatter.write(f"{heading('Usage:', colored)} {ctx.command_path} {usage_of(command, ctx)}\n")
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        formatter.write_paragraph()
        write_paragraph(formatter, paragraph, colored)
    write_lists(formatter, [(panel, name, line) for panel, name, line in commands], colored)
    write_lists(formatter, option_rows(command, ctx), colored)
    if command.epilog:
        formatter.write_paragraph()
        write_paragraph(formatter, inspect.cleandoc(command.epilog), colored)


def write_paragraph(formatter: Any, paragraph: str, colored: bool) -> None:
    """Fold running text; keep a block whose second line is indented, and its heading above it, as typed."""
    lines = paragraph.rstrip().split("\n")
    if any(BLOCK.match(line) for line in lines):
        first = heading(lines[0], colored) if lines[0].endswith(":") else lines[0]
        formatter.write("\n".join([first, *lines[1:]]).replace("\n    ", "\n  ") + "\n")
    else:
        formatter.write_text(" ".join(lines))


def usage_of(command: Any, ctx: Any) -> str:
    """The command line's shape: what may be left out in brackets."""
    params = command.get_params(ctx)
    arguments = [param for param in params if param.param_type_name == "argument"]
    words = ["[OPTIONS]"] if len(arguments) < len(params) else []
    words += [argument_name(one) if one.required else f"[{argument_name(one)}]" for one in arguments]
    return " ".join([*words, getattr(command, "subcommand_metavar", "")]).rstrip()


def option_rows(command: Any, ctx: Any) -> list[tuple[str, str, str]]:
    """(group, how it is written, what it does) of each argument and option that is not hidden.

    Written here and not asked of Typer, whose words differ from version to version; docs/cli.md quotes ours.
    """
    rows = []
    for param in command.get_params(ctx):
        is_argument = param.param_type_name == "argument"
        if getattr(param, "hidden", False) or (is_argument and not param.help):
            continue  # an argument that its name explains stands in the usage line
        group = getattr(param, "rich_help_panel", None) or ("Arguments" if is_argument else "Options")
        name = argument_name(param) if is_argument else option_name(param)
        rows.append((group, name, ((param.help or "") + default_of(param)).strip()))
    return rows


def argument_name(param: Any) -> str:
    """PORT, or PORT... where there may be several; the brackets of what may be left out are the usage's."""
    name = re.sub(r"[\[\].]", "", param.metavar or param.name.upper())
    return name if param.nargs == 1 else f"{name}..."


def option_name(param: Any) -> str:
    """-p, --port PORT: the short form first, the value's name last."""
    forms = [*sorted(param.opts, key=len), *param.secondary_opts]
    takes_value = not (param.is_flag or param.count)
    return ", ".join(forms) + (f" {param.metavar or param.name.upper()}" if takes_value else "")


def default_of(param: Any) -> str:
    """The default, where it says something."""
    value = param.default
    is_said = getattr(param, "show_default", False) is True and not getattr(param, "is_flag", False)
    if not is_said or value is None or callable(value) or value in ("", (), [], False):
        return ""
    return f" [default: {value:g}]" if isinstance(value, float) else f" [default: {value}]"


def write_lists(formatter: Any, rows: list[tuple[str, str, str]], colored: bool) -> None:
    """Write the rows as one list a group, groups in the order of their first row, all aligned alike."""
    column = min(max((len(name) for _, name, _ in rows), default=0), 30)
    for group in dict.fromkeys(group for group, _, _ in rows):
        formatter.write_paragraph()
        formatter.write(heading(f"{group}:", colored) + "\n")
        with formatter.indentation():
            pairs = [(name.ljust(column), line) for of, name, line in rows if of == group]
            formatter.write_dl(pairs, col_max=column + 2)


def heading(text: str, colored: bool) -> str:
    """A heading, bold where there is colour."""
    return paint(text, "1", colored=colored)
