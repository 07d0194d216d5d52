"""Windows of time: any of them, by name or by its bounds, on every view and in the API."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.summaries.snapshot import Snapshot
from stretto.summaries.snapshot_of_any_window import FRESH_SECONDS, WindowedSnapshots
from stretto.summaries.time_window import (
    WINDOW_NAMES,
    TimeWindow,
    make_bounded_window,
    make_named_window,
)
from stretto.web.verdict_in_words import describe_window, place_in_window
from stretto.web.window_parameters import QueryError, parse_window
from tests.web_page import ARCHITECTURE, TESTS, Page, read, shown
from tests.web_served import NOON, Store

VIEWS = ("/", "/types", "/agents", "/patterns", "/sessions")
API = ("/api/snapshot", "/api/trends", "/api/sessions")
OLD_DAY = "2026-10-11"
"""The day forty days before NOON."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give a store whose only parallel execution is forty days old; a session without any is newer."""
    store = Store(tmp_path)
    store.scene("together", NOON - 40 * DAY, (ARCHITECTURE, TESTS))
    store.scene("alone", NOON - HOUR, (ARCHITECTURE,))
    return store


def test_a_window_has_the_figures_of_its_time(store: Store) -> None:
    """20 s were saved forty days ago: in 90 days and in all the time, not in 30 days."""
    with shown(store) as client:
        pages = {name: read(client, f"/?window={name}").text for name in WINDOW_NAMES}

    assert "20 s saved in the last 90 days: 2 tasks, 1 parallel execution." in pages["90d"]
    assert "20 s saved in the time recorded: 2 tasks, 1 parallel execution." in pages["all"]
    assert "Nothing ran in parallel in the last 30 days" in pages["30d"]


def test_the_bounds_of_a_window_are_in_the_address(store: Store) -> None:
    """A day is named by itself; its end is included; the days around it are empty."""
    with shown(store) as client:
        day = read(client, f"/?from={OLD_DAY}&to={OLD_DAY}").text
        before = read(client, "/?from=2026-10-01&to=2026-10-10").text
        hour = read(client, f"/?from={OLD_DAY}T11:00:00Z&to={OLD_DAY}T13:00:00Z").text

    assert f"20 s saved on {OLD_DAY}: 2 tasks, 1 parallel execution." in day
    assert "Nothing ran in parallel from 2026-10-01 to 2026-10-10" in before
    assert f"20 s saved from {OLD_DAY} 11:00:00 UTC to {OLD_DAY} 13:00:00 UTC" in hour


def test_a_window_ends_within_an_hour(tmp_path: Path) -> None:
    """What ended later in that hour is not in it, and no list or page of runs disagrees."""
    store = Store(tmp_path)
    store.scene("within", NOON - 40 * DAY, (ARCHITECTURE, TESTS))
    store.scene("later", NOON - 40 * DAY + 20 * MINUTE, (ARCHITECTURE, TESTS))
    with shown(store) as client:
        window = f"from={OLD_DAY}T09:00:00Z&to={OLD_DAY}T12:10:00Z"
        text, executions = read(client, f"/?{window}").text, read(client, f"/executions?{window}")

    assert f"20 s saved from {OLD_DAY} 09:00:00 UTC to {OLD_DAY} 12:10:00 UTC: 2 tasks" in text
    assert [address for address in executions.addresses if address.startswith("/executions/")] == [
        "/executions/within/1"
    ]


def test_an_empty_window_names_the_newest_parallel_execution(store: Store) -> None:
    """It is linked, with its age, and so is the window without bounds; a full window does not name it."""
    with shown(store) as client:
        empty, full = read(client), read(client, "/?window=90d")

    text = empty.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "The newest parallel execution is 39 days ago 2026-10-11 in" in text
    assert {"/sessions/together", "?window=all"} <= set(empty.addresses)
    assert "The newest parallel execution" not in full.text


