from __future__ import annotations

import json
from pathlib import Path

import pytest

from stretto.clock import DAY, SECOND
from stretto.figures.sequential_baseline_choice import Provenance
from stretto.model.task_type import DEFAULT_TARGET, TaskType, TaskTypes
from stretto.names import METRICS, WINDOWS, MetricOrigin
from stretto.summaries.silent_running_tasks import StuckTask
from stretto.summaries.snapshot import LATEST, LiveState, Snapshot, build_snapshot_document, take_snapshot
from tests.fakes import append, recorded, store
from tests.scenes import Drawing, at, background, delivery, earlier_runs, fork_join, one_by_one, straggler

TYPES = TaskTypes((TaskType("review", ("review",), target_improvement=0.5), TaskType("prd", ("prd",))))


def value(snapshot: Snapshot, name: str, **labels: str) -> float | None:
    """Return the value of the only figure with that name and those labels."""
    (found,) = [f for f in snapshot.figures if f.name == f"stretto_{name}" and dict(f.labels) == labels]
    return found.value


def test_an_empty_store_has_a_snapshot(tmp_path: Path) -> None:
    """Nothing is invented: counts of running things are 0, everything else is absent."""
    with store(tmp_path) as opened:
        taken = take_snapshot(opened.connection, at(0), TYPES, {})
        assert value(taken, "sessions_open") == 0
        assert value(taken, "last_event_timestamp_seconds") is None
        ratios = [f for f in taken.figures if f.name.endswith("_ratio") and "target" not in f.name]
        assert ratios
        assert all(f.value is None and f.reason for f in ratios)
        assert (taken.events, taken.rejects, taken.latest) == (0, {}, ())
        assert not opened.connection.in_transaction


def test_a_recorded_pair_is_compared_with_its_work(tmp_path: Path) -> None:
    """A single sequential twin is no measured baseline: the fan-out is compared with its work."""
    fanout, sequential = recorded("fanout"), recorded("sequential")
    now = max(event.time for event in fanout) + SECOND
    with store(tmp_path) as opened:
        opened.take(fanout)
        alone = take_snapshot(opened.connection, now, TYPES, {}).verdicts["1h"].lead
        assert alone is not None
        assert (alone.provenance, alone.tasks) == (Provenance.WORK, 3)
        assert alone.work == pytest.approx(5.54, abs=0.005)
        assert alone.elapsed == pytest.approx(2.55, abs=0.005)
        assert alone.speedup == pytest.approx(2.16, rel=0.03)
        opened.take(sequential)
        both = take_snapshot(opened.connection, now, TYPES, {}).verdicts["1h"].lead
        assert both is not None
        assert both == alone


def test_every_window_is_there(tmp_path: Path) -> None:
    """A fan-out of five hours ago is in the day and the week, not in the hour."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, one_by_one().events, earlier_runs())
        taken = take_snapshot(opened.connection, at(5 * 3_600), TYPES, {})
        assert {window: v.fanouts for window, v in taken.verdicts.items()} == {"1h": 0, "24h": 1, "7d": 1}
        assert taken.verdicts["1h"].speedup is None
        labels = {"task_type": "prd", "baseline": "measured", "window": "24h"}
        assert value(taken, "speedup_ratio", **labels) == pytest.approx(32 / 12.5)
        assert value(taken, "parallel_elapsed_seconds", **labels) == 12.5
        assert value(taken, "capture_completeness_ratio", window="7d") == 1


def test_configured_hours_are_a_baseline(tmp_path: Path) -> None:
    """The configured hours are used if no measured run is stored."""
    with store(tmp_path) as opened:
        opened.take(fork_join().events)
        taken = take_snapshot(opened.connection, at(60), TYPES, {"review": 0.05})
        labels = {"task_type": "review", "baseline": "configured", "window": "1h"}
        assert value(taken, "parallel_sequential_seconds", **labels) == pytest.approx(3 * 180)
        assert value(taken, "improvement_ratio", **labels) == pytest.approx(1 - 30 / 540)


def test_targets_are_published_for_what_is_configured_or_seen(tmp_path: Path) -> None:
    """A configured target, and the default for each type that ran in parallel."""
    with store(tmp_path) as opened:
        opened.take(straggler().events)
        taken = take_snapshot(opened.connection, at(60), TYPES, {})
        targets = {
            dict(f.labels)["task_type"]: f.value
            for f in taken.figures
            if f.name == "stretto_improvement_target_ratio"
        }
        seen = dict.fromkeys(("architecture", "prd", "test_strategy"), DEFAULT_TARGET)
        assert targets == {**seen, "review": 0.5}


def test_what_is_going_on_now_is_counted(tmp_path: Path) -> None:
    """Open and busy sessions, running tasks and the newest event."""
    with store(tmp_path) as opened:
        opened.take(fork_join().events, Drawing("busy").opens(60).prompt(61).run("a", 62).events)
        taken = take_snapshot(opened.connection, at(63), TYPES, {})
        assert (
            value(taken, "sessions_open")
            == value(taken, "sessions_busy")
            == value(taken, "tasks_running")
            == 1
        )
        assert value(taken, "last_event_timestamp_seconds") == at(62) / SECOND
        assert [row.id for row in taken.latest] == ["busy", "fork-join"]


def test_wall_time_is_reported_by_window(tmp_path: Path) -> None:
    """The straggler and its sequential twin: losses by factor, paths by agent, wall time by part."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, one_by_one().events)
        taken = take_snapshot(opened.connection, at(200), TYPES, {})
    assert value(taken, "pattern_elapsed_seconds", pattern="release", window="1h") == 60
    for factor, lost in (("load_balance", 60), ("concurrency", 15)):
        labels = {"pattern": "release", "factor": factor, "window": "24h"}
        assert value(taken, "efficiency_lost_seconds", **labels) == lost
    assert value(taken, "critical_path_seconds", window="7d") == 60 + 120
    assert value(taken, "critical_path_agent_seconds", agent="main", window="1h") == 5 + 20
    assert value(taken, "critical_path_agent_seconds", agent="worker", window="1h") == 55 + 100
    assert value(taken, "critical_path_task_type_seconds", task_type="test_strategy", window="1h") == 105
    assert value(taken, "session_wall_seconds", part="single", window="1h") == 30 + 100
    parts = [f.value or 0 for f in taken.figures if f.name == "stretto_session_wall_seconds"]
    assert sum(parts) == len(WINDOWS) * (60 + 120)


