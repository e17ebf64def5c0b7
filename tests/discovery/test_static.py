import pytest


def only(plan):
    [service] = plan.services
    return service


@pytest.mark.parametrize(
    ("file", "dir", "static"),
    [
        ("index.html", ".", "."),
        ("public/index.html", "public", "public"),
        ("frontend/index.html", "frontend", "frontend"),
        ("dist/index.html", ".", "dist"),
        ("build/index.html", ".", "build"),
        ("web/out/index.html", "web", "web/out"),
    ],
)
def test_a_folder_with_an_index_is_served(plan, file, dir, static):
    found = plan({file: "<p>"})
    service = only(found)
    assert (service.kind, service.framework, service.dir, service.static) == ("static", "static", dir, static)
    assert (service.command, service.port) == (None, None)
    assert [(route.prefix, route.to) for route in found.routes] == [("/", service.name)]


def test_the_config_serves_the_same_folder(plan):
    found = plan({"web/dist/index.html": "<p>"})
    [service] = found.config().services
    assert service.static == found.root / "web" / "dist"


def test_build_output_is_preferred_to_the_page_it_was_built_from(plan):
    files = {"package.json": {"scripts": {"build": "x"}}, "index.html": "", "dist/index.html": ""}
    assert only(plan(files)).static == "dist"


def test_a_dev_server_is_preferred_to_its_build_output(plan, vite):
    assert only(plan({"package.json": vite, "dist/index.html": ""})).framework == "vite"


def test_a_static_page_stands_beside_a_backend(plan, fastapi):
    found = plan({"frontend/index.html": "<p>", "backend/main.py": fastapi})
    assert [(route.prefix, route.to) for route in found.routes] == [("/", "frontend"), ("/api", "backend")]


def test_a_folder_that_the_backend_serves_is_not_served_twice(plan, express):
    files = {
        "package.json": express,
        "server.js": "app.use(express.static('public')); app.listen(process.env.PORT)",
        "public/index.html": "<p>",
    }
    assert only(plan(files)).framework == "express"


def test_the_page_of_an_unknown_build_tool_is_not_served_as_it_stands(plan, fastapi):
    files = {
        "client/package.json": {
            "scripts": {"build": "react-scripts build"},
            "dependencies": {"react-scripts": "5"},
        },
        "client/public/index.html": "%PUBLIC_URL%",
        "server/main.py": fastapi,
    }
    found = plan(files)
    assert only(found).framework == "fastapi"
    assert any("client uses react-scripts" in note for note in found.notes)
