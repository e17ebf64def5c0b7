"""What a browser gets: the dashboard, the login, and the fields that protect both."""

import re
from importlib.resources import files

import httpx
import pytest

from devproxy.control.access import cookie_name
from devproxy.control.app import create_app
from tests.control.small import PORT, SmallSession, asking
from tests.support import run

DASHBOARD = files("devproxy.dashboard")
HOME = "/__devproxy/"


def get(session: SmallSession, path: str, **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with asking(create_app(session), **headers) as client:
            return await client.get(path)

    return run(ask())


@pytest.mark.parametrize(
    "path", [HOME, "/__devproxy/client.js", "/__devproxy/api/status", "/__devproxy/nothing", "/__devproxy/health"]
)
def test_every_answer_is_protected_errors_too(path: str) -> None:
    fields = get(SmallSession(), path).headers
    policy = fields["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert fields["x-content-type-options"] == "nosniff"
    assert fields["referrer-policy"] == "no-referrer"
    assert fields["cross-origin-resource-policy"] == "same-origin"
    assert fields["cache-control"] == "no-store"


def test_no_answer_lets_another_origin_read_it() -> None:
    fields = get(SmallSession(), HOME, origin="http://localhost:3000").headers
    assert not [name for name in fields if name.startswith("access-control-")]


def test_a_bug_of_ours_is_protected_and_names_no_detail() -> None:
    session = SmallSession()

    def broken() -> None:
        raise RuntimeError("a secret path")

    session.metrics = broken
    answer = get(session, "/__devproxy/api/metrics", authorization=f"Bearer {session.keys.token}")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "secret" not in answer.text


def test_the_dashboard_has_no_inline_script_or_style() -> None:
    page = get(SmallSession(), HOME).text
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)


def test_the_dashboard_never_makes_html_of_text() -> None:
    script = DASHBOARD.joinpath("app.js").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script)


def test_everything_the_dashboard_refers_to_is_served() -> None:
    session = SmallSession()
    page = get(session, HOME).text
    referred = set(re.findall(r'(?:src|href)="(/__devproxy/[^"]+)"', page))
    assert len(referred) == 3
    for path in referred:
        assert get(session, path).status_code == 200


def test_every_element_that_the_script_asks_for_is_on_the_page() -> None:
    page = DASHBOARD.joinpath("index.html").read_text()
    asked = set(re.findall(r'byId\("([^"]+)"\)', DASHBOARD.joinpath("app.js").read_text()))
    assert asked
    assert [one for one in asked if f'id="{one}"' not in page] == []


def test_the_address_without_its_slash_leads_to_the_dashboard() -> None:
    answer = get(SmallSession(), "/__devproxy")
    assert (answer.status_code, answer.headers["location"]) == (308, HOME)


def test_a_ticket_buys_a_cookie_that_scripts_and_other_sites_cannot_use() -> None:
    session = SmallSession()
    answer = get(session, f"/__devproxy/login?ticket={session.keys.issue_ticket()}")
    assert (answer.status_code, answer.headers["location"]) == (303, HOME)
    pair, *attributes = answer.headers["set-cookie"].split("; ")
    assert pair == f"{cookie_name(PORT)}={session.keys.cookie}"
    assert {"HttpOnly", "SameSite=strict", "Path=/__devproxy/"} <= set(attributes)
    assert session.keys.token not in answer.headers["set-cookie"]


def test_the_cookie_opens_the_api() -> None:
    session = SmallSession()
    login = get(session, f"/__devproxy/login?ticket={session.keys.issue_ticket()}")
    cookie = login.headers["set-cookie"].partition(";")[0]
    assert get(session, "/__devproxy/api/status", cookie=cookie).status_code == 200


@pytest.mark.parametrize("ticket", ["", "wrong", "%00", "é" * 20])
def test_a_wrong_ticket_buys_nothing(ticket: str) -> None:
    session = SmallSession()
    session.keys.issue_ticket()
    answer = get(session, f"/__devproxy/login?ticket={ticket}")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_used_link_tells_a_browser_what_to_do() -> None:
    answer = get(SmallSession(), "/__devproxy/login?ticket=used", accept="text/html,*/*")
    assert answer.status_code == 401
    assert "devproxy open" in answer.text


def test_a_used_link_still_leads_who_is_signed_in_to_the_dashboard() -> None:
    session = SmallSession()
    cookie = f"{cookie_name(PORT)}={session.keys.cookie}"
    assert get(session, "/__devproxy/login?ticket=used", cookie=cookie).status_code == 303


def test_health_tells_a_stranger_one_thing() -> None:
    session = SmallSession()
    assert get(session, "/__devproxy/health").json() == {"ready": True}
    session.become("api", "crashed")
    assert get(session, "/__devproxy/health").json() == {"ready": False}
