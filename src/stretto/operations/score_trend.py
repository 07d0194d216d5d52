"""Answer whether the efficiency score of days rises, stays or falls, from the analysis of trends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stretto.findings.analysis_table import ALL_PATTERNS, TRENDS
from stretto.model.findings import FindingVerdict
from stretto.operations.operation_context import OperationCall

SCORE_TREND = "efficiency_trend"
"""Kind of the finding about the scores of days."""

RISES, STAYS, FALLS = "rises", "stays", "falls"

SCORE_VERDICTS: Mapping[FindingVerdict, str] = {
    FindingVerdict.IMPROVEMENT: RISES,
    FindingVerdict.NO_EVIDENCE: STAYS,
    FindingVerdict.REGRESSION: FALLS,
}
"""Verdict on the trend → which way the score goes; too little data says nothing."""

POINTS = 100
"""Points of a full score, of which findings have the share."""


def judge_score_trend(call: OperationCall) -> dict[str, Any]:
    """Return which way the score of the workflow's days went, with its change in 30 days in points of 100.

    ``low`` and ``high`` are the 95 % interval of the change. A score stays if its days show no trend beyond
    chance; ``detectable`` is the change that would have been seen nine times of ten.
    """
    names = ("verdict", "change", "low", "high", "detectable", "p")
    trend: dict[str, Any] = {**dict.fromkeys(names), "days": 0}
    if call.workflow.session is not None:
        return {**trend, "reason": "a session is no series of days"}
    answer = call.try_answer(TRENDS)
    if answer is None:
        return {**trend, "reason": "trends are not known now"}
    pattern = call.workflow.pattern
    subject = ALL_PATTERNS if pattern is None else {"pattern": pattern}
    for finding in answer.findings:
        if finding.kind == SCORE_TREND and finding.subject == subject:
            evidence = finding.evidence
            return {
                "verdict": SCORE_VERDICTS.get(finding.verdict),
                "change": _to_points(evidence.effect),
                "low": _to_points(evidence.low),
                "high": _to_points(evidence.high),
                "detectable": _to_points(evidence.detectable),
                "p": evidence.p,
                "days": evidence.n,
                "reason": finding.reason or None,
            }
    return {**trend, "reason": "no day of the last thirty has a score that is known well enough"}


def _to_points(share: float | None) -> float | None:
    return None if share is None else POINTS * share


def describe_score_trend(trend: Mapping[str, Any]) -> list[str]:
    """Return a judged trend as a sentence; nothing where there is no verdict."""
    verdict, change = trend["verdict"], trend["change"]
    if verdict is None:
        return []
    if change is None:
        return [f"The score {verdict}: {trend['reason']}."]
    size = f"{change:+.0f} points in 30 days [{trend['low']:+.0f}, {trend['high']:+.0f}]"
    over = f"over {trend['days']} days"
    if verdict == STAYS:
        seen = f"a change by {trend['detectable']:.0f} would have been seen"
        return [f"The score {verdict}: {size} {over} is within chance; {seen}."]
    return [f"The score {verdict}: {size} {over}."]
