"""Procfiles: one process a line, as foreman and honcho read them.

Source: devcenter.heroku.com/articles/procfile, foreman(1): `name: command`; the n-th process gets the
port 5000 + 100 n. A line's own `-p 3000` wins, because foreman's users write it to have that port.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from devproxy.config.model import Kind
from devproxy.discovery.found import Found
from devproxy.discovery.tree import Tree

NAMES = ("Procfile.dev", "Procfile")  # the development one first
ENV_FILES = (".env", ".env.local")  # foreman and honcho read the first, and a Procfile's programs count on it
BASE_PORT = 5000
PORT_STEP = 100

LINE = re.compile(r"^\s*(?P<name>[A-Za-z0-9_-]+)\s*:\s*(?P<command>[^\s\0][^\0]*)$")  # no program gets a NUL
OWN_PORT = re.compile(r"(?:^|\s)(?:-p|--port)[ =]?(\d{2,5})\b")
PRODUCTION = re.compile(
    r"\b(gunicorn|waitress-serve|unicorn|heroku-php-\w+|daphne|RAILS_ENV=production|NODE_ENV=production)\b"
    r"|--workers\b|-e production\b"
)
BACKENDS = frozenset({"api", "server", "backend"})
FRONTENDS = frozenset({"frontend", "client", "ui", "vite", "webpack", "next"})
FRAMEWORKS = (
    ("vite", r"\bvite\b"),
    ("fastapi", r"\b(uvicorn|fastapi)\b"),
    ("flask", r"\bflask\b"),
    ("django", r"\bmanage\.py\b"),
    ("rails", r"\brails\s+(s|server)\b|\bpuma\b"),
    ("sidekiq", r"\bsidekiq\b"),
    ("celery", r"\bcelery\b"),
    ("tailwind", r"\btailwindcss\b"),
    ("esbuild", r"\besbuild\b"),
    ("next", r"\bnext\b"),
    ("go", r"\b(go run|air)\b"),
    ("node", r"\b(node|nodemon|npm|pnpm|yarn|bun|tsx)\b"),
    ("python", r"\bpython3?\b"),
)


@dataclass(frozen=True, slots=True)
class Procfile:
    """A file's lines, in its order. `is_dev`: it is Procfile.dev, written for this very purpose."""

    name: str
    lines: tuple[tuple[str, str], ...]

    @property
    def is_dev(self) -> bool:
        return self.name.endswith(".dev")

    @property
    def is_production(self) -> bool:
        """Was it written for a platform: a release phase, an application server, or just one `web`?"""
        return (
            any(name == "release" or PRODUCTION.search(command) for name, command in self.lines)
            or len([name for name, _ in self.lines if name not in ("worker", "clock")]) < 2
        )


def read_procfile(tree: Tree) -> Procfile | None:
    """The root's Procfile.dev, else its Procfile; None if there is none with a line in it."""
    for name in NAMES:
        if tree.has(name):
            lines = tuple(lines_in(tree, name))
            if lines:
                return Procfile(name, lines)
    return None


def lines_in(tree: Tree, name: str) -> Iterator[tuple[str, str]]:
    seen = set()
    for number, line in enumerate((tree.text(name) or "").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = LINE.match(line)
        if found is None:
            tree.note(f"{name} line {number} is not `name: command`: ignored")
        elif found["name"] in seen:
            tree.note(f"{name} line {number}: {found['name']} stands there twice; the first counts")
        else:
            seen.add(found["name"])
            yield found["name"], found["command"].rstrip()


def services(tree: Tree, procfile: Procfile) -> Iterator[Found]:
    """Each line as a service with a port of its own."""
    names = [name for name, _ in procfile.lines if name != "release"]
    index = 0
    for name, command in procfile.lines:
        if name == "release":
            continue
        own = OWN_PORT.search(command)
        port = int(own[1]) if own else BASE_PORT + PORT_STEP * index
        index += 1
        why = "fixed in its command" if own else "passed on as PORT"
        yield Found(
            kind=kind_of(name, names),
            dir=".",
            framework=next((known for known, sign in FRAMEWORKS if re.search(sign, command)), "procfile"),
            command=command,
            name=name,
            port=port,
            assigned=own is None,
            env_files=tuple(name for name in ENV_FILES if tree.has(name)),
            reasons=(f"{name}: a line of {procfile.name}", f"port {port}: {why}"),
        )


def kind_of(name: str, names: list[str]) -> Kind:
    """`web` owns the page: alone it is the whole application, beside an API line its front end."""
    lowered = name.lower()
    if lowered in BACKENDS:
        return "backend"
    others = {other.lower() for other in names}
    if lowered in FRONTENDS:
        return "worker" if "web" in others else "frontend"  # beside a web line it builds that one's assets
    if lowered != "web":
        return "worker"
    return "frontend" if others & BACKENDS else "fullstack"
