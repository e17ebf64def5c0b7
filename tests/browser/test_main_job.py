"""The main job, in a real browser on a real Vite + React frontend and a real FastAPI backend."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import BrowserContext, Page, Response, expect

from tests.support import until
from tests.support.devproxy import RunningDevproxy, Start
from tests.support.fullstack import GATED_EVENTS, GREETING, MESSAGE, Fullstack, vite_port
from tests.support.visit import Visit

pytestmark = [pytest.mark.browser, pytest.mark.node, pytest.mark.timeout(120)]

# Four clients that never stop asking, one of them with a body. What fails is kept word by word.
STREAM = """
() => {
  const stream = (window.stream = { asked: 0, answers: {}, failures: [], stop: false });
  const once = async (path, options) => {
    stream.asked += 1;
    try {
      const response = await fetch(path, { cache: "no-store", ...options });
      const body = await response.text();
      if (!response.ok) stream.failures.push(`${response.status} ${path} ${body.slice(0, 300)}`);
      else if (path === "/api/hello") {
        const { message } = JSON.parse(body);
        stream.answers[message] = (stream.answers[message] ?? 0) + 1;
      }
    } catch (error) {
      stream.failures.push(`${path} ${error}`);
    }
  };
  const post = { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"name": "n"}' };
  const client = async (path, options) => {
    while (!stream.stop) await once(path, options);
  };
  window.streaming = Promise.all([
    client("/api/hello"), client("/api/hello"), client("/api/slow?seconds=0.05"), client("/api/items", post),
  ]);
}
"""


@pytest.fixture
def project(tmp_path: Path) -> Fullstack:
    return Fullstack(tmp_path / "shop")


@pytest.fixture
def visit(context: BrowserContext) -> Callable[[RunningDevproxy], Visit]:
    """Open the page of a running devproxy and wait until it is whole: content, API and live reload."""

    def open_page(session: RunningDevproxy) -> Visit:
        visited = Visit(context.new_page(), session.url + "/")
        expect(visited.page.get_by_test_id("hello")).to_contain_text("pid")
        visited.wait(visited.hmr_sockets)
        visited.mark()
        return visited

    return open_page


@pytest.fixture
def running(project: Fullstack, devproxy: Start) -> RunningDevproxy:
    return devproxy(project.root).wait_ready(within=60)


@contextlib.contextmanager
def unbroken_live_reload(visited: Visit) -> Iterator[None]:
    """Whatever happens in the block, the page is not reloaded and its one HMR socket stays open."""
    (socket,) = visited.hmr_sockets()
    yield
    assert visited.hmr_sockets() == [socket]
    assert not socket.is_closed()
    assert visited.is_marked()


@contextlib.contextmanager
def stream_of_requests(page: Page) -> Iterator[Callable[[], dict[str, Any]]]:
    """Clients in the page that ask without pause; gives a look at what they have seen."""
    page.evaluate(STREAM)
    page.wait_for_function("window.stream.asked > 20")
    yield lambda: page.evaluate("window.stream")
    page.evaluate("window.stream.stop = true, window.streaming")


def backend_pid(page: Page) -> int:
    pid: int = page.evaluate("fetch('/api/hello').then((r) => r.json()).then((hello) => hello.pid)")
    return pid


def fetched(page: Page, path: str) -> dict[str, Any]:
    """What a script of the page gets: status, content type and text."""
    answer: dict[str, Any] = page.evaluate(
        """async (path) => {
          const response = await fetch(path);
          const type = response.headers.get("content-type");
          return { status: response.status, type, text: await response.text() };
        }""",
        path,
    )
    return answer


def navigated_until(page: Page, url: str, status: int, within: float = 10) -> Response:
    """Open `url` as a person does, again and again until it answers with this status."""

    def wanted() -> Response | None:
        response = page.goto(url)
        return response if response and response.status == status else None

    found = until(wanted, within)
    assert found is not None
    return found


def test_editing_a_component_changes_the_page_without_a_reload(
    project: Fullstack, running: RunningDevproxy, visit: Callable[[RunningDevproxy], Visit]
) -> None:
    visited = visit(running)
    heading, counter = visited.page.get_by_test_id("greeting"), visited.page.get_by_test_id("count")
    counter.click()
    with unbroken_live_reload(visited):
        project.greet("Edited while it runs")
        expect(heading).to_have_text("Edited while it runs")
        project.greet(GREETING)
        expect(heading).to_have_text(GREETING)
    expect(counter).to_have_text("counted to 1")
    assert visited.loads == [running.url + "/"]


def test_live_reload_goes_through_the_gateway_and_nothing_talks_to_the_dev_server_directly(
    project: Fullstack, running: RunningDevproxy, visit: Callable[[RunningDevproxy], Visit]
) -> None:
    visited = visit(running)
    project.greet("Through the gateway")
    expect(visited.page.get_by_test_id("greeting")).to_have_text("Through the gateway")

    assert visited.hosts() == {f"localhost:{running.port}"}
    (socket,) = visited.hmr_sockets()
    assert socket.url.startswith(f"ws://localhost:{running.port}/")
    clients = clients_of(vite_port(running))
    assert clients == {running.pid}, f"devproxy is {running.pid}"


def clients_of(port: int) -> set[int | None]:
    """The processes that hold a connection to this local port from its far side."""
    return {
        connection.pid
        for connection in psutil.net_connections(kind="tcp")
        if connection.status == psutil.CONN_ESTABLISHED and connection.raddr and connection.raddr.port == port
    }


def test_rest_and_upload_work_through_the_origin(
    running: RunningDevproxy, visit: Callable[[RunningDevproxy], Visit]
) -> None:
    page = visit(running).page
    page.get_by_test_id("item-name").fill("Sail further")
    page.get_by_test_id("item-add").click()
    expect(page.get_by_test_id("items").get_by_role("listitem")).to_have_text(
        ["Read the log", "Break something", "Sail further"]
    )
    page.get_by_test_id("upload-send").click()
    expect(page.get_by_test_id("upload-result")).to_contain_text("8,388,608 bytes, same SHA-256")


def test_a_websocket_echoes_through_the_origin(
    running: RunningDevproxy, visit: Callable[[RunningDevproxy], Visit]
) -> None:
    visited = visit(running)
    visited.page.get_by_test_id("echo-text").fill("ahoy ⚓")
    visited.page.get_by_test_id("echo-send").click()
    expect(visited.page.get_by_test_id("echo")).to_contain_text("← ahoy ⚓")
    assert f"ws://localhost:{running.port}/api/ws" in {socket.url for socket in visited.sockets()}


def test_the_first_event_of_a_stream_arrives_before_the_second_one_exists(
    project: Fullstack, devproxy: Start, visit: Callable[[RunningDevproxy], Visit]
) -> None:
    project.add_to_backend(GATED_EVENTS)
    page = visit(devproxy(project.root).wait_ready(within=60)).page
    page.evaluate(
        """() => {
          window.seen = [];
          const source = new EventSource("/api/gated");
          source.onmessage = (event) => window.seen.push(event.data);
        }"""
    )
    page.wait_for_function("window.seen.length > 0")
    assert page.evaluate("window.seen") == ["first"]
    page.evaluate("fetch('/api/release', { method: 'POST' })")
    page.wait_for_function("window.seen.length > 1")
    assert page.evaluate("window.seen") == ["first", "second"]


@pytest.mark.parametrize("slow_start", [0, 1.5], ids=["at its own speed", "its port closed for a while"])
def test_saving_a_backend_file_restarts_it_and_no_request_made_meanwhile_fails(
    project: Fullstack,
    devproxy: Start,
    visit: Callable[[RunningDevproxy], Visit],
    slow_start: float,
) -> None:
    if slow_start:
        project.slow_down_the_start(slow_start)
    visited = visit(devproxy(project.root).wait_ready(within=60))
    with unbroken_live_reload(visited), stream_of_requests(visited.page) as seen:
        project.answer("Hello from the saved file")
        visited.wait(lambda: seen()["answers"].get("Hello from the saved file", 0) > 20, within=30)
    assert seen()["failures"] == []
    assert set(seen()["answers"]) == {MESSAGE, "Hello from the saved file"}
    expect(visited.page.get_by_test_id("hello")).to_contain_text("Hello from the saved file")


def test_without_the_hold_a_request_made_while_the_backend_restarts_fails(
    project: Fullstack, devproxy: Start, visit: Callable[[RunningDevproxy], Visit]
) -> None:
    """The companion of the one above: the same save, and only the hold taken away."""
    project.slow_down_the_start(1.5)
    project.configure("\n[hold]\nrequest_seconds = 0\n")
    visited = visit(devproxy(project.root).wait_ready(within=60))
    with stream_of_requests(visited.page) as seen:
        project.answer("Hello from the saved file")
        visited.wait(lambda: seen()["failures"], within=30)
        visited.wait(lambda: seen()["answers"].get("Hello from the saved file"), within=30)
    assert any(failure.startswith("503 ") for failure in seen()["failures"])


def test_a_syntax_error_puts_the_traceback_on_the_page_without_waiting_for_a_timer(
    project: Fullstack, devproxy: Start, context: BrowserContext
) -> None:
    """A page that was only held until its time is up would come after a minute. bench/outage prints the seconds."""
    project.configure("\n[hold]\ndocument_seconds = 60\n")
    running = devproxy(project.root).wait_ready(within=60)
    page = context.new_page()
    page.goto(running.url + "/api/items")
    project.break_the_backend()
    response = navigated_until(page, running.url + "/api/items", 502, within=20)
    assert "text/html" in response.headers["content-type"]
    expect(page.locator("body")).to_contain_text("SyntaxError")
    expect(page.locator("body")).to_contain_text("def broken(:")
    project.mend_the_backend()
    expect(page.locator("body")).to_contain_text("Read the log")


def test_the_fix_of_a_syntax_error_brings_the_page_back_by_itself(
    project: Fullstack,
    running: RunningDevproxy,
    context: BrowserContext,
    visit: Callable[[RunningDevproxy], Visit],
) -> None:
    visited = visit(running)
    document = context.new_page()
    with unbroken_live_reload(visited):
        project.break_the_backend()
        navigated_until(document, running.url + "/api/items", 502)
        project.mend_the_backend()
        expect(document.locator("body")).to_contain_text("Read the log")
        expect(visited.page.get_by_test_id("events-state")).to_have_text("open")


def test_a_syntax_error_answers_a_fetch_with_problem_json(
    project: Fullstack, running: RunningDevproxy, visit: Callable[[RunningDevproxy], Visit]
) -> None:
    visited = visit(running)
    with unbroken_live_reload(visited):
        project.break_the_backend()
        visited.wait(lambda: fetched(visited.page, "/api/hello")["status"] == 502)
        answer = fetched(visited.page, "/api/hello")
    assert answer["type"].startswith("application/problem+json")
    assert "SyntaxError" in answer["text"]


def test_a_killed_backend_is_a_502_page_that_comes_back_by_itself(
    running: RunningDevproxy, context: BrowserContext, visit: Callable[[RunningDevproxy], Visit]
) -> None:
    visited = visit(running)
    document = context.new_page()
    document.goto(running.url + "/api/items")
    killed = backend_pid(visited.page)
    with unbroken_live_reload(visited):
        os.kill(killed, signal.SIGKILL)
        navigated_until(document, running.url + "/api/items", 502)
        expect(document.locator("body")).to_contain_text("SIGKILL")
        expect(document.locator("body")).to_contain_text("Read the log", timeout=20_000)
        expect(visited.page.get_by_test_id("events-state")).to_have_text("open", timeout=20_000)
    assert backend_pid(visited.page) != killed


def test_a_crash_answers_502_and_the_restart_policy_brings_the_backend_back(
    running: RunningDevproxy, visit: Callable[[RunningDevproxy], Visit]
) -> None:
    visited = visit(running)
    crashed = backend_pid(visited.page)
    with unbroken_live_reload(visited):
        visited.page.get_by_test_id("crash").click()
        expect(visited.page.get_by_test_id("trouble-result")).to_contain_text("502")
        visited.wait(lambda: fetched(visited.page, "/api/hello")["status"] == 200, within=20)
    assert backend_pid(visited.page) != crashed


def test_the_hmr_socket_survives_a_save_a_syntax_error_and_a_kill(
    project: Fullstack, running: RunningDevproxy, visit: Callable[[RunningDevproxy], Visit]
) -> None:
    visited = visit(running)
    page = visited.page

    def answers(message: str) -> bool:
        return message in fetched(page, "/api/hello")["text"]

    with unbroken_live_reload(visited):
        project.answer("Saved once")
        visited.wait(lambda: answers("Saved once"))
        project.break_the_backend()
        visited.wait(lambda: fetched(page, "/api/hello")["status"] == 502)
        project.mend_the_backend()
        visited.wait(lambda: answers("Saved once"))
        os.kill(backend_pid(page), signal.SIGKILL)
        visited.wait(lambda: fetched(page, "/api/hello")["status"] == 502)
        visited.wait(lambda: answers("Saved once"), within=20)
        project.greet("And live reload still works")
        expect(page.get_by_test_id("greeting")).to_have_text("And live reload still works")


def test_a_stopped_backends_page_restarts_it_for_who_is_signed_in(
    running: RunningDevproxy, context: BrowserContext
) -> None:
    running.run("stop", "backend")
    page = context.new_page()
    page.goto(running.url + "/api/items")
    page.get_by_role("button", name="Restart backend").click()
    expect(page.get_by_role("button")).to_contain_text("Not signed in")
    page.goto(running.run("open", "--dashboard", "--print").strip())
    page.goto(running.url + "/api/items")
    page.get_by_role("button", name="Restart backend").click()
    expect(page.locator("body")).to_contain_text("Read the log", timeout=20_000)
