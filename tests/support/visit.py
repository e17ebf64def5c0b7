"""One page in a real browser, and all it talked to."""

from collections.abc import Callable
from urllib.parse import urlsplit

from playwright.sync_api import Page, WebSocket

from tests.support import until


class Visit:
    """A page whose requests, WebSockets and failures are written down from its first one on.

    Playwright tells of events only while one of its calls runs: ask through `wait` and `sockets`, which pump.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.requests: list[str] = []
        self.loads: list[str] = []
        self._sockets: list[WebSocket] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("load", lambda loaded: self.loads.append(loaded.url))
        page.on("websocket", lambda socket: self._sockets.append(socket))  # Playwright cannot mark a builtin
        page.goto(url)

    def sockets(self) -> list[WebSocket]:
        """Every WebSocket that the page has opened, open or closed."""
        self.page.evaluate("1")
        return self._sockets

    def hosts(self) -> set[str]:
        """The host:port of everything the page ever asked, WebSockets too (data: URLs have none)."""
        asked = [*self.requests, *(socket.url for socket in self.sockets())]
        return {urlsplit(url).netloc for url in asked} - {""}

    def wait(self, condition: Callable[[], object], within: float = 15) -> None:
        """`until`, while the page's events come in."""
        until(lambda: (self.page.evaluate("1"), condition())[1], within)

    def hmr_sockets(self) -> list[WebSocket]:
        """The sockets of Vite's live reload: on the base path, with Vite's token."""
        return [socket for socket in self.sockets() if "?token=" in socket.url]

    def mark(self) -> None:
        """Leave something on `window` that a reload would wipe off."""
        self.page.evaluate("window.marker = 'still here'")

    def is_marked(self) -> bool:
        return bool(self.page.evaluate("window.marker === 'still here'"))
