"""The browser for every test of pages in this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.stack.browsing import QUIET, find_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium, or skip where there is none unless the run may not skip."""
    path = find_chromium()
    if path is None and os.environ.get("STRETTO_REQUIRE_SERVERS") == "1":
        pytest.fail("Chromium must be installed in this run")
    if path is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        # Without the flag a process imitates a graphics card, and takes a tenth of all time.
        started = playwright.chromium.launch(executable_path=path, args=[*QUIET, "--disable-gpu"])
        yield started
        started.close()
