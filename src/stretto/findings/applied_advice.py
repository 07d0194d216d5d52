"""What was done about recommendations: feedback by kind, and the effect of those that were applied.

An effect is judged once. The history of findings keeps the verdict, which outlives the sessions behind it.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from stretto.analysis.realised_effects import (
    RealisedEffect,
    calibrate_promises,
    judge_applied,
    link_sessions_around_application,
)
from stretto.analysis.recommendation import FeedbackCounts, RecommendationKind, count_feedback
from stretto.findings.analysis_input_and_answer import AnalysisAnswer, AnalysisInput
from stretto.model.decisions import Decision, DecisionKind
from stretto.model.findings import EFFECT_PREFIX, RECOMMENDATION_PREFIX, Finding
from stretto.store.finding_history_and_last_answers import make_finding_id


def collect_feedback(given: AnalysisInput) -> dict[RecommendationKind, FeedbackCounts]:
    """Return by kind how many recommendations were accepted and rejected, helped or brought nothing."""
    outcomes = [
        (RecommendationKind(finding.kind.removeprefix(RECOMMENDATION_PREFIX)), decision.kind.value)
        for decision, finding in _list_decided(given)
        if decision.kind is not DecisionKind.APPLIED
    ]
    outcomes += [
        (RecommendationKind(finding.kind.removeprefix(EFFECT_PREFIX)), outcome)
        for finding in _judge(given)
        if (outcome := RealisedEffect.from_finding(finding).outcome) is not None
    ]
    return count_feedback(outcomes)


def judge_all_applied(given: AnalysisInput) -> AnalysisAnswer:
    """Return the effect of each applied recommendation as a finding, and how promises held."""
    findings = _judge(given)
    calibration = calibrate_promises([RealisedEffect.from_finding(finding) for finding in findings])
    return AnalysisAnswer(
        findings,
        extra={
            "calibration": {
                "judged": calibration.judged,
                "within": calibration.within,
                "promised_seconds": calibration.promised_seconds,
                "realised_seconds": calibration.realised_seconds,
                "ratio": calibration.ratio,
            }
        },
    )


def _judge(given: AnalysisInput) -> list[Finding]:
    """Return the effect of each applied recommendation: the kept verdict, or that of the sessions."""
    effects = []
    for decision, latest in _list_decided(given):
        advice = given.promises.get(decision.id, latest)
        evidence = advice.evidence
        if decision.kind is not DecisionKind.APPLIED or evidence.effect is None:
            continue
        kind = advice.kind.removeprefix(RECOMMENDATION_PREFIX)
        kept = given.history.get(make_finding_id(f"{EFFECT_PREFIX}{kind}", advice.subject))
        # Applied again, it is judged again: a verdict is about the time at which the advice was applied.
        if kept is not None and kept.since == decision.time and kept.evidence.effect is not None:
            effects.append(kept)
            continue
        promised = (evidence.effect, evidence.low or 0.0, evidence.high or evidence.effect)
        sessions = given.sessions_by_pattern.get(advice.subject.get("pattern", ""), ())
        effect = judge_applied(
            promised,
            decision.time,
            sessions,
            given.tasks_by_session,
            instant=given.instant,
            zone=ZoneInfo(given.zone),
        )
        around = link_sessions_around_application(sessions, decision.time)
        effects.append(effect.to_finding(kind, advice.subject, decision.time, around))
    return effects


def _list_decided(given: AnalysisInput) -> list[tuple[Decision, Finding]]:
    """Return the decision of each kind about each recommendation that was recorded last."""
    decided: dict[tuple[str, DecisionKind], tuple[Decision, Finding]] = {}
    for decision in sorted(given.decisions, key=lambda each: each.recorded_at):
        finding = given.history.get(decision.subject or "")
        if finding is not None and finding.kind.startswith(RECOMMENDATION_PREFIX):
            decided[str(decision.subject), decision.kind] = (decision, finding)
    return [*decided.values()]
