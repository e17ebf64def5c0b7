"""A built single-page app, and the demo, in a real browser through the installed command."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from devproxy.demo import copy_to
from tests.support.devproxy import RunningDevproxy
from tests.support.visit import Visit

pytestmark = pytest.mark.browser

CONFIG = """
name = "app"
[services.app]
static = "dist"
[[routes]]
prefix = "/"
to = "app"
"""

PAGE = """<!doctype html>
<html><head><title>app</title>
<link rel="icon" href="data:,">
<script type="module" src="/assets/index-DiwrgTda.js"></script>
</head><body><h1></h1></body></html>
"""
SCRIPT = "document.querySelector('h1').textContent = 'at ' + location.pathname;"
LONG = "export default '" + "x" * 5000 + "';"

FETCH = """async ([path, headers]) => {
  const answer = await fetch(path, { headers });
  return { status: answer.status, type: answer.headers.get("content-type"),
           coding: answer.headers.get("content-encoding"), cache: answer.headers.get("cache-control"),
           text: await answer.text() };
}"""


@pytest.fixture(scope="module")
def devproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDevproxy]:
    root = tmp_path_factory.mktemp("app")
    (root / "devproxy.toml").write_text(CONFIG)
    (root / "dist/assets").mkdir(parents=True)
    (root / "dist/index.html").write_text(PAGE)
    (root / "dist/assets/index-DiwrgTda.js").write_text(SCRIPT)
    (root / "dist/assets/long-5CHTGNGZ.js").write_text(LONG)
    (root / "dist/assets/long-5CHTGNGZ.js.gz").write_bytes(gzip.compress(LONG.encode()))
    (root / "dist/.env").write_text("SECRET")
    with RunningDevproxy(root) as running:
        yield running.wait_ready()


@pytest.fixture
def page(devproxy: RunningDevproxy, context: BrowserContext) -> Page:
    fresh = context.new_page()
    fresh.goto(devproxy.url)
    return fresh


@pytest.mark.parametrize("path", ["/", "/users/42", "/users/jane.doe", "/deep/er/link?tab=1#x"])
def test_a_deep_link_opens_the_app(devproxy: RunningDevproxy, page: Page, path: str) -> None:
    page.goto(devproxy.url + path)
    expect(page.locator("h1")).to_have_text("at " + path.partition("?")[0])


def test_a_missing_script_is_a_404_and_no_html(page: Page) -> None:
    answer = page.evaluate(FETCH, ["/assets/gone-DiwrgTda.js", {}])
    assert (answer["status"], answer["type"]) == (404, "text/plain; charset=utf-8")
    errors = page.evaluate("import('/assets/gone.js').then(() => 'loaded', (error) => error.name)")
    assert errors == "TypeError"


def test_a_hashed_asset_is_asked_for_once_and_the_page_every_time(devproxy: RunningDevproxy, page: Page) -> None:
    assert page.evaluate(FETCH, ["/assets/index-DiwrgTda.js", {}])["cache"] == "public, max-age=31536000, immutable"
    page.goto(f"{devproxy.url}/again")
    sizes = page.evaluate(
        "Object.fromEntries(performance.getEntries().filter((e) => e.name.includes('index-') || "
        "e.entryType === 'navigation').map((e) => [e.entryType, e.transferSize]))"
    )
    assert sizes["resource"] == 0  # from the browser's cache
    assert sizes["navigation"] > 0


def test_a_precompressed_copy_is_what_travels_and_the_file_what_arrives(page: Page) -> None:
    answer = page.evaluate(FETCH, ["/assets/long-5CHTGNGZ.js", {}])
    assert (answer["coding"], answer["text"]) == ("gzip", LONG)


def test_a_range_is_what_was_asked_for(page: Page) -> None:
    answer = page.evaluate(FETCH, ["/assets/long-5CHTGNGZ.js", {"Range": "bytes=0-5"}])
    assert (answer["status"], answer["text"]) == (206, "export")


def test_dotfiles_stay_where_they_are(devproxy: RunningDevproxy, page: Page) -> None:
    for path in ("/.env", "/%2eenv", "/assets/%2e%2e/.env", "/assets/..%2f.env"):
        answer = page.evaluate(FETCH, [path, {}])
        assert (answer["status"], "SECRET" in answer["text"]) == (404, False)


def test_the_demo_does_what_its_buttons_say(tmp_path: Path, context: BrowserContext) -> None:
    copy_to(tmp_path)
    with RunningDevproxy(tmp_path) as running:
        visited = Visit(context.new_page(), running.wait_ready().url)
        page = visited.page

        def press(name: str) -> None:
            page.get_by_test_id(name).click()

        def shows(name: str, text: str) -> None:
            expect(page.get_by_test_id(name)).to_contain_text(text, timeout=10_000)

        press("rest")
        shows("rest-output", "Hello, you!")
        press("sse")
        shows("sse-output", "tick 1")
        page.get_by_test_id("ws-input").fill("ping")
        press("ws")
        shows("ws-output", "echo: ping")
        press("fail")
        shows("break-output", "500")
        press("sse")

        colour = "getComputedStyle(document.querySelector('h1')).color"
        visited.mark()
        style = tmp_path / "site/style.css"
        style.write_text(style.read_text().replace("--accent: #4f46e5", "--accent: #db2777"))
        visited.wait(lambda: page.evaluate(colour) == "rgb(219, 39, 119)")
        assert visited.is_marked()

        api = tmp_path / "app.py"
        api.write_text(api.read_text().replace("Hello, ", "Good day, "))
        visited.wait(lambda: greets(page, "Good day, you!"))
        assert visited.hosts() == {f"localhost:{running.port}"}
        assert visited.is_marked()


def greets(page: Page, text: str) -> bool:
    message = page.evaluate("fetch('/api/hello?name=you').then((answer) => answer.json())")["message"]
    return bool(message == text)
