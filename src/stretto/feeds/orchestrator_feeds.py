"""The two feeds: ``hub`` for who coordinates agents, ``resources`` for who allots processors and memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from stretto.clock import SECOND
from stretto.feeds.orchestrator_feed_items import (
    COUNTED,
    RANGE,
    VERDICT,
    FeedInput,
    FeedItem,
    build_finding_entry,
    list_figures,
    make_absent_item,
    make_analysis_item,
    make_item_of_figures,
    make_snapshot_item,
)
from stretto.figures.figure import Figure
from stretto.figures.overdue_limits_and_time_left import TimeLeft
from stretto.findings.finding_sentences import describe_fanout_progress, describe_left
from stretto.format.rfc3339 import to_exact_rfc3339
from stretto.model.findings import HOLDUP_PREFIX, RECOMMENDATION_PREFIX
from stretto.summaries.running_tasks import ExpectedFanout, ExpectedTask

MOST_ENTRIES = 50
"""Entries of a list: an orchestrator needs the first of them."""

LOW_MEMORY = 0.10
"""Share of the machine's memory below which no further agent should start."""


def build_feed(name: str, given: FeedInput) -> dict[str, Any]:
    """Return a feed, ``hub`` or ``resources``, as JSON. An item that cannot be made carries the reason."""
    items: dict[str, Any] = {}
    for key, make in FEEDS[name].items():
        try:
            item = make(given)
        except Exception as error:  # noqa: BLE001  # one item must not take the others along
            item = make_absent_item(f"it could not be made: {type(error).__name__}: {error}")
        items[key] = item.build_document(given.now)
    return {"feed": name, "at": to_exact_rfc3339(given.now), "items": items}


def _list_running(given: FeedInput) -> FeedItem:
    if given.snapshot is None:
        return make_absent_item("there are no figures yet")
    activity = given.snapshot.activity
    return make_snapshot_item(
        given,
        {
            "sessions": activity.sessions_busy,
            "tasks": activity.tasks_running,
            "open": activity.sessions_open,
            "fanouts": [_build_running_fanout(each, given.now) for each in given.fanouts[:MOST_ENTRIES]],
        },
    )


def _build_running_fanout(expected: ExpectedFanout, now: int) -> dict[str, Any]:
    fanout = expected.running
    return {
        "session": fanout.session,
        "pattern": fanout.pattern,
        "tasks": fanout.tasks,
        "tasks_over": fanout.over,
        "elapsed_seconds": expected.elapsed / SECOND,
        "phases": list(fanout.phases),
        "agents": sorted({task.agent for task in fanout.running if task.agent is not None}),
        "conflicts": None if fanout.conflicts is None else sorted(fanout.conflicts),
        **_build_eta(expected.left, now),
        "sentence": describe_fanout_progress(expected),
    }


def _list_alerts(given: FeedInput) -> FeedItem:
    value = [
        {
            "alert": each.alertname,
            "severity": each.severity,
            "since": each.starts_at,
            "description": each.description,
        }
        for each in given.firing[:MOST_ENTRIES]
    ]
    if given.alerting_gap is not None and not value:
        return make_absent_item(given.alerting_gap)
    confidence = COUNTED if given.alerting_gap is None else None
    return FeedItem(value, given.now, confidence, "the alerts that Alertmanager sent", given.alerting_gap)


def _list_degradations(given: FeedInput) -> FeedItem:
    state = given.findings
    return make_analysis_item(given, "changes", [stored.finding for stored in state.regressions])


def _list_recommendations(given: FeedInput) -> FeedItem:
    open_advice = [
        stored.finding
        for stored in given.findings.open_findings
        if stored.finding.kind.startswith(RECOMMENDATION_PREFIX)
    ]
    return make_analysis_item(given, "advice", open_advice[:MOST_ENTRIES])


def _list_completions(given: FeedInput) -> FeedItem:
    """Return when running tasks will be over, each with its range; no bare number."""
    value = [_build_completion(task, given.now) for task in given.expected[:MOST_ENTRIES]]
    basis = "the range has 80 % of the finished tasks of the kind"
    if value and not any(each["n"] for each in value):
        return FeedItem(value, given.now, None, basis, "of no running task enough of the kind have finished")
    return FeedItem(value, given.now, RANGE if value else COUNTED, basis if value else "counted")


def _build_completion(task: ExpectedTask, now: int) -> dict[str, Any]:
    return {
        "session": task.running.session,
        "task": task.running.task,
        "pattern": task.running.kind[0],
        "task_type": task.running.kind[1],
        "agent": task.running.agent,
        "elapsed_seconds": task.elapsed / SECOND,
        **_build_eta(task.left, now),
        "sentence": describe_left(task),
    }


def _build_eta(left: TimeLeft | None, now: int) -> dict[str, Any]:
    return {
        "eta": None if left is None else to_exact_rfc3339(now + left.median),
        "eta_low": None if left is None else to_exact_rfc3339(now + left.low),
        "eta_high": None if left is None else to_exact_rfc3339(now + left.high),
        "n": 0 if left is None else left.n,
    }


