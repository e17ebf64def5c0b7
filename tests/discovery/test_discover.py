import pytest

from devproxy.discovery.discover import discover
from devproxy.errors import NothingRecognised


def routes(found):
    return {route.prefix: route.to for route in found.routes}


@pytest.mark.parametrize(
    ("front", "back"), [("frontend", "backend"), ("client", "server"), ("web", "api"), ("ui", "service")]
)
def test_both_halves_are_found_in_their_folders_and_named_after_them(plan, vite, fastapi, front, back):
    found = plan({f"{front}/package.json": vite, f"{back}/main.py": fastapi})
    assert [(one.name, one.kind, one.dir) for one in found.services] == [
        (front, "frontend", front),
        (back, "backend", back),
    ]
    assert routes(found) == {"/": front, "/api": back}


def test_the_backend_may_be_the_root(plan, vite, fastapi):
    found = plan({"frontend/package.json": vite, "main.py": fastapi})
    assert [(one.name, one.dir) for one in found.services] == [("frontend", "frontend"), ("backend", ".")]


def test_the_frontend_may_be_the_root(plan, vite, fastapi):
    found = plan({"package.json": vite, "backend/main.py": fastapi})
    assert [(one.name, one.dir) for one in found.services] == [("frontend", "."), ("backend", "backend")]


def test_both_halves_may_be_the_root(plan, vite, fastapi):
    found = plan({"package.json": vite, "main.py": fastapi})
    assert [one.name for one in found.services] == ["frontend", "backend"]


def test_folders_in_apps_are_named_by_their_own_name(plan, vite, express):
    files = {
        "apps/web/package.json": vite,
        "apps/api/package.json": express,
        "apps/api/server.js": "app.listen(1234)",
    }
    assert [one.name for one in plan(files).services] == ["web", "api"]


def test_names_are_plain_and_unique(plan, vite, fastapi):
    found = plan(
        {
            "My Shop/package.json": vite,
            "a/api/main.py": fastapi,
            "a/api/requirements.txt": "",
            "b/api/main.py": fastapi,
            "b/api/requirements.txt": "",
        }
    )
    assert [one.name for one in found.services] == ["my-shop", "api", "api-2"]


def test_a_backup_copy_is_left_out_and_told(plan, vite):
    found = plan({"frontend/package.json": vite, "frontend-old/package.json": vite})
    assert [one.dir for one in found.services] == ["frontend"]
    assert any(note.startswith("frontend-old (vite) looks like a copy") for note in found.notes)


def test_a_project_in_a_folder_named_like_a_sample_still_runs(plan, vite):
    assert [one.dir for one in plan({"demo/package.json": vite}).services] == ["demo"]


def test_a_second_frontend_is_told_and_not_run(plan, vite):
    found = plan({"apps/web/package.json": vite, "apps/admin/package.json": vite})
    assert [one.dir for one in found.services] == ["apps/web"]
    assert any("apps/admin (vite) is a further front end" in note for note in found.notes)


def test_two_services_get_two_ports(plan, fastapi):
    files = {
        f"services/{name}/{file}": text
        for name in ("a", "b")
        for file, text in (("main.py", fastapi), ("requirements.txt", ""))
    }
    assert [one.port for one in plan(files).services] == [8000, 8001]


def test_a_port_that_cannot_be_told_is_given_way_to(plan, express, vite):
    files = {
        "web/package.json": {**vite, "scripts": {"dev": "vite --port 3000"}},
        "api/package.json": express,
        "api/server.js": "app.listen(3000)",
    }
    assert {one.name: one.port for one in plan(files).services} == {"web": 3001, "api": 3000}


def test_nobody_gets_the_gateways_port(plan, vite):
    [service] = plan({"package.json": {**vite, "scripts": {"dev": "vite --port 4400"}}}).services
    assert service.port == 4401


def test_the_backend_listens_where_the_proxy_table_expects_it(plan, vite, fastapi):
    config = "x({ server: { proxy: { '/api': 'http://localhost:8077' } } })"
    found = plan({"web/package.json": vite, "web/vite.config.ts": config, "api/main.py": fastapi})
    assert found.services[1].port == 8077
    assert "port 8077: web expects its API there" in found.services[1].reasons


def test_a_missing_dotenv_file_comes_with_the_command_that_makes_it(plan, vite):
    found = plan({"web/package.json": vite, "web/.env.example": "A=1"})
    assert found.notes == ("web/.env is missing: cp web/.env.example web/.env, then check its values",)


def test_a_framework_known_by_name_only_is_told(plan, fastapi):
    found = plan({"backend/main.py": fastapi, "frontend/package.json": {"dependencies": {"next": "15"}}})
    assert any(note.startswith("frontend uses next") for note in found.notes)


def test_a_broken_manifest_is_told_and_the_rest_runs(plan, vite):
    found = plan({"web/package.json": vite, "other/package.json": "{"})
    assert [one.dir for one in found.services] == ["web"]
    assert any("other/package.json is not valid JSON" in note for note in found.notes)


def test_nothing_recognised_says_what_was_looked_for_and_gives_two_lines(project):
    root = project({"README.md": "hello"})
    with pytest.raises(NothingRecognised) as caught:
        discover(root, environ={})
    assert str(root) in caught.value.message
    for word in ("vite", "express", "FastAPI", "index.html", "Procfile.dev", "[services]\n"):
        assert word in caught.value.hint


def test_the_two_lines_of_the_hint_are_a_config(project):
    from devproxy.config.load import load
    from devproxy.discovery.discover import LOOKED_FOR

    lines = [line.strip() for line in LOOKED_FOR.splitlines()[-2:]]
    config = load(project({"devproxy.toml": "\n".join(lines)}))
    assert [service.name for service in config.services] == ["web"]
