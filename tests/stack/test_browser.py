"""The pages in a real Chromium: live without a reload, walked by keyboard, drawn and saved.

With STRETTO_PICTURES=1 the pictures of the documentation are kept (``make pictures``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from stretto.clock import DAY, HOUR, MINUTE, SECOND, read_wall_clock
from stretto.reports.html_report import print_html
from stretto.reports.make_report import ReportRules, make_report
from stretto.reports.report_period import parse_period
from stretto.store.database import open_reader
from tests.stack.browsing import PICTURES, looking
from tests.stack.running import Running, running, until
from tests.test_notification_log import alert, message
from tests.waiting import PATIENCE
from tests.web_page import ARCHITECTURE, TESTS, full
from tests.web_served import NOON, Store, Work, served

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, str]]:
    """Serve a store that shows every page: a month of work, sessions of all kinds, and a thousand tasks."""
    store = Store(tmp_path_factory.mktemp("shop"))
    full(store)
    month(store)
    thousand(store)
    store.refresh()
    with served(store.make_backend()) as client:
        store.refresh()
        yield store, str(client.base_url).rstrip("/")


def month(store: Store) -> None:
    """Put in a month of parallel work, with sequential runs to hold it against, and what runs now."""
    chance = Random(7)  # the same month each time
    kinds = (
        ("review architecture", "architect", 300, 540),
        ("write tests", "tester", 220, 420),
        ("research the market", "researcher", 120, 300),
    )

    def lengths(slower: float) -> list[float]:
        return [chance.uniform(least, most) * slower for _, _, least, most in kinds]

    for day in range(29, -1, -1):
        if day % 7 in (3, 4):
            continue
        start = NOON - day * DAY
        if day in (24, 17, 12, 8, 1):
            ends = [sum(found[:n]) for found in [lengths(0.95)] for n in range(4)]
            alone = [Work(ends[n] + n, ends[n + 1] + n, *kinds[n][:2]) for n in range(3)]
            store.scene(f"sequential-{day}", start - 8 * HOUR, alone)
        for run in range(3):
            slower = 1.15 if day >= 7 else 1.0
            work = [
                Work(n, n + length, *kinds[n][:2], ok=chance.random() > 0.04)
                for n, length in enumerate(lengths(slower))
            ]
            store.scene(f"review-{30 - day}-{run + 1}", start - (3 + run) * HOUR, work)
    store.scene("review-now", NOON - 2 * MINUTE, [Work(n, None, *kinds[n][:2]) for n in range(3)], over=False)


def thousand(store: Store) -> None:
    """Put in a session with a thousand tasks."""
    tasks = [Work(3 * n, 3 * n + 8, f"part {n}", ("architect", "tester")[n % 2]) for n in range(1000)]
    store.scene("thousand", NOON - 2 * HOUR, tasks)


def hook(service: Running, payload: dict[str, Any]) -> None:
    """Send a hook's payload as an agent does."""
    body = json.dumps({"session_id": "live", "cwd": "/srv/site", **payload}).encode()
    assert service.post("/hooks/claude-code", body) == 204


@pytest.mark.parametrize("path", ["/", "/sessions/live"])
def test_a_hook_event_changes_the_page_without_a_reload(browser: Browser, tmp_path: Path, path: str) -> None:
    """What an agent just did is there, and the page is the very document that was opened."""
    agent = {"agent_id": "a1", "agent_type": "architect"}
    with running(tmp_path / "state", "--no-servers") as service:
        hook(service, {"hook_event_name": "SessionStart", "source": "startup"})
        hook(service, {"hook_event_name": "UserPromptSubmit", "prompt_id": "p1", "prompt": "go"})
        until("the first events", lambda: service.get("/api/sessions?project=site")["sessions"])
        with looking(browser, f"http://{service.stretto}") as page:
            page.goto(path)
            expect(page.locator("#live")).to_have_text("live")
            page.evaluate("document.documentElement.dataset.own = 'the same document'")
            page.locator("summary, #absent").last.scroll_into_view_if_needed()
            before = page.evaluate("scrollY")

            hook(service, {"hook_event_name": "SubagentStart", **agent})

            shown = page.get_by_text("1 task running") if path == "/" else page.get_by_text("architect")
            expect(shown.first).to_be_visible()
            assert page.evaluate("document.documentElement.dataset.own") == "the same document"
            assert page.evaluate("scrollY") >= before * 0.5
            page.goto("about:blank")


def test_an_alert_appears_by_itself(browser: Browser, tmp_path: Path) -> None:
    """What Alertmanager tells is on the page without a new snapshot, with the way to silence it."""
    store = Store(tmp_path)
    full(store)
    store.refresh()
    with served(store.make_backend()) as client:
        store.refresh()
        with looking(browser, str(client.base_url).rstrip("/")) as page:
            page.goto("/")
            expect(page.locator("#live")).to_have_text("live")
            client.post("/api/notifications", content=message(alert()))
            expect(page.get_by_text("1 alert fires now")).to_be_visible()
            link = page.get_by_role("link", name="Acknowledge: silence it")
            expect(link).to_have_attribute("rel", "noopener noreferrer")
            assert "#/silences/new?filter=" in (link.get_attribute("href") or "")


