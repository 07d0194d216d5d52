"""Put findings into words, for page, terminal and notifications alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from stretto.clock import SECOND
from stretto.figures.overdue_limits_and_time_left import TimeLeft
from stretto.format.quantities import format_count_with_noun, format_duration
from stretto.model.findings import (
    COINCIDES,
    DAY_KINDS,
    EFFECT_PREFIX,
    FEEDBACK,
    FORECAST_SUFFIX,
    HOLDUP_PREFIX,
    PEOPLE,
    RECOMMENDATION_PREFIX,
    TREND_SUFFIX,
    Finding,
    FindingVerdict,
)
from stretto.summaries.running_tasks import ExpectedFanout, ExpectedTask

KINDS = {
    "task_length": "Tasks",
    "agent_length": "Tasks of the agent",
    "phase_length": "Tasks of the phase",
    "tool_length": "Calls of the tool",
    "hook_length": "Hooks of the event",
    "fanout_elapsed": "Parallel executions",
    "tail_share": "The share of very long tasks",
    "failure_share": "The share of failed tasks",
    "task_tokens": "Tokens of tasks",
    "task_dollars": "Cost of tasks",
    "quality": "Quality",
    "adoption": "Adoption of parallel work",
    "efficiency": "Efficiency score",
    "processor_time": "Processor time of sessions",
    "memory_peak": "Memory of sessions",
    "week": "Sessions of the last week",
}
"""Kind of a series → its name at the beginning of a sentence."""

HOLDUPS = {
    "agent": "a slow agent",
    "phase": "a slow phase",
    "tool": "slow tools",
    "model": "slow model answers",
    "hooks": "hooks",
    "person": "waiting for a person",
    "imbalance": "unevenly shared work",
    "late_start": "late starts of agents",
    "contention": "agents that slow each other",
    "retries": "retries of failed tasks",
    "conflicts": "conflicts between results",
    "failed_work": "failed tasks",
    "waiting_on_agents": "waiting for agents",
}
"""Kind of a hold-up → its name in a sentence."""


SLOWER_TASKS = "Tasks got slower, so part of that is no gain."
"""Follows time saved while the lengths of tasks are worse: longer tasks save more side by side."""


def describe_run_count(finding: Finding) -> str:
    """Return how many runs, days, lookups of a cache, or people of a team a finding rests on."""
    if PEOPLE in finding.details:
        return format_count_with_noun(finding.evidence.n, "person", "people")
    if finding.kind in DAY_KINDS or finding.kind.endswith((FORECAST_SUFFIX, TREND_SUFFIX)):
        return format_count_with_noun(finding.evidence.n, "day")
    noun = "lookup" if "cache" in finding.subject else "run"
    return format_count_with_noun(finding.evidence.n, noun)


def name_subject(finding: Finding) -> str:
    """Return the subject as a short text: ``tests of release``."""
    subject = dict(finding.subject)
    pattern = subject.pop("pattern", None)
    name = ", ".join(subject.values())
    if not pattern:
        return name
    return f"{name} of {pattern}" if name else pattern


def describe_finding(finding: Finding, zone: str = "UTC") -> str:
    """Return a finding as a sentence.

    Example: "Tasks (tests of release) take 1.5 times as long since 3 March [1.4, 1.6]."
    """
    for prefix, describe in ((HOLDUP_PREFIX, _describe_holdup), (EFFECT_PREFIX, _describe_realised)):
        if finding.kind.startswith(prefix):
            return describe(finding)
    if finding.advice and finding.kind not in KINDS:
        return finding.advice + _describe_feedback(finding)
    if finding.kind in _ANSWERS and finding.verdict is FindingVerdict.NO_EVIDENCE:
        return _ANSWERS[finding.kind](finding)
    subject = KINDS.get(finding.kind, finding.kind.replace("_", " ").capitalize())
    if finding.subject:
        subject += f" ({name_subject(finding)})"
    if finding.verdict is FindingVerdict.TOO_LITTLE_DATA:
        return f"{subject}: too little data, {finding.reason or 'too few runs'}."
    if finding.verdict is FindingVerdict.NO_EVIDENCE or finding.evidence.effect is None:
        quiet = "no evidence of a change" if finding.kind in KINDS else "nothing beyond chance"
        reason = f"; {finding.reason}" if finding.reason else ""
        return f"{subject}: {quiet}{reason}{_describe_detectable(finding)}."
    return (
        f"{subject} {_describe_effect(finding)}{_describe_since(finding, zone)}{_describe_interval(finding)}."
        f"{_describe_coincidence(finding)}"
    )


def _describe_effect(finding: Finding) -> str:
    effect = finding.evidence.effect or 0.0
    if finding.evidence.unit == "share":
        return f"{'rose' if effect > 0 else 'fell'} by {abs(effect):.0%}"
    if finding.evidence.unit == "points":
        return f"{'rose' if effect > 0 else 'fell'} by {abs(effect):.2f} of 1"
    if finding.kind in {"task_tokens", "task_dollars"}:
        return f"{'is' if finding.kind == 'task_dollars' else 'are'} {effect:.2f} times as much"
    return f"take {effect:.2f} times as long"


def _describe_since(finding: Finding, zone: str) -> str:
    if finding.since is None:
        return ""
    day = datetime.fromtimestamp(finding.since // SECOND, ZoneInfo(zone))
    return f" since {day.day} {day:%B}"


def _describe_interval(finding: Finding) -> str:
    low, high = finding.evidence.low, finding.evidence.high
    if low is None or high is None:
        return ""
    if finding.evidence.unit == "share":
        return f" [{low:.0%}, {high:.0%}]"
    return f" [{low:.2f}, {high:.2f}]"


def _describe_coincidence(finding: Finding) -> str:
    """Return what else changed when a series did, as a sentence; nothing without any."""
    changed = finding.details.get(COINCIDES)
    return f" Since then, too: {changed}." if changed else ""


def _describe_feedback(finding: Finding) -> str:
    """Return how recommendations of this kind fared, which moves them up or down; nothing without any."""
    counts = {
        name.replace("_", " "): count
        for name in FEEDBACK
        if isinstance(count := finding.details.get(name), float) and count
    }
    if not finding.kind.startswith(RECOMMENDATION_PREFIX) or not counts:
        return ""
    listed = ", ".join(f"{count:.0f} {name}" for name, count in counts.items())
    return f" Of its kind: {listed}."


def _describe_detectable(finding: Finding) -> str:
    """Return what could have been seen: silence means nothing about smaller effects."""
    detectable, unit = finding.evidence.detectable, finding.evidence.unit
    if detectable is None:
        return ""
    sizes = {
        "ratio": f"a factor of {detectable:.2f}",
        "share": f"a change by {detectable:.0%}",
        "points": f"a change by {detectable:.2f} of 1",
        "rho": f"a correlation of {detectable:.2f}",
    }
    return f"; {sizes[unit]} would have been seen" if unit in sizes else ""


def _describe_outlook(finding: Finding) -> str:
    evidence, details = finding.evidence, finding.details
    middle, low, high = (
        format_duration(value or 0.0) for value in (evidence.effect, evidence.low, evidence.high)
    )
    cover, days = details.get("cover_80"), details.get("forecast_days")
    held = "no earlier range can be checked yet"
    if isinstance(cover, float) and isinstance(days, float):
        held = f"such ranges of 80 % held {cover:.0%} of {days:.0f} days before"
    series = KINDS[finding.kind.removesuffix(FORECAST_SUFFIX)]
    return (
        f"{series} ({name_subject(finding)}) of the next seven days:"
        f" {middle} ({low} to {high}), by {details.get('model')}; {held}."
    )


def _describe_prediction(finding: Finding) -> str:
    error = finding.details.get("median_error")
    method = finding.details.get("method")
    off = f"{math.expm1(error):.0%}" if isinstance(error, float) else "an unknown share"
    reason = finding.details.get("why_no_boosting")
    return (
        f"Lengths of tasks are expected by the {method}, from {finding.evidence.n} tasks,"
        f" off by {off} on average in sessions held out{f'; {reason}' if reason else ''}."
    )


_ANSWERS: Mapping[str, Callable[[Finding], str]] = {
    "task_length" + FORECAST_SUFFIX: _describe_outlook,
    "fanout_elapsed" + FORECAST_SUFFIX: _describe_outlook,
    "length_prediction": _describe_prediction,
}
"""Kind of a quiet answer → its sentence: these have a number to show though nothing differs."""


def _describe_realised(finding: Finding) -> str:
    kind = finding.kind.removeprefix(EFFECT_PREFIX).replace("_", " ")
    subject, evidence = name_subject(finding), finding.evidence
    if evidence.effect is None or evidence.low is None or evidence.high is None:
        return f"{kind} ({subject}): {finding.reason or 'not judged yet'}."
    within = {"yes": ", as promised", "no": ", not as promised"}.get(
        str(finding.details.get("within_promise")), ""
    )
    if finding.verdict is FindingVerdict.NO_EVIDENCE:
        return f"{kind} ({subject}): no effect that can be seen{within}."
    saved = f"{'saves' if evidence.effect > 0 else 'costs'} {format_duration(abs(evidence.effect))} a session"
    return f"{kind} ({subject}) {saved} [{evidence.low:.0f} s, {evidence.high:.0f} s]{within}."


def _describe_holdup(finding: Finding) -> str:
    kind = finding.kind.removeprefix(HOLDUP_PREFIX)
    what = HOLDUPS.get(kind, kind.replace("_", " "))
    name = finding.subject.get("name")
    seconds = finding.evidence.effect or 0.0
    cause = finding.details.get("cause")
    because = f", explained by {cause}" if cause else ", no cause found"
    pattern = finding.subject.get("pattern", "none")
    return (
        f"{pattern} is held up by {what}{f' ({name})' if name else ''}: {format_duration(seconds)} a session"
        f" more than usual{because}."
    )


def build_expectation_document(task: ExpectedTask) -> dict[str, Any]:
    """Return whether a running task is overdue, and the time that is left with its range, as JSON."""
    left = task.left
    return {
        "overdue": task.is_overdue,
        "left_seconds": None if left is None else left.median / SECOND,
        "left_low_seconds": None if left is None else left.low / SECOND,
        "left_high_seconds": None if left is None else left.high / SECOND,
        "expectation": describe_left(task),
    }


def describe_left(task: ExpectedTask) -> str:
    """Return a text on how long a running task still takes, always with its range.

    Example: "40 s more (20 s to 1 min), by 120 like it".
    """
    if task.is_overdue and task.limit is not None:
        rule = " (rule of thumb)" if task.limit.by_rule else ""
        return f"longer than {format_duration(task.limit.length / SECOND)}, beyond 99 % of its kind{rule}"
    if task.left is None:
        return "too few finished tasks of its kind to expect an end"
    return f"{_describe_time_left(task.left)}, by {task.left.n} like it"


def describe_fanout_progress(expected: ExpectedFanout) -> str:
    """Return a text on how far a running parallel execution is, and when the tasks that run should be over.

    Example: "2 of 5 tasks are over; 40 s more (20 s to 1 min) until those that run are, by 120 like each".
    """
    fanout = expected.running
    done = f"{fanout.over} of {format_count_with_noun(fanout.tasks, 'task')} are over"
    if fanout.conflicts:
        done += f"; {format_count_with_noun(len(fanout.conflicts), 'task')} in conflict"
    if expected.left is None:
        return f"{done}; too few finished tasks like those that run to expect an end"
    return (
        f"{done}; {_describe_time_left(expected.left)} until those that run are,"
        f" by {expected.left.n} or more like each"
    )


def _describe_time_left(left: TimeLeft) -> str:
    median, low, high = (format_duration(value / SECOND) for value in (left.median, left.low, left.high))
    return f"{median} more ({low} to {high})"


def describe_session_holdup(holdup: Mapping[str, Any]) -> str:
    """Return what held up one session as a sentence."""
    cause = f"explained by {holdup['cause']}" if holdup["cause"] else "no cause found"
    return (
        f"{name_holdup(holdup)}: {format_duration(holdup['seconds'])} more than"
        f" usual, {holdup['share']:.0%} of it; {cause}"
    )


def name_holdup(holdup: Mapping[str, Any]) -> str:
    """Return what held up one session in a few words. Example: ``a slow agent (tester)``."""
    name = f" ({holdup['name']})" if holdup["name"] else ""
    return f"{HOLDUPS.get(holdup['kind'], holdup['kind'])}{name}"


def describe_standing(standing: Mapping[str, Any]) -> str:
    """Return how a session stands among its like as a sentence, never without the interval."""
    if standing["percentile"] is None or standing["low"] is None or standing["high"] is None:
        return f"not compared with its like: {standing['reason']}"
    return (
        f"faster than {standing['percentile']:.0%} [{standing['low']:.0%}, {standing['high']:.0%}]"
        f" of {standing['similar']} sessions like it"
    )
