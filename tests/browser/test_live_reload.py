"""Live reload of a static folder, in a real browser, through the installed command."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from tests.browser.live_page import LivePage
from tests.support.devproxy import RunningDevproxy

pytestmark = pytest.mark.browser

CONFIG = """
name = "site"
[services.site]
static = "site"
[[routes]]
prefix = "/"
to = "site"
"""

PAGE = """<!doctype html>
<html><head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'self'; style-src 'self'">
<title>first</title>
<link rel="stylesheet" href="/assets/style.css">
<link rel="stylesheet" href="/assets/importing.css">
</head><body><h1>Hello</h1><main></main><script src="/app.js"></script></body></html>
"""

RED, BLUE, GREEN = "rgb(255, 0, 0)", "rgb(0, 0, 255)", "rgb(0, 128, 0)"
HEADING = "document.querySelector('h1')?.textContent"
COLOUR = "getComputedStyle(document.querySelector('h1')).color"
# What colour the heading had in each frame that was drawn since.
WATCH_COLOUR = f"""
window.seen = new Set();
(function look() {{ seen.add({COLOUR}); requestAnimationFrame(look); }})();
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "devproxy.toml").write_text(CONFIG)
    (tmp_path / "site/assets").mkdir(parents=True)
    (tmp_path / "site/index.html").write_text(PAGE)
    (tmp_path / "site/other.html").write_text(PAGE.replace("first", "other"))
    (tmp_path / "site/app.js").write_text("window.loadedAt = Date.now()")
    (tmp_path / "site/assets/style.css").write_text("h1 { color: red } main { height: 5000px }")
    (tmp_path / "site/assets/importing.css").write_text("@import '/assets/imported.css';")
    (tmp_path / "site/assets/imported.css").write_text("h1 { margin: 1px }")
    return tmp_path


@pytest.fixture
def devproxy(project: Path) -> Iterator[RunningDevproxy]:
    with RunningDevproxy(project) as running:
        yield running.wait_ready()


def visit(page: Page, url: str) -> LivePage:
    """Open a page and wait until live reload listens: a marker on `window` tells whether it was reloaded."""
    with page.expect_response("**/__devproxy/live"):
        visited = LivePage(page, url)
    visited.mark()
    return visited


def test_a_change_reloads_every_open_page_once(
    project: Path, devproxy: RunningDevproxy, context: BrowserContext
) -> None:
    visits = [visit(context.new_page(), devproxy.url + path) for path in ("/", "/deep/link", "/other")]
    (project / "site/app.js").write_text("window.changed = true")
    for each in visits:
        each.becomes("window.changed")
    # A page that is told of a later change has been told of everything before it.
    (project / "site/assets/style.css").write_text("h1 { color: blue }")
    for each in visits:
        each.becomes(f"{COLOUR} === '{BLUE}'")
        assert each.loads == 2


def test_a_checkout_of_many_files_is_a_few_reloads(
    project: Path, devproxy: RunningDevproxy, context: BrowserContext
) -> None:
    visited = visit(context.new_page(), devproxy.url)
    for number in range(1000):
        (project / f"site/{number}.js").write_text("1")
    visited.wait(lambda: visited.loads > 1)
    (project / "site/assets/style.css").write_text("h1 { color: blue }")
    visited.becomes(f"{COLOUR} === '{BLUE}'")
    assert visited.loads <= 6  # the first, and as many pieces as a slow machine makes of it


def test_a_style_sheet_is_swapped_without_a_reload(
    project: Path, devproxy: RunningDevproxy, context: BrowserContext
) -> None:
    visited = visit(context.new_page(), devproxy.url)
    assert visited.page.evaluate(COLOUR) == RED
    for name, colour in (("blue", BLUE), ("green", GREEN)):
        (project / "site/assets/style.css").write_text(f"h1 {{ color: {name} }}")
        visited.becomes(f"{COLOUR} === '{colour}'")
    assert visited.is_marked()
    assert visited.loads == 1


def test_a_swap_does_not_flash_even_when_the_new_sheet_comes_slowly(
    project: Path, devproxy: RunningDevproxy, context: BrowserContext
) -> None:
    page = context.new_page()
    waiting: list[Route] = []
    page.route("**/style.css?t=*", lambda route: waiting.append(route))
    visited = visit(page, devproxy.url)
    page.evaluate(WATCH_COLOUR)
    (project / "site/assets/style.css").write_text("h1 { color: blue }")
    visited.wait(lambda: waiting)
    page.wait_for_timeout(200)  # frames without the new sheet: the time is the promise here
    waiting.pop().continue_()
    visited.becomes(f"{COLOUR} === '{BLUE}'")
    assert set(page.evaluate("[...seen]")) <= {RED, BLUE}
    assert page.evaluate("document.querySelectorAll('link[href*=style]').length") == 1


def test_sheets_saved_in_quick_succession_leave_one_link_and_the_last_style(
    project: Path, devproxy: RunningDevproxy, context: BrowserContext
) -> None:
    visited = visit(context.new_page(), devproxy.url)
    for name in ("green", "red", "green", "red", "blue"):
        (project / "site/assets/style.css").write_text(f"h1 {{ color: {name} }}")
        visited.page.wait_for_timeout(15)  # longer than the quiet period: each save is a burst of its own
    visited.becomes("document.querySelectorAll('link[href*=style]').length === 1")
    visited.becomes(f"{COLOUR} === '{BLUE}'")
    assert visited.is_marked()


