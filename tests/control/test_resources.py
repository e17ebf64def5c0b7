"""Services, plan, routes and the session through the API: the public contract."""

import os
from typing import Any

import httpx
import pytest

from devproxy.control.app import create_app
from tests.control.small import ORIGIN, SmallSession, asking
from tests.support import run


def ask(session: SmallSession, method: str, path: str, **options: Any) -> httpx.Response:
    async def call() -> httpx.Response:
        async with asking(create_app(session), local=True) as client:
            return await client.request(method, f"/__devproxy/api/{path}", **options)

    return run(call())


def test_status_is_the_contracts_object() -> None:
    session = SmallSession()
    status = ask(session, "GET", "status").json()
    contract = {"schema", "name", "root", "pid", "url", "urls", "ready", "services"}
    assert contract <= set(status)
    assert status["schema"] == 1
    assert (status["name"], status["pid"], status["url"]) == ("shop", os.getpid(), ORIGIN)
    service = {"name", "kind", "state", "pid", "port", "url", "since", "restarts", "last_exit"}
    assert all(service <= set(one) for one in status["services"])


def test_status_over_the_api_is_what_the_session_writes_itself() -> None:
    session = SmallSession()
    session.become("api", "crashed")
    assert ask(session, "GET", "status").json() == session.status().to_json()


def test_what_the_processes_use_is_there_for_who_asks() -> None:
    session = SmallSession()
    assert {one["usage"] for one in ask(session, "GET", "status").json()["services"]} == {None}
    [usage, _] = [one["usage"] for one in ask(session, "GET", "status", params={"usage": "true"}).json()["services"]]
    assert (usage["processes"], usage["cpu_percent"], usage["rss_bytes"]) == (2, 12.4, 182 * 2**20)
    assert usage["listens"] == [{"address": "127.0.0.1", "port": 8000, "pid": 12}]


def test_why_explains_one_service() -> None:
    found = ask(SmallSession(), "GET", "services/api/why").json()
    assert (found["schema"], found["service"]["name"], found["source"]) == (1, "api", "devproxy.toml:3")


def test_a_crashed_service_tells_how_it_ended() -> None:
    session = SmallSession()
    session.become("api", "crashed")
    last = ask(session, "GET", "services/api").json()["last_exit"]
    assert (last["code"], last["signal"]) == (1, None)


@pytest.mark.parametrize(("verb", "state"), [("stop", "stopped"), ("start", "ready"), ("restart", "ready")])
def test_a_command_is_accepted_with_the_service_as_it_now_is(verb: str, state: str) -> None:
    session = SmallSession()
    answer = ask(session, "POST", f"services/web/{verb}")
    assert answer.status_code == 202
    assert (answer.json()["name"], answer.json()["state"]) == ("web", state)
    assert session.services["web"].state == state


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "services/wbe"),
        ("GET", "services/wbe/why"),
        ("POST", "services/wbe/restart"),
        ("GET", "services/wbe/env"),
    ],
)
def test_an_unknown_service_is_a_problem_that_names_the_nearest(method: str, path: str) -> None:
    answer = ask(SmallSession(), method, path)
    problem = answer.json()
    assert answer.status_code == problem["status"] == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "'wbe'" in problem["detail"]
    assert "'web'" in problem["hint"]
    assert problem["exit_code"] == 2


def test_the_environment_has_each_value_with_its_origin_and_secrets_masked() -> None:
    found = ask(SmallSession(), "GET", "services/api/env").json()
    assert (found["schema"], found["service"], found["pid"]) == (1, "api", 11)
    assert found["env"] == {"DEBUG": "1", "API_KEY": "********"}
    assert found["withheld"] == {"PORT": "each service has a port of its own"}
    [key, debug] = found["variables"]
    assert (key["name"], key["value"], key["origin"], key["masked"]) == ("API_KEY", "********", "shell", True)
    assert (debug["value"], debug["origin"], debug["where"]) == ("1", "service", "[services.api] env")
    assert debug["overridden"] == [{"value": "0", "origin": "file", "where": ".env:1"}]


def test_secrets_are_shown_to_who_asks_for_them() -> None:
    found = ask(SmallSession(), "GET", "services/api/env", params={"show_secrets": "true"}).json()
    assert found["env"]["API_KEY"] == "api"
    assert not any(one["masked"] for one in found["variables"])


def test_routes_pass_the_question_on() -> None:
    params = {"url": "/api/x?y=1", "method": "PUT", "accept": "text/html"}
    answer = ask(SmallSession(), "GET", "routes", params=params).json()
    assert answer["match"]["to"] == "api"
    assert answer["upstream"] == {"method": "PUT", "target": "/x?y=1", "url": "http://127.0.0.1:8000/x?y=1"}


def test_all_routes_are_told_with_their_states() -> None:
    answer = ask(SmallSession(), "GET", "routes").json()
    assert [(route["prefix"], route["state"]) for route in answer["routes"]] == [("/api", "ready"), ("/", "ready")]


def test_a_url_that_is_none_is_a_400() -> None:
    answer = ask(SmallSession(), "GET", "routes", params={"url": "nonsense"})
    assert (answer.status_code, answer.json()["exit_code"]) == (400, 2)


def test_a_ticket_comes_with_the_address_that_uses_it() -> None:
    session = SmallSession()
    answer = ask(session, "POST", "tickets")
    assert answer.status_code == 201
    assert answer.json()["url"] == f"{ORIGIN}/__devproxy/login?ticket={answer.json()['ticket']}"
    assert session.keys.redeem(answer.json()["ticket"])


def test_stopping_the_session_names_the_process_that_will_be_gone() -> None:
    session = SmallSession()
    answer = ask(session, "POST", "session/stop")
    assert (answer.status_code, answer.json()) == (202, {"pid": os.getpid()})
    assert session.was_told_to_stop


def test_the_description_lists_the_api_with_its_objects() -> None:
    description = ask(SmallSession(), "GET", "openapi.json").json()
    assert "/__devproxy/api/services/{name}/restart" in description["paths"]
    assert "since" in description["components"]["schemas"]["ServiceStatus"]["properties"]


def test_what_comes_later_says_so() -> None:
    answer = ask(SmallSession(), "GET", "requests")
    assert (answer.status_code, answer.json()["title"]) == (501, "Not yet")


@pytest.mark.parametrize("limit", ["0", "x", "10001"])
def test_a_parameter_that_makes_no_sense_is_named(limit: str) -> None:
    answer = ask(SmallSession(), "GET", "logs", params={"limit": limit})
    assert answer.status_code == 400
    assert "limit" in answer.json()["detail"]
    assert answer.json()["exit_code"] == 2


def test_an_unknown_path_is_a_problem() -> None:
    answer = ask(SmallSession(), "GET", "nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_wrong_method_says_which_are_right() -> None:
    answer = ask(SmallSession(), "DELETE", "status")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
