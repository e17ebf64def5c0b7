"""`devproxy up`: start everything here behind one origin."""

from typing import Annotated

import typer

from devproxy.cli.status import AsJson, Directory, Profiles

WAIT_SECONDS = 60.0


def up(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="SERVICE...", help="Start only these, and what they depend on.", show_default=False),
    ] = None,
    directory: Directory = None,
    port: Annotated[
        int | None,
        typer.Option("--port", "-p", metavar="PORT", min=1, max=65535, help="The public port, instead of 4400."),
    ] = None,
    profile: Profiles = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Run in the background; return when it listens.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="With -d: return when all required services are ready.")] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=0.0, help="How long --wait waits.")
    ] = WAIT_SECONDS,
    as_json: AsJson = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Free held ports without asking.")] = False,
    force: Annotated[bool, typer.Option("--force", help="As --yes, with SIGKILL at once.")] = False,
    exit_on_failure: Annotated[
        bool,
        typer.Option(
            "--exit-on-failure", help="Stop everything, with exit status 4, as soon as a required service crashes."
        ),
    ] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open the browser when all is ready.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more of what devproxy does.")] = False,
) -> None:
    """Start everything here behind one origin.

    What runs here is read from devproxy.toml, or worked out (see devproxy plan). Ctrl-C stops all of it. What is left
    out answers 503 until devproxy start starts it; where a session runs already, up SERVICE does that too.

    Examples:
        $ devproxy up
        $ devproxy up --port 8080 --open
        $ devproxy up api                  # the API, and what it depends on
        $ devproxy up --profile full
        $ devproxy up -d --wait && npm run e2e; devproxy down
        $ devproxy up -d --wait --json | jq -r .url
        $ devproxy up --exit-on-failure    # for scripts: the first crash ends it
    """
    from devproxy.cli.plan import project_root
    from devproxy.errors import UsageError

    root = project_root(directory)
    if wait and not detach:
        raise UsageError("--wait goes with -d", hint="in the foreground, the services' lines show when all is ready")
    if as_json and not detach:
        raise UsageError("--json goes with -d", hint="in the foreground there is no end at which to print it")
    if detach:
        from devproxy.cli.detached import start_detached

        start_detached(
            root,
            port=port,
            yes=yes,
            force=force,
            verbose=verbose,
            wait=timeout if wait else None,
            as_json=as_json,
            services=tuple(services or ()),
            profiles=tuple(profile or ()),
            exit_on_failure=exit_on_failure,
        )
        if open_:
            from devproxy.cli.open import open_ as open_page

            open_page(directory)
        return
    from devproxy.cli.foreground import foreground

    foreground(
        root,
        port=port,
        yes=yes,
        force=force,
        open_page=open_,
        verbose=verbose,
        services=tuple(services or ()),
        profiles=tuple(profile or ()),
        exit_on_failure=exit_on_failure,
    )
