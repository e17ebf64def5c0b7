import pytest

from devproxy.discovery.api_url import read_calls
from devproxy.discovery.tree import walk

BACKEND = "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/api/items')\ndef f(): ...\n"


@pytest.fixture
def shop(plan, vite):
    """The plan of a front end with this source (and further files) beside a backend on port 8000."""

    def make(source, files=None, backend=BACKEND):
        return plan({"web/package.json": vite, "web/src/api.ts": source, "api/main.py": backend, **(files or {})})

    return make


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("import.meta.env.VITE_API_URL || 'http://localhost:8000'", "{origin}"),
        ('import.meta.env.VITE_API_URL ?? "http://127.0.0.1:8000/api/"', "{origin}/api"),
        ("(import.meta.env.VITE_API_URL as string) || `http://localhost:8000/api`", "{origin}/api"),
        ("e.VITE_X ? import.meta.env.VITE_API_URL : 'http://localhost:8000'", "{origin}"),
    ],
)
def test_only_the_origin_of_the_default_changes(shop, source, value):
    assert shop(f"const base = {source};").services[0].env["VITE_API_URL"] == value


def test_a_dotenv_file_tells_the_value_that_code_does_not(shop):
    found = shop("x = import.meta.env.VITE_API_URL", {"web/.env": "VITE_API_URL=http://localhost:8000/api\n"})
    assert found.services[0].env == {"VITE_API_URL": "{origin}/api"}
    assert any("web/.env says" in reason for reason in found.services[0].reasons)


def test_a_variable_that_nothing_sets_gets_the_origin_and_prefix(shop):
    assert shop("fetch(import.meta.env.VITE_API_URL + '/items')").services[0].env == {"VITE_API_URL": "{origin}/api"}


def test_a_variable_whose_paths_begin_with_api_gets_the_origin_alone(shop):
    found = shop("fetch(`${import.meta.env.VITE_BACKEND_URL}/api/items`)")
    assert found.services[0].env == {"VITE_BACKEND_URL": "{origin}"}


@pytest.mark.parametrize(
    "source",
    [
        "import.meta.env.VITE_API_URL || '/api'",
        "import.meta.env.VITE_API_URL || ''",
        "import.meta.env.VITE_API_URL || 'https://api.example.com'",
        "import.meta.env.VITE_API_URL || 'http://localhost:9999'",
        "import.meta.env.VITE_STRIPE_API_KEY",
        "import.meta.env.VITE_MAPS_API_URL",
        "// import.meta.env.VITE_API_URL || 'http://localhost:8000'",
    ],
)
def test_a_variable_that_is_not_our_backends_stays(shop, source):
    # 9999 is another program's: the backend's own port stands in its code.
    backend = BACKEND + "import uvicorn\nif __name__ == '__main__':\n    uvicorn.run(app, port=8000)\n"
    assert shop(f"x = {source}", backend=backend).services[0].env == {}


def test_a_stripped_prefix_is_added_to_the_variable(shop):
    rule = "{ target: 'http://localhost:8000', rewrite: p => p.replace(/^\\/api/, '') }"
    config = "x({ server: { proxy: { '/api': " + rule + " } } })"
    found = shop("a = import.meta.env.VITE_API_URL || 'http://localhost:8000'", {"web/vite.config.ts": config})
    assert found.services[0].env == {"VITE_API_URL": "{origin}/api"}


def test_the_path_of_the_url_is_routed(shop):
    found = shop("a = import.meta.env.VITE_API_URL || 'http://localhost:8000/v2'")
    assert ("/v2", "api") in [(route.prefix, route.to) for route in found.routes]


def test_a_literal_url_is_told(shop):
    found = shop("fetch('http://localhost:8000/api/items')")
    assert found.services[0].env == {}
    assert any("written into web/src/api.ts" in note for note in found.notes)


def test_a_websocket_url_is_told(shop):
    found = shop("new WebSocket(import.meta.env.VITE_WS_URL || 'ws://localhost:8000/ws')")
    assert any("VITE_WS_URL" in note and "around the gateway" in note for note in found.notes)


def test_a_lone_frontend_keeps_its_variables(plan, vite):
    files = {"package.json": vite, "src/a.ts": "import.meta.env.VITE_API_URL || 'http://localhost:8000'"}
    assert plan(files).services[0].env == {}


def test_tests_and_other_projects_below_are_not_its_source(project):
    literal = "fetch('http://localhost:1/')"
    root = project(
        {
            "package.json": {},
            "src/a.test.ts": literal,
            "src/__tests__/b.ts": literal,
            "server/package.json": {},
            "server/index.js": literal,
        }
    )
    assert read_calls(walk(root), ".").literals == ()
