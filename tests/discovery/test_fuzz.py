"""Whatever a project's files hold, discovery ends: in a plan, or in NothingRecognised."""

import json
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from devproxy.config.dump import to_toml
from devproxy.config.load import load
from devproxy.discovery.discover import discover
from devproxy.errors import NothingRecognised

NAMES = st.sampled_from(
    [
        "package.json",
        "web/package.json",
        "vite.config.ts",
        "web/vite.config.js",
        "src/a.ts",
        "web/.env",
        "main.py",
        "app/main.py",
        "run.py",
        "pyproject.toml",
        "Procfile",
        "Procfile.dev",
        "README.md",
        "server.js",
        "package-lock.json",
        "index.html",
    ]
)
PIECES = st.sampled_from(
    [
        "from fastapi import FastAPI\n",
        "app = FastAPI()\n",
        "app.include_router(app, prefix=app.x)\n",
        "@app.get(P + f'{P}/x')\ndef f(): ...\n",
        "P = P\n",
        "from . import app\n",
        "from ... import y\n",
        "uvicorn main:app --port 99999\n",
        "uvicorn.run(app, port=PORT)\n",
        "uvicorn -a=b -a=b -a=b ",
        "server: { proxy: {",
        "'/api': ",
        "'^/(a|b': {target: 'http://[::1', rewrite: p => p.replace(/^\\/a/, '')}",
        "import.meta.env.VITE_API_URL || 'http://localhost:99999999/x'",
        "process.env.PORT || 3000",
        "app.listen(",
        "'http://localhost:8000/x'",
        "//",
        "/*",
        "`${",
        "}",
        "{",
        "[",
        "(",
        ",",
        '"',
        "'",
        "\\",
        "\n",
        "\x00",
        "web: x\n",
        "import socketio\nb = socketio.ASGIApp(s, app)\n",
        "[tool.fastapi]\nentrypoint = 'a.b:c'\n",
    ]
)
TEXTS = st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=60)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["vite", "npm run dev", "."]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
PACKAGES = st.fixed_dictionaries(
    {},
    optional={
        "scripts": VALUES | st.dictionaries(st.sampled_from(["dev", "start"]), VALUES | TEXTS),
        "dependencies": VALUES | st.dictionaries(st.sampled_from(["vite", "express", "next"]), VALUES),
        "main": VALUES,
        "packageManager": VALUES,
        "workspaces": VALUES,
    },
).map(json.dumps)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, TEXTS | PACKAGES, min_size=1, max_size=8))
@example({"Procfile": "server: one\0two"})
def test_no_content_of_manifests_or_source_breaks_discovery(files):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            plan = discover(root, environ={})
        except NothingRecognised:
            return
        json.dumps(plan.to_json())
        names = [service.name for service in plan.services]
        assert len(set(names)) == len(names)
        assert all(route.to in names for route in plan.routes)
        (root / "devproxy.toml").write_text(to_toml(plan.config(), {}))
        (root / "pyproject.toml").unlink(missing_ok=True)
        assert load(root) is not None


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["package.json", "pyproject.toml", "main.py", "Procfile"]))
def test_no_bytes_break_discovery(data, name):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(data)
        with suppress(NothingRecognised):
            discover(Path(folder), environ={})


def test_deep_nesting_in_any_manifest_ends(project):
    deep = 100_000
    files = {
        "package.json": "[" * deep,
        "pyproject.toml": "a = " + "[" * deep,
        "main.py": "from fastapi import FastAPI\napp = FastAPI()\nx = " + "(" * deep,
        "web/package.json": {"scripts": {"dev": "vite"}, "devDependencies": {"vite": "7"}},
        "web/vite.config.ts": "server: " + "{" * deep,
    }
    assert [service.dir for service in discover(project(files), environ={}).services] == ["web"]


def test_long_lines_of_repeated_signs_are_read_in_linear_time(project):
    from time import monotonic

    files = {
        "package.json": {"scripts": {"dev": "vite"}, "devDependencies": {"vite": "7"}},
        "vite.config.ts": "proxy: {" + "'" * 50_000 + "/*" * 50_000,
        "README.md": "uvicorn " + "-a=b " * 50_000,
        "src/a.ts": "import.meta.env.VITE_API_URL" + " " * 100_000 + "x" + "/*`" * 50_000,
        "src/b.ts": "`" + "\\`" * 100_000 + "import.meta.env.VITE_A ?" * 5_000,
        ".env": "\n" * 300_000 + "PORT",
        "Procfile": "web:" + " " * 100_000 + "x" + " " * 100_000 + "y\n",
    }
    root = project(files)
    begun = monotonic()
    discover(root, environ={})
    assert monotonic() - begun < 30  # a second; what is quadratic takes minutes
