"""`devproxy open`: the running project in the browser."""

from typing import TYPE_CHECKING, Annotated

import typer

from devproxy.cli.status import Directory

if TYPE_CHECKING:
    from pathlib import Path


def open_(
    directory: Directory = None,
    print_only: Annotated[bool, typer.Option("--print", help="Print the address instead.")] = False,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Open devproxy's own page, signed in.")] = False,
) -> None:
    """Open the running project in the browser.

    Over SSH, or where there is no browser, the address is printed.

    Examples:
        $ devproxy open
        $ devproxy open --dashboard
        $ devproxy open --print
    """
    from devproxy.cli.browser import open_url
    from devproxy.cli.client import find_session

    with find_session(directory) as session:
        url = session.post("/api/tickets")["url"] if dashboard else session.get("/api/status")["url"]
        root = session.root
    if print_only or not open_url(signpost(root, url) if dashboard else url):
        typer.echo(url)
    elif dashboard:
        typer.echo(f"opening the dashboard; should nothing appear, this link works once: {url}", err=True)


def signpost(root: "Path", url: str) -> str:
    """The address of a page of ours on disk that leads to `url`.

    The ticket in it must not be in an argument, which every user of this machine can read.
    """
    from html import escape

    from devproxy.paths import make_state_dir

    page = make_state_dir(root) / "open.html"
    page.unlink(missing_ok=True)
    page.touch(mode=0o600, exist_ok=False)
    page.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(url)}">\n')
    return page.as_uri()
