"""[[routes]] -> Route, and the routes that services get when the file has none."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from devproxy.config.balancing import read_balance, read_max_requests, read_probe
from devproxy.config.model import FieldEdits, Kind, Route, Service
from devproxy.config.schema import (
    EXPECTED_URL,
    KeyPath,
    Problems,
    Table,
    fits,
    is_host_pattern,
    is_regex,
    is_upstream_url,
    nearest,
    show,
)
from devproxy.config.services import BACKEND_NAMES, FRONTEND_NAMES, absolute

CONTROL_PREFIX = "/__devproxy"
PAGE_KINDS: tuple[Kind, ...] = ("frontend", "fullstack", "static")

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # RFC 9110 §5.6.2
_FIELD_VALUE = r"(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?"  # RFC 9110 §5.5, without obs-text
_PREFIX = r"/[\x21\x22\x24-\x3e\x40-\x7e]*"  # visible ASCII without "#" and "?"
_MEDIA_TYPE = r"(?:\*|[A-Za-z0-9!#$&^_.+-]+)/(?:\*|[A-Za-z0-9!#$&^_.+-]+)"

# What changes a request on its way to another server, or its answer: nothing to a folder that devproxy serves.
FOR_UPSTREAMS = (
    "timeout_seconds",
    "rewrite_origin",
    "set_method",
    "set_query",
    "set_body",
    "request_headers",
    "response_headers",
)

# What frames a message or belongs to one hop: ours to write, never a config's.
FRAMING_FIELDS = frozenset(
    ["connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"]
)


def read_routes(
    listed: Sequence[Any], path: KeyPath, services: Iterable[Service], root: Path, problems: Problems
) -> tuple[Route, ...]:
    """Every route of the file, in its order."""
    by_name = {service.name: service for service in services}
    routes = []
    for index, values in enumerate(listed):
        if not isinstance(values, dict):
            problems.add((*path, index), f"expected a table, written as [[routes]]; got {show(values)}")
            continue
        table = Table(values, (*path, index), problems)
        route = read_route(table, by_name, root)
        table.finish()
        if route in routes:
            table.problem("the same route stands there already")
        routes.append(route)
    return tuple(routes)


def read_route(table: Table, services: Mapping[str, Service], root: Path) -> Route:
    expected = 'a path that begins with "/", without "?" and "#", such as "/api"'
    prefix = table.text("prefix", None, expected, fits(_PREFIX))
    regex = table.text("regex", None, r"a regex for the path, such as '^/api/v\d'", is_path_regex)
    check_matcher(table, prefix)
    to = read_to(table, services)
    route = Route(
        to=to,
        prefix=prefix,
        regex=python_regex(regex) if regex is not None else None,
        host=table.text("host", None, 'a host such as "admin.localhost"', is_one_host),
        methods=table.texts("methods", 'a list of methods in capitals, such as ["GET"]', is_method),
        accept=table.text("accept", None, 'a media type such as "text/html"', fits(_MEDIA_TYPE)),
        balance=read_balance(
            table, several=len(to) > 1, instead="a service with several instances has `balance` in its own table"
        ),
        probe=read_probe(table),
        max_requests=read_max_requests(table),
        strip_prefix=table.flag("strip_prefix", default=False),
        timeout_seconds=table.seconds("timeout_seconds", 0.0),
        tls_verify=table.flag("tls_verify", default=True),
        tls_ca=read_tls_ca(table, root),
        rewrite_origin=table.flag("rewrite_origin", default=False),
        set_method=table.text("set_method", None, "a method in capitals, other than HEAD and CONNECT", is_sendable),
        set_query=table.mapping("set_query", 'parameters with texts as values, such as { key = "v" }', is_parameter),
        set_body=table.read("set_body", None, "a text", lambda value: value if isinstance(value, str) else None),
        request_headers=table.section("request_headers", edits_from, FieldEdits()),
        response_headers=table.section("response_headers", edits_from, FieldEdits()),
    )
    if route.strip_prefix and table.has("regex"):
        table.wrong("strip_prefix", "only a prefix can be stripped; this route has a regex")
    check_tls(table, route, services)
    check_changes(table, route, services)
    return route


def check_matcher(table: Table, prefix: str | None) -> None:
    if table.has("prefix") == table.has("regex"):
        both = table.has("prefix")
        table.problem("expected one of prefix and regex; both are there" if both else "expected prefix or regex")
    if prefix is not None and (prefix == CONTROL_PREFIX or prefix.startswith(CONTROL_PREFIX + "/")):
        table.wrong("prefix", f"{CONTROL_PREFIX} is devproxy's own, and not configurable")


def read_tls_ca(table: Table, root: Path) -> str:
    text = table.read("tls_ca", "", "a file", lambda value: value if isinstance(value, str) else None)
    if not text:
        return ""
    file = absolute(root, text)
    try:
        if b"CERTIFICATE-----" not in file.read_bytes():
            table.wrong("tls_ca", f"{file} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")
    except OSError as error:
        table.wrong("tls_ca", f"{file} cannot be read: {error.strerror}")
    return str(file)


def check_tls(table: Table, route: Route, services: Mapping[str, Service]) -> None:
    """Note settings of TLS that contradict one another, or that an upstream of the route has no use for."""
    if route.tls_ca and not route.tls_verify:
        table.wrong("tls_ca", "tls_verify = false takes any certificate; remove one of them")
    for key, given in (("tls_verify", not route.tls_verify), ("tls_ca", bool(route.tls_ca))):
        for target in known(route, services) if given else ():
            url = target if "://" in target else services[target].url or ""
            if not url.startswith("https:"):
                table.wrong(key, f"{target} has no certificate: it is not at an https:// URL")


def check_changes(table: Table, route: Route, services: Mapping[str, Service]) -> None:
    """Note changes that the route's upstreams cannot have."""
    targets, unchanged = known(route, services), Route(to=())
    found = [services[target] for target in targets if target in services]
    for service in found:
        for key in FOR_UPSTREAMS:
            if service.static is not None and getattr(route, key) != getattr(unchanged, key):
                table.wrong(key, f"{service.name} is a folder that devproxy serves itself; nothing is sent on")
        if route.rewrite_origin and service.command is not None and not isinstance(service.port, int):
            table.wrong("rewrite_origin", f"expected a target whose address is known; give {service.name} a fixed port")
    if route.rewrite_origin and len(targets) > 1:
        table.wrong("rewrite_origin", "several upstreams have several origins; lead to one of them")
    if len({path_of(target, services) for target in targets}) > 1:
        table.wrong("to", "expected upstreams with the same path in their URLs")


