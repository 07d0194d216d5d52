"""Every page at five widths and before axe: a thousand sessions, every name long, both colour schemes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Literal
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from stretto.clock import DAY
from stretto.findings.findings_snapshot import FindingsState
from stretto.model.decisions import Decision, DecisionKind
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict, RunLink
from stretto.notifications.notification_log import parse_webhook
from stretto.reports.make_report import ReportRules, make_report
from stretto.reports.report_period import parse_period
from stretto.store.database import open_reader
from stretto.store.finding_history_and_last_answers import AnalysisResult, StoredFinding
from tests.scenes import orchestrated
from tests.stack.browsing import looking
from tests.test_notification_log import alert, message
from tests.web_crowd import AGENTS, MODEL, PATTERN, TEXTS, TOOL, add_crowd
from tests.web_page import full
from tests.web_served import NOON, Store, served

pytestmark = pytest.mark.stack

WIDTHS = (390, 768, 1024, 1280, 1920)
READ_ALOUD: dict[int, Literal["light", "dark"]] = {390: "dark", 1280: "light"}
"""Widths at which axe looks, each in a colour scheme."""

CROWD = "crowd-of-sessions-with-long-ids-0000"
OTHER = "crowd-of-sessions-with-long-ids-0013"
FINDING = Finding(
    "task_length",
    {"pattern": PATTERN, "type": "a-task-type-with-a-name-that-is-long", "agent": AGENTS[0]},
    FindingVerdict.REGRESSION,
    FindingEvidence(
        n=1_097, effect=1.5, low=1.4, high=1.6, p=1e-6, detectable=1.1, coverage=0.9,
        runs=(RunLink(CROWD, "t0", "before"), RunLink(OTHER, "t1", "after"), RunLink("gone")),
    ),
    since=NOON - 7 * DAY,
    details={"a_number_with_a_name_that_is_rather_long": 1_234_567.891, "cause": TEXTS[0]},
)  # fmt: skip
STATE = FindingsState(
    at=NOON,
    findings=(
        StoredFinding("a1b2", "changes", FINDING, NOON - DAY, NOON - DAY),
        StoredFinding("c3d4", "changes", FINDING, NOON - 9 * DAY, NOON - DAY, ended=NOON - DAY),
    ),
    decisions=(Decision("1", NOON, DecisionKind.APPLIED, "a1b2", TEXTS[0], {}),),
    results={
        "holdups": AnalysisResult(
            "holdups", NOON, 0.5, (), {
                "sessions": {
                    CROWD: [
                        {
                            "kind": "agent", "name": AGENTS[0], "seconds": 156.0, "low": 90.0, "high": 200.0,
                            "share": 0.4, "cause": TEXTS[1],
                        }
                    ]
                },
            },
        ),
    },
)  # fmt: skip

PATHS = (
    "/", "/?window=90d", "/sessions", "/sessions?q=nothing-of-that-name", f"/sessions/{CROWD}",
    "/sessions/together", "/sessions/orchestrated", "/activity?window=7d",
    "/types?window=7d", "/types/testing?window=7d",
    "/agents?window=7d", f"/agents/{AGENTS[0]}?window=7d",
    "/patterns?window=7d", f"/patterns/{PATTERN}?window=7d",
    "/patterns/fan-out?from=2026-01-01&to=2026-01-02",
    "/tools?window=7d", f"/tools/{TOOL}?window=7d",
    "/models?window=7d", f"/models/{MODEL}?window=7d",
    "/executions", f"/executions/{CROWD}/1",
    f"/compare?first={quote(CROWD)}&second={quote(OTHER)}", "/periods?window=7d",
    "/findings", "/findings/a1b2", "/findings/c3d4", "/reports", "/reports/latest",
    "/alerts", "/alerts/StrettoDown", "/runbook", "/runbook/StrettoDown",
)  # fmt: skip

FIND_WIDE = """() => [...document.querySelectorAll("table, .scroll, .timeline, svg.columns")]
  .filter((each) => each.getBoundingClientRect().width && !each.matches(".scroll table"))
  .filter((each) => {
    const card = (each.closest("section, .sheet, article") || document.body).getBoundingClientRect();
    const box = each.getBoundingClientRect();
    return box.left < card.left || box.right > card.right + 0.5
      || (each.scrollWidth > each.clientWidth + 1 && !each.matches(".scroll"));
  })
  .map((each) => each.outerHTML.slice(0, 200))"""
"""Returns the tables and drawings that reach beyond their card; a report's tables scroll within theirs."""

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


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the crowd beside a few sessions of every kind, with findings, alerts and a report."""
    store = Store(tmp_path_factory.mktemp("crowd"))
    full(store)
    store.events(orchestrated().events)
    add_crowd(store)
    store.refresh()
    with closing(open_reader(store.config.database)) as connection:
        report = make_report(connection, parse_period("24h", NOON, "UTC"), NOON, ReportRules(version="1"))
    backend = store.make_backend(
        findings=lambda: STATE,
        reports=lambda: [report],
        report=lambda _: report,
    )
    agents = [alert(labels={"alertname": "StrettoDown", "agent": name}, fingerprint=name) for name in AGENTS]
    backend.notifications.add_notifications(parse_webhook(message(*agents), NOON))
    with served(backend) as client:
        store.refresh()
        yield str(client.base_url).rstrip("/")


def list_violations(page: Page) -> list[tuple[str, str]]:
    """Return what axe finds: the rule, and the first element that breaks it."""
    found = Axe().run(page).response["violations"]
    return [(violation["id"], violation["nodes"][0]["html"]) for violation in found]


@pytest.mark.parametrize("path", PATHS)
def test_a_page_fits_every_width_and_reads_well_aloud(browser: Browser, address: str, path: str) -> None:
    """No table or drawing leaves its card, no label of an axis is cut, and axe finds nothing."""
    with looking(browser, address, reduced_motion="reduce") as page:
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(FIND_WIDE) == [], width
            assert page.evaluate(FIND_CUT) == [], width
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
            if width in READ_ALOUD:
                page.emulate_media(color_scheme=READ_ALOUD[width])
                assert list_violations(page) == [], width
