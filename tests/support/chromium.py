"""Which Chromium the browser tests drive. `python -m tests.support.chromium` prints its path, or exits 1."""

import os
import shutil
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"

# Nothing but the page under test may use the network, and a CI machine has no GPU and no user namespaces.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium() -> str | None:
    """The path of an installed Chromium: DEVPROXY_CHROMIUM, one on PATH, or Playwright's own; else None."""
    if chosen := os.environ.get("DEVPROXY_CHROMIUM"):
        return shutil.which(chosen)
    for name in (*NAMES, MAC):
        if found := shutil.which(name):
            return found
    return playwrights_own()


def playwrights_own() -> str | None:
    """The one that `playwright install chromium` leaves in its browser folder."""
    default = "~/Library/Caches/ms-playwright" if sys.platform == "darwin" else "~/.cache/ms-playwright"
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or default).expanduser()
    found = [
        path
        for pattern in ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/*.app/Contents/MacOS/*")
        for path in sorted(folder.glob(pattern))
    ]
    return str(found[-1]) if found else None


if __name__ == "__main__":
    path = find_chromium()
    if path is None:
        sys.exit(1)
    print(path)
