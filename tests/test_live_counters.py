from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from prometheus_client import CollectorRegistry

from stretto.clock import SECOND
from stretto.exporter.ended_work_counters import VALUES, LiveMetrics
from stretto.exporter.scrape import create_empty_registry
from stretto.figures.fanouts import Fanout, SequentialTime, estimate_sequential_time, find_fanouts
from stretto.figures.sequential_baseline_choice import WORK_BASELINE
from stretto.figures.work_signature import build_work_signature
from stretto.model.call_cost_and_usage_types import NewUsage
from stretto.model.entities import Session, ToolCall
from stretto.model.event import Outcome
from stretto.model.task_type import TaskTypes
from stretto.names import DURATION_BUCKETS, LIVE, OTHER, MetricKind
from stretto.store.fanout_and_baseline_queries import make_baseline_finder
from stretto.store.ingest import IngestResult
from stretto.summaries.snapshot import take_snapshot
from tests.exposed import assert_sound, families, samples, value
from tests.fakes import store
from tests.scenes import (
    BEGIN,
    Drawing,
    at,
    background,
    conclude_scene,
    earlier_runs,
    fork_join,
    one_by_one,
    straggler,
)

CALL = ToolCall("c", "Bash", None, at(1), at(2), SECOND // 2, None, Outcome.SUCCESS)


def by_work(_session: Session, fanout: Fanout) -> SequentialTime:
    """Hold a fan-out against its own work."""
    return estimate_sequential_time(fanout, WORK_BASELINE)


def counting(since: int = BEGIN) -> tuple[CollectorRegistry, LiveMetrics]:
    """Return live metrics on a registry of their own."""
    source = create_empty_registry()
    return source, LiveMetrics(source, since=since, version="1.0")


def count(live: LiveMetrics, *sessions: Session) -> None:
    """Count all entities of the sessions in a batch."""
    live.count_sessions(sessions)
    for session in sessions:
        live.record_turns((session, turn) for turn in session.turns)
        live.count_tasks(session.tasks)
        live.count_tool_calls(session.tool_calls)
        live.record_phases(session.phases)
        live.count_fanouts([(session, fanout) for fanout in find_fanouts(session.tasks)], by_work)


def test_a_session_is_counted_in_every_live_metric() -> None:
    """The straggler with a shell call: every counter and every histogram's count and sum."""
    source, live = counting()
    count(live, conclude_scene(straggler().call("c", 1, 3, took=1.5).events))
    found = samples(source)
    assert value(found, "sessions_total", source="claude-code", outcome="success") == 1
    assert value(found, "tasks_total", task_type="prd", agent="worker", outcome="success") == 1
    assert value(found, "tool_calls_total", tool="Agent", outcome="success") == 3
    assert value(found, "fanouts_total", pattern="release") == 1
    assert value(found, "work_seconds_total", task_type="test_strategy") == 55
    assert value(found, "elapsed_seconds_total", task_type="test_strategy") == 40
    assert value(found, "sequential_seconds_total", task_type="test_strategy", baseline="work") == 55
    for name, labels, total in (
        ("session", {"source": "claude-code"}, 60),
        ("turn", {"source": "claude-code"}, 60),
        ("task", {"task_type": "architecture"}, 20),
        ("tool", {"tool": "Bash"}, 1.5),
    ):
        assert value(found, f"{name}_duration_seconds_count", **labels) == 1
        assert value(found, f"{name}_duration_seconds_sum", **labels) == total
    assert value(found, "tool_duration_seconds_count", tool="Agent") is None
    assert {name.partition("_duration")[0] for name, _ in found} >= {"session", "turn", "task", "tool"}


def test_every_live_metric_is_exposed_as_the_table_says() -> None:
    """Names, units' suffixes, types, help and labels exactly as in ``names``; nothing beside them."""
    source, live = counting()
    drawing = straggler().call("c", 1, 3).staged("analysis", 1, 3)
    count(live, conclude_scene(drawing.events), conclude_scene(background().events))
    live.count_usage([NewUsage("opus", at(3), {"input": 5}, 7, SECOND)])
    live.count_checks({"regression": 1})
    assert_sound(source)
    found = {family.name: family for family in families(source)}
    wanted = {metric.name.removesuffix("_total"): metric for metric in LIVE}
    assert found.keys() == wanted.keys()
    for name, metric in wanted.items():
        assert (found[name].type, found[name].documentation) == (metric.kind.value, metric.help)


def test_histograms_have_our_buckets_in_seconds() -> None:
    """Never the library's default, which thinks in milliseconds, and never an exponential one."""
    source, live = counting()
    count(live, conclude_scene(straggler().call("c", 1, 3).events))
    checked = 0
    for family in families(source):
        if family.type == MetricKind.HISTOGRAM:
            edges = {float(sample.labels["le"]) for sample in family.samples if "le" in sample.labels}
            assert edges == {*DURATION_BUCKETS, float("inf")}
            checked += 1
    assert checked == 4


def test_counters_begin_at_nothing_and_history_is_not_counted() -> None:
    """A new process exposes no sample; entities that ended before its start are not counted."""
    source, live = counting(since=at(1_000))
    assert samples(source) == {}
    count(live, conclude_scene(straggler().call("c", 1, 3).events), conclude_scene(background().events))
    assert samples(source) == {}
    live.count_tool_calls([structs.replace(CALL, start=at(999), end=at(1_000))])
    assert value(samples(source), "tool_calls_total", tool="Bash", outcome="success") == 1


def test_a_recording_is_not_counted_as_a_session() -> None:
    """The shipped recording is not counted: neither its sessions, turns nor fan-outs."""
    source, live = counting()
    session = replace(conclude_scene(straggler().events), recording=True)
    live.count_sessions([session])
    live.record_turns((session, turn) for turn in session.turns)
    live.count_fanouts([(session, fanout) for fanout in find_fanouts(session.tasks)], by_work)
    assert samples(source) == {}


def test_what_has_no_end_is_not_counted() -> None:
    """Lost and running calls, tasks and turns have no length and no moment to count them at."""
    source, live = counting()
    live.count_tool_calls([structs.replace(CALL, end=None, duration=None, outcome=Outcome.UNKNOWN)])
    lost = conclude_scene(Drawing().opens().prompt(0).run("a", 1).events, lost=True)
    live.count_tasks(lost.tasks)
    live.record_turns((lost, turn) for turn in lost.turns)
    assert samples(source) == {}
    live.count_sessions([lost])
    assert value(samples(source), "sessions_total", source="claude-code", outcome="unknown") == 1
    assert value(samples(source), "session_duration_seconds_count", source="claude-code") is None


def test_no_attribute_set_is_ever_folded_by_the_library() -> None:
    """Thousands of tools: the first keep their names, the rest are ``other``, no call is lost."""
    source, live = counting()
    live.count_tool_calls(
        structs.replace(CALL, id=str(number), tool=f"mcp__tool_{number}") for number in range(5_000)
    )
    found = samples(source)
    calls = {labels: count for (name, labels), count in found.items() if name == "tool_calls_total"}
    assert len(calls) == VALUES + 1
    assert sum(calls.values()) == 5_000
    assert value(found, "tool_calls_total", tool=OTHER, outcome="success") == 5_000 - VALUES
    assert value(found, "tool_duration_seconds_count", tool=OTHER) == 5_000 - VALUES
    assert_sound(source)


def test_odd_names_are_values_like_any_other() -> None:
    """Quotes, newlines and backslashes in a tool's name come back as they were."""
    source, live = counting()
    odd = 'a"b\\c\nd{e="f"} é'
    live.count_tool_calls([structs.replace(CALL, tool=odd)])
    assert value(samples(source), "tool_calls_total", tool=odd, outcome="success") == 1
    assert_sound(source)


def test_two_services_in_one_process_do_not_share_counters() -> None:
    """Each has its own registry and provider; the global ones stay untouched."""
    (one, live), (other, _) = counting(), counting()
    live.count_tool_calls([CALL])
    assert value(samples(one), "tool_calls_total", tool="Bash", outcome="success") == 1
    assert samples(other) == {}


def test_a_closed_one_leaves_the_registry() -> None:
    """After ``close`` the registry answers without it."""
    source, live = counting()
    live.count_tool_calls([CALL])
    live.close()
    assert samples(source) == {}


def test_eight_threads_may_scrape_while_calls_are_counted() -> None:
    """Every scrape is sound, and no counter ever falls."""
    source, live = counting()
    faults: list[BaseException] = []

    def scrape() -> None:
        before = 0.0
        try:
            for _ in range(10):
                now = value(samples(source), "tool_calls_total", tool="Bash", outcome="success") or 0
                assert now >= before
                before = now
        except BaseException as fault:  # noqa: BLE001  # told to the test's own thread
            faults.append(fault)

    threads = [threading.Thread(target=scrape) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(500):
        live.count_tool_calls([CALL])
    for thread in threads:
        thread.join()
    assert faults == []
    assert value(samples(source), "tool_calls_total", tool="Bash", outcome="success") == 500


def test_live_counters_agree_with_the_windows(tmp_path: Path) -> None:
    """Ingredients by task type and baseline are the same whether counted live or summed from the store."""
    source, live = counting()
    with store(tmp_path) as opened:

        def held_against(session: Session, fanout: Fanout) -> SequentialTime:
            find = make_baseline_finder(opened.connection, {"review": 0.01})
            return estimate_sequential_time(
                fanout, find(session.pattern or "none", build_work_signature(session, fanout.tasks))
            )

        def report(taken: list[IngestResult]) -> None:
            for one in taken:
                live.count_fanouts(one.ended.fanouts, held_against)
                live.count_tasks(one.ended.tasks)
                live.count_tool_calls(one.ended.tool_calls)

        report(opened.take(one_by_one().events))
        opened.take(earlier_runs())
        report(opened.take(straggler().events, fork_join().events, background().events))
        report(opened.take(Drawing("calls").opens().call("c", 1, 3, took=1.5).ends(4).events))
        figures = take_snapshot(opened.connection, at(200), TaskTypes(), {"review": 0.01}).figures
    found = samples(source)
    checked = 0
    for figure in figures:
        labels = dict(figure.labels)
        if labels.pop("window", None) != "1h":
            continue
        name = {
            "stretto_parallel_sequential_seconds": "sequential_seconds_total",
            "stretto_window_tasks": "tasks_total",
            "stretto_window_tool_calls": "tool_calls_total",
            "stretto_window_fanouts": "fanouts_total",
        }.get(figure.name)
        if name == "tasks_total":
            labels["agent"] = "worker"
        if name:
            assert value(found, name, **labels) == pytest.approx(figure.value), (name, labels)
            checked += 1
    assert checked >= 10