def test_what_is_open_stays_open_when_the_page_changes(browser: Browser, tmp_path: Path) -> None:
    """Details, a popover and the focus outlive a change: nobody loses the place where they read."""
    store = Store(tmp_path)
    full(store)
    store.refresh()
    with served(store.make_backend()) as client:
        store.refresh()
        with looking(browser, str(client.base_url).rstrip("/")) as page:
            page.goto("/")
            expect(page.locator("#live")).to_have_text("live")
            page.locator("#words summary").click()
            page.get_by_role("button", name="Ends seen").focus()
            page.keyboard.press("Enter")
            expect(page.locator("[popover]:popover-open")).to_have_count(1)

            store.scene("another", NOON - SECOND, (ARCHITECTURE, TESTS))
            store.now += SECOND
            store.refresh()

            expect(page.locator("a[title='another']")).to_be_visible()
            expect(page.locator("#words")).to_have_attribute("open", "")
            expect(page.locator("[popover]:popover-open")).to_have_count(1)
            assert page.evaluate("document.activeElement.className").startswith("fig")


def test_without_a_stream_the_page_looks_by_itself(browser: Browser, tmp_path: Path) -> None:
    """Where too many streams are open the page asks again and again, as it does without a script."""
    store = Store(tmp_path)
    full(store)
    backend = store.make_backend()
    store.refresh()
    backend.updates.close()
    with served(backend) as client:
        address = str(client.base_url).rstrip("/")
        context = browser.new_context(base_url=address)
        context.set_default_timeout(1000 * PATIENCE)
        page = context.new_page()
        page.goto("/")
        expect(page.locator("#live")).to_have_text("renews every 5 s")
        store.scene("another", NOON - SECOND, (ARCHITECTURE, TESTS))
        store.refresh()
        expect(page.locator("a[title='another']")).to_be_visible()
        context.close()
        bare = browser.new_context(base_url=address, java_script_enabled=False)
        plain = bare.new_page()
        plain.goto("/sessions/together")
        expect(plain.get_by_role("heading", name="site")).to_be_visible()
        expect(plain.locator(".timeline .bar.task")).to_have_count(2)
        # Any stretch of time is chosen by the form alone, and filters stay.
        plain.goto("/sessions?failed=yes&window=7d")
        plain.locator("#bounds summary").click()
        plain.get_by_label("From").fill("2026-11-18")
        plain.get_by_label("To", exact=True).fill("2026-11-20")
        plain.locator("#bounds button").click()
        assert plain.url.endswith("/sessions?from=2026-11-18&to=2026-11-20&failed=yes")
        expect(plain.locator("#bounds summary")).to_have_text("2026-11-18 to 2026-11-20")
        bare.close()


def test_a_figure_explains_itself_to_the_keyboard(browser: Browser, shop: tuple[Store, str]) -> None:
    """Tab leads to it, Enter opens what it means beside it, Escape closes it."""
    with looking(browser, shop[1]) as page:
        page.goto("/types")
        figure = page.locator("td button.fig").first
        figure.focus()
        page.keyboard.press("Enter")
        about = page.locator("[popover]:popover-open")
        expect(about).to_contain_text("Sequential time of the delivered parallel tasks over elapsed time")
        expect(about).to_contain_text("Based on")
        expect(about).to_contain_text("Baseline")
        box, at = about.bounding_box(), figure.bounding_box()
        assert box is not None
        assert at is not None
        assert abs(box["y"] - at["y"]) < box["height"] + 60
        page.keyboard.press("Escape")
        expect(about).to_have_count(0)


def test_the_keyboard_reaches_everything_in_order(browser: Browser, shop: tuple[Store, str]) -> None:
    """The first stop is the way past the head; no stop is hidden, and the views are reached by it."""
    with looking(browser, shop[1]) as page:
        page.goto("/")
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("To the content")
        stops = []
        for _ in range(8):
            page.keyboard.press("Tab")
            stops.append(page.evaluate("document.activeElement.textContent.trim()"))
            box = page.locator(":focus").bounding_box()
            assert box is not None
            assert box["width"] > 0
        assert stops[:6] == ["Stretto", "Overview", "Sessions", "Activity", "Task types", "Agents"]


