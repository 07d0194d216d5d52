"""The activity of a window: agents side by side, and sessions of a project at once."""

from __future__ import annotations

from pathlib import Path

from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.findings.findings_snapshot import FindingsState
from stretto.model.event import Event, Kind
from stretto.store.finding_history_and_last_answers import AnalysisResult
from tests.web_page import read, shown
from tests.web_served import NOON, Store, Work, served

LONG = (Work(0, 1_800, "write tests", "tester"), Work(600, 1_500, "review architecture", "architect"))


def test_agents_are_drawn_side_by_side(tmp_path: Path) -> None:
    """Two sessions of one project at once: three tasks at the peak, one overlap of 20 minutes."""
    store = Store(tmp_path)
    store.scene("first", NOON - 3 * HOUR, LONG)
    store.scene("second", NOON - 3 * HOUR + 10 * MINUTE, LONG[:1])
    with shown(store) as client:
        page = read(client, "/activity")
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")

    assert "Up to 3 tasks at once" in text
    assert "In the last 24 h: 3 finished tasks of 2 agents, 1 h 15 min of work in 40 min." in text
    assert "Agent time 1 h 15 min Someone at work 40 min On average 1.88 at once" in text
    assert {"/sessions/first", "/sessions/second", "/sessions?project=site"} <= set(page.addresses)
    assert any(about.startswith("tester, 20 Nov 09:00") for about in page.explanations)


def test_a_window_without_work_says_so(tmp_path: Path) -> None:
    """Nothing is drawn, and nothing is invented."""
    store = Store(tmp_path)
    store.scene("old", NOON - 3 * DAY, LONG)
    with shown(store) as client:
        today, week = read(client, "/activity"), read(client, "/activity?window=7d")
        refused = client.get("/activity?window=9d")

    assert "Nobody was at work" in today.text
    assert "No two sessions of one project were open at the same time in the last 24 h." in today.text
    assert "Up to 2" in week.text
    assert refused.status_code == 400


def test_the_recording_of_an_empty_store_is_not_called_idleness(tmp_path: Path) -> None:
    """Beside the shipped recording, which is nobody's work, the page names where there is more to see."""
    store = Store(tmp_path)
    store.recording()
    with shown(store) as client:
        page = read(client, "/activity")
    assert "Nobody was at work" not in page.text
    assert "The recording is not drawn; stretto up --demo month shows a simulated month." in page.text


def test_a_session_shows_who_talked_to_whom(tmp_path: Path) -> None:
    """Messages are summed up by sender and receiver above their list."""
    store = Store(tmp_path)
    store.scene("talk", NOON - HOUR, LONG)
    store.events(
        [
            Event(
                kind=Kind.MESSAGE, session="talk", time=NOON - HOUR + number * SECOND, id=f"m{number}",
                name="architect", duration=4 * SECOND,
            )
            for number in (1, 2)
        ]
    )  # fmt: skip
    with shown(store) as client:
        text = read(client, "/sessions/talk").text.replace("\N{NO-BREAK SPACE}", " ")

    assert "Who talked to whom" in text
    assert "architect 2 2 4 s" in text


def test_the_list_of_sessions_names_what_held_one_up(tmp_path: Path) -> None:
    """In the column of findings; without a hold-up, analysed sessions differ from the others."""
    holdup = {"kind": "imbalance", "name": "tester", "seconds": 60.0, "share": 0.25, "cause": None}
    state = FindingsState(
        0, results={"holdups": AnalysisResult("holdups", extra={"sessions": {"slow": [holdup], "fine": []}})}
    )
    store = Store(tmp_path)
    for session in ("slow", "fine", "new"):
        store.scene(session, NOON - HOUR, LONG)
    store.refresh()
    with served(store.make_backend(findings=lambda: state)) as client:
        text = read(client, "/sessions").text.replace("\N{NO-BREAK SPACE}", " ")

    assert text.count("unevenly shared work (tester), 1 min") == 1
    assert text.count("nothing unusual") == text.count("not analysed") == 1
