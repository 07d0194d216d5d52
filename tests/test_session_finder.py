"""Finding sessions: words, filters, every order, page by page, on the page, over HTTP and in the terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from stretto.cli.command_line import SORTS
from stretto.cli.main import main
from stretto.clock import HOUR
from stretto.findings.analysis_table import MOST_EXPLAINED
from stretto.findings.findings_snapshot import FindingsState
from stretto.model.event import Event, Kind, Outcome
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict, RunLink
from stretto.store.database import open_reader, open_writer
from stretto.store.finding_history_and_last_answers import AnalysisResult, StoredFinding
from stretto.store.session_search import CursorError, SessionQuery, SessionSort, find_sessions, number_words
from stretto.summaries.session_json import name_session
from tests.web_served import NOON, Store, Work, served

REPOSITORY = "5f1d2c3b4a59"
FAILING = Work(0, 30, "check the wheel", "tester", ok=False)
PAIR = (Work(0, 60, "build the wheel", "builder"), Work(0, 30, "write the changelog", "writer"))
RUNNING = (Work(0, None, "build the wheel", "builder"), Work(0, None, "write the changelog", "writer"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a store with a fan-out, a failure, a single task and a running session."""
    store = Store(tmp_path_factory.mktemp("finder"))
    store.scene("pair", NOON - 4 * HOUR, PAIR, prompt="/release go", cwd="/srv/infra")
    store.scene("failed", NOON - 3 * HOUR, (*PAIR, FAILING), prompt="/release go", cwd="/srv/shop")
    store.scene("single", NOON - 2 * HOUR, PAIR[:1], prompt="/nightly go", cwd="/srv/infra")
    store.scene("open", NOON - HOUR, RUNNING, prompt="/release go", cwd="/srv/shop", over=False)
    place = {"worktree": "fix-wheel", "repository": REPOSITORY}
    store.events(
        [
            Event(kind=Kind.SESSION_START, session="pair", time=NOON - 4 * HOUR, attributes=place),
            Event(
                kind=Kind.LABEL, session="single", time=NOON, name="team", attributes={"value": "platform"}
            ),
        ]
    )
    store.refresh()
    return store


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[httpx.Client]:
    """Serve the store."""
    with served(store.make_backend()) as client:
        yield client


def find(store: Store, **wanted: Any) -> list[str]:
    """Return the ids of the matching sessions, in their order."""
    with closing(open_reader(store.config.database)) as connection:
        return [row.id for row in find_sessions(connection, SessionQuery(**wanted)).rows]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, ["open", "single", "failed", "pair"]),
        ({"words": "chang"}, ["open", "failed", "pair"]),
        ({"words": "WHEEL nightly"}, ["single"]),
        ({"words": "infra"}, ["single", "pair"]),
        ({"words": "tester"}, ["failed"]),
        ({"words": "pai"}, ["pair"]),
        ({"words": "wheelbarrow"}, []),
        ({"words": '"* OR ('}, []),
        ({"words": "."}, ["open", "single", "failed", "pair"]),
        ({"project": "shop"}, ["open", "failed"]),
        ({"pattern": "nightly"}, ["single"]),
        ({"worktree": "fix-wheel"}, ["pair"]),
        ({"repository": REPOSITORY}, ["pair"]),
        ({"source": "claude-code"}, ["open", "single", "failed", "pair"]),
        ({"source": "codex"}, []),
        ({"label": ("team", "platform")}, ["single"]),
        ({"label": ("team", "web")}, []),
        ({"agent": "tester"}, ["failed"]),
        ({"agent": "test"}, []),
        ({"task_type": "documentation"}, ["open", "failed", "pair"]),
        ({"tool": "Agent"}, ["single", "failed", "pair"]),
        ({"tool": "Age"}, []),
        ({"model": "none"}, []),
        ({"outcome": Outcome.RUNNING}, ["open"]),
        ({"has_failures": True}, ["failed"]),
        ({"has_fanouts": True}, ["failed", "pair"]),
        ({"since": NOON - 2 * HOUR}, ["open", "single"]),
        ({"until": NOON - 3 * HOUR}, ["pair"]),
        ({"words": "wheel", "project": "infra", "sort": SessionSort.TASKS}, ["pair", "single"]),
    ],
)
def test_each_filter_keeps_its_sessions(store: Store, wanted: dict[str, Any], ids: list[str]) -> None:
    """Words are beginnings of words in any order, every other filter is exact, and all must hold."""
    assert find(store, **wanted) == ids


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("--worktree fix-wheel", ["pair"]),
        (f"--repository {REPOSITORY}", ["pair"]),
        ("--source claude-code", ["open", "single", "failed", "pair"]),
        ("--agent tester", ["failed"]),
        ("--label team=platform", ["single"]),
        ("--failed", ["failed"]),
        ("--parallel", ["failed", "pair"]),
        ("--parallel --worktree fix-wheel --failed", []),
    ],
)
def test_each_filter_is_an_option_of_the_command_line(
    store: Store, capsys: pytest.CaptureFixture[str], words: str, ids: list[str]
) -> None:
    """``stretto sessions`` keeps the same sessions as the page."""
    arguments = ["--state", str(store.config.state), "sessions", *words.split(), "--json"]

    code = main([*arguments, "--since", "2026-11-20"])

    assert code == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)["sessions"]] == ids


