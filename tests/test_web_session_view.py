"""A session's page: sections of every source, the drawn critical path, and a thousand tasks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from stretto.clock import HOUR, MINUTE, SECOND
from stretto.model.event import Event, Kind, Outcome
from stretto.web import session_timeline, session_view
from stretto.web.page_terms import DEFINITIONS
from tests.web_page import ARCHITECTURE, TESTS, full, read, shown
from tests.web_served import NOON, Store, Work

AT = NOON - HOUR

LARGEST = 400_000
"""Bytes of the page of a session with a thousand tasks."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store."""
    return Store(tmp_path)


def event(kind: Kind, second: float, **more: Any) -> Event:
    """Return an event of the session ``told``, seconds after its start."""
    return Event(kind=kind, session="told", time=AT + round(second * SECOND), **more)


def told(store: Store) -> None:
    """Add a session of an orchestrator that reports everything that hooks do not."""
    store.events(
        [
            event(Kind.SESSION_START, 0),
            event(Kind.PHASE_START, 0, id="p", name="analysis"),
            event(Kind.TASK_START, 1, id="a", name="architect", type="design"),
            event(Kind.TASK_START, 2, id="b", name="tester", type="testing"),
            event(
                Kind.MODEL_CALL, 5, id="m1", parent="a", name="claude-sonnet-4-5", duration=3 * SECOND,
                outcome=Outcome.SUCCESS,
                attributes={"input_tokens": 1200, "output_tokens": 300, "cost_usd": 0.0123},
            ),
            event(
                Kind.MESSAGE, 6, id="x", parent="a", name="tester", outcome=Outcome.SUCCESS,
                duration=2 * SECOND, attributes={"sender": "architect"},
            ),
            event(Kind.TASK_END, 21, id="a", outcome=Outcome.SUCCESS),
            event(Kind.TASK_END, 12, id="b", outcome=Outcome.FAILURE),
            event(
                Kind.SAMPLE, 20, duration=10 * SECOND,
                attributes={"cpu": 15 * SECOND, "memory": 1_500_000_000, "memory_peak": 2_000_000_000},
            ),
            event(
                Kind.SCORE, 22, id="s", name="satisfaction",
                attributes={"of": "session", "value": 4.5, "by": "reviewer"},
            ),
            event(Kind.PHASE_END, 22, id="p", name="analysis", outcome=Outcome.SUCCESS),
            event(Kind.SESSION_END, 22, outcome=Outcome.SUCCESS),
        ]
    )  # fmt: skip


def test_a_speedup_that_has_no_room_is_left_out_of_the_drawing(store: Store) -> None:
    """Cut off it would read as another figure; the number alone leads to it."""
    store.scene("together", NOON - HOUR, (Work(0, 5), Work(0, 5), Work(20, 100), Work(20, 100)))
    with shown(store) as client:
        page = client.get("/sessions/together").text

    labels = re.findall(r'class="bracket".*?<text[^>]*>([^<]*)</text>', page)
    assert labels == ["1", "2 · 2×"]


def test_calls_of_an_agent_that_was_not_seen_are_absent(store: Store) -> None:
    """If only the call that waited for it is known, the table does not show 0."""
    store.events(
        [
            event(Kind.SESSION_START, 0),
            event(Kind.TOOL_START, 1, id="call-a", name="Agent", attributes={"agent": "worker"}),
            event(
                Kind.TOOL_END,
                20,
                id="call-a",
                name="Agent",
                outcome=Outcome.SUCCESS,
                attributes={"task": "a"},
            ),
            event(Kind.SESSION_END, 22, outcome=Outcome.SUCCESS),
        ]
    )
    with shown(store) as client:
        text = read(client, "/sessions/told").text

    assert "its agent was not seen" in text


def test_where_the_time_went_and_what_decided_the_end(store: Store) -> None:
    """The parts of the wall time, the critical path by agent, and what a faster task would save."""
    full(store)
    with shown(store) as client:
        text = read(client, "/sessions/together").text

    # Both began at once; 20 s side by side, then the architect alone until the end.
    assert "Where the time went Parallel tasks 20 s 67 % One task 10 s 33 %" in text
    assert "What decided the end critical path 30 s of 30 s" in text
    assert "architect 100 % 30 s 0 s tester not on it 10 s" in text
    assert "review architecture a fifth faster: 24 s in place of 30 s 6 s less" in text
    assert "Delivered work 50 s 83 % Lost to load balance 10 s 17 %" in text


def test_the_critical_path_is_drawn_from_lane_to_lane(store: Store) -> None:
    """It follows the agent that was waited for, and steps to the next agent."""
    store.scene("s", AT, (Work(0, 10), Work(10, 30, "write tests", "tester"), Work(12, 20, "look", "tester")))
    store.refresh()
    found = store.make_backend().session_summary("s")
    assert found is not None
    drawing = session_timeline.draw_session(found.session)
    lanes = drawing.map_lanes()
    first, second = (lanes[one.id] for one in found.session.tasks[:2])

    lines = session_view.draw_path(found.analysis.path, drawing)

    assert [(line.x1, line.x2, line.lane1, line.lane2) for line in lines] == [
        (0, 33.333, first, first), (33.333, 33.333, first, second), (33.333, 100, second, second),
    ]  # fmt: skip
    half = session_timeline.draw_session(found.session, session_timeline.choose_view(found.session, 15, 30))
    assert [(line.x1, line.x2) for line in session_view.draw_path(found.analysis.path, half)] == [(0, 100)]


