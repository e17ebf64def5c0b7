import json
import re
from pathlib import Path

import pytest

from devproxy.cli.console import run

VITE = '{"scripts": {"dev": "vite"}, "devDependencies": {"vite": "^7"}}'
FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/api/x')\ndef f(): ...\n"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A Vite front end and a FastAPI backend, in the folder we are in."""
    root = tmp_path / "shop"
    (root / "web").mkdir(parents=True)
    (root / "api").mkdir()
    (root / ".git").mkdir()
    (root / "web" / "package.json").write_text(VITE)
    (root / "api" / "main.py").write_text(FASTAPI)
    monkeypatch.chdir(root)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    return root


def test_plan_shows_services_ports_routes_reasons_and_what_is_missing(shop, capsys):
    assert run(["plan"]) == 0
    out = capsys.readouterr().out
    assert "npm run dev -- --port $PORT --strictPort" in out
    assert "frontend in web, port 5173" in out
    assert "vite: devDependencies in web/package.json" in out
    assert re.search(r"^ +/api +→ +api +paths declared in api/main.py$", out, re.M)
    assert "cd web && npm install" in out


def test_plan_folds_its_reasons_and_notes_to_the_terminal(shop, capsys):
    (shop / "web" / "src").mkdir()
    (shop / "web" / "src" / "a.ts").write_text("fetch('http://localhost:8000/api/items')")
    run(["plan"])
    folded = [line for line in capsys.readouterr().out.splitlines() if "&&" not in line and str(shop) not in line]
    assert max(map(len, folded)) <= 80


def test_plan_json_is_one_document_with_the_contracts_keys(shop, capsys):
    assert run(["plan", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["schema"] == 1
    assert [service["name"] for service in value["services"]] == ["web", "api"]
    assert [route["prefix"] for route in value["routes"]] == ["/", "/api"]


def test_plan_of_another_folder(shop, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run(["plan", "-C", "shop", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["root"] == str(shop.resolve())


def test_a_folder_that_is_named_is_the_root_even_inside_another_project(shop, capsys):
    run(["plan", "-C", "web", "--json"])
    assert json.loads(capsys.readouterr().out)["root"] == str((shop / "web").resolve())


def test_plan_below_the_root_is_the_roots(shop, capsys, monkeypatch):
    monkeypatch.chdir(shop / "web")
    run(["plan", "--json"])
    assert json.loads(capsys.readouterr().out)["root"] == str(shop.resolve())


def test_plan_of_a_folder_that_is_not_there_is_misuse(shop, capsys):
    assert run(["plan", "-C", "nowhere"]) == 2
    assert "nowhere is not a folder" in capsys.readouterr().err


def test_a_config_is_the_plan(shop, capsys):
    (shop / "devproxy.toml").write_text('[services.only]\ncommand = "run it"\nport = 1234\n')
    run(["plan"])
    out = capsys.readouterr().out
    assert "from devproxy.toml" in out
    assert "run it" in out
    assert "vite" not in out


def test_nothing_recognised_is_misuse_that_helps(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["plan"]) == 2
    err = capsys.readouterr().err
    assert "nothing to run was recognised" in err
    assert 'web = { command = "npm run dev", port = 5173 }' in err


def test_what_a_manifest_says_cannot_move_the_cursor(shop, capsys):
    (shop / "web" / "package.json").write_text(VITE.replace('"vite"', '"A=\\u001b[2J vite"', 1))
    run(["plan"])
    assert "\x1b" not in capsys.readouterr().out


def test_init_writes_the_plan_with_its_reasons(shop, capsys):
    assert run(["init"]) == 0
    text = (shop / "devproxy.toml").read_text()
    assert "# vite: devDependencies in web/package.json\n" in text
    assert "# missing: node_modules in web: cd web && npm install\n" in text
    assert "wrote devproxy.toml: 2 services, 2 routes" in capsys.readouterr().out


def test_what_init_writes_plans_the_same(shop, capsys):
    run(["plan", "--json"])
    before = json.loads(capsys.readouterr().out)
    run(["init"])
    capsys.readouterr()
    run(["plan", "--json"])
    after = json.loads(capsys.readouterr().out)
    keys = ("name", "kind", "dir", "command", "port", "assigned", "env", "watch")
    assert [{key: one[key] for key in keys} for one in after["services"]] == [
        {key: one[key] for key in keys} for one in before["services"]
    ]
    assert [(one["prefix"], one["to"]) for one in after["routes"]] == [
        (one["prefix"], one["to"]) for one in before["routes"]
    ]


def test_init_refuses_to_overwrite(shop, capsys):
    (shop / "devproxy.toml").write_text("mine")
    assert run(["init"]) == 2
    assert (shop / "devproxy.toml").read_text() == "mine"
    assert "--force" in capsys.readouterr().err


def test_init_refuses_beside_a_config_in_pyproject(shop, capsys):
    (shop / "pyproject.toml").write_text("[tool.devproxy]\nname = 'x'\n")
    assert run(["init"]) == 2
    assert not (shop / "devproxy.toml").exists()


def test_init_force_starts_over(shop):
    (shop / "devproxy.toml").write_text("mine")
    assert run(["init", "--force"]) == 0
    assert "[services.web]" in (shop / "devproxy.toml").read_text()


def test_init_print_writes_nothing(shop, capsys):
    assert run(["init", "--print"]) == 0
    assert "[services.web]" in capsys.readouterr().out
    assert not (shop / "devproxy.toml").exists()


def test_plan_starts_and_changes_nothing(shop):
    def state() -> dict[Path, float]:
        return {path: path.stat().st_mtime for path in shop.rglob("*")}

    before = state()
    run(["plan"])
    assert state() == before