@pytest.mark.parametrize("sort", SessionSort)
@pytest.mark.parametrize("ascending", [False, True])
def test_every_order_lists_each_session_once(store: Store, sort: SessionSort, ascending: bool) -> None:
    """Page by page gives what one page gives, sessions without a value last in both directions."""
    whole = find(store, sort=sort, ascending=ascending)
    paged: list[str] = []
    query = SessionQuery(sort=sort, ascending=ascending, limit=1)
    with closing(open_reader(store.config.database)) as connection:
        while True:
            page = find_sessions(connection, query)
            paged += [row.id for row in page.rows]
            if page.next is None:
                break
            query = replace(query, after=page.next)
    assert paged == whole
    assert sorted(whole) == ["failed", "open", "pair", "single"]
    if sort is SessionSort.SPEEDUP:
        assert set(whole[:2]) == {"failed", "pair"}


SECONDS = {"single": 60.0, "open": 90.0, "failed": 0.0, "forgotten": 99.0}


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, ["open", "single", "failed", "pair"]),
        ({"ascending": True}, ["failed", "single", "open", "pair"]),
        ({"project": "infra"}, ["single", "pair"]),
        ({"words": "chang", "since": NOON - 3 * HOUR}, ["open", "failed"]),
    ],
)
def test_sessions_are_ordered_by_what_held_them_up(
    store: Store, wanted: dict[str, Any], ids: list[str]
) -> None:
    """Those without a finding are last in both directions, filters hold, and pages continue each other."""
    query = SessionQuery(sort=SessionSort.FINDING, finding_seconds=SECONDS, **wanted)
    paged: list[str] = []
    with closing(open_reader(store.config.database)) as connection:
        whole = [row.id for row in find_sessions(connection, query).rows]
        for _ in ids:
            page = find_sessions(connection, query := replace(query, limit=1))
            paged += [row.id for row in page.rows]
            query = replace(query, after=page.next)
    assert whole == paged == ids
    assert page.next is None


def test_the_column_of_findings_sorts(store: Store) -> None:
    """On the page, over HTTP and in the same order: the longest hold-up, a named session, then the others."""
    holdups = {"single": [_make_holdup(60.0)], "pair": [_make_holdup(90.0), _make_holdup(5.0)], "open": []}
    evidence = FindingEvidence(1, runs=(RunLink("failed"),))
    named = Finding("task_length", {}, FindingVerdict.REGRESSION, evidence)
    state = FindingsState(
        0,
        findings=(StoredFinding("f1", "widths", named, 0, 0),),
        results={"holdups": AnalysisResult("holdups", extra={"sessions": holdups})},
    )
    with served(store.make_backend(findings=lambda: state)) as client:
        page = client.get("/sessions?sort=-finding").text
        rows = client.get("/api/sessions?sort=-finding").json()["sessions"]
    ids = ["pair", "single", "failed", "open"]
    assert [row["id"] for row in rows] == ids
    assert sorted(ids, key=lambda name: page.index(f'href="/sessions/{name}"')) == ids
    assert '<th scope="col" aria-sort="descending"><a class="sort" href="?sort=finding">Finding' in page


def _make_holdup(seconds: float) -> dict[str, Any]:
    return {"kind": "imbalance", "name": "", "seconds": seconds, "share": 0.25, "cause": None}


