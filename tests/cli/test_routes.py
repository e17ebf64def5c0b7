"""devproxy routes."""

import json
from pathlib import Path
from typing import Any

import pytest

from devproxy.cli import console
from devproxy.cli.routes import changes_of, overview, story
from devproxy.session.routing import all_routes, to_json
from tests.cli.conftest import Running
from tests.control.small import ROUTES
from tests.session.test_routing import STAGING, TABLE, chosen, where


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    assert console.run(["routes", *arguments]) == 0
    return capsys.readouterr()


def test_the_session_says_which_route_takes_a_url(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    running.session.become("api", "crashed")
    out, err = shown(capsys, "/api/x?y", "-X", "PUT", "-C", str(running.root))
    assert err == ""
    assert out.splitlines() == [
        "PUT localhost:4400/api/x?y",
        "",
        "/api  →  api",
        "  because  the longest prefix that takes it",
        "  sent as  PUT http://127.0.0.1:8000/x?y",
        "  changes  prefix stripped",
        "  state    ✖ crashed",
        "",
        "the others",
        "  /  →  web  takes it too, but /api is longer",
    ]


def test_all_of_them_stand_in_the_order_in_which_they_are_asked(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = shown(capsys, "-C", str(running.root))
    assert [line.split() for line in out.splitlines()] == [
        ["/api", "→", "api", "●", "ready", "prefix", "stripped"],
        ["/", "→", "web", "●", "ready"],
    ]


def test_json_is_the_apis_object(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = shown(capsys, "/api", "--json", "-C", str(running.root))
    found = running.session.routes("/api", method="GET", accept="*/*")
    assert json.loads(out) == found


def test_without_a_session_it_is_what_the_config_says(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "devproxy.toml").write_text(
        'allowed_hosts = ["app.test"]\n[services.api]\ncommand = "x"\nport = 8000\n'
        '[[routes]]\nprefix = "/api"\nto = "api"\n'
    )
    out, err = shown(capsys, "http://app.test/api/x", "-C", str(project))
    assert err == "nothing runs here: these are the routes that devproxy up would have\n"
    assert "  sent as  GET http://localhost:8000/api/x\n" in out
    assert "state" not in out
    out, _ = shown(capsys, "-C", str(project))
    assert out == "  /api  →  api\n"


def test_without_a_config_it_is_what_would_be_discovered(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "devproxy.toml").unlink()
    (project / "index.html").write_text("<h1>hello</h1>")
    out, _ = shown(capsys, "/x", "-C", str(project))
    assert "/  →  " in out


def test_what_is_no_url_is_exit_2(running: Running, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert console.run(["routes", "nonsense", "-C", str(running.root)]) == 2
    assert "'nonsense' is neither a URL nor a path" in capsys.readouterr().err


def test_what_no_route_takes_is_said_with_each_routes_reason() -> None:
    found: dict[str, Any] = chosen("/x") | {"match": None, "why": "no route takes it: 404"}
    lines = list(story(found, colored=False))
    assert lines[2] == "no route takes it: 404"
    assert lines[-1].endswith("only for the host admin.localhost, not localhost")


def test_colour_changes_nothing_but_colour() -> None:
    plain = "\n".join(overview(all_routes(TABLE, where), colored=False))
    assert "● ready" in plain and "◐ starting" in plain
    assert "\x1b[32m● ready\x1b[0m" in "\n".join(overview(all_routes(TABLE, where), colored=True))


def test_what_a_route_changes_is_told_without_its_values() -> None:
    far, admin = (next(route for route in TABLE.routes if route.to == to) for to in (STAGING, "admin"))
    assert changes_of(to_json(far)) == ["prefix stripped", "method POST", "query key", "body replaced"]
    assert changes_of(to_json(admin)) == ["request fields Authorization"]
    assert changes_of(to_json(ROUTES.routes[-1])) == []


def test_no_routes_are_said_to_be_none() -> None:
    assert list(overview({"routes": []}, colored=False)) == ["no routes"]
