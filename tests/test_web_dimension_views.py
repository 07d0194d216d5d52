"""Views: figures by task type, agent and pattern, each explaining itself, and all of them of one name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.figures.finished_run_statistics import RunProfile
from stretto.summaries.run_statistics_by_kind import ProfileKind
from stretto.summaries.time_window import TimeWindow
from stretto.web import dimension_views
from tests.web_page import ARCHITECTURE, TESTS, full, read, shown
from tests.web_served import NOON, Store, Work, served


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store that fills every column."""
    made = Store(tmp_path)
    full(made)
    return made


def test_agents_show_what_became_of_their_tasks(store: Store) -> None:
    """Tasks, completion, errors, times and the part of the critical path of each agent."""
    store.scene("failed", NOON - HOUR, (Work(0, 10, "write tests", "tester", ok=False), Work(0, 5)))
    rows = {
        row.agent: row
        for row in dimension_views.list_agent_rows(dimension_views.FigureIndex(store.refresh()), "24h")
    }

    assert rows["tester"].tasks == 3
    assert rows["tester"].errors.value == pytest.approx(1 / 3)
    assert rows["tester"].completion.value == 1
    assert rows["architect"].path.value == pytest.approx(60)
    assert rows["explorer"].completion.value is not None
    with shown(store) as client:
        text = read(client, "/agents").text
    assert "tester 3 100 % 33 %" in text


def test_every_figure_says_what_it_is_and_of_how_many_things(store: Store) -> None:
    """Definition, count and the baseline's provenance stand behind the figure, for the keyboard too."""
    with shown(store) as client:
        page = read(client, "/types")
    told = [" ".join(one.split()).replace("\N{NO-BREAK SPACE}", " ") for one in page.explanations]
    buttons = [one for one in page.attributes("button") if "popovertarget" in one]

    meaning = "Sequential time of the delivered parallel tasks over elapsed time of all."
    assert any(f"{meaning} Based on 1 task. Baseline measured:" in one for one in told)
    assert {one["popovertarget"] for one in buttons} == {
        attributes["id"] for _, attributes in page.elements if "popover" in attributes
    }


def test_quality_stands_beside_improvement(store: Store) -> None:
    """Of every type of task, whether or not it ran in parallel; withheld with its reason."""
    with shown(store) as client:
        rows = client.get("/types?format=json").json()

    assert {"Improvement against target", "Quality"} <= rows[0].keys()
    qualities = {row["Task type"]: row["Quality"] for row in rows}
    assert "[" in qualities["architecture"]


def test_a_pattern_has_what_it_brought_and_who_does_its_work(store: Store) -> None:
    """Speed-up, time saved, cost and quality of each pattern; then its work by agent and type of task."""
    (row,) = dimension_views.list_pattern_rows(dimension_views.FigureIndex(store.refresh()), "24h")
    low, high = row.quality.low, row.quality.high
    assert low is not None
    assert high is not None
    with shown(store) as client:
        page = read(client, "/patterns").text
        empty = read(client, "/patterns?from=2026-01-01&to=2026-01-02").text
        (brought,) = client.get("/patterns?format=json&number=2").json()
    assert f"[{low:.1f}\N{EN DASH}{high:.1f}]" in brought["Quality"]
    assert brought["Speed-up"] is None
    assert str(row.speedup.reason) in page
    assert "no task by" not in page
    assert "no task by a named agent is over, recordings apart" in empty
    assert "fewer than 5 tasks of a type by an agent in a pattern" in page

    for number in range(5):
        at = NOON - 3 * HOUR - number * 600 * SECOND
        store.scene(
            f"again{number}", at, (Work(0, 5, "write tests", "tester"), Work(0, 15, "research", "scout"))
        )
    store.refresh()
    with shown(store) as client:
        (brought,) = client.get("/patterns?format=json&number=2").json()
        work = client.get("/patterns?format=json&number=3").json()
    assert brought["Speed-up"].startswith("1.")
    assert ("none" in work[0]["Pattern"], work[0]["Agent"], work[0]["Median task"]) == (
        False,
        "tester",
        "5 s",
    )
    assert [(line["Agent"], line["Task type"], line["Tasks"]) for line in work] == [
        ("tester", "testing", "7"),
        ("scout", "research", "5"),
    ]