def test_views_keep_the_window_in_their_links(store: Store) -> None:
    """Whatever view a page leads to has the window that was chosen; pages without one pass it on."""
    bounds = f"from={OLD_DAY}&to=2026-11-20T12:00:00Z"
    pages = (*VIEWS, "/activity", "/tools", "/models", "/executions", "/periods", "/agents/architect")
    with shown(store) as client:
        for path in (*pages, "/findings", "/alerts", "/reports"):
            addresses = [urlsplit(address) for address in read(client, f"{path}?{bounds}").addresses]
            # The form's own address, and the ways to all sessions, have no query.
            views = [to for to in addresses if to.path in {*pages, ""} and not to.fragment and to.query]
            kept = [to for to in views if {"from", "to", "window"} & parse_qs(to.query).keys()]
            assert len(kept) >= 10
            assert kept == views
            plain = {to.path for to in addresses if not to.query}
            assert plain & set(pages) <= {path, "/sessions"}
        assert "architecture" in read(client, f"/types?{bounds}").text


@pytest.mark.parametrize(
    ("given", "bounds", "kept"),
    [
        ("/executions?project=site&sort=width&page=2", ["date", "", "date", ""], {"project", "sort"}),
        ("/sessions?q=a&failed=yes&window=7d&after=", ["date", "", "date", ""], {"q", "failed"}),
        (f"/types?from={OLD_DAY}&refresh=off", ["date", OLD_DAY, "date", ""], {"refresh"}),
        (
            "/?from=2026-11-20T10:00:00%2B02:00&to=2026-11-20T11:30",
            ["datetime-local", "2026-11-20T08:00:00", "datetime-local", "2026-11-20T11:30:00"],
            set(),
        ),
    ],
)
def test_a_form_takes_the_bounds_of_any_window(
    store: Store, given: str, bounds: list[str], kept: set[str]
) -> None:
    """It shows the chosen bounds, times in UTC, keeps filters and order, and needs no script."""
    with shown(store) as client:
        html = client.get(given, follow_redirects=True).text
        form = Page(
            html[html.index('<nav class="windows"') : html.index("</nav>", html.index("windows"))] + "</nav>"
        )
        inputs = form.attributes("input")
        sent = {str(each["name"]): str(each["value"] or "") for each in inputs}
        again = client.get(urlsplit(given).path, params=sent, follow_redirects=True)

    fields = [each for each in inputs if each["type"] != "hidden"]
    assert [value for each in fields for value in (each["type"], each["value"] or "")] == bounds
    assert {each["name"] for each in inputs if each["type"] == "hidden"} == kept
    assert again.status_code == 200


def test_a_time_of_a_field_is_one_of_utc() -> None:
    """Fields for a time send no zone, and no seconds if they are 0."""
    given = {"from": "2026-11-20T10:00", "to": "2026-11-20T10:00:30"}
    window = parse_window(given, NOON)
    assert window is not None
    assert window.start is not None
    assert (window.name, window.end) == (
        "2026-11-20T10:00:00Z/2026-11-20T10:00:30Z",
        window.start + 30 * SECOND,
    )


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ("window=9d", "window must be one of 1h, 24h, 7d, 30d, 90d, all"),
        ("window=24h&from=2026-10-11", "window and from or to exclude each other"),
        ("from=yesterday", "from must be a date or an RFC 3339 time"),
        ("from=2026-10-11&to=2026-10-10", "to must be later than from"),
        ("from=2027-01-01", "from must not lie in the future"),
    ],
)
def test_a_window_that_is_none_is_refused(store: Store, parameters: str, rule: str) -> None:
    """Every view and every answer refuses it with the same rule."""
    with shown(store) as client:
        answers = {path: client.get(f"{path}?{parameters}") for path in (*VIEWS, *API)}

    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 400)
    assert [path for path, answer in answers.items() if rule not in answer.text] == []


