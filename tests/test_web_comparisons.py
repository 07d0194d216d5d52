"""Comparing: two sessions on one axis with their tasks matched, and a period with the time before."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from stretto.clock import DAY, HOUR, MINUTE
from stretto.summaries.snapshot_of_any_window import find_window_before
from stretto.summaries.time_window import make_bounded_window, make_named_window
from tests.web_page import ARCHITECTURE, TESTS, read, shown
from tests.web_served import NOON, Store, Work

SLOWER = Work(0, 45, "review architecture", "architect")
NEW = Work(0, 10, "write the changelog", "writer")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve a session of this week beside one of the week before: slower, without tests, with a new task."""
    store = Store(tmp_path_factory.mktemp("compared"))
    store.scene("before", NOON - 9 * DAY, (ARCHITECTURE, TESTS))
    store.scene("after", NOON - 2 * DAY, (SLOWER, NEW))
    with shown(store) as client:
        yield client


def test_two_sessions_are_drawn_on_one_axis(client: httpx.Client) -> None:
    """The longer one fills it; both end their axis at the same time; every task is in the table."""
    page = read(client, "/compare?first=before&second=after")
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")

    assert "1 task in both, 1 longer in the second; 1 new, 1 gone." in text
    assert [text.count(mark) for mark in ("11.2 s", "33.8 s")] == [2, 2]
    assert "review architecture architecture architect 30 s 45 s +15 s" in text
    assert "write the changelog" in text
    assert "new" in text
    assert "gone" in text
    assert {"/sessions/before", "/sessions/after", "?first=after&second=before"} <= set(page.addresses)


def test_tasks_without_a_difference_are_folded(client: httpx.Client) -> None:
    """What differs stands first and open; the rest is one line that opens."""
    page = client.get("/compare?first=after&second=after").text.replace("\N{NO-BREAK SPACE}", " ")

    assert "No task differs by more than a twentieth." in page
    assert "2 tasks without a difference" in page[page.index('id="alike"') :]
    assert "write the changelog" in page[page.index('id="alike"') :]
    assert 'id="alike"' not in client.get("/compare?first=before&second=after").text


def test_a_session_leads_to_its_comparison(client: httpx.Client) -> None:
    """Its page offers earlier sessions of the same pattern; the earliest has none."""
    assert "/compare?first=before&second=after" in read(client, "/sessions/after").addresses
    assert "Compare it with an earlier one" not in read(client, "/sessions/before").text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/compare", 400),
        ("/compare?first=before", 400),
        ("/compare?first=before&second=nobody", 404),
        ("/compare?first=before&third=after", 400),
        ("/periods?window=all", 400),
        ("/periods?window=9d", 400),
        ("/periods?from=0001-01-01", 400),
        ("/periods?from=9999-01-01", 400),
        ("/periods?form=2026-11-01", 400),
    ],
)
def test_what_cannot_be_compared_is_refused(client: httpx.Client, path: str, status: int) -> None:
    """Two sessions that exist, or a window with a beginning."""
    assert client.get(path).status_code == status


def test_a_period_stands_beside_the_one_before(client: httpx.Client) -> None:
    """20 s were saved in the week before and 10 s in this one; types of either week are listed."""
    page = read(client, "/periods?window=7d")
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")

    assert "Last 7 days, beside the time before" in text
    assert "Parallel executions 1 1 as before" in text
    assert "Time saved 10 s 20 s \N{MINUS SIGN}10 s" in text
    assert {"/types/architecture?window=7d", "/types/testing?window=7d"} <= set(page.addresses)
    assert "/periods?window=7d" in read(client, "/?window=7d").addresses


def test_a_period_of_days_has_the_days_before(client: httpx.Client) -> None:
    """From one day to another: as many days before it."""
    text = read(client, "/periods?from=2026-11-18&to=2026-11-19").text

    assert "2026-11-18 to 2026-11-19, beside the time before" in text
    assert "The time before is 2026-11-16 to 2026-11-17" in text


THIS_WEEK = "from=2026-11-16&to=2026-11-22"
WEEK_OF_LAST_MONTH = "before_from=2026-10-12&before_to=2026-10-18"
DAY_BEFORE = "before_from=2026-11-11&before_to=2026-11-12T00:00:00Z"