def _list_warnings(given: FeedInput) -> FeedItem:
    """Return the tasks that are overdue, blocked, in conflict with others, or have been silent for long."""
    overdue = [
        {
            "kind": "overdue",
            "session": task.running.session,
            "task": task.running.task,
            "sentence": describe_left(task),
        }
        for task in given.expected
        if task.is_overdue
    ]
    stuck = () if given.snapshot is None else given.snapshot.stuck or ()
    silent = [
        {
            "kind": "silent",
            "session": each.session,
            "task": each.task,
            "sentence": f"no event since {to_exact_rfc3339(each.since)}",
        }
        for each in stuck
    ]
    blocked = [
        {
            "kind": "blocked",
            "session": task.running.session,
            "task": task.running.task,
            "sentence": f"it reports that it cannot go on: {task.running.blocked}",
        }
        for task in given.expected
        if task.running.blocked is not None
    ]
    conflicting = [
        {
            "kind": "conflict",
            "session": each.running.session,
            "task": task,
            "sentence": "its result is in conflict with that of a task beside it, by a file or as it said",
        }
        for each in given.fanouts
        for task in sorted(each.running.conflicts or ())
    ]
    value = [*overdue, *blocked, *conflicting, *silent][:MOST_ENTRIES]
    return FeedItem(value, given.now, 0.99, "a task is overdue beyond 99 % of its kind")


def _list_schedules(given: FeedInput) -> FeedItem:
    """Return how many agents side by side pay, by pattern."""
    return make_analysis_item(given, "widths")


def _list_assignments(given: FeedInput) -> FeedItem:
    """Return how each agent did: score with its range, share of failures, median time."""
    by_agent: dict[str, dict[str, Any]] = defaultdict(dict)
    for key, name in (
        ("score", "stretto_agent_score"),
        ("error_ratio", "stretto_agent_error_ratio"),
        ("seconds", "stretto_agent_duration_quantile_seconds"),
    ):
        for figure in list_figures(given, name):
            labels = dict(figure.labels)
            if labels.get("stat", "p50") == "p50":
                by_agent[labels["agent"]][key] = _build_range(figure)
    if not by_agent:
        return make_absent_item("no agent has finished a task in the window")
    at = None if given.snapshot is None else given.snapshot.at
    value = [{"agent": agent, **values} for agent, values in sorted(by_agent.items())][:MOST_ENTRIES]
    return FeedItem(value, at, VERDICT, "a score is a range whose ends it cannot leave")


def _build_range(figure: Figure) -> dict[str, Any]:
    return {"value": figure.value, "low": figure.low, "high": figure.high, "count": figure.count}


def _find_contention(given: FeedInput) -> FeedItem:
    item = make_item_of_figures(given, "stretto_contention_ratio")
    busy = 0 if given.snapshot is None else given.snapshot.activity.sessions_busy
    if item.value is None:
        return make_absent_item(f"{busy} sessions are busy; {item.reason}")
    return replace(item, value={"sessions_busy": busy, "slowdown": item.value})


def _rank_priorities(given: FeedInput) -> FeedItem:
    """Return the patterns by lane time lost, the largest first: where it pays to look."""
    lost: dict[str, dict[str, float]] = defaultdict(dict)
    for figure in list_figures(given, "stretto_efficiency_lost_seconds"):
        labels = dict(figure.labels)
        lost[labels["pattern"]][labels["factor"]] = figure.value or 0.0
    if not lost:
        return make_absent_item("nothing ran in parallel in the window")
    ranked = sorted(lost.items(), key=lambda entry: (-sum(entry[1].values()), entry[0]))
    value = [
        {"pattern": pattern, "lost_seconds": sum(by_factor.values()), "by_factor": by_factor}
        for pattern, by_factor in ranked[:MOST_ENTRIES]
    ]
    return make_snapshot_item(
        given, value, f"lane time lost in parallel executions of the last {given.window}"
    )


def _find_allocation(given: FeedInput) -> FeedItem:
    """Return what is allotted now."""
    if given.snapshot is None:
        return make_absent_item("there are no figures yet")
    now = {
        name.removeprefix("stretto_"): figure.value
        for name in (
            "stretto_agents_cpu",
            "stretto_agents_memory_bytes",
            "stretto_machine_cpu",
            "stretto_machine_memory_available_bytes",
            "stretto_tasks_running",
        )
        for figure in list_figures(given, name)
    }
    return make_snapshot_item(given, {**now, **given.machine}, "as sampled last")


def _find_effects(given: FeedInput) -> FeedItem:
    """Return what each further agent of a pattern brings: how allocation moved performance."""
    return make_analysis_item(given, "gains")


