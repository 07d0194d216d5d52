"""Measure when a browser first paints the page of a session of 1,000 rich tasks, beside one of 100 calls.

Run ``python -m tests.bench.bench_first_paint [--floor X] [--json]``. Both sessions are in one store and are
shown in turns, so that other work of the machine meets both. The ratio that the target is about begins when
the answer begins to arrive. The whole one begins with the click, so the server's time is in it, which
``bench_session_page`` measures alone. Each page is asked for once before, so that scripts are compiled.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright
from tests.bench.bench_session_page import TASKS, make_session
from tests.bench.bench_store import BEGIN
from tests.stack.browsing import QUIET, WIDE, find_chromium
from tests.web_served import Store, served

from stretto.clock import SECOND

ROUNDS = 9
TARGET_RATIO = 3.0
"""Of the first paint of a session of 100 calls."""

_READ_PAINT = """() => {
  const paint = performance.getEntriesByName("first-contentful-paint")[0].startTime;
  return [paint - performance.getEntriesByType("navigation")[0].responseStart, paint];
}"""
"""Returns the milliseconds to the first text on screen: from the answer's first byte, and from the click."""


def main() -> int:
    """Measure and print; with a floor the exit code is 1 above it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--floor", type=float, default=None, help="fail above so many paints of 100 calls")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    chromium = find_chromium()
    if chromium is None:
        print("first paint: not measured, Chromium is not installed")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        measured = measure_paints(Path(folder), chromium)
    if options.json:
        print(json.dumps(measured, indent=2))
    else:
        print(
            f"first paint: 100 calls {measured['small_ms']:.0f} ms, {TASKS:,} tasks"
            f" {measured['large_ms']:.0f} ms: {measured['ratio']:.1f} x (target {TARGET_RATIO:.0f} x);"
            f" from the click {measured['whole_ratio']:.1f} x"
        )
    return int(options.floor is not None and measured["ratio"] > options.floor)


def measure_paints(folder: Path, chromium: str) -> dict[str, float]:
    """Return the median milliseconds to both first paints, their ratio, and the ratio from the click."""
    store = Store(folder)
    store.now = BEGIN + 3_600 * SECOND
    store.events([*make_session("small", tasks=5, calls=19)])
    store.events([*make_session("large", tasks=TASKS, calls=3)])
    store.refresh()
    taken: dict[str, list[tuple[float, float]]] = {"small": [], "large": []}
    with served(store.make_backend()) as client, sync_playwright() as playwright:
        store.refresh()
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        # To wait for the paint is to evaluate a text in the page, which its own policy refuses.
        page = browser.new_page(base_url=str(client.base_url), viewport=WIDE, bypass_csp=True)
        for number in range(ROUNDS + 1):
            for session, paints in taken.items():
                paint = _time_paint(page, f"/sessions/{session}")
                if number:
                    paints.append(paint)
        browser.close()
    small, large = (median(paint for paint, _ in paints) for paints in taken.values())
    small_whole, large_whole = (median(whole for _, whole in paints) for paints in taken.values())
    return {
        "small_ms": small,
        "large_ms": large,
        "ratio": large / small,
        "whole_ratio": large_whole / small_whole,
    }


def _time_paint(page: Page, path: str) -> tuple[float, float]:
    page.goto(path)
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    paint, whole = page.evaluate(_READ_PAINT)
    return float(paint), float(whole)


if __name__ == "__main__":
    sys.exit(main())