def test_the_timeline_is_walked_by_keyboard(browser: Browser, shop: tuple[Store, str]) -> None:
    """Arrows go from bar to bar and lane to lane, each explains itself, keys zoom, and back goes back."""
    with looking(browser, shop[1]) as page:
        page.goto("/sessions/together")
        page.locator(".timeline .lanes").focus()
        tip = page.locator(".tip")
        page.keyboard.press("ArrowRight")
        expect(tip).to_contain_text("turn by user")
        page.keyboard.press("ArrowDown")
        expect(tip).to_contain_text("review architecture")
        page.keyboard.press("ArrowDown")
        expect(tip).to_contain_text("write tests")
        expect(tip).to_contain_text("20 s, from 0 s to 20 s")
        page.keyboard.press("ArrowUp")
        expect(tip).to_contain_text("review architecture")
        page.keyboard.press("Escape")
        expect(tip).to_be_hidden()
        page.keyboard.press("+")
        expect(page.get_by_role("link", name="Whole session", exact=True)).to_be_visible()
        assert "from=7.5&to=22.5" in page.url
        page.keyboard.press("0")
        expect(page.get_by_role("link", name="Whole session", exact=True)).to_have_count(0)
        page.go_back()
        expect(page.get_by_role("link", name="Whole session", exact=True)).to_be_visible()


def test_pointing_explains_too(browser: Browser, shop: tuple[Store, str]) -> None:
    """Whoever uses a pointer gets the same words beside the bar."""
    with looking(browser, shop[1]) as page:
        page.goto("/sessions/together")
        page.locator(".timeline .bar.task").first.hover()
        expect(page.locator(".tip")).to_contain_text("review architecture")
        page.locator("h1").hover()
        expect(page.locator(".tip")).to_be_hidden()


def test_the_palette_leads_anywhere_by_keyboard(browser: Browser, shop: tuple[Store, str]) -> None:
    """Ctrl-K opens it, words find pages and sessions, arrows choose, Enter goes there."""
    with looking(browser, shop[1]) as page:
        page.goto("/")
        page.keyboard.press("Control+k")
        expect(page.get_by_role("dialog", name="Go to")).to_be_visible()
        page.keyboard.type("patt")
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{shop[1]}/patterns")
        page.keyboard.press("Control+k")
        page.keyboard.type("together")
        choice = page.get_by_role("dialog").get_by_role("link", name="fan-out").first
        expect(choice).to_be_visible()
        page.keyboard.press("ArrowDown")
        expect(choice).to_be_focused()
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{shop[1]}/sessions/together")


def test_a_drawing_is_saved_as_a_picture(browser: Browser, shop: tuple[Store, str]) -> None:
    """PNG by the browser itself, from the SVG that everybody can take along."""
    with looking(browser, shop[1]) as page:
        page.goto("/executions/together/1")
        with page.expect_download() as download:
            page.get_by_role("button", name="PNG").click()
        assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_a_thousand_tasks_are_drawn(browser: Browser, shop: tuple[Store, str], tmp_path: Path) -> None:
    """The page is bounded in what it draws, a part of it shows each task; the docs have its picture."""
    folder = PICTURES if os.environ.get("STRETTO_PICTURES") == "1" else tmp_path
    with looking(browser, shop[1]) as page:
        page.goto("/sessions/thousand?refresh=off")
        expect(page.locator(".timeline .bar").first).to_be_visible()
        assert page.locator("*").count() < 12_000
        assert page.locator("#tasks").locator("xpath=..").locator("tbody tr").count() == 100
        page.screenshot(path=folder / "thousand.png")
        page.goto("/sessions/thousand?from=300&to=330")
        expect(page.locator(".timeline .bar.task", has_text="part 105")).to_have_count(1)
        page.get_by_role("link", name="Later", exact=True).click()
        expect(page.locator(".timeline .bar.task", has_text="part 112")).to_have_count(1)


def test_the_clock_of_a_page_goes_on(browser: Browser, tmp_path: Path) -> None:
    """How long ago something was stays true while the page stands."""
    store = Store(tmp_path)
    store.scene("new", read_wall_clock() - MINUTE, (ARCHITECTURE,))
    store.now = read_wall_clock()
    store.refresh()
    with (
        served(store.make_backend(clock=read_wall_clock)) as client,
        looking(browser, str(client.base_url).rstrip("/")) as page,
    ):
        page.clock.install()
        page.goto("/sessions/new")
        started = page.locator("time").first
        expect(started).to_have_text("1 min ago")
        page.clock.run_for(1_000)
        page.clock.fast_forward(120_000)
        expect(started).to_have_text("3 min ago")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_asks_for_nothing(browser: Browser, tmp_path: Path, scheme: Any) -> None:
    """Opened as a file without a network, a report draws its charts, and requests itself alone."""
    store = Store(tmp_path)
    full(store)
    store.refresh()
    with closing(open_reader(store.config.database)) as connection:
        report = make_report(connection, parse_period("24h", NOON, "UTC"), NOON, ReportRules(version="1"))
    file = tmp_path / "report.html"
    file.write_text(print_html(report), encoding="utf-8")
    context = browser.new_context(color_scheme=scheme, offline=True)
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda told: said.append(told.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())

    expect(page.get_by_role("heading", level=1)).to_have_text(report.title)
    assert page.locator("svg rect").count() > 20
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(246, 247, 247)", "dark": "rgb(17, 20, 21)"}[scheme]
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    context.close()
    assert said == []
    assert asked == [file.as_uri()]
