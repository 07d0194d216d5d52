"""From every number to its runs: task types, agents, patterns, tools, and parallel executions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from stretto.clock import DAY, HOUR, MINUTE
from stretto.state.retention_settings import Retention
from stretto.store.database import open_reader, open_writer
from stretto.store.fanout_list import LISTED, FanoutQuery, FanoutSort, list_fanouts
from stretto.store.ingest import Ingest
from stretto.store.prune import prune_history
from stretto.summaries.running_tasks import ExpectedFanout, RunningFanout, RunningTask
from tests.web_page import ARCHITECTURE, TESTS, read, shown
from tests.web_served import NOON, Store, Work, served

FAILED = Work(0, 50, "write tests", "tester", ok=False)
SLOW = Work(0, 90, "write tests", "tester")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Give a store in which a task of a type failed, one is slow, and the newest is three days old."""
    store = Store(tmp_path_factory.mktemp("runs"))
    store.scene("together", NOON - 3 * DAY, (ARCHITECTURE, TESTS))
    store.scene("failed", NOON - 4 * DAY, (ARCHITECTURE, FAILED))
    store.scene("slow", NOON - 5 * DAY, (ARCHITECTURE, SLOW), cwd="/srv/shop")
    store.scene("old", NOON - 40 * DAY, (Work(0, 5, "look around", "veteran"),))
    store.refresh()
    return store


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[httpx.Client]:
    """Serve the store."""
    with shown(store) as client:
        yield client


def test_a_task_type_has_its_runs_in_words(client: httpx.Client) -> None:
    """How many, how long, how many failed; then the slowest, and the failed one by name of its agent."""
    page = read(client, "/types/testing?window=7d")
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")

    assert "In the last 7 days: 3 tasks in 3 sessions. The longest took 1 min 30 s." in text
    assert "1 of 3 with a known outcome failed." in text
    assert "The slowest tasks" in text
    assert "The latest that failed" in text
    assert {"/sessions/slow", "/sessions/failed"} <= set(page.addresses)
    assert "2026-11-17: 1 task, half of them 20 s or less" in [
        about.replace("\N{NO-BREAK SPACE}", " ") for about in page.explanations
    ]


def test_a_day_has_the_runs_of_all_its_tasks(client: httpx.Client) -> None:
    """How many, the spread of their lengths, the slowest and the failed one, and its sessions."""
    page = read(client, "/?from=2026-11-16&to=2026-11-16")
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")

    assert "Tasks on 2026-11-16 2 tasks in 1 session. The longest took 50 s. 1 of 2 with a known" in text
    assert "Tasks by length" in text
    assert "testing by tester site failure" in text[text.index("The latest that failed") :]
    day = "/sessions?from=2026-11-16&to=2026-11-16"
    assert {day, f"{day}&failed=yes", f"{day}&parallel=yes", "/sessions/failed"} <= set(page.addresses)
    assert "/sessions/together" not in page.addresses


def test_some_days_have_their_medians_and_an_empty_one_says_so(client: httpx.Client) -> None:
    """Each day of the trend leads to its page; a window that moves on has no list of runs."""
    days = read(client, "/?from=2026-11-15&to=2026-11-17")

    assert "Median task by day" in days.text
    assert "?from=2026-11-16&to=2026-11-16" in days.addresses
    assert "No finished task." in read(client, "/?from=2026-11-01&to=2026-11-01").text
    assert "The slowest tasks" not in read(client, "/?window=7d").text


@pytest.mark.parametrize(
    ("path", "filter"),
    [
        ("/types/testing", "type=testing"),
        ("/agents/tester", "agent=tester"),
        ("/patterns/fan-out", "pattern=fan-out"),
        ("/tools/Agent", "tool=Agent"),
    ],
)
def test_each_name_leads_to_its_sessions(client: httpx.Client, path: str, filter: str) -> None:
    """The links lead to lists that are filtered already, those with failures apart."""
    page = read(client, f"{path}?window=7d")
    all_of_them = f"/sessions?{filter}&window=7d"
    failed = f"{all_of_them}&failed=yes"

    assert {all_of_them, failed} <= set(page.addresses)
    listed = client.get(f"/api{failed}").json()["sessions"]
    assert [session["id"] for session in listed] == ["failed"]


def test_a_name_without_runs_now_shows_all_its_runs(client: httpx.Client) -> None:
    """Unless a window is asked for: that one is shown empty."""
    assert "In the time recorded: 1 task in" in read(client, "/agents/veteran").text.replace(
        "\N{NO-BREAK SPACE}", " "
    )
    asked = read(client, "/agents/veteran?window=24h").text.replace("\N{NO-BREAK SPACE}", " ")
    assert "In the last 24 h: No finished task." in asked


def test_a_name_that_nobody_had_is_none(client: httpx.Client) -> None:
    """It is not found, in whatever view."""
    for view in ("types", "agents", "patterns", "tools", "models"):
        assert client.get(f"/{view}/nobody").status_code == 404


