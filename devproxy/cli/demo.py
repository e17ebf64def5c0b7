"""`devproxy demo`: a small bundled project, to see it work."""

from typing import Annotated

import typer


def demo(
    port: Annotated[
        int | None,
        typer.Option("--port", "-p", metavar="PORT", min=1, max=65535, help="The public port, instead of 4400."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the browser when all is ready.")] = False,
) -> None:
    """Try devproxy on a small bundled project.

    A static page with live reload and a Python API, copied to a temporary folder that goes when you stop it.

    Examples:
        $ devproxy demo
        $ devproxy demo --open
    """
    import shutil
    import tempfile
    from functools import partial
    from pathlib import Path

    from devproxy.cli.foreground import read_project, reread, run
    from devproxy.demo import copy_to
    from devproxy.session.launch import Options
    from devproxy.session.place import Place

    folder = Path(tempfile.mkdtemp(prefix="devproxy-demo-")).resolve()
    root = folder / "demo"
    try:
        copy_to(root)
        typer.echo(f"The demo lies in {root}: edit its files and watch the page.", err=True)
        config, plan, movable = read_project(root)
        place = Place(root)
    except BaseException:  # Ctrl-C too: nothing is left behind
        shutil.rmtree(folder)
        raise

    def clean_up() -> None:
        shutil.rmtree(folder)
        shutil.rmtree(place.state)

    options = Options(port, plan=plan, movable=movable, reread=partial(reread, root))
    run(config, place, options, open_page=open_, clean_up=clean_up)
