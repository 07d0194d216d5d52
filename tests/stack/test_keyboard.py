"""The pages walked by keyboard alone: Tab leads to every control, Enter and Space work it.

The figures, the timeline and the palette are walked in test_browser.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from stretto.clock import HOUR, MINUTE
from stretto.model.decisions import Decision, DecisionKind
from tests.stack.browsing import looking
from tests.test_notification_log import alert, message
from tests.web_crowd import STATE
from tests.web_page import full, make_waves
from tests.web_served import NOON, Store, Work, served

pytestmark = pytest.mark.stack

STOPS = 250
"""Most presses of Tab to the end of a page of these tests."""


DECIDED: list[Decision] = []
"""What was decided about findings on the served pages."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve sessions of every kind, two of them with forty tasks, and a rule with two alerts."""
    store = Store(tmp_path_factory.mktemp("walked"))
    full(store)
    store.scene("forty-before", NOON - 5 * HOUR - MINUTE, make_waves(8))
    slower = [
        Work(work.start, work.end and work.end + 5, work.description, work.agent) for work in make_waves(8)
    ]
    store.scene("forty", NOON - 5 * HOUR, slower)
    store.refresh()
    backend = store.make_backend(findings=lambda: STATE, append_decision=DECIDED.append)
    with served(backend) as client:
        store.refresh()
        both = [{"alertname": "StrettoDown", "agent": agent} for agent in ("architect", "tester")]
        alerts = [alert("StrettoDown", fingerprint=labels["agent"], labels=labels) for labels in both]
        client.post("/api/notifications", content=message(*alerts))
        yield str(client.base_url).rstrip("/")


