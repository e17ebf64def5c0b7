"""Joins what the readers found into one plan: which of it runs, its names, ports, routes and variables.

A world's reader is imported when the tree holds something for it: children wait for this.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from devproxy.config.model import DEFAULT_PORT
from devproxy.config.root import default_name
from devproxy.discovery import procfile
from devproxy.discovery.found import Found
from devproxy.discovery.node import Package, packages
from devproxy.discovery.plan import Plan, Planned
from devproxy.discovery.tree import Tree, base_name, join, spoken, walk
from devproxy.errors import NothingRecognised

FRONT_KINDS = ("frontend", "fullstack", "static")
USUAL_FRONTENDS = (".", "frontend", "client", "web", "app", "ui", "webapp")
USUAL_BACKENDS = (".", "backend", "server", "api")
GENERIC = frozenset({".", "src", "app", "public", "static", "dist", "build", "www", "html", "site"})
# Folders with these words hold copies, samples or tools, not what the project runs.
DEAD = re.compile(
    r"(^|[-_/.])(backups?|bak|old|legacy|archived?|deprecated|examples?|samples?|demos?|templates?|docs?|e2e|tests?"
    r"|fixtures|playgrounds?|storybook|extras|benchmarks?|bench)([-_/.]|$)"
)
# Known by name, but not run yet: said, so that nobody wonders.
OTHER_FRAMEWORKS = (
    *("next", "nuxt", "react-scripts", "@angular/core", "astro", "gatsby", "@vue/cli-service", "parcel"),
    *("webpack-dev-server", "@rsbuild/core", "@nestjs/core", "fastify", "koa", "hono"),
)
SPARE_PORT = 3000
ENV_EXAMPLES = (".env.example", ".env.sample", ".env.template", "env.example", ".env.dist")

LOOKED_FOR = """looked for:
  package.json with vite or express, in the root and up to three folders down
  a FastAPI application (app = FastAPI(...)) in any .py file
  index.html in the root, public/, frontend/ …, or in dist/, build/ or out/
  Procfile.dev or Procfile
