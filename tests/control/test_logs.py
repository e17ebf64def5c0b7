"""api/logs: the contract's page of records."""

from pathlib import Path
from typing import Any

from devproxy.control.app import create_app
from tests.control.small import BOOT, SmallSession, asking
from tests.support import run


def ask(session: SmallSession, **params: Any) -> dict[str, Any]:
    async def call() -> dict[str, Any]:
        async with asking(create_app(session), local=True) as client:
            answer = await client.get("/__devproxy/api/logs", params=params)
            value: dict[str, Any] = answer.json()
            return value

    return run(call())


def printing(directory: Path, *lines: tuple[str, str]) -> SmallSession:
    session = SmallSession(directory)
    for service, text in lines:
        session.log.source(service).feed(text.encode() + b"\n")
    return session


def test_a_page_holds_records_of_the_contract(tmp_path: Path) -> None:
    session = printing(tmp_path, ("api", "one"), ("web", "two"))
    page = ask(session)
    assert [record["text"] for record in page["records"]] == ["one", "two"]
    first = page["records"][0]
    assert (first["id"], first["seq"], first["service"], first["stream"]) == (f"{BOOT}-1", 1, "api", "stdout")
    assert {"time", "level"} <= set(first)
    assert page["dropped"] == 0
    session.close()


def test_the_cursor_goes_on_where_the_page_ended(tmp_path: Path) -> None:
    session = printing(tmp_path, ("api", "one"))
    page = ask(session)
    session.log.source("api").feed(b"two\n")
    assert [record["text"] for record in ask(session, cursor=page["cursor"])["records"]] == ["two"]
    session.close()


def test_services_lines_and_count_are_chosen(tmp_path: Path) -> None:
    session = printing(tmp_path, ("api", "a1"), ("web", "w1"), ("api", "a2"), ("db", "d1"))
    assert [r["text"] for r in ask(session, service=["api", "db"])["records"]] == ["a1", "a2", "d1"]
    assert [r["text"] for r in ask(session, grep="1$", limit=2)["records"]] == ["w1", "d1"]
    session.close()


def test_a_wrong_pattern_is_a_problem_with_a_hint(tmp_path: Path) -> None:
    session = printing(tmp_path)
    problem = ask(session, grep="(")
    assert (problem["status"], problem["exit_code"]) == (400, 2)
    assert problem["hint"]
    session.close()


def test_without_files_the_page_is_empty() -> None:
    session = SmallSession()
    assert ask(session) == {"records": [], "cursor": None, "dropped": 0}
    session.close()
