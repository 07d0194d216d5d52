"""Feeds for orchestrators: each value with age and confidence, the last good answer, and never a failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import stretto
from stretto.api import read_service_feeds
from stretto.clock import MINUTE, SECOND
from stretto.feeds import orchestrator_feeds
from stretto.feeds.orchestrator_feed_items import FeedInput, FeedItem
from stretto.feeds.orchestrator_feeds import FEEDS, build_feed
from stretto.figures.figure import Figure
from stretto.figures.overdue_limits_and_time_left import OverdueLimit, TimeLeft
from stretto.findings.findings_snapshot import FindingsState
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict
from stretto.state.lock import StateLock
from stretto.store.finding_history_and_last_answers import AnalysisResult
from stretto.summaries.running_tasks import ExpectedFanout, ExpectedTask, RunningFanout, RunningTask
from tests.web_page import full
from tests.web_served import NOON, Store, served

LATE = ExpectedTask(
    RunningTask("open", "call0", ("release", "tests"), "qa", NOON - MINUTE),
    MINUTE,
    OverdueLimit(30 * SECOND, 300, by_rule=False),
    None,
)
SOON = ExpectedTask(
    RunningTask("open", "call1", ("release", "docs"), "qa", NOON - MINUTE),
    MINUTE,
    None,
    TimeLeft(20 * SECOND, 10 * SECOND, 40 * SECOND, 25),
)
WIDTH = Finding(
    "capacity",
    {"pattern": "release"},
    FindingVerdict.NO_EVIDENCE,
    FindingEvidence(40, 60.0, 55.0, 65.0, unit="seconds"),
    advice="Run 4 agents side by side.",
)


@pytest.fixture
def given(tmp_path: Path) -> FeedInput:
    """Return the input of a store with all kinds of sessions."""
    store = Store(tmp_path)
    full(store)
    return FeedInput(
        NOON + 3 * SECOND,
        store.refresh(),
        FindingsState(NOON, missing=None),
        (LATE, SOON),
        machine={"cores": 2.0, "memory_bytes": 8e9},
    )


def items(name: str, given: FeedInput) -> dict[str, Any]:
    """Return the items of a feed, as they are sent."""
    document = json.loads(json.dumps(build_feed(name, given)))
    assert document["feed"] == name
    found: dict[str, Any] = document["items"]
    return found


@pytest.mark.parametrize("name", FEEDS)
def test_every_item_has_age_and_confidence_or_a_reason(given: FeedInput, name: str) -> None:
    """With much data and with none; a value without confidence says why."""
    for each in (given, FeedInput(NOON)):
        for key, item in items(name, each).items():
            assert item.keys() == {"value", "at", "age_seconds", "confidence", "basis", "reason"}, key
            if item["value"] is None:
                assert item["reason"], key
                assert item["age_seconds"] is None, key
            else:
                assert item["age_seconds"] >= 0, key
                assert item["basis"], key
                sure = item["confidence"]
                assert item["reason"] if sure is None else 0 <= sure <= 1, key


def test_the_hub_learns_what_runs_and_what_is_late(given: FeedInput) -> None:
    """Running work, the range of its end, and what is overdue, three seconds after the snapshot."""
    hub = items("hub", given)

    assert hub["running"]["value"] == {"sessions": 1, "tasks": 1, "open": 1, "fanouts": []}
    assert hub["running"]["age_seconds"] == 3
    late, soon = hub["completions"]["value"]
    assert (late["eta"], late["n"]) == (None, 0)
    assert (soon["eta_low"], soon["eta"], soon["eta_high"]) == (
        "2026-11-20T12:00:13.000000000Z", "2026-11-20T12:00:23.000000000Z", "2026-11-20T12:00:43.000000000Z",
    )  # fmt: skip
    assert [each["task"] for each in hub["warnings"]["value"]] == ["call0"]
    assert hub["priorities"]["value"][0]["pattern"] == "fan-out"
    assert {each["agent"] for each in hub["assignments"]["value"]} == {"architect", "explorer", "tester"}


def test_the_hub_learns_of_conflicts_and_blocks_while_tasks_run(given: FeedInput) -> None:
    """Each task in conflict is a warning, and each that says it is blocked; phase and agents are named."""
    task = RunningTask("live", "b", ("release", "tests"), "tester", NOON, blocked="no key")
    fanout = RunningFanout("live", "release", "shop", NOON, 3, (task,), frozenset({"b", "a"}), ("build",))
    expected = ExpectedTask(task, 0, None, None)
    hub = items("hub", replace(given, fanouts=(ExpectedFanout(fanout, 0, None),), expected=(expected,)))

    (running,) = hub["running"]["value"]["fanouts"]
    assert (running["phases"], running["agents"], running["conflicts"]) == (["build"], ["tester"], ["a", "b"])
    assert running["sentence"].startswith(
        "2 of 3\N{NO-BREAK SPACE}tasks are over; 2\N{NO-BREAK SPACE}tasks in conflict"
    )
    warnings = hub["warnings"]["value"]
    assert [(each["kind"], each["task"]) for each in warnings] == [
        ("blocked", "b"), ("conflict", "a"), ("conflict", "b"),
    ]  # fmt: skip
    assert warnings[0]["sentence"] == "it reports that it cannot go on: no key"


def test_alerts_that_nothing_watches_are_no_quiet(given: FeedInput) -> None:
    """Without a watchdog an empty list would say that nothing fires: the reason stands instead."""
    assert items("hub", given)["alerts"]["value"] == []
    unwatched = items("hub", replace(given, alerting_gap="Prometheus is gone"))["alerts"]
    assert (unwatched["value"], unwatched["reason"]) == (None, "Prometheus is gone")


def test_resources_learn_what_they_bring(given: FeedInput) -> None:
    """Without samples the triggers say so and none holds; time saved is there with its baseline."""
    resources = items("resources", given)

    assert resources["allocation"]["value"]["cores"] == 2
    assert [(each["holds"], each["reason"]) for each in resources["triggers"]["value"]] == [
        (False, "not sampled")
    ] * 3
    assert resources["returns"]["value"]["saved_seconds"] == 20
    assert resources["returns"]["basis"] == "sums of the last 24h"
    assert resources["returns"]["value"]["baseline"] == "work"
    assert resources["bottlenecks"]["value"]["agent"]["agent"] == "architect"


def test_triggers_are_about_now(given: FeedInput) -> None:
    """1.9 of 2 processors are busy at the last reading: above the target, whatever the day's mean is."""
    assert given.snapshot is not None
    figures = [each for each in given.snapshot.figures if each.name != "stretto_machine_cpu"]
    busy = replace(given.snapshot, figures=(*figures, Figure("stretto_machine_cpu", (), 1.9, 1)))
    down, up, _ = items("resources", replace(given, snapshot=busy))["triggers"]["value"]
    assert (down["of"], down["value"], down["holds"], up["holds"]) == (
        "machine_busy_share",
        0.95,
        True,
        False,
    )