def _compare_targets(given: FeedInput) -> FeedItem:
    """Return use and efficiency beside their targets."""
    if given.snapshot is None:
        return make_absent_item("there are no figures yet")
    low, high = given.snapshot.rules.cpu_target
    use = next(iter(list_figures(given, "stretto_machine_cpu_ratio")), None)
    efficiency = make_item_of_figures(given, "stretto_parallel_efficiency_ratio")
    value = {
        "machine_cpu_ratio": None if use is None else use.value,
        "machine_cpu_target": [low, high],
        "parallel_efficiency": efficiency.value,
    }
    return FeedItem(
        value,
        given.snapshot.at,
        efficiency.confidence,
        f"of the last {given.window}; {efficiency.basis or 'as sampled'}",
        efficiency.reason,
    )


def _list_triggers(given: FeedInput) -> FeedItem:
    """Return the conditions for more or fewer agents: the value of now, its limit and whether it holds."""
    if given.snapshot is None:
        return make_absent_item("there are no figures yet")
    low, high = given.snapshot.rules.cpu_target
    use = next(iter(list_figures(given, "stretto_machine_cpu")), None)
    cores = given.machine.get("cores")
    busy = None if use is None or use.value is None or not cores else use.value / cores
    free = next(iter(list_figures(given, "stretto_machine_memory_available_bytes")), None)
    memory = given.machine.get("memory_bytes")
    share = None if free is None or free.value is None or not memory else free.value / memory
    value = [
        _build_trigger(
            "scale_down", "machine_busy_share", busy, high, holds=busy is not None and busy > high
        ),
        _build_trigger("scale_up", "machine_busy_share", busy, low, holds=busy is not None and busy < low),
        _build_trigger(
            "scale_down", "memory_available_ratio", share, LOW_MEMORY,
            holds=share is not None and share < LOW_MEMORY,
        ),
    ]  # fmt: skip
    return make_snapshot_item(given, value, "as sampled last")


def _build_trigger(
    action: str, name: str, value: float | None, limit: float, *, holds: bool
) -> dict[str, Any]:
    reason = None if value is not None else "not sampled"
    return {"action": action, "of": name, "value": value, "limit": limit, "holds": holds, "reason": reason}


def _list_holdups(given: FeedInput) -> FeedItem:
    """Return the agent on most critical paths, and what holds patterns up, with the cause."""
    state = given.findings
    holdups = [
        stored.finding for stored in state.open_findings if stored.finding.kind.startswith(HOLDUP_PREFIX)
    ]
    decisive = None if given.snapshot is None else given.snapshot.bottlenecks.get(given.window)
    agent = None if decisive is None else {"agent": decisive.agent, "seconds": decisive.seconds,
                                           "share": decisive.share}  # fmt: skip
    answer = make_analysis_item(given, "holdups", holdups)
    if agent is None and answer.value is None:
        return answer
    entries = [build_finding_entry(each, state.zone) for each in holdups[:MOST_ENTRIES]]
    at = answer.at if given.snapshot is None else given.snapshot.at
    return FeedItem(
        {"agent": agent, "holdups": entries},
        at,
        VERDICT,
        answer.basis or "critical paths of the window",
        answer.reason,
    )


def _find_return(given: FeedInput) -> FeedItem:
    """Return what allotted time and money brought: seconds saved per processor second, and their price."""
    saved = next(iter(list_figures(given, "stretto_verdict_saved_seconds")), None)
    cpu = next(iter(list_figures(given, "stretto_window_agents_cpu_seconds")), None)
    if given.snapshot is None or saved is None or saved.value is None:
        return make_absent_item("nothing ran in parallel in the window")
    price = next(iter(list_figures(given, "stretto_saved_second_cost_usd")), None)
    value = {
        "saved_seconds": saved.value,
        "baseline": dict(saved.labels).get("baseline"),
        "saved_seconds_per_cpu_second": saved.value / cpu.value if cpu is not None and cpu.value else None,
        "dollars_per_saved_second": None if price is None else price.value,
    }
    return make_snapshot_item(given, value, f"sums of the last {given.window}")


FEEDS: Mapping[str, Mapping[str, Callable[[FeedInput], FeedItem]]] = {
    "hub": {
        "running": _list_running,
        "efficiency": lambda given: make_item_of_figures(given, "stretto_efficiency_score"),
        "alerts": _list_alerts,
        "degradations": _list_degradations,
        "opportunities": lambda given: make_item_of_figures(given, "stretto_opportunity_seconds"),
        "recommendations": _list_recommendations,
        "completions": _list_completions,
        "warnings": _list_warnings,
        "schedules": _list_schedules,
        "assignments": _list_assignments,
        "contention": _find_contention,
        "priorities": _rank_priorities,
    },
    "resources": {
        "allocation": _find_allocation,
        "effects": _find_effects,
        "targets": _compare_targets,
        "triggers": _list_triggers,
        "capacity": _list_schedules,
        "bottlenecks": _list_holdups,
        "returns": _find_return,
    },
}
"""Feed → item → the function that makes it."""