def test_two_periods_that_are_chosen_stand_side_by_side(client: httpx.Client) -> None:
    """The address has all bounds, the fields have them, and each period leads to its sessions."""
    page = read(client, f"/periods?{THIS_WEEK}&{DAY_BEFORE}")
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    fields = {str(field["name"]): field.get("value") for field in page.attributes("input")}
    other_window = next(address for address in page.addresses if "window=30d" in address)

    assert "2026-11-16 to 2026-11-22, beside 2026-11-11" in text
    assert "The two are of different lengths" in text
    assert "Parallel executions 1 1 as before" in text
    assert (fields["before_from"], fields["before_to"]) == ("2026-11-11", "2026-11-12T00:00:00")
    assert (fields["from"], fields["to"]) == ("2026-11-16", "2026-11-22")
    before = "/sessions?from=2026-11-11T00:00:00.000000Z&to=2026-11-12T00:00:00.000000Z"
    assert {f"/sessions?{THIS_WEEK}", before, f"?{THIS_WEEK}"} <= set(page.addresses)
    assert "before" not in other_window


def test_a_week_of_last_month_has_the_same_length(client: httpx.Client) -> None:
    """Nothing is said of lengths, and the table is taken along with its periods."""
    path = f"/periods?from=2026-11-09&to=2026-11-15&{WEEK_OF_LAST_MONTH}"
    text = read(client, path).text
    (first, *_) = client.get(f"{path}&format=json").json()

    assert "beside 2026-10-12 to 2026-10-18" in text
    assert "different lengths" not in text
    assert first == {"Figure": "Parallel executions", "Now": "1", "Before": "0", "Difference": "+1"}


def test_programs_have_the_same_comparison(client: httpx.Client) -> None:
    """The numbers of both periods with their difference, by the names and units of the API."""
    answer = client.get(f"/api/periods?{THIS_WEEK}&{DAY_BEFORE}").json()
    (architecture,) = [row for row in answer["task_types"] if row["task_type"] == "architecture"]

    assert answer["now"]["window"] == "2026-11-16T00:00:00Z/2026-11-23T00:00:00Z"
    assert answer["before"]["start"] == "2026-11-11T00:00:00.000000Z"
    assert answer["figures"]["time_saved_seconds"] == {
        "now": 10.0, "before": 20.0, "difference": -10.0, "reason": None,
    }  # fmt: skip
    assert architecture["median_seconds"]["difference"] == pytest.approx(15, rel=0.04)
    assert client.get("/api/periods").json()["now"]["window"] == "7d"


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ("before_from=2026-11-01", "before_from and before_to must be given together"),
        ("before_to=2026-11-01", "before_from and before_to must be given together"),
        ("before_from=2026-11-02&before_to=2026-11-01", "before_to must be later than before_from"),
        ("before_from=yesterday&before_to=2026-11-01", "before_from must be a date or an RFC 3339 time"),
        (
            "before_from=2026-11-01&before_to=2026-11-16",
            "before the other period begins, by 2026-11-16",
        ),
        ("before_since=2026-11-01", "there is no parameter before_since"),
    ],
)
def test_bounds_that_are_none_are_refused(client: httpx.Client, parameters: str, rule: str) -> None:
    """The page and the API answer with the rule that is broken."""
    for path in ("/periods", "/api/periods"):
        answer = client.get(f"{path}?{THIS_WEEK}&{parameters}")
        assert answer.status_code == 400
        assert rule in answer.text


def test_a_day_that_is_not_over_stands_beside_as_much_of_the_day_before(client: httpx.Client) -> None:
    """At noon, today has twelve hours, and so has what it is compared with."""
    text = read(client, "/periods?from=2026-11-20&to=2026-11-20").text

    assert "The time before is 2026-11-19 12:00:00 UTC to 2026-11-19, of the same length" in text


def test_no_sum_is_in_both_periods() -> None:
    """Sums are by the hour, those of an hour by five minutes; the time before ends where they begin."""
    now = NOON + 34 * MINUTE + 1
    day = find_window_before(make_named_window("24h", now), now)
    hour = find_window_before(make_named_window("1h", now), now)

    assert day == make_bounded_window(NOON - 2 * DAY, NOON - DAY)
    assert hour == make_bounded_window(NOON - 90 * MINUTE, NOON - 30 * MINUTE)
    assert find_window_before(make_bounded_window(now + HOUR, None), now) is None


def test_every_heading_of_an_exported_table_is_different(client: httpx.Client) -> None:
    """Headings are the names in JSON, where a second column of one name would take the place of the first."""
    rows = client.get("/periods?window=7d&format=json&number=2").json()

    assert [len(row) for row in rows] == [10] * len(rows)
    assert {"Tasks before", "Median before", "Success before"} < rows[0].keys()
