"""Every page at five widths, before axe in both colour schemes, and without scripts.

The store has a thousand sessions, and every name is long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Literal
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from stretto.clock import DAY, HOUR, to_rfc3339
from stretto.notifications.notification_log import parse_webhook
from stretto.reports.make_report import ReportRules, make_report
from stretto.reports.report_period import parse_period
from stretto.store.database import open_reader
from tests.scenes import orchestrated
from tests.stack.browsing import WIDE, looking
from tests.test_notification_log import alert, message
from tests.waiting import PATIENCE
from tests.web_crowd import AGENTS, FIRST, MODEL, OTHER, PATTERN, STATE, TOOL, add_crowd
from tests.web_page import full, make_waves
from tests.web_served import NOON, Store, served

pytestmark = pytest.mark.stack

Scheme = Literal["light", "dark"]

WIDTHS = (390, 768, 1024, 1280, 1920)
READ_ALOUD: dict[int, Scheme] = {390: "dark", 1280: "light"}
"""Widths at which axe looks with all of its rules, each with its scheme."""

CONTRAST = "color-contrast"
"""The rule of axe that reads colours: no other can have another answer in another scheme."""

PATHS = (
    "/", "/?window=90d",
    "/sessions", f"/sessions/{FIRST}", "/sessions/forty-at-once", "/activity?window=7d",
    "/types?window=7d", "/types/testing?window=7d",
    "/agents?window=7d", f"/agents/{AGENTS[0]}?window=7d",
    "/patterns?window=7d", f"/patterns/{PATTERN}?window=7d",
    "/tools?window=7d", f"/tools/{TOOL}?window=7d",
    "/models?window=7d", f"/models/{MODEL}?window=7d",
    "/executions", f"/executions/{FIRST}/1",
    f"/compare?first={quote(FIRST)}&second={quote(OTHER)}", "/periods?window=7d",
    "/findings", "/findings/a1b2", "/reports", "/reports/latest",
    "/alerts", "/alerts/StrettoDown", "/runbook", "/runbook/StrettoDown",
)  # fmt: skip

PATHS_WITH_OTHER_CONTENT = (
    "/?from=2026-11-19&to=2026-11-19", "/?from=2026-11-13&to=2026-11-19",
    "/sessions?q=nothing-of-that-name", "/sessions/forty-by-eight", "/sessions/together",
    "/sessions/orchestrated",
    "/patterns/fan-out?from=2026-01-01&to=2026-01-02",
    "/periods?from=2026-11-19T09:00:00Z&before_from=2026-11-01&before_to=2026-11-07T12:00:00Z",
    "/findings/c3d4", "/findings/e5f6",
)  # fmt: skip
"""Pages of PATHS once more, as other days, sessions and findings fill them: looked at by make slow."""

REFUSED = ("/sessions/no-such-session", "/sessions?sort=no-such-column")
"""Addresses that are answered by the page of an error."""

EACH_PATH = (
    *PATHS,
    *(pytest.param(path, marks=pytest.mark.slow) for path in PATHS_WITH_OTHER_CONTENT),
    *REFUSED,
)

FIND_WIDE = """() => [...document.querySelectorAll("table, .scroll, .timeline, svg.columns")]
  .filter((each) => each.getBoundingClientRect().width && !each.matches(".scroll table"))
  .filter((each) => {
    const within = each.closest("section, .sheet, article, .columns > div") || document.body;
    const card = within.getBoundingClientRect();
    const box = each.getBoundingClientRect();
    return box.left < card.left || box.right > card.right + 0.5
      || (each.scrollWidth > each.clientWidth + 1 && !each.matches(".scroll"));
  })
  .map((each) => each.outerHTML.slice(0, 200))"""
"""Returns tables and drawings that leave their card or column; a report's tables scroll within theirs."""

FIND_CUT = """() => [...document.querySelectorAll(".axis span")]
  .filter((each) => each.getBoundingClientRect().width)
  .filter((each) => {
    const card = each.closest("section, .sheet, article").getBoundingClientRect();
    const box = each.getBoundingClientRect();
    const next = each.nextElementSibling && each.nextElementSibling.getBoundingClientRect();
    const isBeside = next && next.width && next.top < box.bottom && box.top < next.bottom;
    const runsInto = isBeside && box.right > next.left;
    return box.left < card.left || box.right > card.right + 0.5 || runsInto;
  })
  .map((each) => each.outerHTML)"""
"""Returns the labels of axes that are cut by their card or run into the next one."""


FIND_UNSEEN = """() => [...document.querySelectorAll("main :is(h2, h3, table, form, svg[role])")]
  .filter((each) => !each.checkVisibility() && !each.closest("details:not([open])"))
  .map((each) => each.outerHTML.slice(0, 200))"""
"""Returns the headings, tables, forms and drawings that nobody sees, although no fold hides them."""

FIND_DEAD = """() => [...document.querySelectorAll("button, a, form")]
  .filter((each) => each.checkVisibility())
  .filter((each) => {
    if (each.matches("a")) return !each.getAttribute("href");
    if (each.matches("form")) return !each.querySelector("button") || !each.getAttribute("action");
    return !each.closest("form") && !document.getElementById(each.getAttribute("popovertarget"));
  })
  .map((each) => each.outerHTML.slice(0, 200))"""