def test_the_bottleneck_has_share_and_since(tmp_path: Path) -> None:
    """By window, in the document too; the hour in which the row of its hours began."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, one_by_one().events)
        taken = take_snapshot(opened.connection, at(2 * 3_600), TYPES, {})
    told = build_snapshot_document(taken)["bottlenecks"]
    assert "1h" not in told
    assert told["24h"] == told["7d"]
    assert told["24h"] == {
        "agent": "worker",
        "seconds": 155,
        "share": pytest.approx(155 / 180),
        "since": "2026-01-01T00:00:00.000000Z",
    }


def test_an_open_session_is_listed_however_many_are_later(tmp_path: Path) -> None:
    """A session that was last heard of before all others is still open, so it is listed as open."""
    with store(tmp_path) as opened:
        opened.take(Drawing("early").opens(0).prompt(1).events)
        for number in range(LATEST + 5):
            opened.take(Drawing(f"s{number}").opens(10 + number).ends(10 + number).events)
        taken = take_snapshot(opened.connection, at(100), TYPES, {})
    assert "early" not in {row.id for row in taken.latest}
    assert [row.id for row in taken.open_sessions] == ["early"]


def test_only_the_latest_sessions_are_carried(tmp_path: Path) -> None:
    """A snapshot does not grow with history."""
    with store(tmp_path) as opened:
        for number in range(LATEST + 5):
            opened.take(Drawing(f"s{number}").opens(number).ends(number).events)
        assert len(take_snapshot(opened.connection, at(100), TYPES, {}).latest) == LATEST


def test_every_figure_is_in_the_table_of_names(tmp_path: Path) -> None:
    """Name and labels as promised, derived, and each name with its labels but once."""
    with store(tmp_path) as opened:
        opened.take(
            straggler().events, background().events, Drawing("c").opens().call("c", 1, 3, took=1).events
        )
        figures = take_snapshot(opened.connection, at(60), TYPES, {}).figures
    for figure in figures:
        metric = METRICS[figure.name]
        assert metric.made is MetricOrigin.DERIVED
        assert tuple(name for name, _ in figure.labels) == tuple(label.value for label in metric.labels)
        assert figure.value is not None or figure.reason
    keys = [(figure.name, figure.labels) for figure in figures]
    assert len(keys) == len(set(keys))
    derived = {metric.name for metric in METRICS.values() if metric.made is MetricOrigin.DERIVED}
    assert {figure.name for figure in figures} <= derived


def test_the_document_is_json_with_every_figure_and_reason(tmp_path: Path) -> None:
    """Times in RFC 3339, lengths in seconds, absent values null with their reason."""
    with store(tmp_path) as opened:
        append(opened.folder, straggler().events)
        (opened.folder / "2026-01-02.jsonl").write_bytes(b"{torn\n")
        list(opened.ingest.catch_up(opened.folder))
        taken = take_snapshot(opened.connection, at(60), TYPES, {})
    told = json.loads(json.dumps(build_snapshot_document(taken), allow_nan=False))
    assert told["at"] == "2026-01-01T00:01:00.000000Z"
    assert (told["events"], told["rejects"]) == (len(straggler().events), {"not JSON": 1})
    assert told["activity"]["last_event"] == "2026-01-01T00:01:00.000000Z"
    assert told["verdicts"].keys() == WINDOWS.keys()
    verdict = told["verdicts"]["1h"]["lead"]
    assert (verdict["speedup"], verdict["time_saved_seconds"], verdict["elapsed_seconds"]) == (1.75, 45, 60)
    assert len(told["figures"]) == len(taken.figures)
    absent = [figure for figure in told["figures"] if figure["value"] is None]
    assert all(figure["reason"] for figure in absent)


def test_two_snapshots_of_one_store_are_equal(tmp_path: Path) -> None:
    """Nothing depends on the order of a set: two surfaces never disagree."""
    with store(tmp_path) as opened:
        opened.take(straggler().events, background().events, recorded("fanout"))
        one, other = (take_snapshot(opened.connection, at(60), TYPES, {}) for _ in range(2))
        assert one == other


def test_scores_have_weights_coverage_and_reasons(tmp_path: Path) -> None:
    """The delivery in the document: withheld scores have a reason, known scores their coverage."""
    with store(tmp_path) as opened:
        opened.take(delivery().events)
        told = json.loads(
            json.dumps(
                build_snapshot_document(take_snapshot(opened.connection, at(120), TYPES, {})), allow_nan=False
            )
        )
    found = told["scores"]["1h"]["efficiency"]
    # As in the worked example, with another target, and wall time that is all work: 54.2 to 77.4.
    assert found["score"] == pytest.approx(65.834, abs=1e-3)
    assert found["low"] == pytest.approx(54.237, abs=1e-3)
    # Two of three tasks were delivered.
    assert found["high"] == pytest.approx(200 / 3)
    assert found["coverage"] == pytest.approx(1 - 0.23194, abs=1e-5)
    resource = found["dimensions"]["resource"]
    assert (resource["score"], resource["coverage"], resource["weight"]) == (None, 0.25, 0.3)
    assert resource["reason"].startswith("between 19% and 94% (cpu: no session has five samples")
    assert resource["parts"]["concurrency"] == {"score": 75, "low": 75, "high": 75, "reason": None}
    quality = told["scores"]["7d"]["quality"]["review"]
    assert quality["score"] == pytest.approx(7.9630, abs=1e-3)
    judgement = quality["parts"]["judgement"]
    assert (judgement["score"], judgement["reason"]) == (8, None)
    assert judgement["weight"] == pytest.approx(0.3)
    assert quality["trend"]["reason"] == "a trend takes 3 days with a quality, there are 1"
    assert told["scores"]["24h"].keys() == {"efficiency", "quality"}


def test_the_quality_of_days_makes_a_trend(tmp_path: Path) -> None:
    """Judged 4, 6 and 8 on three days in a row: the week's quality rises by 2 · 0.3 / 0.5 a day."""
    with store(tmp_path) as opened:
        for number, value in enumerate((4, 6, 8)):
            second = number * DAY // SECOND
            drawing = (
                Drawing(f"day{number}").opens(second).task(f"t{number}", second + 1, second + 9, "review")
            )
            drawing.score("quality", value, second + 10, of="task", id=f"t{number}").ends(second + 20)
            opened.take(drawing.events)
        taken = take_snapshot(opened.connection, at(2 * DAY // SECOND + 60), TYPES, {})
        trend = build_snapshot_document(taken)["scores"]["7d"]["quality"]["review"]["trend"]
        assert value_of_trend(taken) == trend["rate_per_day"]
    assert (trend["direction"], trend["days"], trend["reason"]) == ("rising", 3, None)
    assert trend["rate_per_day"] == pytest.approx(1.2)
    assert trend["current"] == pytest.approx(8.8)


def value_of_trend(snapshot: Snapshot) -> float | None:
    """Return the rate that is exported."""
    return value(snapshot, "quality_rate_per_day", task_type="review", window="7d")


def test_what_is_stuck_is_listed_and_counted(tmp_path: Path) -> None:
    """The document names session and task; the figure is their number; without a watch it is null."""
    with store(tmp_path) as opened:
        opened.take(Drawing("busy").opens(5).prompt(6).order("call-a", 7).run("a", 8).events)
        stuck = (StuckTask("busy", "a", at(8)),)
        taken = take_snapshot(opened.connection, at(3_605), TYPES, {}, live=LiveState(stuck=stuck))
        assert value(taken, "stuck_tasks") == 1
        assert value(taken, "longest_open_session_seconds") == 3_600
        assert build_snapshot_document(taken)["stuck_tasks"] == [
            {
                "session": "busy",
                "task": "a",
                "last": "2026-01-01T00:00:08.000000Z",
                "process": "unknown",
            }
        ]
        unseen = take_snapshot(opened.connection, at(3_605), TYPES, {})
        assert not [figure for figure in unseen.figures if figure.name == "stretto_stuck_tasks"]
        assert build_snapshot_document(unseen)["stuck_tasks"] is None