def test_an_imported_sheet_that_has_no_link_reloads_the_page(
    project: Path, devproxy: RunningDevproxy, context: BrowserContext
) -> None:
    visited = visit(context.new_page(), devproxy.url)
    (project / "site/assets/imported.css").write_text("h1 { margin: 7px }")
    visited.becomes("getComputedStyle(document.querySelector('h1')).marginLeft === '7px'")
    visited.wait(lambda: visited.loads == 2)


def test_a_sheet_that_the_page_does_not_use_changes_nothing(
    project: Path, devproxy: RunningDevproxy, context: BrowserContext
) -> None:
    visited = visit(context.new_page(), devproxy.url)
    (project / "site/assets/unused.css").write_text("h1 { color: green }")
    visited.page.wait_for_timeout(100)  # a burst of its own
    (project / "site/assets/style.css").write_text("h1 { color: blue }")
    visited.becomes(f"{COLOUR} === '{BLUE}'")
    assert visited.is_marked()


@pytest.mark.parametrize("late", [False, True], ids=["drawn at once", "drawn late"])
def test_scroll_is_kept(project: Path, devproxy: RunningDevproxy, context: BrowserContext, late: bool) -> None:
    if late:
        (project / "site/assets/style.css").write_text("h1 { color: red }")
        draw = "const d = document.createElement('div'); d.className = 'tall'; document.body.append(d);"
        (project / "site/app.js").write_text(f"setTimeout(() => {{ {draw} }}, 300)")
        (project / "site/assets/style.css").write_text(".tall { height: 5000px }")
    visited = visit(context.new_page(), devproxy.url)
    visited.becomes("document.body.scrollHeight > 3000")
    visited.page.evaluate("scrollTo(0, 1234)")
    (project / "site/index.html").write_text(PAGE.replace("Hello", "Bye"))
    visited.becomes(f"{HEADING} === 'Bye' && scrollY === 1234")


def test_it_reconnects_after_a_restart_and_does_not_loop(project: Path, context: BrowserContext) -> None:
    with RunningDevproxy(project) as first:
        visited = visit(context.new_page(), first.wait_ready().url)
        first.stop()
    with RunningDevproxy(project, port=first.port) as second:
        second.wait_ready()
        visited.wait(lambda: visited.requests.count(f"{second.url}/__devproxy/live") > 1)
        visited.page.wait_for_timeout(1500)  # a loop would show
        assert visited.loads <= 2
        before = visited.loads
        (project / "site/index.html").write_text(PAGE.replace("Hello", "Bye"))
        visited.becomes(f"{HEADING} === 'Bye'")
        visited.wait(lambda: visited.loads == before + 1)


def test_a_change_made_while_devproxy_is_away_is_there_after_its_restart(
    project: Path, context: BrowserContext
) -> None:
    with RunningDevproxy(project) as first:
        visited = visit(context.new_page(), first.wait_ready().url)
        first.stop()
    (project / "site/index.html").write_text(PAGE.replace("Hello", "Bye"))
    with RunningDevproxy(project, port=first.port) as second:
        second.wait_ready()
        visited.becomes(f"{HEADING} === 'Bye'")
        visited.page.wait_for_timeout(500)  # a second reload would show
        assert visited.loads == 2


def test_a_page_that_would_reload_for_ever_is_slowed_down_and_told_so(
    devproxy: RunningDevproxy, context: BrowserContext
) -> None:
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))

    def always_outdated(route: Route) -> None:
        asked.append(route.request.url)
        reload = f"event: reload\ndata: {json.dumps({'kind': 'page'})}\n\n"
        route.fulfill(content_type="text/event-stream", body=reload)

    page.route("**/__devproxy/live", always_outdated)
    visited = LivePage(page, devproxy.url)
    visited.wait(lambda: [text for text in said if "again and again: next in 5 s" in text])
    until_now = len(asked)
    visited.wait(lambda: len(asked) >= until_now + 4)  # told to reload four times more
    assert visited.loads <= 6  # the first, three at once, and one or two that had waited
    visited.wait(lambda: [text for text in said if "again and again: next in 10 s" in text])


def test_what_came_after_three_quick_reloads_is_shown_as_well(
    project: Path, devproxy: RunningDevproxy, context: BrowserContext
) -> None:
    visited = visit(context.new_page(), devproxy.url)
    for number in range(4):
        (project / "site/index.html").write_text(PAGE.replace("Hello", f"Number {number}"))
        if number < 3:
            visited.becomes(f"{HEADING} === 'Number {number}'")
    visited.becomes(f"{HEADING} === 'Number 3'")


def test_a_page_from_the_back_forward_cache_listens_again(
    project: Path, devproxy: RunningDevproxy, context: BrowserContext
) -> None:
    visited = visit(context.new_page(), devproxy.url)
    visited.page.goto(f"{devproxy.url}/other")
    with visited.page.expect_response("**/__devproxy/live"):
        visited.page.go_back()
    (project / "site/index.html").write_text(PAGE.replace("Hello", "Bye"))
    visited.becomes(f"{HEADING} === 'Bye'")


def test_a_page_without_the_script_works_unchanged(devproxy: RunningDevproxy, context: BrowserContext) -> None:
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.route("**/client.js", lambda route: route.abort())
    LivePage(page, devproxy.url)
    assert page.evaluate("window.loadedAt") > 0
    assert not errors


def test_the_page_waits_for_a_first_build(project: Path, context: BrowserContext) -> None:
    config = CONFIG.replace('static = "site"', 'static = "dist"')
    (project / "devproxy.toml").write_text(config)
    (project / "dist").mkdir()
    with RunningDevproxy(project) as running:
        visited = visit(context.new_page(), running.wait_ready().url)
        assert "Nothing here yet" in visited.page.inner_text("h1")
        (project / "dist/index.html").write_text(PAGE)
        visited.becomes(f"{HEADING} === 'Hello'")
