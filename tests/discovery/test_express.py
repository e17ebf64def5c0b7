import pytest


def only(plan):
    [service] = plan.services
    return service


def server(**scripts):
    return {"scripts": scripts, "dependencies": {"express": "^5"}}


LISTENS = "const app = express(); app.listen(process.env.PORT || 3001)"


def test_a_lone_server_owns_the_root_and_takes_its_port_from_the_environment(plan, express):
    found = plan({"package.json": express, "server.js": LISTENS})
    service = only(found)
    assert (service.name, service.kind, service.framework) == ("backend", "backend", "express")
    assert (service.command, service.port, service.assigned) == ("npm start", 3001, True)
    assert [(route.prefix, route.to) for route in found.routes] == [("/", "backend")]


@pytest.mark.parametrize(
    ("scripts", "command"),
    [
        ({"dev": "nodemon server.js", "start": "node server.js"}, "npm run dev"),
        ({"server": "nodemon server.js", "start": "node server.js"}, "npm run server"),
        ({"start": "node server.js"}, "npm start"),
        ({"dev": 'concurrently "npm:server" "npm:client"', "server": "node server.js"}, "npm run server"),
        ({}, "node server.js"),
        ({"test": "jest"}, "node server.js"),
    ],
)
def test_the_command_is_the_script_that_starts_the_server_alone(plan, scripts, command):
    assert only(plan({"package.json": server(**scripts), "server.js": LISTENS})).command == command


def test_main_names_the_file_when_there_is_no_script(plan):
    files = {"package.json": {**server(), "main": "lib/boot.js"}, "lib/boot.js": LISTENS, "index.js": ""}
    assert only(plan(files)).command == "node lib/boot.js"


def test_a_typescript_file_runs_with_tsx(plan):
    assert only(plan({"api/package.json": server(), "api/src/index.ts": LISTENS})).command == "npx tsx src/index.ts"


@pytest.mark.parametrize(
    ("source", "port", "assigned"),
    [
        ("app.listen(process.env.PORT || 4001)", 4001, True),
        ("const p = Number(process.env.PORT) || 4002; app.listen(p)", 4002, True),
        ("const p = process.env['PORT'] ?? '4003'; app.listen(p)", 4003, True),
        ("app.listen(process.env.PORT)", 3000, True),
        ("app.listen(4004, () => {})", 4004, False),
        ("const PORT = 4005;\napp.listen(PORT)", 4005, False),
        ("// process.env.PORT\napp.listen(4006)", 4006, False),
        ("const db = process.env.DB_PORT || 5432; app.listen(4007)", 4007, False),
    ],
)
def test_the_port_is_what_the_server_listens_on(plan, express, source, port, assigned):
    service = only(plan({"package.json": express, "server.js": source}))
    assert (service.port, service.assigned) == (port, assigned)


def test_a_variable_of_another_name_is_set_from_port(plan, express):
    service = only(plan({"package.json": express, "server.js": "listen(process.env.SERVER_PORT || 3001)"}))
    assert service.command == "SERVER_PORT=$PORT npm start"


def test_the_usual_port_may_stand_in_dotenv(plan, express):
    files = {"package.json": express, "server.js": "app.listen(process.env.PORT)", ".env": "A=1\nPORT=5005\n"}
    assert only(plan(files)).port == 5005


@pytest.mark.parametrize("script", ["nodemon server.js", "node --watch server.js", "tsx watch server.ts"])
def test_a_script_that_reloads_itself_is_not_watched(plan, script):
    assert only(plan({"package.json": server(dev=script), "server.js": LISTENS})).watch == ()


def test_a_script_that_does_not_reload_is_watched(plan, express):
    assert "**/*.js" in only(plan({"package.json": express, "server.js": LISTENS})).watch


def test_both_halves_may_stand_in_the_root(plan):
    files = {
        "package.json": {
            "scripts": {"dev": "vite", "server": "node server/index.js"},
            "dependencies": {"express": "^5"},
            "devDependencies": {"vite": "^7"},
        },
        "server/index.js": "app.get('/api/items', f); app.listen(process.env.PORT || 3001)",
        "index.html": "",
    }
    found = plan(files)
    assert [(one.name, one.command) for one in found.services] == [
        ("frontend", "npm run dev -- --port $PORT --strictPort"),
        ("backend", "npm run server"),
    ]
    assert [(route.prefix, route.to) for route in found.routes] == [("/", "frontend"), ("/api", "backend")]


def test_a_server_of_the_built_page_is_no_backend(plan):
    files = {
        "package.json": {
            "scripts": {"dev": "vite", "start": "node server.js"},
            "dependencies": {"express": "^5"},
            "devDependencies": {"vite": "^7"},
        },
        "server.js": "app.use(express.static('dist')); app.listen(process.env.PORT)",
    }
    assert [one.framework for one in plan(files).services] == ["vite"]


def test_socket_io_gets_its_path(plan, vite):
    files = {
        "client/package.json": vite,
        "server/package.json": {
            **server(dev="nodemon index.js"),
            "dependencies": {"express": "5", "socket.io": "4"},
        },
        "server/index.js": "app.use('/api/users', users); server.listen(process.env.PORT || 4000)",
    }
    assert [(route.prefix, route.to) for route in plan(files).routes] == [
        ("/", "client"),
        ("/api", "server"),
        ("/socket.io", "server"),
    ]
