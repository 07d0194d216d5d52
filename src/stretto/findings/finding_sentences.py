"""Put findings into words, for page, terminal and notifications alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from stretto.clock import SECOND
from stretto.format.quantities import format_count_with_noun, format_duration
from stretto.model.findings import EFFECT_PREFIX, HOLDUP_PREFIX, Finding, FindingVerdict
from stretto.summaries.running_tasks import ExpectedTask

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


def describe_basis(finding: Finding) -> str:
    """Return how many runs, or lookups of a cache, a finding rests on."""
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
    if finding.kind.startswith(HOLDUP_PREFIX):
        return _describe_holdup(finding)
    if finding.kind.startswith(EFFECT_PREFIX):
        return _describe_realised(finding)
    if finding.advice and finding.kind not in KINDS:
        return finding.advice
    subject = (
        f"{KINDS.get(finding.kind, finding.kind.replace('_', ' ').capitalize())} ({name_subject(finding)})"
    )
    if finding.verdict is FindingVerdict.TOO_LITTLE_DATA:
        return f"{subject}: too little data, {finding.reason or 'too few runs'}."
    if finding.verdict is FindingVerdict.NO_EVIDENCE or finding.evidence.effect is None:
        return f"{subject}: no evidence of a change{'; ' + finding.reason if finding.reason else ''}."
    return (
        f"{subject} {_describe_effect(finding)}{_describe_since(finding, zone)}{_describe_interval(finding)}."
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


def describe_left(task: ExpectedTask) -> str:
    """Return a text on how long a running task still takes, always with its range.

    Example: "40 s more (20 s to 1 min), by 120 like it".
    """
    if task.is_overdue and task.limit is not None:
        rule = " (rule of thumb)" if task.limit.by_rule else ""
        return f"longer than {format_duration(task.limit.length / SECOND)}, beyond 99 % of its kind{rule}"
    if task.left is None:
        return "too few finished tasks of its kind to expect an end"
    median, low, high = (
        format_duration(value / SECOND) for value in (task.left.median, task.left.low, task.left.high)
    )
    return f"{median} more ({low} to {high}), by {task.left.n} like it"


def describe_session_holdup(holdup: Mapping[str, Any]) -> str:
    """Return what held up one session as a sentence."""
    name = f" ({holdup['name']})" if holdup["name"] else ""
    cause = f"explained by {holdup['cause']}" if holdup["cause"] else "no cause found"
    return (
        f"{HOLDUPS.get(holdup['kind'], holdup['kind'])}{name}: {format_duration(holdup['seconds'])} more than"
        f" usual, {holdup['share']:.0%} of it; {cause}"
    )


def describe_standing(standing: Mapping[str, Any]) -> str:
    """Return how a session stands among its like as a sentence, never without the interval."""
    if standing["percentile"] is None or standing["low"] is None or standing["high"] is None:
        return f"not compared with its like: {standing['reason']}"
    return (
        f"faster than {standing['percentile']:.0%} [{standing['low']:.0%}, {standing['high']:.0%}]"
        f" of {standing['similar']} sessions like it"
    )
