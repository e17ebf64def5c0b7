import pytest

APP = "from fastapi import FastAPI\napp = FastAPI()\n"


def only(plan):
    [service] = plan.services
    return service


def runs(service):
    """(dir, what uvicorn imports)."""
    return service.dir, service.command.split(" uvicorn ")[1].split(" --host")[0]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"main.py": APP}, (".", "main:app")),
        ({"app/main.py": APP}, (".", "app.main:app")),
        ({"backend/main.py": APP}, ("backend", "main:app")),
        ({"backend/app/main.py": APP}, ("backend", "app.main:app")),
        ({"server/asgi.py": APP}, ("server", "asgi:app")),
        ({"services/api/server.py": APP}, ("services/api", "server:app")),
        ({"requirements.txt": "", "src/api/main.py": APP}, (".", "src.api.main:app")),
        ({"requirements.txt": "", "backend/app/main.py": APP}, ("backend", "app.main:app")),
        ({"backend/app/__init__.py": APP}, ("backend", "app:app")),
    ],
)
def test_an_app_is_run_from_the_folder_its_module_imports_from(plan, files, expected):
    assert runs(only(plan(files))) == expected


def test_absolute_imports_of_its_own_modules_choose_the_folder(plan):
    files = {"backend/app/main.py": "from routers import x\n" + APP, "backend/app/routers/x.py": ""}
    assert runs(only(plan(files))) == ("backend/app", "main:app")


def test_imports_from_the_root_make_it_the_folder(plan):
    files = {"backend/main.py": "from backend.db import x\n" + APP, "backend/db.py": ""}
    assert runs(only(plan(files))) == (".", "backend.main:app")


def test_relative_imports_need_the_folder_above(plan):
    files = {"backend/main.py": "from .db import x\n" + APP, "backend/db.py": ""}
    assert runs(only(plan(files))) == (".", "backend.main:app")


def test_a_src_layout_runs_in_the_projects_folder(plan):
    files = {
        "backend/pyproject.toml": "[project]\nname='shop'",
        "backend/src/shop/__init__.py": "",
        "backend/src/shop/main.py": APP,
    }
    service = only(plan(files))
    assert runs(service) == ("backend", "shop.main:app")
    assert service.env == {"PYTHONPATH": "src"}


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("README.md", "Start it:\n\n    uvicorn server.main:api --reload --port 8002\n"),
        ("Makefile", "run:\n\tuvicorn --port 8002 --reload server.main:api\n"),
        ("run.py", "import uvicorn\nuvicorn.run('server.main:api', port=8002)\n"),
        (
            "run.py",
            "import os, uvicorn\nuvicorn.run('server.main:api', port=int(os.getenv('PORT', '8002')))\n",
        ),
    ],
)
def test_a_uvicorn_command_in_the_project_tells_module_and_port(plan, file, content):
    files = {"server/main.py": "from fastapi import FastAPI\napi = FastAPI()\n", file: content}
    service = only(plan(files))
    assert runs(service) == (".", "server.main:api")
    assert service.port == 8002
    assert f"port 8002: {file}" in service.reasons


def test_the_fastapi_entrypoint_of_pyproject_is_followed(plan):
    files = {
        "pyproject.toml": "[tool.fastapi]\nentrypoint = 'web.site:app'\n",
        "web/site.py": APP,
        "web/main.py": APP,
    }
    assert runs(only(plan(files))) == (".", "web.site:app")


def test_a_factory_runs_as_one(plan):
    source = "from fastapi import FastAPI\ndef create_app():\n    app = FastAPI()\n    return app\n"
    assert runs(only(plan({"main.py": source}))) == (".", "main:create_app --factory")


def test_an_app_made_by_a_factory_elsewhere_is_found(plan):
    files = {
        "backend/core.py": "from fastapi import FastAPI\ndef make():\n    return FastAPI()\n",
        "backend/main.py": "from core import make\napp = make()\n",
    }
    assert runs(only(plan(files))) == ("backend", "main:app")


def test_a_socket_io_app_around_the_app_is_what_runs(plan):
    source = APP + "import socketio\nsio = socketio.AsyncServer()\nouter = socketio.ASGIApp(sio, app)\n"
    assert runs(only(plan({"main.py": source}))) == (".", "main:outer")


def test_tests_and_examples_are_no_apps(plan):
    files = {"main.py": APP, "tests/main.py": APP, "examples/x/main.py": APP, "docs/app.py": APP}
    assert runs(only(plan(files))) == (".", "main:app")


def test_an_app_under_the_main_guard_is_none(plan):
    files = {
        "main.py": APP,
        "tool/cli.py": "from fastapi import FastAPI\nif __name__ == '__main__':\n    a = FastAPI()",
    }
    assert len(plan(files).services) == 1


def test_main_comes_before_other_names_in_one_project(plan):
    assert runs(only(plan({"zeta.py": APP, "main.py": APP}))) == (".", "main:app")
