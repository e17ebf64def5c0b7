"""Vite frontends: the script that starts the dev server, its port and its proxy table.

Source: vite.dev/config/server-options (server.port, server.proxy: a key is the start of a path, or a
regular expression when it starts with ^), vite.dev/guide/cli (--port, --strictPort; the last one wins).
"""

import re
from collections.abc import Mapping

from devproxy.discovery.api_url import read_calls
from devproxy.discovery.found import Found, ProxyRule
from devproxy.discovery.javascript import block_of, entries, first_string, without_comments
from devproxy.discovery.node import ORCHESTRATOR, Manager, Package, manager_of, missing_packages
from devproxy.discovery.tree import Tree, join

DEFAULT_PORT = 5173
ARGUMENTS = "--port $PORT --strictPort"
CONFIG_NAMES = tuple(f"vite.config.{suffix}" for suffix in ("ts", "js", "mts", "mjs", "cts", "cjs"))
USUAL_SCRIPTS = ("dev", "start", "serve", "dev:client", "client", "dev:frontend", "frontend")

VITE = re.compile(r"(?:^|[\s/;&|])vite(?:\s|$)(?!\s*(?:build|preview|optimize)\b)")
SEPARATOR = re.compile(r"&&|\|\||[;&|]")
SCRIPT_PORT = re.compile(r"--port[ =](\d{2,5})\b")
ALTERNATION = re.compile(
    r"\^/\((?:\?:)?(?P<names>[\w.-]+(?:\|[\w.-]+)*)\)(?:/|/?\.\*|\(\?:/\|\$\)|\(/\|\$\)|\(/\.\*\)\??|\$)?$"
)
PLAIN = re.compile(r"\^?(?P<prefix>(?:/[\w.~-]+)+)/?(?:\*{1,2}|\.\*|/\*{1,2}|\(/\|\$\))?$")
STRIPS = re.compile(r"\.replace\(\s*(?:/\^|[\"'`])(?P<path>.{0,100}?)(?:/[a-z]*|[\"'`])\s*,\s*[\"'`](?P<with>/?)[\"'`]")


def read_vite(tree: Tree, package: Package, environ: Mapping[str, str]) -> Found | None:
    """The Vite dev server of a package; None if it has none (a library that only builds with Vite)."""
    if not package.depends_on("vite", "rolldown-vite"):
        return None
    script = dev_script(package)
    if script is None and not tree.has(join(package.dir, "index.html")):
        return None
    manager = manager_of(tree, package)
    config = next((join(package.dir, name) for name in CONFIG_NAMES if tree.has(join(package.dir, name))), None)
    source = without_comments(tree.text(config) or "") if config else ""
    server = block_of(source, "server") or ""
    port, why_port, usual = port_of(package, script, server, config)
    command, assigned, why_command = command_of(package, script, manager)
    proxies, proxy_notes = read_proxies(source, config or "")
    dependency = package.depends_on("vite", "rolldown-vite") or "vite"
    return Found(
        kind="frontend",
        dir=package.dir,
        framework="vite",
        command=command,
        port=port,
        port_is_usual=usual,
        assigned=assigned,
        reasons=(package.reason(dependency), manager.reason, why_command, why_port),
        proxies=proxies,
        calls=read_calls(tree, package.dir),
        missing=missing_packages(tree, package, manager, environ.get("PATH")),
        notes=(*manager.notes, *proxy_notes, *hmr_notes(server, config)),
    )


def dev_script(package: Package) -> str | None:
    """The script that starts Vite and nothing else: a usual name first, then any."""
    names = [*(name for name in USUAL_SCRIPTS if name in package.scripts), *package.scripts]
    for name in names:
        script = package.scripts[name]
        if VITE.search(script) and not ORCHESTRATOR.search(script):
            return name
    return None


