"""How a browser's code finds its API, and which variable brings those calls to the gateway.

Half of the projects read for the design call an absolute `http://localhost:8000` by default, most of them
through one build-time variable. Setting that variable so that only the *origin* changes makes the calls
same-origin; a URL that stands literally in the code cannot be changed from outside, and is only told.

Source: vite.dev/guide/env-and-mode (a variable of the process wins over .env files).
"""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from devproxy.discovery.found import ApiVariable, Calls
from devproxy.discovery.javascript import without_comments
from devproxy.discovery.tree import Tree, base_name, is_below, join

ORIGIN = "{origin}"  # stands for the gateway's origin in a service's env; the session fills it in
SUFFIXES = (".ts", ".tsx", ".js", ".jsx", ".mjs", ".vue", ".svelte", ".astro")
ENV_FILES = (
    ".env.development.local",
    ".env.local",
    ".env.development",
    ".env",
    ".env.example",
    ".env.sample",
)
MAX_SOURCES = 400

LOCAL = r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])"
URL = rf"(?:https?|wss?)://{LOCAL}(?::\d+)?(?:/[^\"'`\s$]*)?"
READ = re.compile(r"import\.meta\.env\.(?P<name>VITE_\w+)(?P<cast>\s+as\s+\w+|!|\))*")
DEFAULT = re.compile(r"\s*\)?\s*(?:\|\||\?\?|:|\?[^:?\n]{0,80}:)\s*([\"'`])(?P<value>[^\"'`\n]*)\1")
LITERAL = re.compile(rf"[\"'`](?P<url>{URL})")
NAMED_LIKE_API = re.compile(r"(API|BACKEND|SERVER|REST|WS|SOCKET)\w*", re.I)
NAMED_LIKE_URL = re.compile(r"(URL|URI|BASE|HOST|ORIGIN|ENDPOINT|BACKEND|SERVER|API|WS)$", re.I)
CERTAIN = re.compile(
    r"VITE_(?:APP_|PUBLIC_)?(?:API|BACKEND|SERVER|REST)(?:_?(?:BASE|API|SERVER|ROOT))?"
    r"(?:_?(?:URL|URI|HOST|ORIGIN|ENDPOINT|BASE))?$"
)
RELATIVE_API = re.compile(r"[\"'`](?:\$\{[^}]*\})?/api[/\"'`?]")
ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?(?P<name>VITE_\w+)[ \t]*=[ \t]*[\"']?(?P<value>[^\"'\s#]*)", re.M)


def read_calls(tree: Tree, dir: str) -> Calls:
    """What the front end's source in `dir` says about the API's address."""
    variables: dict[str, ApiVariable] = {}
    literals: dict[str, str] = {}
    relative_api = False
    for path in source_files(tree, dir):
        source = without_comments(tree.text(path) or "")
        relative_api = relative_api or bool(RELATIVE_API.search(source))
        defaults = set()
        for variable, start in variables_in(source, path):
            defaults.add(start)
            known = variables.get(variable.name)
            if known is None or known.url is None:
                variables[variable.name] = variable
        for found in LITERAL.finditer(source):
            if found.start() not in defaults:
                literals.setdefault(found["url"], path)
    values = dotenv_values(tree, dir)
    told = tuple(with_value(variable, values) for variable in variables.values())
    return Calls(told, tuple(literals.items()), relative_api)


def source_files(tree: Tree, dir: str) -> Iterator[str]:
    """The browser's code: not its tests, not the build's configuration."""
    left = MAX_SOURCES
    for path in tree.files(*SUFFIXES, below=dir):
        if re.search(r"\.(test|spec|stories|config|d)\.|/(__tests__|tests?|e2e|mocks?|node_modules)/", path):
            continue
        if any(nested != dir and is_below(path, nested) for nested in nested_packages(tree, dir)):
            continue
        if (left := left - 1) < 0:
            return
        yield path


def nested_packages(tree: Tree, dir: str) -> list[str]:
    """Folders below a front end that are projects of their own (a backend, when it lies in the root)."""
    manifests = {"package.json", "pyproject.toml", "requirements.txt", "go.mod"}
    return [path for path, folder in tree.folders.items() if is_below(path, dir) and manifests & folder.files]