To start without discovery, write these two lines to devproxy.toml:
  [services]
  web = { command = "npm run dev", port = 5173 }"""


def discover(root: Path, *, environ: Mapping[str, str]) -> Plan:
    """Work out what runs in the project at `root`, by reading its files only.

    Args:    environ: for PATH (is the package manager there?) and an activated virtual environment.
    Raises:  NothingRecognised: the message names the folder, the hint what was looked for.
    """
    root = root.resolve()
    tree = walk(root)
    known = {package.dir: package for package in packages(tree)}
    found = [*node_services(tree, known, environ), *python_services(tree, environ)]
    lines = procfile.read_procfile(tree)
    notes: list[str] = []
    if lines is not None and (lines.is_dev or not found or not lines.is_production):
        found = list(procfile.services(tree, lines))
    else:
        if lines is not None:
            notes.append(f"{lines.name} looks written for production; what the folders hold was preferred")
        found, dropped = chosen(found)
        notes.extend(dropped)
        if not any(one.kind in FRONT_KINDS for one in found):
            from devproxy.discovery import static

            found = [*list(static.read(tree, known, found))[:1], *found]
    notes.extend(not_yet(known, found))
    if not found:
        message = f"nothing to run was recognised in {root}"
        raise NothingRecognised(message, hint="\n".join([*notes, *tree.notes, LOOKED_FOR]))
    return planned(tree, found, notes)


def node_services(tree: Tree, known: Mapping[str, Package], environ: Mapping[str, str]) -> Iterator[Found]:
    """The Node services of every package; one package may hold both halves."""
    if not known:
        return
    from devproxy.discovery.express import read_express
    from devproxy.discovery.vite import dev_script, read_vite

    for package in known.values():
        server = read_express(tree, package, environ)
        if server is not None and dev_script(package) is None:
            yield server  # if it depends on Vite too, it runs Vite inside itself
            continue
        if page := read_vite(tree, package, environ):
            yield page
            if server is not None and not (server.answers.paths or server.answers.websockets):
                continue  # it only serves the built page, in production
        if server is not None:
            yield server


def python_services(tree: Tree, environ: Mapping[str, str]) -> Iterator[Found]:
    """The Python services of the project."""
    if next(tree.files(".py"), None) is not None:
        from devproxy.discovery import python

        yield from python.read(tree, environ)


def chosen(found: Sequence[Found]) -> tuple[list[Found], list[str]]:
    """(what runs, notes on what does not): one front end, every backend, nothing that looks dead."""
    notes: list[str] = []
    living = [one for one in found if not DEAD.search(one.dir.lower())] or list(found)
    notes.extend(
        f"{spoken(one.dir)} ({one.framework}) looks like a copy or a sample: left out"
        for one in found
        if one not in living
    )
    fronts = sorted((one for one in living if one.kind in FRONT_KINDS), key=usual_front)
    backends = sorted((one for one in living if one.kind not in FRONT_KINDS), key=usual_backend)
    notes.extend(
        f"{spoken(one.dir)} ({one.framework}) is a further front end: declare it in devproxy.toml to run it too"
        for one in fronts[1:]
    )
    return [*fronts[:1], *backends], notes


def usual_front(found: Found) -> tuple[int, int, str]:
    return order(found.dir, USUAL_FRONTENDS)


def usual_backend(found: Found) -> tuple[int, int, str]:
    return order(found.dir, USUAL_BACKENDS)


def order(dir: str, usual: Sequence[str]) -> tuple[int, int, str]:
    name = base_name(dir) if dir != "." else "."
    return usual.index(name) if name in usual else len(usual), dir.count("/"), dir


def planned(tree: Tree, found: Sequence[Found], notes: list[str]) -> Plan:
    """The plan of what was chosen."""
    from devproxy.discovery.routing import routes_of

    found = distinct_ports(backend_ports(found))
    named = dict(zip(names(found), found, strict=True))
    front = next((name for name, one in named.items() if one.kind in FRONT_KINDS), None)
    backends = [name for name, one in named.items() if one.kind == "backend"]
    routes, route_notes = routes_of(named, front, backends)
    variables: dict[str, str] = {}
    reasons: list[str] = []
    if front is not None and backends:
        from devproxy.discovery import api_url

        ports = frozenset(named[name].port or 0 for name in backends)
        main = next((route for route in routes if route.to == backends[0]), None)
        variables, reasons, more = api_url.environment(
            named[front].calls,
            ports,
            main.prefix if main else None,
            strip_prefix=main is not None and main.strip_prefix,
        )
        notes = [*notes, *more]
    services = tuple(
        service(name, with_env_files(tree, one), variables if name == front else {}, reasons if name == front else [])
        for name, one in named.items()
    )
    own = [note for one in found for note in one.notes]
    said = [*notes, *own, *route_notes, *env_notes(tree, found), *tree.notes]
    missing = [missing for one in found for missing in one.missing]
    return Plan(
        name=default_name(tree.root),
        root=tree.root,
        services=services,
        routes=routes,
        missing=tuple(dict.fromkeys(missing)),
        notes=tuple(dict.fromkeys(said)),
    )


def with_env_files(tree: Tree, found: Found) -> Found:
    """A backend with the `.env` that nothing of it reads itself."""
    from devproxy.discovery.env_files import env_files_of

    if not (files := env_files_of(tree, found)):
        return found
    reason = f"{' and '.join(files)}: given to it, as nothing in its code reads them"
    return replace(found, env_files=files, reasons=(*found.reasons, reason))


def service(name: str, found: Found, env: Mapping[str, str], reasons: Sequence[str]) -> Planned:
    return Planned(
        name=name,
        kind=found.kind,
        dir=found.dir,
        framework=found.framework,
        command=found.command,
        static=join(found.dir, found.static) if found.static is not None else None,
        port=found.port,
        assigned=found.assigned,
        env={**found.env, **env},
        env_files=found.env_files,
        watch=found.watch,
        venv=found.venv,
        reasons=(*found.reasons, *reasons),
    )


def backend_ports(found: Sequence[Found]) -> list[Found]:
    """A lone backend whose code names no port gets the one that the front end expects it on."""
    backends = [one for one in found if one.kind == "backend"]
    fronts = [one for one in found if one.kind in FRONT_KINDS]
    if len(backends) != 1 or not fronts or not (backends[0].port_is_usual and backends[0].assigned):
        return list(found)
    from devproxy.discovery import api_url

    expected = [api_url.port_of(rule.target) for rule in fronts[0].proxies if is_local(rule.target)]
    port = next((port for port in [*expected, *api_url.named_ports(fronts[0].calls)] if port), None)
    if port is None or port == fronts[0].port or port < 1024:
        return list(found)
    reason = f"port {port}: {spoken(fronts[0].dir)} expects its API there"
    kept = tuple(why for why in backends[0].reasons if not why.startswith("port "))
    changed = replace(backends[0], port=port, reasons=(*kept, reason))
    return [changed if one is backends[0] else one for one in found]


def is_local(url: str) -> bool:
    from devproxy.discovery.api_url import URL

    return bool(re.match(URL, url))


def distinct_ports(found: Sequence[Found]) -> list[Found]:
    """No two services on one port, none on the gateway's: those that can be told another give way."""
    found = [in_range(one) for one in found]
    fixed = {one.port for one in found if one.port is not None and not one.assigned}
    taken = {DEFAULT_PORT, *fixed}
    result = []
    for one in found:
        if one.assigned and one.port is not None:
            port = one.port
            while port in taken:
                port += 1
            taken.add(port)
            if port != one.port:
                reason = f"port {port}: {one.port} is another's"
                one = replace(one, port=port, reasons=(*one.reasons, reason))
        result.append(one)
    return result