def test_who_does_which_work_counts_from_the_full_hour_like_the_figures(tmp_path: Path) -> None:
    """At 12:20 the figures of a day begin at noon the day before: so does the list of tasks beside them."""
    store = Store(tmp_path)
    for number in range(5):
        at = NOON - DAY + (5 + number) * MINUTE
        store.scene(
            f"early{number}", at, (Work(0, 5, "write tests", "tester"), Work(0, 9, "research", "scout"))
        )
    store.now = NOON + 20 * MINUTE
    snapshot = store.refresh()
    counted = sum(
        figure.value or 0
        for figure in snapshot.figures
        if figure.name == "stretto_window_agent_tasks" and ("window", "24h") in figure.labels
    )
    with shown(store) as client:
        work = client.get("/patterns?window=24h&format=json&number=3").json()
    assert counted == 10
    assert sum(int(line["Tasks"]) for line in work) == counted


@pytest.mark.parametrize("path", ["/types/prd", "/agents/scout", "/agents/tester"])
def test_the_page_of_a_name_reads_its_runs_once(store: Store, path: str) -> None:
    """In the window that has any; of work that only runs, in all the time recorded."""
    store.scene("running", NOON - HOUR, (Work(0, None, "draft the PRD", "scout"),), over=False)
    store.refresh()
    standard, asked = store.make_backend(), []

    def read(kind: ProfileKind, name: str, window: TimeWindow) -> RunProfile:
        asked.append(window.name)
        return standard.run_profile(kind, name, window)

    with served(replace(standard, run_profile=read)) as client:
        assert client.get(path).status_code == 200
    assert asked == (["24h"] if path.endswith("tester") else ["all"])


def test_a_view_has_the_window_that_is_asked_for(store: Store) -> None:
    """Another window is another table; an unknown window is refused."""
    store.scene("old", NOON - 3 * DAY, (Work(0, 5, "research"), Work(0, 5, "research")))
    with shown(store) as client:
        assert "research work 2 2×" in read(client, "/types?window=7d").text
        assert client.get("/types?window=1y").status_code == 400
        assert "research work" not in read(client, "/types?window=24h").text
        assert "no parallel execution ended in the last hour" in read(client, "/patterns?window=1h").text


def test_one_name_has_all_its_figures_in_every_window(store: Store) -> None:
    """Nothing that is exported of an agent is hidden from the page."""
    store.scene("old", NOON - 3 * DAY, (ARCHITECTURE, TESTS))
    taken = store.refresh()
    rows = dimension_views.list_detail_rows(taken, "agent", "tester")
    exported = {figure.name for figure in taken.figures if ("agent", "tester") in figure.labels}

    assert {row.name for row in rows} == exported
    (tasks,) = [
        row
        for row in rows
        if (row.name, row.labels) == ("stretto_window_agent_tasks", (("outcome", "success"),))
    ]
    assert [cell and cell.value for cell in tasks.cells] == [None, 2, 3]
    with shown(store) as client:
        assert "window_agent_tasks" in read(client, "/agents/tester").text
        assert client.get("/agents/nobody").status_code == 404


def test_before_the_first_figures_a_view_is_empty(tmp_path: Path) -> None:
    """A service that has only just started has no rows, and no zeros."""
    with served(Store(tmp_path).make_backend()) as client:
        for path in ("/types", "/agents", "/patterns"):
            assert read(client, path).attributes("table") == []


def test_sessions_are_listed_page_by_page(store: Store) -> None:
    """Every session is on exactly one page, even if several share the instant of their last event."""
    for number in range(120):
        store.scene(f"s{number:03}", NOON - 5 * HOUR - number // 3, (Work(0, 1),))
    seen: list[str] = []
    with shown(store) as client:
        path = "/sessions"
        for _ in range(10):
            page = read(client, path)
            seen += [link for link in page.addresses if link.startswith("/sessions/")]
            (following, *_) = [
                *(link for link in page.addresses if link.startswith("?after=") and "format=" not in link),
                None,
            ]
            if following is None:
                break
            path = f"/sessions{following}"
        assert client.get("/sessions?from=yesterday").status_code == 400
    assert len(seen) == len(set(seen)) == 126
