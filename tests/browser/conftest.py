"""A real browser for the tests of this folder."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.support.chromium import ARGUMENTS, find_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium without a window, one a module.

    While it lives, Playwright's event loop counts as this thread's running one: `asyncio.run` does not
    work in the same module.
    """
    expect.set_options(timeout=20_000)  # a busy machine is no fault
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A profile of its own for one test: no cookies, no cache, no pages of another one."""
    with browser.new_context() as fresh:
        fresh.set_default_timeout(15_000)
        yield fresh