def path_of(target: str, services: Mapping[str, Service]) -> str:
    url = target if "://" in target else services[target].url or ""
    return url.partition("://")[2].partition("/")[2]


def known(route: Route, services: Mapping[str, Service]) -> list[str]:
    """The targets of a route that there are."""
    return [target for target in route.to if "://" in target or target in services]


def read_to(table: Table, services: Mapping[str, Service]) -> tuple[str, ...]:
    expected = "the name of a service, or " + EXPECTED_URL
    if not table.has("to"):
        table.problem(f"expected to = {expected}")
    targets = tuple(target.rstrip("/") for target in table.read("to", None, expected, as_targets) or ())
    for target in dict.fromkeys(targets):
        check_target(table, target, services)
        if targets.count(target) > 1:
            table.wrong("to", f"{target} stands there twice")
    check_folders(table, targets, services)
    return targets


def check_folders(table: Table, targets: Sequence[str], services: Mapping[str, Service]) -> None:
    """A folder is served here: there is nothing to balance, to probe or to limit."""
    for target in targets:
        if target in services and services[target].static is not None:
            if len(targets) > 1:
                table.wrong("to", f"{target} is a folder that devproxy serves itself; it cannot be one of several")
            for key in filter(table.has, ("probe", "max_requests")):
                table.wrong(key, f"{target} is a folder that devproxy serves itself")