def test_zoom_halves_and_doubles_what_is_in_sight(store: Store) -> None:
    """From the whole there is only in; a part leads back, and to its neighbours."""
    store.scene("s", AT, (Work(0, 100),))
    store.refresh()
    found = store.make_backend().session_summary("s")
    assert found is not None

    whole = session_view.compute_zooms(session_timeline.draw_session(found.session))
    part = session_view.compute_zooms(
        session_timeline.draw_session(found.session, session_timeline.choose_view(found.session, 20, 40))
    )

    assert whole == {"in": (25, 75), "out": None, "earlier": None, "later": None}
    assert part == {"in": (25, 35), "out": (10, 50), "earlier": (10, 30), "later": (30, 50)}


def test_every_source_has_its_part(store: Store) -> None:
    """Models, messages, phases, scores and the machine are shown where they are known."""
    told(store)
    with shown(store) as client:
        page = read(client, "/sessions/told")
    text = page.text

    assert "claude-sonnet-4-5" in text
    assert "1.2 k" in text
    assert "$0.012" in text
    assert "Messages between agents" in text
    assert "architect tester 6 s 2 s success" in text
    assert "analysis success 22 s" in text
    assert "satisfaction session reviewer 4.5" in text
    assert "1.5 GB peak 2 GB" in text
    assert "Succeeded 50 %" in text
    assert any(DEFINITIONS["success"] in one and "Based on 2." in one for one in page.explanations)
    assert "Model calls no source told" not in text


def test_a_judgement_names_its_task_and_its_scale(store: Store) -> None:
    """Whoever reads it sees of what it is, and of how much."""
    told(store)
    store.refresh()
    store.append_scores([{"task": "a", "name": "quality", "value": 8.5, "by": "lead"}])
    with shown(store) as client:
        text = read(client, "/sessions/told").text

    assert "quality task architect lead 8.5 on a scale from 0 to 10" in text
    assert "satisfaction session reviewer 4.5 on a scale from 0 to 5" in text


def test_the_weight_of_a_part_is_short() -> None:
    """What is a fifth reads 0.2, although sums of decimals are not exact in binary."""
    part = {"applies": True, "reason": None, "weight": 0.3 - 0.1, "score": 0.5, "low": 0.5, "high": 0.5}

    (line,) = session_view.describe_score_parts({"parts": {"test_success": part}})

    assert line.startswith("test success: ")
    assert line.endswith(", weight 0.2")


def test_a_failure_stands_in_the_efficiency_of_the_page(store: Store) -> None:
    """Two tasks of 20 s, one failed, then 5 s to the session's end: delivery is half of the efficiency."""
    store.events(
        [
            event(Kind.SESSION_START, 0),
            *(event(Kind.TASK_START, 0, id=task, name=task) for task in "ab"),
            event(Kind.TASK_END, 20, id="a", outcome=Outcome.SUCCESS),
            event(Kind.TASK_END, 20, id="b", outcome=Outcome.FAILURE),
            event(Kind.SESSION_END, 25, outcome=Outcome.SUCCESS),
        ]
    )
    with shown(store) as client:
        text = read(client, "/sessions/told").text

    assert "50 % = 100 % load balance × 100 % concurrency × 50 % delivery (1 of 2 tasks)" in text
    assert "Delivered work 20 s 50 %" in text
    assert "Lost to load balance 0 s 0 % Lost to concurrency 0 s 0 % Lost to failure 20 s 50 %" in text
    assert "Delivered 1 of 2 Then put together 5 s" in text


def test_a_task_shows_its_latest_report(store: Store) -> None:
    """The one reported 40 % and then that it is blocked, the other was blocked and is at 75 % now."""
    reports: list[tuple[float, str, str, dict[str, Any]]] = [
        (3, "a", "progress", {"share": 0.4}),
        (4, "a", "blocked", {"description": "waits for <b>review</b>"}),
        (3, "b", "blocked", {"description": "no key"}),
        (4, "b", "progress", {"share": 0.75}),
    ]
    store.events(
        [
            event(Kind.SESSION_START, 0),
            event(Kind.TASK_START, 1, id="a", name="architect"),
            event(Kind.TASK_START, 2, id="b", name="tester"),
            *(
                event(Kind.MESSAGE, at, id=f"{task}{at}", parent=task, type=kind, attributes=attributes)
                for at, task, kind, attributes in reports
            ),
            event(Kind.TASK_END, 9, id="b", outcome=Outcome.SUCCESS),
        ]
    )
    with shown(store) as client:
        page = read(client, "/sessions/told")
        tasks = client.get("/api/sessions/told").json()["tasks"]

    assert "running blocked: waits for <b>review</b>" in page.text
    assert "success 75 % done, its last report" in page.text
    assert [(task["progress"], task["blocked"]) for task in tasks] == [
        (None, "waits for <b>review</b>"),
        (0.75, None),
    ]