def test_an_analysis_that_fails_leaves_its_last_good_answer(given: FeedInput) -> None:
    """The answer of an hour ago is there, with its age and why it is not newer."""
    result = AnalysisResult(
        "widths", NOON - 60 * MINUTE, 0.1, (WIDTH,), failed_at=NOON, error="it took longer than 600 s"
    )
    state = replace(given.findings, results={"widths": result})
    item = items("resources", replace(given, findings=state))["capacity"]

    assert [each["sentence"] for each in item["value"]] == ["Run 4 agents side by side."]
    assert item["age_seconds"] == 3_603
    assert item["confidence"] == 0.95
    assert item["reason"] == "the last good answer: it took longer than 600 s"


def test_too_little_data_is_no_certainty(given: FeedInput) -> None:
    """No empty list claims that nothing is amiss: the reason stands there. A range needs finished runs."""
    little = replace(
        WIDTH, verdict=FindingVerdict.TOO_LITTLE_DATA, advice="", reason="2 sessions, 5 are needed"
    )
    results = {name: AnalysisResult(name, NOON, 0.1, (little,)) for name in ("widths", "changes")}
    unsure = replace(given, findings=replace(given.findings, results=results), expected=(LATE,))
    hub = items("hub", unsure)
    for name in ("schedules", "degradations"):
        assert (hub[name]["value"], hub[name]["confidence"]) == (None, None)
        assert hub[name]["reason"] == "too little data: 2 sessions, 5 are needed"
    assert (hub["completions"]["confidence"], hub["completions"]["value"][0]["n"]) == (None, 0)
    assert hub["completions"]["reason"] == "of no running task enough of the kind have finished"
    assert items("hub", replace(given, expected=()))["completions"]["confidence"] == 1
    whole = replace(
        unsure.findings, results={"changes": AnalysisResult("changes", NOON, 0.1, (little, WIDTH))}
    )
    assert items("hub", replace(unsure, findings=whole))["degradations"]["confidence"] == 0.95


