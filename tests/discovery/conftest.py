"""Small projects written to disk, and the plan of one."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from devproxy.discovery.discover import discover
from devproxy.discovery.plan import Plan

Files = Mapping[str, object]


def write_project(root: Path, files: Files) -> Path:
    """Write each file; a mapping becomes JSON, None makes a folder."""
    for name, content in files.items():
        path = root / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return root


@pytest.fixture
def project(tmp_path: Path) -> Callable[[Files], Path]:
    def make(files: Files) -> Path:
        return write_project(tmp_path / "shop", files)

    return make


@pytest.fixture
def plan(project: Callable[[Files], Path]) -> Callable[..., Plan]:
    """The plan of a project of these files, with nothing in the environment."""

    def make(files: Files, environ: Mapping[str, str] | None = None) -> Plan:
        return discover(project(files), environ=environ or {})

    return make


@pytest.fixture
def vite() -> dict[str, object]:
    """A package.json of a Vite front end."""
    return {"scripts": {"dev": "vite", "build": "vite build"}, "devDependencies": {"vite": "^7.0.0"}}


@pytest.fixture
def express() -> dict[str, object]:
    """A package.json of an Express server."""
    return {"scripts": {"start": "node server.js"}, "dependencies": {"express": "^5.0.0"}}


FASTAPI = """
from fastapi import FastAPI
app = FastAPI()
@app.get("/api/items")
def items(): ...
"""


@pytest.fixture
def fastapi() -> str:
    return FASTAPI