def test_a_phase_shows_its_latest_report(store: Store) -> None:
    """Of two phases of one name the first was at a half and is over, the second waits; no task is meant."""
    reports: list[tuple[float, str, str, dict[str, Any]]] = [
        (2, "first", "progress", {"share": 0.5}),
        (6, "second", "progress", {"share": 0.1}),
        (7, "second", "blocked", {"description": "waits for <b>a licence</b>"}),
    ]
    store.events(
        [
            event(Kind.SESSION_START, 0),
            event(Kind.PHASE_START, 1, id="first", name="review"),
            event(Kind.PHASE_END, 4, id="first", name="review", outcome=Outcome.SUCCESS),
            event(Kind.PHASE_START, 5, id="second", name="review"),
            event(Kind.TASK_START, 5, id="a", name="reviewer"),
            *(
                event(Kind.MESSAGE, at, id=f"m{at}", type=kind, attributes={"phase": phase, **attributes})
                for at, phase, kind, attributes in reports
            ),
        ]
    )
    with shown(store) as client:
        page = read(client, "/sessions/told")
        document = client.get("/api/sessions/told").json()

    assert "success 50 % done, its last report" in page.text
    assert "running blocked: waits for <b>a licence</b>" in page.text
    assert [(phase["outcome"], phase["progress"], phase["blocked"]) for phase in document["phases"]] == [
        ("success", 0.5, None),
        ("running", None, "waits for <b>a licence</b>"),
    ]
    assert [(task["progress"], task["blocked"]) for task in document["tasks"]] == [(None, None)]


def test_what_no_source_tells_has_a_reason_and_no_section(store: Store) -> None:
    """A session by hooks alone shows no empty tables, and lists the absent figures with reasons."""
    full(store)
    with shown(store) as client:
        page = read(client, "/sessions/together")

    titles = {attributes.get("id") for attributes in page.attributes("h2")}
    assert not titles & {"models", "phases", "messages", "resources", "tests"}
    assert "Model calls no source reported model calls; hooks do not" in page.text
    assert "Use of the machine no source reported which process it runs in" in page.text


def test_bars_explain_themselves(store: Store) -> None:
    """Each shape of the timeline has a description with duration and time."""
    full(store)
    with shown(store) as client:
        told = " ".join(read(client, "/sessions/together").explanations).replace("\N{NO-BREAK SPACE}", " ")

    assert "write tests\ntesting by tester: success\n20 s, from 0 s to 20 s" in told
    assert "turn by user\n30 s, from 0 s to 30 s" in told


def test_a_thousand_tasks_stay_a_page(store: Store) -> None:
    """All are drawn, a hundred are listed at a time, and the page stays small."""
    tasks = [Work(n, n + 3, f"part {n}", ("architect", "tester")[n % 2]) for n in range(1000)]
    store.scene("thousand", AT - HOUR, tasks)
    with shown(store) as client:
        answer = client.get("/sessions/thousand")
        first, last = read(client, "/sessions/thousand"), read(client, "/sessions/thousand?page=10")
        beyond = read(client, "/sessions/thousand?page=9999")
        zoomed = read(client, "/sessions/thousand?from=100&to=110")

    assert len(answer.content) < LARGEST
    assert "Tasks page 1 of 10" in first.text
    assert "part 99 " in first.text
    assert "part 100 " not in first.text
    assert "part 999 " in last.text
    assert beyond.text == last.text
    assert "?page=2#tasks" in first.addresses
    assert "Whole session" in zoomed.text
    assert "part 105" in " ".join(zoomed.explanations)
    assert "part 300" not in " ".join(zoomed.explanations)


def test_many_fan_outs_are_counted(store: Store) -> None:
    """The page says that there are more parallel executions, and the JSON has them."""
    pairs = [Work(10 * n + shift, 10 * n + 5, f"part {n}") for n in range(45) for shift in (0, 1)]
    store.scene("many", AT, pairs)
    with shown(store) as client:
        page = read(client, "/sessions/many")

    assert "5 more parallel executions are not shown" in page.text
    assert "/api/sessions/many" in page.addresses


@pytest.mark.parametrize(
    "query",
    ["from=x&to=y", "from=-1", "to=1e9", "from=999999999", "page=0", "page=-3", "page=x", "from=5&to=5"],
)
def test_no_address_breaks_the_page(store: Store, query: str) -> None:
    """Any parameters in the address give a page."""
    store.scene("s", NOON - MINUTE, (ARCHITECTURE, TESTS))
    with shown(store) as client:
        assert client.get(f"/sessions/s?{query}").status_code == 200