def in_range(found: Found) -> Found:
    """The same with a port that exists: a file may name 99999."""
    if found.port is None or 0 < found.port < 65_536:
        return found
    reason = f"port {SPARE_PORT}: {found.port} is none"
    return replace(found, port=SPARE_PORT, reasons=(*found.reasons, reason))


def names(found: Sequence[Found]) -> list[str]:
    """A unique name for each: what its manifest or folder calls it, else what it is."""
    result: list[str] = []
    for one in found:
        folder = base_name(one.dir) if one.dir != "." else "."
        kind = "backend" if one.kind == "backend" else "frontend"
        raw = one.name or (folder if folder not in GENERIC else kind)
        name = clean = re.sub(r"[^a-z0-9_-]+", "-", raw.lower()).strip("-_") or kind
        number = 2
        while name in result:
            name, number = f"{clean}-{number}", number + 1
        result.append(name)
    return result


def env_notes(tree: Tree, found: Sequence[Found]) -> Iterator[str]:
    """An example of a .env file without the file itself: the service may need it."""
    for dir in dict.fromkeys([".", *(one.dir for one in found)]):
        example = next((name for name in ENV_EXAMPLES if tree.has(join(dir, name))), None)
        if example and not tree.has(join(dir, ".env")) and not tree.has(join(dir, ".env.local")):
            env, source = join(dir, ".env"), join(dir, example)
            yield f"{env} is missing: cp {source} {env}, then check its values"


def not_yet(known: Mapping[str, Package], found: Sequence[Found]) -> Iterator[str]:
    """Packages of frameworks that are known by name only."""
    for dir, package in known.items():
        other = package.depends_on(*OTHER_FRAMEWORKS)
        if other and not DEAD.search(dir) and all(one.dir != dir for one in found):
            yield f"{spoken(dir)} uses {other}, which discovery does not know yet: declare it in devproxy.toml"