def command_of(package: Package, script: str | None, manager: Manager) -> tuple[str, bool, str]:
    """(command, whether the port is ours to choose, reason)."""
    if script is None:
        return manager.execute(f"vite {ARGUMENTS}"), True, "no script of its own starts Vite: run directly"
    text = package.scripts[script]
    why = f"script {script!r} in {package.path}: {text}"
    # Arguments land behind the last program of the script; in front of it they would reach the wrong one.
    if VITE.search(SEPARATOR.split(text)[-1]):
        return manager.run(script, ARGUMENTS), True, why
    return manager.run(script), False, why


def port_of(package: Package, script: str | None, server: str, config: str | None) -> tuple[int, str, bool]:
    """(port, reason, whether it is only Vite's default)."""
    if script and (found := SCRIPT_PORT.search(package.scripts[script])):
        return int(found[1]), f"port {found[1]}: script {script!r} in {package.path}", False
    for key, value in entries(server):
        if key == "port" and (number := re.search(r"\b(\d{2,5})\b", value)):
            return int(number[1]), f"port {number[1]}: server.port in {config}", False
    return DEFAULT_PORT, f"port {DEFAULT_PORT}: Vite's default", True


def hmr_notes(server: str, config: str | None) -> tuple[str, ...]:
    """Settings that send the live-reload socket past the gateway."""
    hmr = block_of(server, "hmr")
    if hmr and any(key in ("port", "clientPort", "host") for key, _ in entries(hmr)):
        return (f"server.hmr in {config} fixes host or port: live reload goes around the gateway; remove it",)
    return ()


def read_proxies(source: str, config: str) -> tuple[tuple[ProxyRule, ...], tuple[str, ...]]:
    """The `proxy` table of a Vite config, comments already gone, and notes on what it did not tell."""
    block = block_of(source, "proxy")
    if block is None:
        unread = re.search(r"(?<![\w$.])proxy\s*[:,]", block_of(source, "server") or "")
        return (), (f"server.proxy in {config} is computed: its routes are not known",) if unread else ()
    rules: list[ProxyRule] = []
    notes: list[str] = []
    for key, value in entries(block):
        if not key.startswith(("/", "^")) or "${" in key:
            notes.append(f"server.proxy in {config}: the key {key!r} is not a path; add a route for it")
            continue
        if "rewrite" in value and not strips(key, value):
            notes.append(f"server.proxy {key!r} in {config} rewrites paths: those requests are left to Vite")
        else:
            rules.extend(rules_of(key, value, config))
    return tuple(rules), tuple(notes)


def rules_of(key: str, value: str, config: str) -> list[ProxyRule]:
    """One entry as rules: a plain path or an alternation of names as prefixes, the rest as a regex."""
    target = target_of(value)
    strip = strips(key, value)
    if key == "/":
        return []  # the page itself comes from Vite in a plan; everything else has its own key
    if several := ALTERNATION.match(key):
        names = several["names"].split("|")
        return [ProxyRule(target, config, prefix=f"/{name}", strip=strip) for name in names]
    if plain := PLAIN.match(key):
        return [ProxyRule(target, config, prefix=plain["prefix"], strip=strip)]
    regex = key if key.startswith("^") else "^" + re.escape(key)
    try:
        re.compile(regex)
    except re.error:
        return []
    return [ProxyRule(target, config, regex=regex, strip=strip)]


def target_of(value: str) -> str:
    """The target's URL; empty if it is computed and no literal stands in it."""
    if value[:1] == "{":
        value = next((text for key, text in entries(value[1:]) if key == "target"), "")
    literal = re.search(r"""["'`]((?:https?|wss?)://[^"'`$\s]+)["'`]""", value)
    return literal[1] if literal else (first_string(value) or "" if value[:1] in "\"'" else "")


def strips(key: str, value: str) -> bool:
    """Does the entry's rewrite take exactly its own prefix away?"""
    found = STRIPS.search(value)
    if not found:
        return False
    path = found["path"].replace("\\", "").lstrip("^").rstrip("/")
    return path == key.lstrip("^").rstrip("/*")
