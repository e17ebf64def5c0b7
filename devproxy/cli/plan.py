"""`devproxy plan` and `devproxy init`: what would run here and why; the same, written down."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.text import Text

    from devproxy.discovery.plan import Plan, Planned

Directory = Annotated[
    Path | None,
    typer.Option("--directory", "-C", metavar="DIR", help="The project. [default: here]", show_default=False),
]


def plan(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for scripts.")] = False,
    directory: Directory = None,
) -> None:
    """Show what would run here, and why.

    Reads devproxy.toml (or [tool.devproxy] in pyproject.toml) if the project has one; else the project's
    own manifests and source. Starts nothing and changes nothing.

    Examples:
        $ devproxy plan              services, ports, routes, and what is missing
        $ devproxy plan -C ../shop   of another project
        $ devproxy plan --json       the same for a script
    """
    from devproxy.cli.console import console, print_json, width

    found = plan_of(project_root(directory))
    if as_json:
        print_json(found.to_json())
        return
    out = console()
    for line in plan_lines(found, min(width(), 100)):
        out.print(line, soft_wrap=True)


def init(
    force: Annotated[bool, typer.Option("--force", "-f", help="Overwrite an existing file.")] = False,
    show: Annotated[bool, typer.Option("--print", help="Print it instead of writing it.")] = False,
    directory: Directory = None,
) -> None:
    """Write the plan down as devproxy.toml.

    The file says what discovery found, with the reason of each choice as a comment. From then on it is
    what counts: edit it freely, and run init --force to start over.

    Examples:
        $ devproxy init           write devproxy.toml
        $ devproxy init --print   only show it
    """
    import os

    from devproxy.cli.console import console
    from devproxy.config.dump import to_toml
    from devproxy.discovery.discover import discover

    root = project_root(directory)
    target = root / "devproxy.toml"
    if not show and not force:
        refuse_if_configured(root)
    found = discover(root, environ=os.environ)
    text = to_toml(found.config(), comments_of(found)) + remarks(found)
    if show:
        typer.echo(text, nl=False)
        return
    write(target, text)
    counts = f"{counted(len(found.services), 'service')}, {counted(len(found.routes), 'route')}"
    console().print(f"wrote {target.name}: {counts}. Next: devproxy up", soft_wrap=True, markup=False)


def project_root(directory: Path | None) -> Path:
    """DIR itself if it is given, else the root of the project that this folder is in.

    Raises: UsageError: DIR is no folder.
    """
    from devproxy.config.root import find_root
    from devproxy.errors import UsageError

    if directory is not None and not directory.is_dir():
        raise UsageError(f"{directory} is not a folder", hint="give -C the project's folder")
    return find_root(Path.cwd()) if directory is None else directory.resolve()


def plan_of(root: Path) -> "Plan":
    """The config's plan if there is a config, else the discovered one."""
    import os

    from devproxy.config.load import load
    from devproxy.discovery.discover import discover
    from devproxy.discovery.plan import Plan

    config = load(root)
    return Plan.from_config(config) if config is not None else discover(root, environ=os.environ)


def refuse_if_configured(root: Path) -> None:
    """Raises: UsageError: the project has a config already (a broken one counts)."""
    from devproxy.config.load import load
    from devproxy.errors import UsageError

    existing = root / "devproxy.toml"
    config = None if existing.exists() else load(root)
    if config is not None and config.source is not None:
        raise UsageError(
            f"{config.source.name} has a [tool.devproxy] already; a devproxy.toml beside it would be refused",
            hint="devproxy init --print shows what would be written",
        )
    if existing.exists():
        raise UsageError(
            f"{existing.name} exists already",
            hint="devproxy init --print shows a new one, devproxy init --force overwrites it",
        )


def write(path: Path, text: str) -> None:
    from devproxy.errors import UsageError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def comments_of(found: "Plan") -> dict[str, str]:
    """The reasons by the key they explain, for the written config."""
    comments = {f"services.{service.name}": "\n".join(service.reasons) for service in found.services}
    comments.update({f"routes.{index}": route.reason for index, route in enumerate(found.routes)})
    return comments


def remarks(found: "Plan") -> str:
    """What the plan could not settle, as comment lines for the end of the written config."""
    lines = [f"missing: {missing.what}: {missing.command}" for missing in found.missing]
    lines += [f"note: {note}" for note in found.notes]
    return "\n" + "".join(f"# {clean(line)}\n" for line in ["When this was written:", *lines]) if lines else ""


def plan_lines(found: "Plan", columns: int) -> Iterator["Text"]:
    """The plan for a person: services with their reasons, routes, what is missing, notes."""
    from rich.text import Text

    yield Text.assemble((clean(found.name), "bold"), "  ", (clean(str(found.root)), "dim"))
    yield Text(f"from {found.source}" if found.source else "discovered; nothing was started", "dim")
    indent = max(len(service.name) for service in found.services) + 4 if found.services else 4
    for service in found.services:
        yield Text("")
        yield from service_lines(service, indent, columns)
    if found.routes:
        yield from (Text(""), Text("routes", "bold"))
        label = max(len(route.label) for route in found.routes)
        to = max(len(route.to) for route in found.routes)
        for route in found.routes:
            head = f"  {route.label:{label}}  →  {route.to:{to}}  "
            why = ("prefix stripped; " if route.strip_prefix else "") + route.reason
            yield from wrapped(clean(why), columns, len(head), first=Text(clean(head)))
    if found.missing:
        yield from (Text(""), Text("missing", "bold yellow"))
        for missing in found.missing:
            yield Text(f"  {clean(missing.what)}")
            yield Text.assemble("    ", (clean(missing.command), "cyan"))
    if found.notes:
        yield from (Text(""), Text("notes", "bold"))
        for note in found.notes:
            yield from wrapped(clean(note), columns, 4, first=Text("  - "), style="")


def service_lines(service: "Planned", indent: int, columns: int) -> Iterator["Text"]:
    from rich.text import Text

    name = Text.assemble("  ", (service.name.ljust(indent - 2), "bold green"))
    yield Text.assemble(name, clean(what_runs(service)))
    place = "the root" if service.dir == "." else service.dir
    port = f", port {service.port}" if service.port is not None else ", port chosen at start" * service.assigned
    moves = " (another if it is taken)" if service.assigned and service.port is not None else ""
    yield Text(" " * indent + clean(f"{service.kind} in {place}{port}{moves}"))
    for variable, value in service.env.items():
        yield Text(" " * indent + clean(f"{variable}={value}"))
    for reason in service.reasons:
        yield from wrapped(clean(reason), columns, indent + 2, first=Text(" " * indent + "· ", "dim"))


def what_runs(service: "Planned") -> str:
    if service.command is not None:
        return service.command if isinstance(service.command, str) else " ".join(service.command)
    return f"files in {service.static}" if service.static is not None else f"{service.url} (not started)"


def wrapped(text: str, columns: int, indent: int, *, first: "Text", style: str = "dim") -> Iterator["Text"]:
    """The text behind `first`, folded to the columns with a hanging indent."""
    import textwrap

    from rich.text import Text

    room = max(columns - indent, 24)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]
    yield Text.assemble(first, (lines[0], style))
    for line in lines[1:]:
        yield Text.assemble(" " * indent, (line, style))


def clean(text: str) -> str:
    """File contents are strangers' text: nothing in it may move the cursor."""
    from devproxy.cli.console import printable

    return printable(text)


def counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
