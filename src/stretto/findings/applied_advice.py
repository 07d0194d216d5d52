"""What was done about recommendations: feedback by kind, and the effect of those that were applied."""

from __future__ import annotations

from stretto.analysis.realised_effects import RealisedEffect, calibrate_promises, judge_applied
from stretto.analysis.recommendation import FeedbackCounts, RecommendationKind, count_feedback
from stretto.findings.analysis_input_and_answer import AnalysisAnswer, AnalysisInput
from stretto.model.decisions import Decision, DecisionKind
from stretto.model.findings import RECOMMENDATION_PREFIX, Finding


def collect_feedback(given: AnalysisInput) -> dict[RecommendationKind, FeedbackCounts]:
    """Return by kind how many recommendations were accepted and rejected, helped or brought nothing."""
    outcomes = [
        (RecommendationKind(finding.kind.removeprefix(RECOMMENDATION_PREFIX)), decision.kind.value)
        for decision, finding in _list_decided(given)
        if decision.kind is not DecisionKind.APPLIED
    ]
    outcomes += [
        (RecommendationKind(finding.kind.removeprefix(RECOMMENDATION_PREFIX)), effect.outcome)
        for finding, effect in _judge(given)
        if effect.outcome is not None
    ]
    return count_feedback(outcomes)


def judge_all_applied(given: AnalysisInput) -> AnalysisAnswer:
    """Return the effect of each applied recommendation as a finding, and how promises held."""
    judged = _judge(given)
    calibration = calibrate_promises([(finding.evidence.effect or 0.0, effect) for finding, effect in judged])
    return AnalysisAnswer(
        [
            effect.to_finding(finding.kind.removeprefix(RECOMMENDATION_PREFIX), finding.subject)
            for finding, effect in judged
        ],
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


def _judge(given: AnalysisInput) -> list[tuple[Finding, RealisedEffect]]:
    """Return each applied recommendation with the effect that it had."""
    judged = []
    for decision, finding in _list_decided(given):
        evidence = finding.evidence
        if decision.kind is not DecisionKind.APPLIED or evidence.effect is None:
            continue
        promised = (evidence.effect, evidence.low or 0.0, evidence.high or evidence.effect)
        sessions = given.sessions_by_pattern.get(finding.subject.get("pattern", ""), ())
        effect = judge_applied(
            promised, decision.time, sessions, given.tasks_by_session, instant=given.instant
        )
        judged.append((finding, effect))
    return judged


def _list_decided(given: AnalysisInput) -> list[tuple[Decision, Finding]]:
    """Return the last decision of each kind about each recommendation."""
    decided: dict[tuple[str, DecisionKind], tuple[Decision, Finding]] = {}
    for decision in given.decisions:
        finding = given.history.get(decision.subject or "")
        if finding is not None and finding.kind.startswith(RECOMMENDATION_PREFIX):
            decided[str(decision.subject), decision.kind] = (decision, finding)
    return [*decided.values()]
