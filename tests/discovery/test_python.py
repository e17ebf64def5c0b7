import os
from pathlib import Path

import pytest


def make_venv(root: Path, path: str, *, uvicorn: bool = True) -> None:
    """What marks a virtual environment (PEP 405), without making a real one."""
    (root / path / "bin").mkdir(parents=True)
    (root / path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    os.symlink("/bin/sh", root / path / "bin" / "python")
    if uvicorn:
        (root / path / "lib" / "python3.12" / "site-packages" / "uvicorn").mkdir(parents=True)


def program(folder: Path, name: str) -> str:
    """A PATH on which there is a program of that name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)
    return str(folder)


@pytest.fixture
def backend(plan, project, fastapi):
    """The one planned service of backend/main.py, with further files; and the whole plan."""

    def make(files=None, venv=None, environ=None, uvicorn=True):
        root = project({"backend/main.py": fastapi, **(files or {})})
        if venv:
            make_venv(root, venv, uvicorn=uvicorn)
        found = plan({}, environ)
        return found.services[0], found

    return make


ARGUMENTS = "main:app --host 127.0.0.1 --port $PORT"


@pytest.mark.parametrize(
    ("venv", "python"),
    [
        ("backend/.venv", ".venv/bin/python"),
        ("backend/venv", "venv/bin/python"),
        ("backend/env", "env/bin/python"),
        (".venv", "../.venv/bin/python"),
    ],
)
def test_the_projects_own_virtual_environment_is_used(backend, venv, python):
    service, found = backend(venv=venv)
    assert service.command == f"{python} -m uvicorn {ARGUMENTS}"
    assert service.venv == venv
    assert found.missing == ()


def test_a_virtual_environment_is_preferred_to_uv(backend, tmp_path):
    path = program(tmp_path / "bin", "uv")
    service, _ = backend({"backend/uv.lock": ""}, venv="backend/.venv", environ={"PATH": path})
    assert service.command.startswith(".venv/bin/python")


def test_uv_runs_a_locked_project_without_an_environment(backend, tmp_path):
    path = program(tmp_path / "bin", "uv")
    service, found = backend({"backend/uv.lock": ""}, environ={"PATH": path})
    assert service.command == f"uv run uvicorn {ARGUMENTS}"
    assert found.missing == ()


def test_without_uv_on_path_its_lock_file_asks_for_an_environment(backend, tmp_path):
    service, found = backend({"backend/uv.lock": ""}, environ={"PATH": str(tmp_path)})
    assert service.command == f"python3 -m uvicorn {ARGUMENTS}"
    assert found.missing[0].command == "cd backend && uv sync"


def test_an_activated_environment_is_used_when_the_project_has_none(backend, tmp_path):
    service, found = backend(environ={"VIRTUAL_ENV": str(tmp_path)})
    assert service.command.startswith("python3 -m uvicorn")
    assert found.missing == ()


@pytest.mark.parametrize(
    ("files", "command"),
    [
        (
            {"backend/requirements.txt": ""},
            "cd backend && python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
        ),
        ({"requirements.txt": ""}, "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"),
        (
            {"backend/pyproject.toml": "[project]\nname='x'"},
            "cd backend && python3 -m venv .venv && .venv/bin/pip install -e . uvicorn",
        ),
        ({}, "cd backend && python3 -m venv .venv && .venv/bin/pip install fastapi uvicorn"),
    ],
)
def test_a_missing_environment_comes_with_the_command_that_makes_it(backend, files, command):
    _, found = backend(files)
    [missing] = found.missing
    assert (missing.what, missing.command) == ("virtual environment for backend", command)


def test_an_environment_without_uvicorn_is_told(backend):
    _, found = backend({"backend/requirements.txt": ""}, venv="backend/.venv", uvicorn=False)
    [missing] = found.missing
    assert missing.what == "uvicorn in backend/.venv"
    assert missing.command == "cd backend && .venv/bin/pip install -r requirements.txt"


def test_a_committed_environment_without_its_interpreter_is_none(backend):
    service, _ = backend({"backend/.venv/pyvenv.cfg": "home = /x"})
    assert service.venv is None


def test_the_backend_is_watched_and_does_not_reload_itself(backend):
    service, _ = backend()
    assert service.watch == ("**/*.py",)
    assert "--reload" not in service.command
    assert (service.port, service.assigned, service.framework) == (8000, True, "fastapi")


def test_each_folder_with_an_app_is_a_service(plan, fastapi):
    files = {
        "services/users/requirements.txt": "",
        "services/users/main.py": fastapi,
        "services/orders/requirements.txt": "",
        "services/orders/main.py": fastapi,
    }
    assert sorted(service.dir for service in plan(files).services) == ["services/orders", "services/users"]