def variables_in(source: str, path: str) -> Iterator[tuple[ApiVariable, int]]:
    """(variable, where its default's literal starts) for each one that seems to hold the API's URL."""
    for found in READ.finditer(source):
        default = DEFAULT.match(source, found.end())
        value = default["value"] if default else None
        if value is not None and re.match(URL, value):
            yield ApiVariable(found["name"], path, value), default.start(1) if default else -1
        elif NAMED_LIKE_API.search(found["name"]) and NAMED_LIKE_URL.search(found["name"]):
            yield ApiVariable(found["name"], path, value), -1


def dotenv_values(tree: Tree, dir: str) -> dict[str, tuple[str, str]]:
    """name -> (value, file) of the front end's .env files, the strongest file first."""
    values: dict[str, tuple[str, str]] = {}
    for name in ENV_FILES:
        path = join(dir, name)
        if tree.has(path):
            for found in ASSIGNMENT.finditer(tree.text(path) or ""):
                values.setdefault(found["name"], (found["value"], path))
    return values


def with_value(variable: ApiVariable, values: Mapping[str, tuple[str, str]]) -> ApiVariable:
    """The variable with the value that a .env file gives it, if one does.

    An example file counts only where the code has no default: it is what the authors expect to be set.
    """
    value, file = values.get(variable.name, ("", ""))
    is_example = base_name(file) in (".env.example", ".env.sample")
    if not value or (is_example and variable.url is not None):
        return variable
    return ApiVariable(variable.name, file, value)


def environment(
    calls: Calls, backend_ports: frozenset[int], prefix: str | None, *, strip_prefix: bool = False
) -> tuple[dict[str, str], list[str], list[str]]:
    """(variables to set, reasons, notes) that bring the calls to the gateway.

    Args: backend_ports: the usual ports of the plan's backends; prefix: what the main one answers under;
          strip_prefix: whether its route takes that away, so that a URL of the gateway must have it.
    """
    base = ORIGIN + (prefix if strip_prefix and prefix else "")
    env: dict[str, str] = {}
    reasons: list[str] = []
    notes: list[str] = []
    for variable in calls.variables:
        url = variable.url
        if url is None:
            if not CERTAIN.match(variable.name):
                continue  # may be some other party's API
            env[variable.name] = ORIGIN + ("" if calls.relative_api or prefix is None else prefix)
            reasons.append(f"{variable.name}: {variable.source} reads it and nothing sets it")
        elif url.startswith(("ws://", "wss://")):
            notes.append(f"{variable.name} ({variable.source}) is {url}: those sockets go around the gateway")
        elif is_ours(url, backend_ports):
            env[variable.name] = base + path_of(url)
            changed = "the route strips its prefix" if base != ORIGIN else "only its origin changes"
            reasons.append(f"{variable.name}: {variable.source} says {url}; {changed}")
    for url, path in calls.literals:
        if is_ours(url, backend_ports):
            notes.append(f"{url} is written into {path}: these calls go around the gateway")
    return env, reasons, notes


def is_ours(url: str, backend_ports: frozenset[int]) -> bool:
    """Is it a loopback URL of one of the backends, or of none that we know by another port?"""
    port = port_of(url)
    return bool(re.match(URL, url)) and (not backend_ports or port in backend_ports)


def port_of(url: str) -> int | None:
    """The port of a URL, by its scheme if it names none; None if it makes no sense."""
    try:
        parts = urlsplit(url)
        return parts.port or {"http": 80, "ws": 80, "https": 443, "wss": 443}.get(parts.scheme)
    except ValueError:
        return None


def path_of(url: str) -> str:
    try:
        return urlsplit(url).path.rstrip("/")
    except ValueError:
        return ""


def named_paths(calls: Calls, backend_ports: frozenset[int]) -> list[str]:
    """Paths of the URLs that the code expects its API below; they stay when the origin changes."""
    urls = [variable.url for variable in calls.variables if variable.url is not None]
    return [path for url in urls if is_ours(url, backend_ports) and (path := path_of(url))]


def named_ports(calls: Calls) -> list[int]:
    """Ports of loopback URLs the code expects its API on, the variables' first."""
    urls = [variable.url or "" for variable in calls.variables] + [url for url, _ in calls.literals]
    return [port for url in urls if re.match(URL, url) and (port := port_of(url))]