def test_the_command_line_knows_every_order() -> None:
    """The parser repeats the columns, so that it need not import the store."""
    assert tuple(SessionSort) == SORTS


@pytest.mark.parametrize("after", ["", "x", "[1]", '[{}, "a"]', "[1, 2]", "[" * 5_000, f'[{1 << 70}, "a"]'])
def test_a_foreign_continuation_is_refused(store: Store, after: str) -> None:
    """Only the ``next`` of a page continues a list; anything else is an error, not an empty page."""
    with closing(open_reader(store.config.database)) as connection, pytest.raises(CursorError):
        find_sessions(connection, SessionQuery(after=after))


def test_a_row_has_what_one_decides_by(client: httpx.Client) -> None:
    """Title, speed-up, deliveries, failures and cost stand in each row of the list."""
    rows = {row["id"]: row for row in client.get("/api/sessions").json()["sessions"]}
    assert rows["pair"]["title"] == "release · infra · 20 Nov 08:00 · 2\N{NO-BREAK SPACE}tasks"
    assert rows["pair"]["speedup"] == pytest.approx(1.5)
    assert (rows["failed"]["failures"], rows["failed"]["delivered"], rows["failed"]["tasks"]) == (1, 2, 3)
    assert rows["single"]["speedup"] is None
    assert rows["open"]["cost_usd"] is None


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ("patern=release", "did you mean pattern?"),
        ("window=2h", "window must be one of 1h, 24h"),
        ("window=1h&from=2026-11-20", "exclude each other"),
        ("failed=1", "failed must be yes or no"),
        ("label=arm", "label must be KEY=VALUE"),
        ("sort=name", "sort must be one of"),
        ("outcome=good", "outcome must be one of"),
        ("after=x", "after must be the next of the page before"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(client: httpx.Client, query: str, rule: str) -> None:
    """The API and the page give the same rule, instead of a list that ignores the parameter."""
    answer = client.get(f"/api/sessions?{query}")
    assert answer.status_code == 400
    assert rule in answer.json()["error"]
    assert client.get(f"/sessions?{query}").status_code == 400


def test_the_page_keeps_filters_and_order_in_its_address(client: httpx.Client) -> None:
    """A filtered list can be sorted and each filter removed, by links alone."""
    text = client.get("/sessions?project=shop&q=wheel&sort=-tasks").text
    assert "?project=shop&amp;q=wheel&amp;sort=-cost" in text
    assert "?q=wheel&amp;sort=-tasks" in text
    assert 'value="wheel"' in text
    assert "No session matches" in client.get("/sessions?q=nothing+of+that").text


def test_a_copied_title_finds_its_session(store: Store) -> None:
    """By its names and the minute in which it began; the number of tasks may have grown since."""
    with closing(open_reader(store.config.database)) as connection:
        rows = {row.id: row for row in find_sessions(connection, SessionQuery()).rows}
    titles = {id: name_session(row) for id, row in rows.items()}
    assert {id: find(store, words=title) for id, title in titles.items()} == {id: [id] for id in titles}
    assert find(store, words=titles["pair"].replace("2 tasks", "40 tasks").upper()) == ["pair"]
    assert find(store, words=titles["pair"].replace("release", "nightly")) == []
    assert find(store, words="31 Nov 25:61") == []


def test_every_filter_is_a_field_of_the_form(client: httpx.Client) -> None:
    """What the address can ask for, a person can type in; fields that are sent empty leave the address."""
    plain = client.get("/sessions").text
    for name in (
        "pattern",
        "project",
        "repository",
        "worktree",
        "source",
        "agent",
        "type",
        "tool",
        "model",
        "label",
    ):
        assert f'<input type="search" name="{name}" value=""' in plain
    assert '<details class="more">' in plain
    shorter = client.get("/sessions?q=&project=&agent=tester&label=&outcome=&sort=-start")
    assert (shorter.status_code, shorter.headers["location"]) == (302, "/sessions?agent=tester&sort=-start")
    assert client.get("/sessions?q=&outcome=").headers["location"] == "/sessions"
    sent = client.get(shorter.headers["location"]).text
    assert '<details class="more" open>' in sent
    assert '<input type="search" name="agent" value="tester"' in sent
    assert 'href="/sessions/failed"' in sent
    assert 'href="/sessions/pair"' not in sent


def test_the_window_ends_now(client: httpx.Client) -> None:
    """``window`` counts back from the present, ``from`` and ``to`` name days."""

    def list_ids(query: str) -> list[str]:
        return [row["id"] for row in client.get(f"/api/sessions?{query}").json()["sessions"]]

    assert list_ids("window=1h") == ["open"]
    assert len(list_ids("window=all")) == len(list_ids("from=2026-11-20&to=2026-11-21")) == 4
    assert list_ids("from=2026-11-20T12:00:00Z") == []
    assert client.get("/api/sessions?from=2026-11-21").status_code == 400


@pytest.mark.slow
def test_a_page_of_a_hundred_thousand_sessions_costs_little_more(tmp_path: Path) -> None:
    """Each filter and the common orders cost at most three times the processor time of 1,000 sessions."""
    queries = (
        SessionQuery(), SessionQuery(words="rare"), SessionQuery(words="qa p3"), SessionQuery(project="p3"),
        SessionQuery(sort=SessionSort.SPEEDUP), SessionQuery(sort=SessionSort.COST),
        SessionQuery(sort=SessionSort.START), SessionQuery(agent="qa", has_failures=True),
        SessionQuery(sort=SessionSort.FINDING), SessionQuery(sort=SessionSort.FINDING, project="p3"),
    )  # fmt: skip
    few, many = (_measure_pages(tmp_path / str(count), count, queries) for count in (1_000, 100_000))
    assert all(cost <= 3 * least for cost, least in zip(many, few, strict=True)), (few, many)


def _measure_pages(folder: Path, count: int, queries: tuple[SessionQuery, ...]) -> list[float]:
    """Return the processor seconds of ten pages as they are served, for each query."""
    store = Store(folder)
    store.scene("pair", NOON - HOUR, PAIR)
    store.refresh()
    with closing(open_writer(store.config.database)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(sessions)")]
        connection.execute("BEGIN")
        for number in range(count):
            row = _make_row(number)
            insert = f"INSERT INTO sessions VALUES ({', '.join('?' * len(columns))})"
            connection.execute(insert, [row[name] for name in columns])
            words = f"p{number % 10} w{number % 25} qa" + (" rare" if number < 60 else "")
            insert = "INSERT INTO session_words (rowid, session, words) VALUES (?, ?, ?)"
            connection.execute(insert, (row["word_row"], row["id"], words))
        connection.execute("COMMIT")
    # The analysis explains the latest sessions of each pattern, however many there are.
    explained = {f"{number:08x}": [_make_holdup(number)] for number in range(count)[-25 * MOST_EXPLAINED :]}
    state = FindingsState(0, results={"holdups": AnalysisResult("holdups", extra={"sessions": explained})})
    costs = []
    with served(store.make_backend(findings=lambda: state)) as client:
        for query in queries:
            address = _format_address(query)
            assert client.get(address).status_code == 200
            begin = time.process_time()
            for _ in range(10):
                client.get(address)
            costs.append(time.process_time() - begin)
    return costs


def _make_row(number: int) -> dict[str, Any]:
    start = NOON - (200_000 - number) * 10**9
    id = f"{number:08x}"
    return {
        "id": id, "source": "claude-code", "project": f"p{number % 10}", "pattern": f"w{number % 25}",
        "recording": 0, "start": start, "end": start + 10**9, "last": start + 10**9, "outcome": "success",
        "types": '["testing"]', "tools": '["Read"]', "models": "[]",
        "lost": 0, "busy": 0, "turns": 1, "tasks": 3, "running": 0, "tool_calls": 9, "fanouts": 1,
        "worktree": None, "failures": int(number % 7 == 0), "delivered": 3,
        "delivered_work": number * 7919 % 10**9, "parallel_elapsed": 10**9, "dollars": number * 104729 % 1000,
        "agents": json.dumps(["qa"]), "labels": "[]", "arrived": "x", "word_row": number_words(id, start),
        "repository": None, "usage_coverage": None, "calls_at_least": 0,
    }  # fmt: skip


def _format_address(query: SessionQuery) -> str:
    parameters = {
        "q": query.words, "project": query.project, "agent": query.agent, "sort": f"-{query.sort}",
        "failed": "yes" if query.has_failures else None,
    }  # fmt: skip
    return str(httpx.URL("/sessions", params={name: value for name, value in parameters.items() if value}))
