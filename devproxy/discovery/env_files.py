"""Whether a backend's `.env` is devproxy's to read: only where nothing of the backend reads it itself."""

import re

from devproxy.discovery.found import Found
from devproxy.discovery.tree import Tree, join

NAMES = (".env", ".env.local")
FRAMEWORKS = ("fastapi", "express")  # that read none; Vite and a Procfile's programs have ways of their own

# A compose file reads the `.env` beside it for itself; the hosts in it are names of containers.
COMPOSE = ("compose.yml", "compose.yaml", "docker-compose.yml", "docker-compose.yaml")
MANIFESTS = ("package.json", "Makefile", "justfile")
MAX_FILES = 600

# Libraries and options that load such a file: python-dotenv, pydantic-settings, decouple, environs, dynaconf,
# Starlette's Config; dotenv, dotenv-flow, env-cmd, Node's own.
LOADERS = re.compile(
    r"dotenv|env[_-]file|decouple|environs|dynaconf|starlette\.config|read_env|env-cmd|loadEnvFile|@nestjs/config"
)


def env_files_of(tree: Tree, found: Found) -> tuple[str, ...]:
    """The `.env` files, relative to the root, that the service is to be given."""
    if found.framework not in FRAMEWORKS or any(tree.has(join(found.dir, name)) for name in COMPOSE):
        return ()
    files = tuple(path for name in NAMES if tree.has(path := join(found.dir, name)))
    return files if files and not _loads_them(tree, found) else ()


def _loads_them(tree: Tree, found: Found) -> bool:
    suffixes = (".py",) if found.framework == "fastapi" else (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts")
    sources = [path for path, _ in zip(tree.files(*suffixes, below=found.dir), range(MAX_FILES), strict=False)]
    manifests = [path for name in MANIFESTS if tree.has(path := join(found.dir, name))]
    return any(LOADERS.search(tree.text(path) or "") for path in [*manifests, *sources])
