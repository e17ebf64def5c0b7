"""`devproxy attach`: this terminal becomes a service's terminal, until Ctrl-] gives it back."""

import sys
from typing import Annotated

import typer

from devproxy.cli.status import Directory


def attach(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="The service, by name.", show_default=False)],
    directory: Directory = None,
) -> None:
    """Give a service this terminal: answer its question, use its debugger.

    It gets all that you type, Ctrl-C too; Ctrl-] detaches. It may restart meanwhile. When
    stdin is no terminal, what comes there is typed, and nothing is shown.

    Examples:
        $ devproxy attach api               # at a (Pdb) prompt: p request, c, Ctrl-]
        $ echo y | devproxy attach migrate
    """
    import asyncio

    from devproxy.cli.attachment import converse, type_stdin
    from devproxy.cli.client import find_session
    from devproxy.cli.console import die_by
    from devproxy.cli.control import quoted
    from devproxy.errors import ServiceFailed

    with find_session(directory) as session:
        found = session.get(f"/api/services/{quoted(service)}")
    if not sys.stdin.isatty():
        if found["pid"] is None:
            raise ServiceFailed(f"{service} does not run: it is {found['state']}", hint=f"devproxy start {service}")
        asyncio.run(type_stdin(session.root, service))
    elif (ended_by := asyncio.run(converse(session.root, service, found["state"]))) is not None:
        die_by(ended_by)