"""Returns the visible controls that lead nowhere, open nothing and send nothing."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the crowd beside a few sessions of every kind, with findings, alerts and a report."""
    store = Store(tmp_path_factory.mktemp("crowd"))
    full(store)
    store.events(orchestrated().events)
    store.scene("forty-by-eight", NOON - 5 * HOUR, make_waves(8))
    store.scene("forty-by-twenty", NOON - 6 * HOUR, make_waves(20))
    store.scene("forty-at-once", NOON - 6 * HOUR, make_waves(40))
    add_crowd(store)
    store.refresh()
    with closing(open_reader(store.config.database)) as connection:
        report = make_report(connection, parse_period("24h", NOON, "UTC"), NOON, ReportRules(version="1"))
    backend = store.make_backend(
        findings=lambda: STATE,
        reports=lambda: [report],
        report=lambda _: report,
    )
    agents = [
        alert(
            labels={"alertname": "StrettoDown", "agent": name, "window": "24h"},
            fingerprint=name,
            startsAt=to_rfc3339(NOON - number * DAY),
        )
        for number, name in enumerate(AGENTS)
    ]
    backend.notifications.add_notifications(parse_webhook(message(*agents), NOON))
    with served(backend) as client:
        store.refresh()
        yield str(client.base_url).rstrip("/")


@pytest.fixture(scope="module")
def without_scripts(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """Return windows that run no script."""
    context = browser.new_context(base_url=address, viewport=WIDE, java_script_enabled=False)
    context.set_default_timeout(1000 * PATIENCE)
    yield context
    context.close()


def list_violations(page: Page, *rules: str) -> list[tuple[str, str]]:
    """Return what axe finds by some rules or by all: the rule, and the first element that breaks it."""
    options = {"resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
    found = Axe().run(page, options=options).response["violations"]
    return [(violation["id"], violation["nodes"][0]["html"]) for violation in found]


def read_brightness(page: Page) -> int:
    """Return the brightest channel of the page's ground, 0 to 255."""
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return max(int(part) for part in ground.removeprefix("rgb(").rstrip(")").split(","))


@contextmanager
def unfolded(browser: Browser, address: str, path: str) -> Iterator[Page]:
    """Open a page with all of its folds."""
    with looking(browser, address, is_refused=path in REFUSED, reduced_motion="reduce") as page:
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        yield page


def look_at(page: Page, width: int, scheme: Scheme) -> None:
    """Give the window a width and the page a colour scheme."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    assert (read_brightness(page) < 64) == (scheme == "dark")


@pytest.mark.parametrize("path", EACH_PATH)
def test_a_page_fits_every_width_and_reads_well_aloud(browser: Browser, address: str, path: str) -> None:
    """No table or drawing leaves its card, no label of an axis is cut; in both schemes axe finds nothing."""
    with unfolded(browser, address, path) as page:
        for width in WIDTHS:
            look_at(page, width, READ_ALOUD.get(width, "light"))
            assert page.evaluate(FIND_WIDE) == [], width
            assert page.evaluate(FIND_CUT) == [], width
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
            assert width not in READ_ALOUD or list_violations(page) == [], width


@pytest.mark.slow
@pytest.mark.parametrize("path", EACH_PATH)
def test_colours_stand_out_in_either_scheme_at_each_width(browser: Browser, address: str, path: str) -> None:
    """What is seen at one width alone is read in the scheme, too, in which axe did not look there."""
    with unfolded(browser, address, path) as page:
        for width, scheme in READ_ALOUD.items():
            other: Scheme = "light" if scheme == "dark" else "dark"
            look_at(page, width, other)
            assert list_violations(page, CONTRAST) == [], (width, other)


@pytest.mark.parametrize("path", EACH_PATH)
def test_a_page_is_whole_without_scripts(without_scripts: BrowserContext, path: str) -> None:
    """All that it has to say is in sight; every control that is in sight leads, opens or sends."""
    with closing(without_scripts.new_page()) as page:
        page.goto(f"{path}{'&' if '?' in path else '?'}refresh=off")  # or it renews itself meanwhile
        expect(page.locator("h1")).to_be_visible()
        assert page.evaluate(FIND_UNSEEN) == []
        assert page.evaluate(FIND_DEAD) == []


@pytest.mark.parametrize(
    ("session", "width", "height"),
    [
        ("forty-by-eight", 1440, 900),
        ("forty-by-twenty", 1440, 900),
        ("forty-at-once", 1440, 900),
        ("forty-at-once", 1920, 1080),
    ],
)
def test_forty_tasks_fit_two_screens(
    browser: Browser, address: str, session: str, width: int, height: int
) -> None:
    """All its tasks are drawn, and each part that can be unfolded has a line, at usual desktop sizes."""
    with looking(browser, address, viewport={"width": width, "height": height}) as page:
        page.goto(f"/sessions/{session}")
        expect(page.locator("#fold-tasks summary")).to_contain_text("40 tasks")
        expect(page.locator(".timeline .bar.task")).to_have_count(40)
        expect(page.locator("#fold-wall summary")).to_contain_text("% parallel tasks")
        assert page.evaluate("document.documentElement.scrollHeight") <= 2 * height
