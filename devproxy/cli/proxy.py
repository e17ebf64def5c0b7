"""`devproxy proxy`: only the gateway, in front of what already runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from devproxy.config.model import Config


def proxy(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where everything goes that no --route takes.")],
    route: Annotated[
        list[str] | None,
        typer.Option("--route", metavar="PREFIX=URL", help="Send a path prefix elsewhere; may be repeated."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", "-p", metavar="PORT", min=1, max=65535, help="The public port, instead of 4400."),
    ] = None,
    rewrite_origin: Annotated[
        bool, typer.Option("--rewrite-origin", help="Let the servers believe that they were asked directly.")
    ] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", "-k", help="Take any certificate of an https:// server.")
    ] = False,
    open_: Annotated[bool, typer.Option("--open", help="Open the browser.")] = False,
) -> None:
    """Only the gateway, in front of what already runs.

    For a server in an IDE's debugger, or in a container. Nothing is started and nothing is stopped; a
    server that restarts is waited for.

    Examples:
        $ devproxy proxy http://localhost:5173
        $ devproxy proxy localhost:5173 --route /api=localhost:8000
        $ devproxy proxy https://staging.example.test --rewrite-origin
    """
    import os
    import shutil

    from devproxy.cli.foreground import run
    from devproxy.discovery.plan import Plan
    from devproxy.session.launch import Options
    from devproxy.session.place import Place

    config = config_of(url, route or [], port, rewrite_origin=rewrite_origin, insecure=insecure)
    # A place of its own, for as long as it runs: no other session in this folder is any of its business.
    place = Place(config.root / f"proxy {os.getpid()}")
    options = Options(plan=Plan.from_config(config).to_json())
    run(config, place, options, open_page=open_, clean_up=lambda: shutil.rmtree(place.state))


def config_of(
    url: str, routes: list[str], port: int | None, *, rewrite_origin: bool = False, insecure: bool = False
) -> "Config":
    """The config of a gateway alone.

    Raises: UsageError: a URL or a route is malformed, or two take the same prefix.
    """
    from devproxy.config.model import DEFAULT_PORT, Config, Route, Service
    from devproxy.errors import UsageError

    here = Path.cwd()
    targets = {"/": checked_url(url)}
    for prefix, target in map(split_route, routes):
        if prefix in targets:
            raise UsageError(f"{prefix} has two addresses: {targets[prefix]} and {target}")
        targets[prefix] = target
    names: dict[str, str] = {}
    for prefix in targets:
        name = prefix.strip("/").replace("/", "-") or "web"
        names[prefix] = name if name not in names.values() else f"{name}-{len(names)}"
    services = [Service(names[prefix], "backend", here, url=target) for prefix, target in targets.items()]
    found: list[Route] = [
        Route(
            to=(names[prefix],),
            prefix=prefix,
            rewrite_origin=rewrite_origin,
            tls_verify=not (insecure and url.startswith("https:")),
        )
        for prefix, url in targets.items()
    ]
    return Config("proxy", here, port=port or DEFAULT_PORT, services=tuple(services), routes=tuple(found))


def split_route(text: str) -> tuple[str, str]:
    """PREFIX=URL as a pair. Raises: UsageError."""
    from devproxy.errors import UsageError

    prefix, equals, url = text.partition("=")
    if not equals or not prefix.startswith("/"):
        raise UsageError(f"--route {text} is not PREFIX=URL", hint="for example --route /api=http://localhost:8000")
    return prefix, checked_url(url)


def checked_url(text: str) -> str:
    """An upstream's URL, with its scheme. Raises: UsageError: it is none that we can speak to."""
    from devproxy.config.schema import is_upstream_url
    from devproxy.errors import UsageError

    url = text if "://" in text else f"http://{text}"
    if not is_upstream_url(url):
        raise UsageError(f"{text} is not an address such as http://localhost:8000, with no user, query or fragment")
    return url.rstrip("/")