def test_an_answer_over_a_shorter_history_says_so(given: FeedInput) -> None:
    """The item has its value, and the reason why it is of fewer days."""
    reason = "it is of the last 28 days: over 154 days it took longer than 600 s"
    state = replace(
        given.findings, results={"widths": AnalysisResult("widths", NOON, 0.1, (WIDTH,), shortened=reason)}
    )
    item = items("resources", replace(given, findings=state))["capacity"]
    assert (len(item["value"]), item["reason"]) == (1, reason)


def test_an_item_that_cannot_be_made_leaves_the_others(
    given: FeedInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in one item is its reason; the feed is answered."""

    def fail(_: FeedInput) -> FeedItem:
        raise ZeroDivisionError("by nothing")

    broken: dict[str, dict[str, Callable[[FeedInput], FeedItem]]] = {"hub": {**FEEDS["hub"], "alerts": fail}}
    monkeypatch.setattr(orchestrator_feeds, "FEEDS", broken)
    hub = items("hub", given)

    assert hub["alerts"]["reason"] == "it could not be made: ZeroDivisionError: by nothing"
    assert hub["running"]["value"] is not None


def test_feeds_are_served_as_documents_and_streams(tmp_path: Path, given: FeedInput) -> None:
    """A plain request gets the document; one for events gets it at once, and again after each change."""
    store = Store(tmp_path / "other")
    backend = store.make_backend(feed_input=lambda: given)
    with served(backend) as client:
        assert client.get("/api/context/hub").json()["items"].keys() == FEEDS["hub"].keys()
        assert client.get("/api/context/resources").json()["feed"] == "resources"
        assert client.get("/api/context/other").status_code == 404
        with client.stream("GET", "/api/context/hub", headers={"Accept": "text/event-stream"}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.iter_lines()
            for _ in range(2):
                data = next(line for line in lines if line.startswith("data: "))
                assert json.loads(data.removeprefix("data: "))["feed"] == "hub"
                backend.updates.announce_notification()


def test_the_python_api_asks_the_service_of_its_folder(
    tmp_path: Path, given: FeedInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a service there is a problem and no exception; a dead one leaves its last answer."""
    state = tmp_path / "state"
    monkeypatch.setenv("STRETTO_STATE", str(state))
    monkeypatch.setattr(read_service_feeds, "_last", read_service_feeds._LastAnswer())
    before = stretto.context()
    assert before.hub == {}
    assert before.age_seconds is None
    assert "no service runs on" in (before.problem or "")

    store = Store(tmp_path / "other")
    lock = StateLock(state)
    with served(store.make_backend(feed_input=lambda: given)) as client:
        lock.acquire(f"{client.base_url.host}:{client.base_url.port}")
        now = stretto.context()
        assert now.problem is None
        assert now.hub["running"]["value"]["tasks"] == 1
        assert now.resources["returns"]["value"]["saved_seconds"] == 20
    after = stretto.context()
    lock.release()

    assert after.hub == now.hub
    assert after.age_seconds is not None
    assert "the service did not answer" in (after.problem or "")


def test_the_python_api_shows_the_token(
    tmp_path: Path, given: FeedInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the environment, or from the file that it names; without it the refusal is the problem."""
    state, token = tmp_path / "state", "a-token-that-is-long-enough"
    monkeypatch.setenv("STRETTO_STATE", str(state))
    monkeypatch.setattr(read_service_feeds, "_last", read_service_feeds._LastAnswer())
    (tmp_path / "token").write_text(f"{token}\n", encoding="utf-8")
    store = Store(tmp_path / "other")
    with (
        served(store.make_backend(feed_input=lambda: given, token=token)) as client,
        StateLock(state) as lock,
    ):
        lock.release()
        lock.acquire(f"{client.base_url.host}:{client.base_url.port}")
        assert "was answered by 401" in (stretto.context().problem or "")
        monkeypatch.setenv("STRETTO_TOKEN_FILE", str(tmp_path / "token"))
        assert stretto.context().problem is None
