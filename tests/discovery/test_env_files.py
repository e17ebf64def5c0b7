"""A backend's `.env`: read by devproxy only where nothing else reads it."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from devproxy.discovery.plan import Plan, Planned

Make = Callable[..., Plan]


def backend(found: Plan) -> Planned:
    [service] = [one for one in found.services if one.kind == "backend"]
    return service


def test_a_backend_gets_the_env_file_that_nothing_of_it_reads(plan: Make, fastapi: str) -> None:
    service = backend(plan({"api/main.py": fastapi, "api/.env": "A=1\n", "api/.env.local": "A=2\n", ".env": "B=1\n"}))
    assert service.env_files == ("api/.env", "api/.env.local")
    assert any(reason.startswith("api/.env and api/.env.local: given to it") for reason in service.reasons)


def test_so_does_one_in_node(plan: Make, express: Mapping[str, object]) -> None:
    server = "app.listen(process.env.PORT || 3000)"
    assert backend(plan({"package.json": express, "server.js": server, ".env": "A=1\n"})).env_files == (".env",)


@pytest.mark.parametrize(
    "loads",
    [
        "from dotenv import load_dotenv\nload_dotenv()\n",
        "class Settings(BaseSettings):\n    model_config = SettingsConfigDict(env_file='.env')\n",
        "from decouple import config\n",
        "from starlette.config import Config\n",
    ],
)
def test_what_the_code_reads_itself_is_left_to_it(loads: str, plan: Make, fastapi: str) -> None:
    assert backend(plan({"main.py": fastapi, "core/settings.py": loads, ".env": "A=1\n"})).env_files == ()


@pytest.mark.parametrize(
    "script", ["node --env-file=.env server.js", "node -r dotenv/config server.js", "env-cmd node server.js"]
)
def test_so_is_what_a_script_reads(script: str, plan: Make, express: dict[str, Any]) -> None:
    files = {
        "package.json": {**express, "scripts": {"start": script}},
        "server.js": "app.listen(3000)",
        ".env": "A=1\n",
    }
    assert backend(plan(files)).env_files == ()


def test_a_compose_files_env_file_is_that_ones(plan: Make, fastapi: str) -> None:
    found = plan({"main.py": fastapi, ".env": "DB_HOST=db\n", "docker-compose.yml": "services: {}\n"})
    assert backend(found).env_files == ()


def test_a_front_end_reads_its_own(plan: Make, vite: dict[str, object]) -> None:
    assert plan({"package.json": vite, ".env": "VITE_A=1\n"}).services[0].env_files == ()
