"""Compute the collaboration score: how well agents exchanged messages, in all or with a single agent."""

from __future__ import annotations

from stretto.clock import SECOND
from stretto.figures.scores.composite import CompositeScore, ScorePart, combine_parts
from stretto.figures.scores.score_rules import ScoreRules
from stretto.figures.scores.sums_by_pattern_type_or_agent import MICRO, count_succeeded_and_failed
from stretto.figures.sums_by_dimension import Sums, sum_by, sum_up
from stretto.names import measures
from stretto.names.measures import Dimension


def list_receivers(sums: Sums) -> list[str]:
    """Return the agents that received messages, sorted."""
    return sorted(
        {
            *sum_by(sums, measures.MESSAGES, Dimension.AGENT),
            *sum_by(sums, measures.TALK_MESSAGES, Dimension.AGENT),
        }
    )


def compute_collaboration_score(sums: Sums, rules: ScoreRules, agent: str | None = None) -> CompositeScore:
    """Return the collaboration score of all messages, or of the messages to an agent.

    Messages that nobody sent, and answers without a time, are nothing to judge. Balance, which has no weight
    unless it is configured, is the smaller over the larger of the number of messages and its target. A
    session's target is shared equally by its receivers. Response is 1 - t / limit, at least 0, for the mean
    answer time t. Success is the share of successful messages. Example: 5 messages at a target of 10 give a
    balance of 0.5.
    """
    return combine_parts(
        [
            _score_balance(sums, rules, agent),
            _score_response(sums, rules, agent),
            _score_success(sums, rules, agent),
        ],
        min_coverage=rules.min_coverage,
    )


def _score_balance(sums: Sums, rules: ScoreRules, agent: str | None) -> ScorePart:
    messages = sum_up(sums, measures.TALK_MESSAGES, **_select_agent(agent))
    target = sum_up(sums, measures.TALK_SHARE, **_select_agent(agent)) / MICRO * rules.messages
    value = min(messages, target) / max(messages, target) if messages and target else None
    return rules.make_part("collaboration", "balance", value, messages, "no message", applies=False)


def _score_response(sums: Sums, rules: ScoreRules, agent: str | None) -> ScorePart:
    answers = sum_up(sums, measures.ANSWERS, **_select_agent(agent))
    if not answers:
        reason = "no message with a known answer time"
        return rules.make_part("collaboration", "response", None, 0, reason, applies=False)
    mean = sum_up(sums, measures.ANSWER_TIME, **_select_agent(agent)) / answers / SECOND
    return rules.make_part(
        "collaboration", "response", max(0.0, 1 - mean / rules.answer_seconds), answers, ""
    )


def _score_success(sums: Sums, rules: ScoreRules, agent: str | None) -> ScorePart:
    judged = count_succeeded_and_failed(sums, measures.MESSAGES, **_select_agent(agent))
    reason = "no message with a known outcome"
    sent = sum_up(sums, measures.MESSAGES, **_select_agent(agent)) > 0
    return rules.make_part("collaboration", "success", judged.share, judged.known, reason, applies=sent)


def _select_agent(agent: str | None) -> dict[str, str]:
    return {} if agent is None else {Dimension.AGENT.value: agent}
