"""``stretto up --demo month`` in a process of its own: a month to look at, which reaches nobody."""

from __future__ import annotations

import os
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ViewportSize

from tests.stack.browsing import PICTURES, WIDE, looking
from tests.stack.running import Running, running, until
from tests.stack.test_page_layout import FIND_WIDE

pytestmark = [pytest.mark.stack, pytest.mark.slow]


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The service with its simulated month, beside a folder of the user's own."""
    state = tmp_path_factory.mktemp("month") / "state"
    with running(state, "--demo", "month", STRETTO_SPEAK_ALERTS="1") as found:
        yield found


@pytest.mark.parametrize("path", ["/", "/sessions", "/types", "/agents", "/patterns", "/findings"])
def test_every_page_says_that_it_is_simulated(month: Running, path: str) -> None:
    """The title and a banner of each page carry the word."""
    page = month.text(path)

    assert "<title>Simulated" in page
    assert "You are looking at a simulated month." in page


@pytest.mark.parametrize("path", ["/hook", "/v1/traces", "/api/scores", "/api/notifications"])
def test_nothing_is_received(month: Running, path: str) -> None:
    """Hooks, spans, scores and alerts are refused with a reason."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        month.post(path, b"{}")
    assert refused.value.code == 409
    assert "receives nothing" in refused.value.read().decode()


def test_no_team_s_engine_gathers_it(month: Running) -> None:
    """A scrape for a fleet is refused: simulated sums would be added to those of real machines."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        month.text("/metrics?profile=fleet")
    with refused.value as answer:
        assert answer.code == 400


def test_the_user_s_own_folder_stays_as_it_was(month: Running) -> None:
    """Nothing is written where the user's sessions are, and no server is started."""
    assert not list(month.state.rglob("*.db"))
    assert not (month.state.with_name("state-simulated") / "servers").exists()


def find_slow_down(month: Running) -> list[dict[str, Any]]:
    """Return the open findings that say of a kind of task that it takes longer."""
    return [
        finding
        for finding in month.get("/api/findings")["open"]
        if finding["kind"] == "task_length" and finding["verdict"] == "regression"
    ]


def test_the_slow_down_is_found(month: Running) -> None:
    """The analyses find by themselves that surveys take longer."""
    until("the finding", lambda: find_slow_down(month))


@pytest.mark.parametrize(
    ("name", "path", "height"),
    [
        ("month", "/", 900),
        ("month-findings", "/findings", 900),
        ("overview", "/", None),
        ("session", "/sessions/{session}", 2_200),
        ("types", "/types?window=7d", None),
    ],
)
def test_each_view_has_its_picture(
    month: Running, browser: Browser, tmp_path: Path, *, name: str, path: str, height: int | None
) -> None:
    """The documentation's pictures are of this month: a whole page, or its beginning; no table overlaps."""
    until("the finding", lambda: find_slow_down(month))
    sessions = month.get("/api/sessions?parallel=yes&failed=yes&limit=500")["sessions"]
    address = path.format(session=max(sessions, key=lambda row: int(row["tasks"]))["id"])
    folder = PICTURES if os.environ.get("STRETTO_PICTURES") == "1" else tmp_path
    picture = folder / f"{name}.png"

    size: ViewportSize = {"width": WIDE["width"], "height": height or WIDE["height"]}
    with looking(browser, f"http://{month.stretto}", viewport=size) as page:
        page.goto(f"{address}{'&' if '?' in address else '?'}refresh=off")
        assert page.evaluate(FIND_WIDE) == []
        page.screenshot(path=picture, full_page=height is None)

    assert picture.stat().st_size > 20_000