def test_the_api_answers_for_a_window(store: Store) -> None:
    """The snapshot has the window's figures under its name; the trend ends where the window does."""
    with shown(store) as client:
        named = client.get("/api/snapshot?window=90d").json()
        bounded = client.get(f"/api/snapshot?from={OLD_DAY}&to={OLD_DAY}").json()
        trend = client.get(f"/api/trends?from={OLD_DAY}&to={OLD_DAY}").json()
        whole = client.get("/api/trends?window=all").json()
        odd = client.get("/api/snapshot?windows=90d")

    name = f"{OLD_DAY}T00:00:00Z/2026-10-12T00:00:00Z"
    assert named["verdicts"].keys() == named["scores"].keys() == {"90d"}
    assert bounded["verdicts"][name]["lead"]["time_saved_seconds"] == 20
    windows = {figure["labels"].get("window") for figure in bounded["figures"]}
    assert windows == {None, name}
    assert trend["days"][-1]["begins"] == OLD_DAY
    assert trend["days"][-1]["lead"]["fanouts"] == 1
    assert (len(trend["days"]), len(whole["days"])) == (30, 92)
    assert odd.status_code == 400
    assert "did you mean window?" in odd.text


def test_a_list_counts_what_its_figure_counts(store: Store) -> None:
    """Figures of a day begin at the full hour, and so do lists of that name; chosen bounds are exact."""
    store.scene("early", NOON - DAY + 5 * MINUTE, (ARCHITECTURE, TESTS))
    store.now = NOON + 30 * MINUTE
    with shown(store) as client:
        day = read(client, "/?window=24h").text
        lists = [read(client, f"/{name}?window=24h").text for name in ("sessions", "executions")]
        named = client.get("/api/sessions?window=24h").json()["sessions"]
        exact = client.get("/api/sessions?from=2026-11-19T12:30:00Z").json()["sessions"]

    assert "2 tasks, 1 parallel execution" in day
    assert all("19 Nov 12:05 · 2 tasks" in text for text in lists)
    assert {each["id"] for each in named} - {each["id"] for each in exact} == {"early"}


def test_an_open_bound_is_now_or_the_first_record() -> None:
    """Two dots stand for it in the name, as in ISO 8601-2."""
    since = parse_window({"from": "2026-11-01"}, NOON)
    until = parse_window({"to": "2026-11-01T10:00:00+02:00"}, NOON)

    assert since is not None
    assert until is not None
    assert (since.name, since.end) == ("2026-11-01T00:00:00Z/..", None)
    assert (until.name, until.start) == ("../2026-11-01T08:00:00Z", None)
    assert describe_window(since.name) == "time since 2026-11-01"
    assert place_in_window(until.name) == "in the time until 2026-11-01 08:00:00 UTC"
    assert parse_window({"window": "", "from": ""}, NOON) is None
    with pytest.raises(QueryError):
        parse_window({"to": "0000-01-01"}, NOON)


def test_an_answer_is_kept_while_nothing_is_new(store: Store) -> None:
    """It is worked out again after new events, and after a while; exported windows never are."""
    asked: list[str] = []
    latest = store.refresh()

    def read_snapshot(latest: Snapshot, window: TimeWindow) -> Snapshot:
        asked.append(window.name)
        return latest

    kept = WindowedSnapshots(read_snapshot)
    day = make_bounded_window(NOON - DAY, NOON)
    for name in ("7d", "30d"):
        kept.get_snapshot(latest, make_named_window(name, NOON))
    for _ in range(3):
        kept.get_snapshot(latest, day)
    assert asked == ["30d", day.name]

    store.now += FRESH_SECONDS * SECOND
    kept.get_snapshot(store.refresh(), day)
    store.scene("more", NOON - HOUR, (ARCHITECTURE, TESTS))
    kept.get_snapshot(store.refresh(), day)
    assert asked == ["30d", day.name, day.name, day.name]