def check_target(table: Table, target: str, services: Mapping[str, Service]) -> None:
    if "://" in target:
        if not is_upstream_url(target):
            table.wrong("to", f"expected {EXPECTED_URL}; got {show(target)}")
    elif (service := services.get(target)) is None:
        names = ", ".join(services) or "none is declared in this file"
        hint = nearest(target, services) or f"; the services are: {names}"
        table.wrong("to", f"no service {show(target)}{hint}")
    elif not listens(service) and not table.problems.below((*table.path[:-2], "services", target)):
        table.wrong("to", f'{target} does not listen; give [services.{target}] a port: a number or "auto"')


def default_routes(services: Sequence[Service], path: KeyPath, problems: Problems) -> tuple[Route, ...]:
    """What is routed when the file declares services and no routes, as discovery would.

    The page (the one frontend, fullstack or static service) gets "/", and the one backend beside it gets
    "/api"; a backend without a page gets "/". Of several, the one with a usual name is meant.
    """
    pages = [service for service in services if service.kind in PAGE_KINDS and listens(service)]
    backends = [service for service in services if service.kind == "backend" and listens(service)]
    page = the_one(pages, FRONTEND_NAMES, "/", path, problems)
    backend = the_one(backends, BACKEND_NAMES, "/api" if pages else "/", path, problems)
    routes = []
    if page is not None:
        routes.append(Route(prefix="/", to=(page.name,)))
    if backend is not None:
        routes.append(Route(prefix="/api" if pages else "/", to=(backend.name,)))
    return tuple(routes)


def the_one(
    candidates: Sequence[Service], usual: Sequence[str], prefix: str, path: KeyPath, problems: Problems
) -> Service | None:
    """The only candidate, or the only one with a usual name; notes that [[routes]] must say which."""
    named = [service for service in candidates if service.name in usual]
    for choice in (candidates, named):
        if len(choice) == 1:
            return choice[0]
    if candidates:
        names = ", ".join(service.name for service in candidates)
        example = f'[[routes]] prefix = "{prefix}" to = "{candidates[0].name}"'
        problems.add(path, f"expected [[routes]] that say which of {names} gets {prefix}, such as {example}")
    return None


def listens(service: Service) -> bool:
    """Whether requests can be sent to it."""
    return service.command is None or service.port is not None


def edits_from(table: Table) -> FieldEdits:
    def is_field(name: str, value: str) -> bool:
        return is_field_name(name) and re.fullmatch(_FIELD_VALUE, value) is not None

    return FieldEdits(
        set=table.mapping("set", 'header fields with texts as values, such as { X-Debug = "1" }', is_field),
        remove=table.texts("remove", 'a list of header fields, such as ["X-Powered-By"]', is_removable),
    )


def is_field_name(name: str) -> bool:
    return re.fullmatch(_TOKEN, name) is not None and name.lower() not in FRAMING_FIELDS


def is_removable(name: str) -> bool:
    return is_field_name(name) and name.lower() != "host"


def is_path_regex(pattern: str) -> bool:
    pattern = python_regex(pattern)
    return is_regex(pattern) and is_regex(pattern.encode())  # paths are bytes, where u1234 escapes mean nothing


def python_regex(pattern: str) -> str:
    """A regex with JavaScript's named groups, as keys of Vite's proxy table may have them, in Python's spelling."""
    return re.sub(r"(?<!\\)\(\?<(?=[A-Za-z_$])", "(?P<", pattern)


def is_one_host(host: str) -> bool:
    return is_host_pattern(host) and host[0] not in "*."


def is_method(name: str) -> bool:
    return re.fullmatch(_TOKEN, name) is not None and name == name.upper()


def is_sendable(name: str) -> bool:
    return is_method(name) and name not in ("HEAD", "CONNECT")  # their answers have no body, or are none


def is_parameter(name: str, value: str) -> bool:
    return bool(name)


def as_targets(value: Any) -> tuple[str, ...] | None:
    targets = value if isinstance(value, list) else [value]
    return tuple(targets) if targets and all(isinstance(to, str) and to for to in targets) else None
