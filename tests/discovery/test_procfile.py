"""Procfiles: what is a line and what is not, ports in steps of 100, which file counts."""

import pytest

LINES = "web: npm run dev\napi: uvicorn main:app --port $PORT\nworker: python work.py\n"


def test_each_line_is_a_service_with_a_port_of_its_own(plan):
    found = plan({"Procfile": LINES})
    assert [(one.name, one.kind, one.port, one.assigned) for one in found.services] == [
        ("web", "frontend", 5000, True),
        ("api", "backend", 5100, True),
        ("worker", "worker", 5200, True),
    ]
    assert found.services[1].command == "uvicorn main:app --port $PORT"


@pytest.mark.parametrize("name", ["api", "server", "backend"])
def test_web_owns_the_root_and_a_line_named_like_an_api_gets_it(plan, name):
    found = plan({"Procfile": f"web: a\n{name}: b\nclock: c\n"})
    assert [(route.prefix, route.to) for route in found.routes] == [("/", "web"), ("/api", name)]


def test_web_alone_is_the_whole_application(plan):
    found = plan({"Procfile": "web: rails s\ncss: tailwind\nvite: bin/vite dev\n"})
    assert [one.kind for one in found.services] == ["fullstack", "worker", "worker"]
    assert [(route.prefix, route.to) for route in found.routes] == [("/", "web")]


def test_an_api_alone_owns_the_root(plan):
    found = plan({"Procfile": "api: a\nworker: b\n"})
    assert [(route.prefix, route.to) for route in found.routes] == [("/", "api")]


def test_the_development_file_is_preferred(plan):
    found = plan({"Procfile": LINES, "Procfile.dev": "web: dev\n"})
    assert [one.command for one in found.services] == ["dev"]


def test_the_development_file_wins_over_what_the_folders_hold(plan, vite):
    found = plan({"package.json": vite, "Procfile.dev": "web: npm run all\n"})
    assert [one.command for one in found.services] == ["npm run all"]


@pytest.mark.parametrize(
    "text", ["web: gunicorn app:app\nworker: x\n", "web: npm start\n", "release: m\nweb: a\nb: c\n"]
)
def test_a_production_file_gives_way_to_what_the_folders_hold(plan, vite, text):
    found = plan({"package.json": vite, "Procfile": text})
    assert [one.framework for one in found.services] == ["vite"]
    assert any(note.startswith("Procfile looks written for production") for note in found.notes)


def test_a_production_file_alone_is_run(plan):
    assert [one.name for one in plan({"Procfile": "web: gunicorn app:app\n"}).services] == ["web"]


def test_a_release_phase_is_not_run(plan):
    assert [one.name for one in plan({"Procfile": "release: migrate\nweb: x\n"}).services] == ["web"]


def test_a_port_in_the_command_is_kept(plan):
    [service] = plan({"Procfile.dev": "web: bin/rails server -p 3000\n"}).services
    assert (service.port, service.assigned, service.framework) == (3000, False, "rails")


def test_comments_and_blank_lines_are_skipped_and_bad_lines_told(plan):
    found = plan({"Procfile": "# all\n\nweb: a\nnot a line\nweb: again\n"})
    assert [one.command for one in found.services] == ["a"]
    assert [note.split(":")[0] for note in found.notes] == ["Procfile line 4 is not `name", "Procfile line 5"]


# What the parsers of other process managers are tested on.
AWKWARD = """\
# a comment
  # an indented one
web:   bin/serve --port "$PORT" 2>&1 | tee 'log #1' && (cd x; true) & wait # not ours to cut
-foo_bar: ./a
+foo: ignored
no colon
no command:
tabs:\tone\ttwo
colons: a: b:c
: no name
last: one\\
"""


@pytest.mark.parametrize("end", ["", "\n", "\r\n"], ids=["no end of line", "LF", "CRLF"])
def test_what_is_a_line_and_what_is_not(plan, end):
    text = AWKWARD.removesuffix("\n").replace("\n", "\r\n" if end == "\r\n" else "\n") + end
    found = plan({"Procfile.dev": text})
    assert {one.name: one.command for one in found.services} == {
        "web": "bin/serve --port \"$PORT\" 2>&1 | tee 'log #1' && (cd x; true) & wait # not ours to cut",
        "foo_bar": "./a",
        "tabs": "one\ttwo",
        "colons": "a: b:c",
        "last": "one\\",
    }
    assert [one.port for one in found.services] == [5000, 5100, 5200, 5300, 5400]
    told = [note for note in found.notes if "is not `name: command`" in note]
    assert [note.split()[2] for note in told] == ["5", "6", "7", "10"]


def test_names_that_differ_only_in_what_no_service_may_be_called_get_numbers(plan):
    found = plan({"Procfile.dev": "Web: a\n-web: b\nweb_: c\n"})
    assert [(one.name, one.command) for one in found.services] == [("web", "a"), ("web-2", "b"), ("web-3", "c")]


def test_the_dotenv_file_is_read_for_them_as_foreman_does(plan):
    found = plan({"Procfile": "web: a\n", ".env": "A=1\n", ".env.local": "A=2\n"})
    assert found.config().services[0].env_files == (found.root / ".env", found.root / ".env.local")


def test_an_empty_file_counts_for_nothing(plan, vite):
    assert plan({"package.json": vite, "Procfile.dev": "# nothing\n"}).services[0].framework == "vite"
