"""devproxy status."""

import json
import re
from pathlib import Path

import pytest

from devproxy.cli import console
from devproxy.cli.status import age, table
from tests.cli.conftest import Running
from tests.support import run

SGR = re.compile(r"\x1b\[[0-9;]*m")


def test_json_is_the_apis_object_on_one_line(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert console.run(["status", "--json", "-C", str(running.root)]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == run(running.session.status_with_usage()).to_json()


def test_the_table_has_a_line_a_service_and_no_colour_without_a_terminal(
    running: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert console.run(["status", "-C", str(running.root)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    head, _, web, api = out.splitlines()
    assert "shop" in head
    assert running.session.status().url in head
    assert web.split()[:3] == ["●", "web", "ready"]
    assert api.split()[:3] == ["●", "api", "ready"]


def test_columns_are_aligned_with_and_without_colour(running: Running) -> None:
    running.session.become("api", "crashed")
    status = running.session.status().to_json()
    plain = table(status, colored=False)
    assert [SGR.sub("", line) for line in table(status, colored=True)] == plain
    assert plain[2].index("ready") == plain[3].index("crashed")


def test_the_address_by_the_branch_stands_beside_the_url(running: Running) -> None:
    status = running.session.status().to_json()
    status |= {"url": "http://localhost:4400", "urls": ["http://localhost:4400", "http://main.shop.localhost:4400"]}
    assert "http://localhost:4400  http://main.shop.localhost:4400" in table(status, colored=False)[0]


def test_a_crashed_service_says_how_it_ended(running: Running) -> None:
    running.session.become("api", "crashed")
    assert "exit 1" in table(running.session.status().to_json(), colored=False)[3]
    status = running.session.status().to_json()
    status["services"][1]["last_exit"]["words"] = "killed by SIGSEGV (11)"
    assert "killed by SIGSEGV (11)" in table(status, colored=False)[3]


def test_a_service_says_what_its_processes_use(running: Running) -> None:
    status = run(running.session.status_with_usage()).to_json()
    assert re.search(r"pid 12 +12 % +182 MiB", table(status, colored=False)[3])


def test_what_keeps_a_service_is_told_below_it_with_the_command_that_tells_more(running: Running) -> None:
    running.session.become("api", "waiting")
    status = running.session.status().to_json()
    status["services"][1]["message"] = "waits for db to be ready"
    assert table(status, colored=False)[4].strip() == "waits for db to be ready (devproxy why api)"


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_a_narrow_terminal_gets_fewer_columns_and_never_a_line_that_is_too_long(running: Running, columns: int) -> None:
    status = run(running.session.status_with_usage()).to_json()
    status["services"][1]["message"] = "a long story " * 20
    lines = table(status, columns=columns, colored=False)[1:]
    assert max(map(len, lines)) <= columns
    assert any("ready" in line for line in lines)
    assert ("MiB" in "".join(lines)) == (columns > 40)


def test_what_a_service_says_cannot_move_the_cursor(running: Running) -> None:
    status = running.session.status().to_json()
    status["services"][0]["name"] = "a\x1b[2J"
    assert "\x1b" not in "".join(table(status, colored=False))


def test_without_a_session_the_exit_status_is_5(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert console.run(["status", "--json", "-C", str(project)]) == 5
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-5, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m"), (7200, "2h"), (200000, "2d")]
)
def test_an_age_is_in_the_largest_unit_that_fits(seconds: float, shown: str) -> None:
    assert age("1970-01-01T00:00:00.000000Z", seconds) == shown