def test_parallel_executions_are_listed_and_have_pages(client: httpx.Client) -> None:
    """Each row leads to a page with the baseline, the timeline and the tasks."""
    listed = read(client, "/executions?sort=elapsed")
    pages = [address for address in listed.addresses if address.startswith("/executions/")]
    page = read(client, pages[0])

    assert pages == ["/executions/slow/1", "/executions/failed/1", "/executions/together/1"]
    assert "Parallel execution 1 of 1 in" in page.text
    assert "Baseline: work" in page.text
    assert "review architecture" in page.text
    assert "/sessions/slow#parallel-1" in page.addresses
    assert "/executions/slow/1" in read(client, "/sessions/slow").addresses
    assert client.get("/api/sessions/slow").json()["fanouts"][0]["id"] == "slow/1"


def test_running_parallel_executions_stand_above_the_finished_ones(tmp_path: Path) -> None:
    """With their progress, on the first page of lists that they match."""
    task = RunningTask("live", "t", ("release", "tests"), "qa", NOON)
    fanout = RunningFanout("live", "release", "shop", NOON - MINUTE, 3, (task,))
    store = Store(tmp_path)
    store.refresh()
    backend = store.make_backend(expected_fanouts=lambda: [ExpectedFanout(fanout, MINUTE, None)])
    with served(backend) as client:
        listed = read(client, "/executions?project=shop")
        assert "Running now" in listed.text
        assert "2 of 3 tasks are over; too few finished tasks" in listed.text.replace(
            "\N{NO-BREAK SPACE}", " "
        )
        assert "/sessions/live" in listed.addresses
        for path in ("/executions?page=2", "/executions?pattern=other", "/executions?project=other"):
            assert "Running now" not in read(client, path).text


@pytest.mark.parametrize("path", ["/executions/slow/2", "/executions/slow/0", "/executions/nobody/1"])
def test_a_parallel_execution_that_is_none_is_not_found(client: httpx.Client, path: str) -> None:
    """Numbers begin at 1."""
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("parameters", "rule"),
    [
        ("sort=size", "sort must be one of end, speedup, elapsed, width"),
        ("page=0", "page must be a whole number"),
        ("page=1001", "page must be a whole number"),
        ("patern=x", "did you mean pattern?"),
    ],
)
def test_a_list_that_is_none_is_refused(client: httpx.Client, parameters: str, rule: str) -> None:
    """The answer names the rule."""
    answer = client.get(f"/executions?{parameters}")

    assert answer.status_code == 400
    assert rule in answer.text


def test_a_long_list_has_pages(tmp_path: Path) -> None:
    """The first page is full, the second has the rest; filters and windows hold."""
    store = Store(tmp_path)
    pairs = tuple(
        work
        for place in range(LISTED + 1)
        for work in (Work(100 * place, 100 * place + 50, "a", "x"), Work(100 * place, 100 * place + 40, "b"))
    )
    store.scene("many", NOON - 3 * HOUR, pairs)
    store.refresh()
    with closing(open_reader(store.config.database)) as connection:
        first = list_fanouts(connection, FanoutQuery())
        rest = list_fanouts(connection, FanoutQuery(page=2))
        quickest = list_fanouts(connection, FanoutQuery(sort=FanoutSort.SPEEDUP)).rows[0]
        none = list_fanouts(connection, FanoutQuery(until=NOON - 3 * HOUR))
        others = list_fanouts(connection, FanoutQuery(pattern="other"))

    assert (len(first.rows), first.has_more) == (LISTED, True)
    assert ([row.number for row in rest.rows], rest.has_more) == ([1], False)
    assert (quickest.speedup, quickest.tasks, quickest.width) == (1.8, 2, 2)
    assert none.rows == others.rows == ()


def test_parallel_executions_of_deleted_sessions_stay_listed(tmp_path: Path) -> None:
    """Kept records have their figures; there is no page to lead to, and the row says why."""
    store = Store(tmp_path)
    store.scene("long-ago", NOON - 60 * DAY, (ARCHITECTURE, TESTS))
    store.scene("together", NOON - DAY, (ARCHITECTURE, TESTS))
    store.refresh()
    with closing(open_writer(store.config.database)) as connection:
        ingest = Ingest(connection, store.config.task_types.classify, idle_limit=14_400)
        for _ in prune_history(
            connection, ingest, store.config.journal, Retention(30, 90, 365, 1 << 40), NOON
        ):
            pass
    with shown(store) as client:
        page = read(client, "/executions")
        of_project = read(client, "/executions?project=site&window=90d").text

    assert [address for address in page.addresses if address.startswith("/executions/")] == [
        "/executions/together/1"
    ]
    assert page.text.count("1.67\N{MULTIPLICATION SIGN}") == 2
    for text in (page.text, of_project):
        assert "fan-out, number 1 its session is no longer stored" in text
