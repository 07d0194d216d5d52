"""A real Chromium for tests, and a page in it that must stay quiet."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.waiting import PATIENCE

QUIET = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")
"""What keeps a browser that only draws from asking the network anything."""

WIDE: ViewportSize = {"width": 1280, "height": 900}

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
"""The folder of the pictures in the documentation."""

expect.set_options(timeout=1000 * PATIENCE)


def find_chromium() -> str | None:
    """Return the path of an installed Chromium."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def looking(browser: Browser, address: str, *, is_refused: bool = False, **options: Any) -> Iterator[Page]:
    """Open a page in a window of its own; fail where it says an error or asks for anything elsewhere.

    With ``is_refused`` the browser may say once that the page itself was refused, and must.
    """
    context = browser.new_context(base_url=address, **{"viewport": WIDE, **options})
    context.set_default_timeout(1000 * PATIENCE)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda told: said.append(told.text) if told.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    try:
        yield page
    finally:
        context.close()
    refusals = [text for text in said if text.startswith("Failed to load resource: the server responded")]
    assert len(refusals) == is_refused
    assert said == refusals
    assert asked
    assert [url for url in asked if not url.startswith(f"{address}/")] == []
