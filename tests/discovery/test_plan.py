import json
from pathlib import Path

from devproxy.config.load import load
from devproxy.config.model import Config, Route, Service
from devproxy.discovery.found import Missing
from devproxy.discovery.plan import Plan, Planned, PlannedRoute

PLAN = Plan(
    name="shop",
    root=Path("/x/shop"),
    services=(
        Planned(
            "web",
            "frontend",
            "frontend",
            "vite",
            "npm run dev",
            port=5173,
            assigned=True,
            env={"A": "{origin}"},
        ),
        Planned("api", "backend", ".", "fastapi", "run", port=8000, watch=("**/*.py",), venv=".venv"),
        Planned("docs", "static", "docs", "static", static="docs/dist"),
    ),
    routes=(PlannedRoute("web", "/", reason="page"), PlannedRoute("api", regex="^/v\\d", strip_prefix=True)),
    missing=(Missing("node_modules in frontend", "cd frontend && npm ci"),),
    notes=("a note",),
)


def test_the_json_has_the_keys_that_scripts_rely_on():
    value = json.loads(json.dumps(PLAN.to_json()))
    assert (value["schema"], value["name"], value["root"]) == (1, "shop", "/x/shop")
    assert set(value["services"][0]) >= {
        "name", "kind", "dir", "framework", "command", "port", "assigned", "env", "watch", "reasons"
    }  # fmt: skip
    assert value["routes"][0] == {"prefix": "/", "to": "web", "strip_prefix": False, "reason": "page"}
    assert value["missing"] == [{"what": "node_modules in frontend", "command": "cd frontend && npm ci"}]
    assert value["notes"] == ["a note"]


def test_the_config_says_the_same_with_absolute_paths():
    config = PLAN.config()
    web, api, docs = config.services
    assert (web.dir, web.command, web.port, web.env) == (
        PLAN.root / "frontend",
        "npm run dev",
        5173,
        {"A": "{origin}"},
    )
    assert (api.dir, api.venv, api.watch) == (PLAN.root, PLAN.root / ".venv", ("**/*.py",))
    assert docs.static == PLAN.root / "docs" / "dist"
    assert [(route.prefix, route.regex, route.to, route.strip_prefix) for route in config.routes] == [
        ("/", None, ("web",), False),
        (None, "^/v\\d", ("api",), True),
    ]


def test_a_configs_plan_is_the_config():
    config = Config(
        name="shop",
        root=Path("/x"),
        source=Path("/x/devproxy.toml"),
        services=(
            Service(name="a", kind="backend", dir=Path("/x/back"), command=("run", "it"), port="auto"),
            Service(name="b", kind="frontend", dir=Path("/x"), command="serve $PORT", port=1234),
        ),
        routes=(Route(to=("a",), prefix="/api"),),
    )
    plan = Plan.from_config(config)
    assert [(one.dir, one.command, one.port, one.assigned) for one in plan.services] == [
        ("back", ("run", "it"), None, True),
        (".", "serve $PORT", 1234, True),
    ]
    assert plan.source == "devproxy.toml"
    assert plan.to_json()["services"][0]["command"] == ["run", "it"]


def test_what_init_writes_reads_back_as_the_discovered_config(plan, vite, fastapi):
    from dataclasses import replace

    from devproxy.config.dump import to_toml

    found = plan({"web/package.json": vite, "api/main.py": fastapi, "api/.env.example": ""})
    file = found.root / "devproxy.toml"
    file.write_text(to_toml(found.config(), {}))
    assert replace(load(found.root), source=None) == found.config()
