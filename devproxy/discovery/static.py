"""Folders of files that the gateway serves itself: a plain one with index.html, or a build's output."""

from collections.abc import Iterator

from devproxy.discovery.found import Found
from devproxy.discovery.node import Package
from devproxy.discovery.tree import Tree, base_name, is_below, join, parent, spoken

OUTPUTS = ("dist", "build", "out")
PLAIN = ("public", "static", "www", "site", "html", "web", "frontend", "client", "ui", "webapp", "app")
SERVED_BY_BACKENDS = frozenset({"public", "static", "www"})
MAX_DEPTH = 2


def read(tree: Tree, packages: dict[str, Package], backends: list[Found]) -> Iterator[Found]:
    """Static folders, the likeliest first. Only asked for when no dev server was recognised.

    Args: packages: every package.json by its folder; backends: what they serve themselves is theirs.
    """
    for folder in tree.near_root():
        if folder.depth > MAX_DEPTH or is_served(folder.path, backends):
            continue
        built = next((name for name in OUTPUTS if tree.has(join(folder.path, name, "index.html"))), None)
        package = packages.get(folder.path)
        plain = (folder.path == "." or base_name(folder.path) in PLAIN) and "index.html" in folder.files
        if package is not None and built is not None:
            yield static(folder.path, built, f"{join(folder.path, built)}: built, with index.html, and no dev server")
        elif plain and not is_source(folder.path, packages):
            yield static(folder.path, ".", f"index.html in {spoken(folder.path)}")
        elif built is not None:
            yield static(folder.path, built, f"{join(folder.path, built)}: built, with index.html, and no dev server")


def static(dir: str, folder: str, reason: str) -> Found:
    return Found(kind="static", dir=dir, framework="static", static=folder, reasons=(reason,))


def is_source(path: str, packages: dict[str, Package]) -> bool:
    """Is the index.html a template of a build tool, not a page?"""
    owner = packages.get(path) or packages.get(parent(path))
    return owner is not None and any("build" in name for name in owner.scripts)


def is_served(path: str, backends: list[Found]) -> bool:
    """Does a backend serve this folder itself, or is it the backend's own?"""
    return any(found.dir == path != "." or serves(found, path) for found in backends)


def serves(backend: Found, path: str) -> bool:
    if path == backend.dir or not is_below(path, backend.dir):
        return False
    return "/" in backend.answers.files or (backend.answers.root and base_name(path) in SERVED_BY_BACKENDS)
