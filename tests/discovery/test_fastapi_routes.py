import pytest

from devproxy.discovery.fastapi_routes import read_answers
from devproxy.discovery.source import Modules
from devproxy.discovery.tree import walk

HEAD = "from fastapi import APIRouter, FastAPI\napp = FastAPI()\nrouter = APIRouter()\n"


def answers(root, module="main", name="app"):
    return read_answers(Modules(walk(root), "."), module, name)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("@app.get('/a')\ndef f(): ...", "/a"),
        ("@app.api_route(path='/a')\ndef f(): ...", "/a"),
        ("app.add_api_route('/a', f)", "/a"),
        ("@router.get('/x')\ndef f(): ...\napp.include_router(router, prefix='/a')", "/a/x"),
        ("r = APIRouter(prefix='/b')\n@r.post('')\ndef f(): ...\napp.include_router(r)", "/b"),
        ("P = '/v1'\n@app.get(P + '/a')\ndef f(): ...", "/v1/a"),
        ("P = '/v1'\n@app.get(f'{P}/a')\ndef f(): ...", "/v1/a"),
    ],
)
def test_declared_paths_are_read(project, source, path):
    assert answers(project({"main.py": HEAD + source})).paths == (path,)


def test_routers_are_followed_through_packages_and_prefixes_add_up(project):
    files = {
        "app/main.py": "from app.core.config import settings\nfrom app.api.main import api_router\n"
        "app = FastAPI()\napp.include_router(api_router, prefix=settings.API_V1_STR)\n",
        "app/core/config.py": "class Settings(BaseSettings):\n    API_V1_STR: str = '/api/v1'\nsettings = Settings()\n",
        "app/api/main.py": "from app.api.routes import users\nfrom .routes.items import router as items\n"
        "api_router = APIRouter()\napi_router.include_router(users.router)\n"
        "api_router.include_router(items, prefix='/items')\n",
        "app/api/routes/__init__.py": "",
        "app/api/routes/users.py": "router = APIRouter(prefix='/users')\n@router.get('/me')\ndef f(): ...\n",
        "app/api/routes/items.py": "router = APIRouter()\n@router.get('/')\ndef f(): ...\n",
    }
    assert answers(project(files), "app.main").paths == ("/api/v1/users/me", "/api/v1/items/")


def test_a_router_exported_by_its_package_is_found(project):
    files = {
        "main.py": "from routers import users\napp = FastAPI()\napp.include_router(users)\n",
        "routers/__init__.py": "from .users import router as users\n",
        "routers/users.py": "router = APIRouter(prefix='/users')\n@router.get('/x')\ndef f(): ...\n",
    }
    assert answers(project(files)).paths == ("/users/x",)


def test_websockets_and_mounted_files_are_told_apart(project):
    source = HEAD + "@app.websocket('/ws')\nasync def f(): ...\napp.mount('/media', StaticFiles(directory='m'))\n"
    found = answers(project({"main.py": source}))
    assert (found.paths, found.websockets, found.files) == ((), ("/ws",), ("/media",))


def test_a_mounted_app_answers_below_its_path(project):
    source = HEAD + "inner = FastAPI()\n@inner.get('/x')\ndef f(): ...\napp.mount('/api', inner)\n"
    assert "/api/x" in answers(project({"main.py": source})).paths


def test_the_app_of_a_factory_is_read_inside_it(project):
    source = "def create():\n    a = FastAPI()\n    a.include_router(r, prefix='/api')\n    return a\n"
    source += "r = APIRouter()\n@r.get('/x')\ndef f(): ...\napp = create()\n"
    root = project({"main.py": source})
    assert answers(root).paths == ("/api/x",)
    assert answers(root, name="create").paths == ("/api/x",)


def test_a_computed_prefix_is_left_out(project):
    source = HEAD + "@router.get('/x')\ndef f(): ...\napp.include_router(router, prefix=compute())\n"
    assert answers(project({"main.py": source})).paths == ()


def test_routers_that_include_one_another_end(project):
    source = (
        HEAD + "router.include_router(router, prefix='/x')\napp.include_router(router)\n"
        "@router.get('/y')\ndef f(): ...\n"
    )
    assert "/y" in answers(project({"main.py": source})).paths
