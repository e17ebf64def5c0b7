"""A page that may be reloaded at any moment, and what is true of it in the end."""

from collections.abc import Callable

from playwright.sync_api import Error, Page

from tests.support import until


class LivePage:
    """A page whose requests and loads are counted from its first one on.

    Ask by `becomes` and `wait`, not by `evaluate`: that fails when a reload is under way, these try again.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.requests: list[str] = []
        self.loads = 0
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("load", lambda _: self._loaded())
        page.goto(url)

    def _loaded(self) -> None:
        self.loads += 1

    def becomes(self, expression: str, within: float = 15) -> None:
        """Wait until a JavaScript expression is true, whatever page is shown by then."""
        self.wait(lambda: self._evaluate(expression), within)

    def _evaluate(self, expression: str) -> object:
        try:
            return self.page.evaluate(expression)
        except Error:  # a reload is under way; wait_for_function would survive it, but not the page's CSP
            return None

    def wait(self, condition: Callable[[], object], within: float = 15) -> None:
        """`until`, while the browser's events come in."""

        def pumped() -> object:
            self.page.wait_for_timeout(10)
            return condition()

        until(pumped, within)

    def mark(self) -> None:
        """Leave something on `window` that a reload would wipe off."""
        self.page.evaluate("window.marker = 'still here'")

    def is_marked(self) -> bool:
        return bool(self.page.evaluate("window.marker === 'still here'"))