@pytest.fixture
def page(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open a window; its parameter says whether it runs scripts."""
    permissions = ["clipboard-read", "clipboard-write"]
    scripts = getattr(request, "param", True)
    with looking(browser, address, java_script_enabled=scripts, permissions=permissions) as page:
        yield page


with_and_without_scripts = pytest.mark.parametrize(
    "page", [True, False], ids=["scripts", "none"], indirect=True
)


def reach(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus."""
    for _ in range(STOPS):
        if target.evaluate("each => each === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab never leads to {target}")


def follow(page: Page, target: Locator) -> None:
    """Go to the target by Tab and press Enter."""
    reach(page, target)
    page.keyboard.press("Enter")


@with_and_without_scripts
def test_a_window_is_chosen(page: Page) -> None:
    """A named window is a link; any other stretch of time is typed into the form."""
    page.goto("/tools?refresh=off")
    follow(page, page.get_by_role("link", name="Last 30 days"))
    expect(page.locator("nav.windows a[aria-current]")).to_have_text("Last 30 days")
    assert "window=30d" in page.url
    follow(page, page.locator("#bounds summary"))
    reach(page, page.get_by_label("From", exact=True))
    page.keyboard.type("11182026")
    reach(page, page.get_by_label("To", exact=True))
    page.keyboard.type("11202026")
    follow(page, page.locator("#bounds button"))
    expect(page.locator("#bounds summary")).to_have_text("2026-11-18 to 2026-11-20")
    assert "from=2026-11-18&to=2026-11-20" in page.url


@with_and_without_scripts
def test_sessions_are_found_and_sorted(page: Page) -> None:
    """Words, a choice and a tick are sent by Enter; a heading sorts, and turns the order round."""
    page.goto("/sessions?refresh=off")
    reach(page, page.get_by_role("searchbox", name="Words", exact=True))
    page.keyboard.type("fan-out")
    reach(page, page.get_by_label("Outcome"))
    page.keyboard.type("success")
    reach(page, page.get_by_label("in parallel"))
    page.keyboard.press("Space")
    follow(page, page.get_by_role("button", name="Find"))
    expect(page.locator(".filters li")).to_have_count(4)
    assert "/sessions?q=fan-out&outcome=success&parallel=yes" in page.url
    page.goto(f"{page.url}&refresh=off")
    ids = page.locator("table.sessions tbody th a").evaluate_all("links => links.map((link) => link.title)")
    assert set(ids) == {"together", "forty", "forty-before"}

    follow(page, page.get_by_role("link", name="Elapsed", exact=True))
    column = page.get_by_role("columnheader", name="Elapsed")
    expect(column).to_have_attribute("aria-sort", "descending")
    expect(page.locator("table.sessions tbody th a").first).to_have_attribute("title", "forty")
    follow(page, column.get_by_role("link"))
    expect(column).to_have_attribute("aria-sort", "ascending")
    expect(page.locator("table.sessions tbody th a").first).to_have_attribute("title", "together")


def test_a_number_leads_to_its_runs(page: Page) -> None:
    """From a task type to its page, to its sessions, to one of them, and to a parallel execution of it."""
    page.goto("/types")
    follow(page, page.locator("main").get_by_role("link", name="testing", exact=True).first)
    expect(page.get_by_role("heading", level=1)).to_contain_text("testing")
    follow(page, page.get_by_role("link", name="Its sessions"))
    expect(page.locator(".filters")).to_contain_text("testing")
    follow(page, page.locator("table.sessions a[title='together']"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("2 tasks")
    follow(page, page.get_by_role("heading", name="Parallel execution").get_by_role("link"))
    expect(page).to_have_url(re.compile(r"/executions/together/1$"))


def test_sessions_are_compared(page: Page) -> None:
    """From a session to one like it, the other way round, and to the tasks without a difference."""
    page.goto("/sessions/forty")
    follow(page, page.locator("#fold-like summary"))
    follow(page, page.locator("#like a").first)
    expect(page.get_by_role("heading", level=1)).to_have_text("Two sessions")
    follow(page, page.get_by_role("link", name="The other way round"))
    expect(page.locator("h2 a").first).to_have_attribute("href", "/sessions/forty")
    expect(page.locator("#alike")).not_to_have_attribute("open", "")
    follow(page, page.locator("#alike summary"))
    expect(page.locator("#alike table")).to_be_visible()


def test_a_table_and_a_drawing_are_taken_along(page: Page) -> None:
    """CSV and PNG are saved, and Markdown is copied: it stands on the clipboard as the file has it."""
    page.goto("/executions/together/1")
    table = page.locator("table + .take").first
    reach(page, table.get_by_role("link", name="CSV"))
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert Path(download.value.path()).read_text().startswith("Task,Task type,Agent")
    copied = table.locator("a[data-form='md']")
    follow(page, copied)
    expect(copied).to_have_text("Markdown: copied")
    text = page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("| Task | Task type | Agent |")
    assert "| write tests | testing | tester |" in text

    page.goto("/executions/together/1")
    reach(page, page.get_by_role("button", name="PNG").first)
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_an_alert_leads_to_what_to_do(page: Page) -> None:
    """From the line on the overview to the page of the rule, its silence and its runbook."""
    page.goto("/")
    follow(page, page.locator(".alerts a[href='/alerts/StrettoDown']"))
    expect(page.locator("tbody tr")).to_have_count(2)
    reach(page, page.get_by_role("link", name="Silence it").first)
    page.goto(page.url)
    follow(page, page.get_by_role("link", name="What to do: StrettoDown"))
    expect(page.get_by_role("heading", level=1)).to_have_text("StrettoDown")


@with_and_without_scripts
def test_a_finding_is_decided_about(page: Page) -> None:
    """From the list to its page, a note is typed and sent with the decision, and the page is there again."""
    DECIDED.clear()
    page.goto("/findings?refresh=off")
    follow(page, page.locator("main a[href='/findings/a1b2']").first)
    expect(page).to_have_url(re.compile(r"/findings/a1b2"))
    page.goto("/findings/a1b2?refresh=off")
    reach(page, page.get_by_label("Note").first)
    page.keyboard.type("two agents fewer")
    follow(page, page.get_by_role("button", name="Applied").first)
    expect(page).to_have_url(re.compile(r"/findings/a1b2$"))
    assert [(each.kind, each.subject, each.text) for each in DECIDED] == [
        (DecisionKind.APPLIED, "a1b2", "two agents fewer")
    ]


def test_a_long_session_is_unfolded(page: Page) -> None:
    """A part opens at its line and closes again; the contents open what they lead to."""
    page.goto("/sessions/forty")
    rows = page.locator("#tasks tbody tr")
    expect(rows.first).to_be_hidden()
    follow(page, page.locator("#fold-tasks summary"))
    expect(rows).to_have_count(40)
    expect(rows.first).to_be_visible()
    page.keyboard.press("Enter")
    expect(rows.first).to_be_hidden()

    page.goto("/sessions/forty")
    follow(page, page.locator("nav.contents").get_by_role("link", name="What decided the end"))
    expect(page.locator("#path table").first).to_be_visible()
    expect(page.locator("#path")).to_be_in_viewport()
    assert page.url.endswith("#path")


def test_activity_is_read_as_a_table(page: Page) -> None:
    """The drawing of agents over time has its numbers below it; a project leads to its sessions."""
    page.goto("/activity?window=7d")
    follow(page, page.locator("#agents-table summary"))
    expect(page.locator("#agents-table table")).to_be_visible()
    follow(page, page.locator("table a[href^='/sessions?project=']").first)
    expect(page.locator(".filters")).to_contain_text("site")


def test_an_error_leads_on(browser: Browser, address: str) -> None:
    """Whoever came to a page that is not there has the navigation."""
    with looking(browser, address, is_refused=True) as page:
        page.goto("/sessions/no-such-session")
        follow(page, page.get_by_label("Views").get_by_role("link", name="Sessions"))
        expect(page.locator("table.sessions")).to_be_visible()
